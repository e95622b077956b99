"""Changes during a call: by REST, by other phones, by an administrator, by a disk that loses files."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from num2words import num2words

from ivr.audio import wav
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Caller, ChangeReason, Folder, Message
from ivr.storage.sqlite import counters, message_rows
from tests.conftest import TRIES_ALL
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Meanwhile, Press, ScriptedCall, ScriptStep, Speak

MESSAGE_GONE = "This message is no longer here."
BOX_GONE = "I am sorry, the person you are calling is not available, and does not have voicemail."


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", owner=app.alice)


def audio_text(message: Message) -> str:
    return f"(message {message.id})"


async def listen_to_messages(app: AppFixture, *script: ScriptStep, **options: Any) -> ScriptedCall:
    """Run a call from Alice's own phone, and assert that nothing in it was logged as a crash."""
    with structlog.testing.capture_logs() as logs:
        phone = await app.run_call(script, endpoint="alice", number="1000", **options)
    assert [line for line in logs if line["event"] == "call.crashed"] == []
    return phone


# -- a message that is removed while it plays --------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["1", "3", "7"])
async def test_message_removed_during_playback_is_announced(app: AppFixture, box: Mailbox, key: str) -> None:
    await app.create_box("1001", owner=app.bob)
    first, second = await app.create_message(box, age_s=60), await app.create_message(box, age_s=7200)
    vanishes = Meanwhile(audio_text(first), lambda: app.container.messages.soft_delete(box.id, [first.id]))
    typed = "31001#" if key == "3" else key
    phone = await listen_to_messages(
        app, vanishes, Press(typed, during=audio_text(first)), HangUp(during=audio_text(second))
    )
    after = phone.texts[phone.texts.index(audio_text(first)) + 1 :]
    assert MESSAGE_GONE in after
    assert after[-1] == audio_text(second), "and the next one is heard"
    assert await app.folder_of(second) == "new"


@pytest.mark.parametrize("key", ["1", "7"])
async def test_message_transferred_during_playback_is_announced(app: AppFixture, box: Mailbox, key: str) -> None:
    other = await app.create_box("1001", owner=app.bob)
    message = await app.create_message(box)
    moved = Meanwhile(audio_text(message), lambda: app.container.delivery.transfer(message, other))
    phone = await listen_to_messages(app, moved, Press(key, during=audio_text(message)))
    assert MESSAGE_GONE in phone.texts
    assert [m.folder for m in await app.messages(other)] == ["new"], "where it is now, nothing happened to it"


@pytest.mark.parametrize(("folder", "key", "ends_in"), [("saved", "7", "deleted"), ("deleted", "1", "saved")])
async def test_message_moved_during_playback_follows_owner_key(
    app: AppFixture, box: Mailbox, folder: str, key: str, ends_in: str
) -> None:
    """The owner's key still has its effect."""
    message = await app.create_message(box)
    moved = Meanwhile(
        audio_text(message),
        lambda: app.container.messages.move_to_folder(box.id, message.id, Folder(folder), ChangeReason.API_REQUEST),
    )
    await listen_to_messages(app, moved, Press(key, during=audio_text(message)))
    assert await app.folder_of(message) == ends_in


# -- a message without its audio ---------------------------------------------------------------------------------------


async def test_message_without_audio_is_not_forwarded(app: AppFixture, box: Mailbox) -> None:
    other = await app.create_box("1001", owner=app.bob)
    message = await app.create_message(box)
    [path] = app.container.delivery.audio_paths(message)
    path.unlink()
    phone = await listen_to_messages(
        app, Press("31001#2", during=audio_text(message)), Press("0"), HangUp(during="To leave")
    )
    assert MESSAGE_GONE in phone.texts
    assert await app.messages(other) == []
    assert await app.folder_of(message) == "new"


# -- a mailbox that an administrator deletes during a call -------------------------------------------------------------


