"""A hang-up at every moment of every menu: nothing is lost, half done, or raised."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ivr.storage.records import MediaKind
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import Press, ScriptStep, Silence, Speak

FORWARD_MENU = "To record an introduction first"
REVIEW = "To keep this recording"
LOGGED_IN = Press("5", during="To leave")
MENU = "For the main menu"
ACCEPT_RECORDING = "To use this recording"
GREETINGS = ("greeting", "temporary")

EXTENSIONS = [("ivr-operator", "0"), ("ivr-hunt", "101")]

JOURNEYS: dict[str, tuple[list[ScriptStep], dict[str, Any]]] = {
    "a stranger signs in": ([Press("1000#"), Press("1379#"), Press("1")], {}),
    "three wrong PINs": ([Press("0000#", during="pin")] * 3, {"number": "1000"}),
    "new messages at once": ([], {"endpoint": "alice", "number": "1000"}),
    "save, delete, restore": (
        [Press("1", during="(message"), Press("7", during="(message"), Press("4"), Press("7", during="deleted")],
        {"endpoint": "alice", "number": "1000"},
    ),
    "seek, pause, envelope": (
        [Press(key, during="(message", after_ms=50) for key in "8585*#"],
        {"endpoint": "alice", "number": "1000"},
    ),
    "every folder": ([Press(key, during="To leave") for key in "123"], {"endpoint": "alice", "number": "1000"}),
    "forward with an intro": (
        [
            Press("3", during="(message"),
            Press("1001#"),
            Press("1", during=FORWARD_MENU),
            Speak(2000),
            Press("2", during=REVIEW),
            Press("3", during=REVIEW),
            Speak(1500),
            Press("1", during=REVIEW),
        ],
        {"endpoint": "alice", "number": "1000"},
    ),
    "forward as it is": (
        [Press("3", during="(message"), Press("1001#"), Press("2", during=FORWARD_MENU)],
        {"endpoint": "alice", "number": "1000"},
    ),
    "forward to several with an intro": (
        [
            Press("3", during="(message"),
            Press("1001#"),
            Press("3", during=FORWARD_MENU),
            Press("1009#", during="next mailbox"),
            Press("1", during=FORWARD_MENU),
            Speak(1500),
            Press("1", during=REVIEW),
        ],
        {"endpoint": "alice", "number": "1000"},
    ),
    "send a message to several": (
        [
            Press("4", during="To leave"),
            Press("1000#"),
            Press("3", during="To add another"),
            Press("1009#", during="next mailbox"),
            Press("1", during="To record your"),
            Speak(2000),
            Press("3", during="To send it"),
            Speak(1500),
            Press("41", during="To send it"),
        ],
        {"endpoint": "bob", "number": "1001"},
    ),
    "use an earlier greeting": (
        [
            LOGGED_IN,
            Press("#", during=MENU),
            Press("2", during="To use this"),
            Press("1", during="To use this"),
            Press("2#", during="how many days"),
        ],
        {"endpoint": "dave", "number": "1005"},
    ),
    "leave a message": (
        [Speak(2000), Press("2", during=REVIEW), Press("3", during=REVIEW), Speak(1500), Press("1", during=REVIEW)],
        {"path": "leave", "number": "1001"},
    ),
    "leave an urgent message": (
        [
            Speak(2000),
            Press("4", during=REVIEW),
            Press("3", during=REVIEW),
            Speak(1500),
            Press("4", during=REVIEW),
            Press("1", during=REVIEW),
        ],
        {"path": "leave", "number": "1001"},
    ),
    "on to the operator": (
        [Speak(2000), Press("0", during=REVIEW)],
        {"path": "leave", "number": "1001", "extensions": EXTENSIONS},
    ),
    "hunt": (
        [Press("555#"), Press("101#", during="dial it")],
        {"path": "leave", "number": "1001", "extensions": EXTENSIONS},
    ),
    "a full box": ([], {"path": "leave", "number": "1003"}),
    "an announcement": ([], {"path": "leave", "number": "1004"}),
    "call back": ([Press("9", during="(message")], {"endpoint": "alice", "number": "1000"}),
    "settings": (
        [LOGGED_IN, *[Press(key, during=MENU) for key in ("9", "6", "5", "0")]],
        {"endpoint": "bob", "number": "1001"},
    ),
    "record a greeting": (
        [
            LOGGED_IN,
            Press("1", during=MENU),
            Speak(2000),
            Press("2", during=ACCEPT_RECORDING),
            Press("3", during=ACCEPT_RECORDING),
            Speak(1500),
            Press("1", during=ACCEPT_RECORDING),
        ],
        {"endpoint": "bob", "number": "1001"},
    ),
    "a temporary greeting": (
        [
            LOGGED_IN,
            Press("4", during=MENU),
            Speak(2000),
            Press("1", during=ACCEPT_RECORDING),
            Press("2#", during="how many days"),
            Press("5", during=MENU),
        ],
        {"endpoint": "bob", "number": "1001"},
    ),
    "a new pin": (
        [LOGGED_IN, Press("3", during=MENU), Press("2849#", during="new pin"), Press("2849#", during="again")],
        {"endpoint": "bob", "number": "1001"},
    ),
    "first use": (
        [
            Press("2849#", during="new pin"),
            Press("2849#", during="again"),
            Speak(2000),
            Press("1", during=ACCEPT_RECORDING),
        ],
        {"endpoint": "carol", "number": "1009"},
    ),
    "four silent rounds": ([Silence()] * 4, {"endpoint": "bob", "number": "1001"}),
}


async def create_data(app: AppFixture) -> None:
    mine = await app.create_box("1000", owner=app.alice, vm_message_forward_type="prepend_forward")
    await app.create_box("1001", owner=app.bob)
    full = await app.create_box("1003", quota_mb=1)
    await app.create_message(full, s=62)
    await app.create_box("1004", announcement_only=True)
    await app.create_box("1009", owner=await app.create_user("carol"), is_setup=False)
    daves = await app.create_box("1005", owner=await app.create_user("dave"))
    await app.activate_recordings(daves, MediaKind.TEMPORARY)
    await app.container.voicemail_services.greetings.remove_temporary(daves)
    for age_s in (60, 3600):
        await app.create_message(mine, s=2, age_s=age_s)
    await app.create_message(mine, s=2, folder="saved")
    await app.create_message(mine, s=2, folder="deleted")


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[AppFixture]:
    """An installation whose dialplan has an operator and extensions to hunt."""
    contexts = {"operator_context": "ivr-operator", "hunt_context": "ivr-hunt"}
    app = await AppFixture(tmp_path / "data", voicemail=contexts).open()
    yield app
    app.close()


@pytest.mark.parametrize("journey", JOURNEYS)
async def test_hangup_at_every_moment_loses_nothing(app: AppFixture, journey: str) -> None:
    script, options = JOURNEYS[journey]
    await create_data(app)
    moments = (await app.run_call(script, **options)).operation_count
    for moment in range(1, moments + 1):
        await reset_data(app)
        before = await check_all_messages(app)
        phone = await app.run_call(script, hang_up_at=moment, **options)
        assert phone.status in ("HANGUP", "DONE", "NOACCESS", "BRANCH", "FULL"), f"moment {moment}: {phone.texts}"
        after = await check_all_messages(app)
        assert set(before) <= set(after), f"moment {moment}: a message was lost"
        added = Counter(after[message_id] for message_id in after.keys() - before.keys())
        assert all(count == 1 for count in added.values()), f"moment {moment}: a message was stored twice"
        assert await app.container.voicemail_services.takes.list_unfinished() == [], (
            f"moment {moment}: a take was left behind"
        )
        await assert_only_greeting_take_suspended(app, moment)


async def reset_data(app: AppFixture) -> None:
    """Remove suspended takes: they would change the path of the next call."""
    for box in await app.container.boxes.list_by_account(app.account.id):
        for take in await app.container.voicemail_services.takes.list_awaiting_owner(box.id):
            await app.container.voicemail_services.takes.discard(take)
        if box.number == "1009":
            await app.container.boxes.patch_from_phone(box.id, {"is_setup": False})


async def assert_only_greeting_take_suspended(app: AppFixture, moment: int) -> None:
    aside = []
    for box in await app.container.boxes.list_by_account(app.account.id):
        takes = await app.container.voicemail_services.takes.list_awaiting_owner(box.id)
        aside += [(take.box_id, take.purpose) for take in takes]
        assert all(take.purpose in GREETINGS for take in takes)
        assert all(app.container.voicemail_services.takes.length_ms(take) >= 1500 for take in takes)
        media = box.settings.media
        for pointer in filter(None, (media.unavailable, media.temporary_unavailable)):
            assert app.container.recordings.media_path(box.account_id, pointer).exists(), f"moment {moment}: {pointer}"
    assert len(set(aside)) == len(aside) == len(list(app.container.recordings.takes_folder.iterdir())), (
        f"moment {moment}: {aside}"
    )


async def check_all_messages(app: AppFixture) -> dict[str, str]:
    """Return every message with its mailbox, and assert that each has its audio and that the counters are right."""
    found: dict[str, str] = {}
    for box in await app.container.boxes.list_by_account(app.account.id):
        messages = await app.messages(box)
        for message in messages:
            found[message.id] = box.number
            assert all(path.exists() for path in app.container.delivery.audio_paths(message))
        counts = await app.container.messages.counts(box.id)
        folders: list[str] = [message.folder for message in messages]
        assert (counts.new, counts.saved, counts.deleted) == tuple(map(folders.count, ("new", "saved", "deleted")))
        assert counts.urgent_new == sum(message.urgent and message.folder == "new" for message in messages)
    return found