async def test_box_deleted_during_playback_is_announced(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    await app.create_message(box, age_s=7200)
    deleted = Meanwhile(audio_text(message), lambda: app.container.boxes.delete(box))
    phone = await listen_to_messages(
        app, deleted, Press("7", during=audio_text(message)), Press("#", during="To leave")
    )
    assert phone.texts[phone.texts.index(audio_text(message)) + 1] == MESSAGE_GONE
    assert phone.texts[-1] == "Goodbye."
    assert phone.status == "DONE"


async def test_box_deleted_during_main_menu_is_announced(app: AppFixture, box: Mailbox) -> None:
    await app.create_message(box, folder="saved")
    deleted = Meanwhile("You have", lambda: app.container.boxes.delete(box))
    phone = await listen_to_messages(app, deleted, Press("2", during="To leave"), Press("#", during="To leave"))
    assert "You have no messages." in phone.texts
    assert phone.texts[-1] == "Goodbye."


async def test_box_deleted_during_recording_is_announced(app: AppFixture, box: Mailbox) -> None:
    """The caller hears so, and no take remains that each start would try to recover."""
    deleted = Meanwhile("beep", lambda: app.container.boxes.delete(box))
    with structlog.testing.capture_logs() as logs:
        phone = await app.run_call([deleted, Speak(3000), Press("1")], path="leave", number="1000")
    assert [line for line in logs if line["event"] == "call.crashed"] == []
    assert phone.texts[-1] == BOX_GONE
    assert await app.container.voicemail_services.takes.list_unfinished() == []
    assert list(app.settings.data.folder.glob("*/vm/*")) == [], "what they said is kept nowhere"


async def test_box_deleted_before_forward_is_announced(app: AppFixture, box: Mailbox) -> None:
    other = await app.create_box("1001", owner=app.bob)
    message = await app.create_message(box)
    deleted = Meanwhile(audio_text(message), lambda: app.container.boxes.delete(other))
    phone = await listen_to_messages(
        app, deleted, Press("31001#", during=audio_text(message)), HangUp(during="To forward")
    )
    assert "Message forwarded." not in phone.texts
    assert await app.folder_of(message) == "new"


# -- several calls at once ---------------------------------------------------------------------------------------------


async def test_two_phones_in_one_box_apply_both_owners_keys(app: AppFixture, box: Mailbox) -> None:
    """Both play the same messages; the later key counts, and messages the other phone has moved are skipped."""
    first, second, third = [await app.create_message(box, age_s=60 * n) for n in (1, 2, 3)]
    inner: list[ScriptedCall] = []

    async def other_phone() -> None:
        script: list[ScriptStep] = [
            Press("7", during=audio_text(first)),
            Press("1", during=audio_text(second)),
            HangUp(during=audio_text(third)),
        ]
        inner.append(await app.run_call(script, endpoint="alice", number="1000"))

    phone = await listen_to_messages(
        app, Meanwhile(audio_text(first), other_phone), Press("1", during=audio_text(first)),
        HangUp(during=audio_text(third)),
    )  # fmt: skip
    assert [text for text in inner[0].texts if text.startswith("(")] == [audio_text(m) for m in (first, second, third)]
    assert [text for text in phone.texts if text.startswith("(")] == [audio_text(first), audio_text(third)]
    assert [await app.folder_of(m) for m in (first, second, third)] == ["saved", "saved", "new"]
    counts = await app.container.messages.counts(box.id)
    assert (counts.new, counts.saved, counts.deleted) == (1, 2, 0)


async def test_messages_left_while_owner_deletes_are_all_delivered(app: AppFixture, box: Mailbox) -> None:
    old = [await app.create_message(box, age_s=60 * n) for n in range(1, 6)]
    calls: list[asyncio.Task[ScriptedCall]] = []

    async def callers_dial() -> None:
        for n in range(5):
            leaving = app.run_call([Speak(1000 + 500 * n, "hang-up")], path="leave", number="1000", caller=f"200{n}")
            calls.append(asyncio.create_task(leaving))

    delete_keys = [Press("7", during="(message")] * 5
    await listen_to_messages(app, Meanwhile(audio_text(old[0]), callers_dial), *delete_keys)
    await asyncio.gather(*calls)
    assert [await app.folder_of(message) for message in old] == ["deleted"] * 5
    left = [m for m in await app.messages(box) if m.folder == "new"]
    expected = [(f"200{n}", 1000 + 500 * n) for n in range(5)]
    assert sorted((m.caller.number, m.length_ms) for m in left) == expected
    files = [(m.caller.number, wav.length_ms(app.container.delivery.audio_paths(m)[0])) for m in left]
    assert sorted(files) == expected, "each file holds its own caller's recording: no two have the same length"
    counts = await app.container.messages.counts(box.id)
    assert (counts.new, counts.deleted) == (5, 5)


async def test_sign_in_waits_for_message_that_is_being_synced(
    app: AppFixture, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_is_slow, disk_is_done = threading.Event(), threading.Event()
    copy_and_repair = app.container.recordings.copy_and_repair

    def copy_slowly(source: Path, target: Path) -> int:
        disk_is_slow.set()
        assert disk_is_done.wait(60)
        return copy_and_repair(source, target)

    monkeypatch.setattr(app.container.recordings, "copy_and_repair", copy_slowly)
    leaving = asyncio.create_task(app.run_call([Speak(2000, "hang-up")], path="leave", number="1000"))
    assert await asyncio.to_thread(disk_is_slow.wait, 10)
    signing_in = asyncio.create_task(listen_to_messages(app, HangUp(during="You have")))
    await asyncio.wait({signing_in}, timeout=0.1)
    disk_is_done.set()
    phone = await signing_in
    await leaving
    assert "You have one new message" in phone.texts


async def test_sign_in_waits_at_most_a_second_for_hanging_disk(app: AppFixture, box: Mailbox) -> None:
    with app.container.delivery.pending_deliveries.track(box.id):
        phone = await listen_to_messages(app, HangUp(during="You have"))
    assert phone.texts[0].startswith("You have no")


# -- very many messages ------------------------------------------------------------------------------------------------

MESSAGE_COUNT = 100_000 if TRIES_ALL else 10_000
BATCH = 10_000


async def insert_many_messages(app: AppFixture, box: Mailbox) -> list[str]:
    """Insert new messages, a minute apart, with the store's own statements; return their ids, newest first."""
    now, ids = int(app.clock.now()), []
    for first in range(0, MESSAGE_COUNT, BATCH):
        batch = [
            Message(
                id=f"201605-{n:032x}", account_id=box.account_id, box_id=box.id, folder=Folder.NEW,
                time=now - 60 - 60 * n, length_ms=5000, bytes=80_044, caller=Caller("2001"),
            )
            for n in range(first, first + BATCH)
        ]  # fmt: skip
        await app.container.database.write(partial(_insert_batch, batch, now))
        ids += [message.id for message in batch]
    return ids


def _insert_batch(batch: list[Message], now: int, connection: Any) -> None:
    for message in batch:
        message_rows.insert_message(connection, message, now)
    counters.adjust(
        connection, batch[0].account_id, batch[0].box_id, Folder.NEW, len(batch), 80_044 * len(batch), urgent=False
    )


async def test_box_with_very_many_messages_is_played_and_paged(app: AppFixture, box: Mailbox) -> None:
    ids = await insert_many_messages(app, box)
    heard = [f"(message {message_id})" for message_id in ids[:3]]
    phone = await listen_to_messages(
        app, Press("7", during=heard[0]), Press("1", during=heard[1]), Press("4", during=heard[2]),
        Press("0", during=heard[1]), Press("2", during="To leave"), HangUp(during=heard[1]),
    )  # fmt: skip
    assert f"You have {num2words(MESSAGE_COUNT)} new messages" in phone.texts
    assert [text for text in phone.texts if text.startswith("(")] == [*heard, heard[1], heard[1]]
    counts = await app.container.messages.counts(box.id)
    assert (counts.new, counts.saved, counts.deleted) == (MESSAGE_COUNT - 2, 1, 1)
    assert len(await app.container.messages.list_page(box.id, None, 0, ids[MESSAGE_COUNT // 2], 50)) == 50
