"""Calls with recordings in an object store: what is left is an object before it is a row, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pytest

from ivr.audio import wav
from ivr.cli import main
from ivr.errors import StoreError
from ivr.health.checks import check_database
from ivr.health.facts import HealthFacts
from ivr.mailbox.greetings import GreetingCache
from ivr.mailbox.mailbox import Mailbox
from ivr.settings import Settings
from ivr.storage.data_folder import database_path
from ivr.storage.records import MediaKind, Message
from ivr.stores import Stores
from tests.mailbox.test_delivery import run_recovery
from tests.menus.test_leave_message import BEEP, GREETING, leave_message
from tests.support.app_fixture import AppFixture
from tests.support.s3_server import BUCKET, PATIENCE_S, S3Server
from tests.support.scripted_call import HangUp, Meanwhile, Press, Speak

pytestmark = pytest.mark.object_store


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", owner=app.alice)


def key_of(message: Message) -> str:
    return f"data/{message.account_id}/vm/{message.recording}.wav"


def forget_cache(app: AppFixture, message: Message) -> None:
    """As at a node where nothing of the message is in the cache."""
    for path in app.container.delivery.audio_paths(message):
        path.unlink(missing_ok=True)


def test_first_start_of_a_node_creates_the_folder_of_the_secrets(tmp_path: Path, s3_server: S3Server) -> None:
    folders = {"data": {"folder": tmp_path / "data"}, "node": {"name": "a", "folder": tmp_path / "a"}}
    stores = Stores(Settings.model_validate({**folders, "audio": s3_server.settings("site")}))
    _ = stores.recordings
    assert stores.peppers.current()
    assert (tmp_path / "data" / "state" / "pepper").exists()


async def test_message_is_an_object_and_is_fetched_where_it_is_heard(
    app: AppFixture, box: Mailbox, s3_server: S3Server
) -> None:
    await leave_message(app, Speak(3000, then="hang-up"))
    [message] = await app.messages(box)
    assert len(s3_server.objects[key_of(message)]) == message.bytes == 48_044
    forget_cache(app, message)
    phone = await app.run_call([HangUp(during="(message")], endpoint="alice", number="1000")
    assert phone.texts[-1].startswith(f"(message {message.id})")
    assert wav.length_ms(app.container.delivery.audio_paths(message)[0]) == 3000


async def test_first_new_messages_are_fetched_while_their_number_is_said(
    app: AppFixture, box: Mailbox, s3_server: S3Server
) -> None:
    messages = [await app.create_message(box, s=3, age_s=10 + n) for n in range(5)]
    for message in messages:
        forget_cache(app, message)
    fetched = Meanwhile("You have five new messages", lambda: wait_until_fetched(s3_server, messages[:3]))
    await app.run_call([fetched, HangUp(during="Message one")], endpoint="alice", number="1000")
    assert [s3_server.was_read(key_of(message)) for message in messages] == [True, True, True, False, False]


async def test_next_message_is_fetched_while_one_plays(app: AppFixture, box: Mailbox, s3_server: S3Server) -> None:
    messages = [await app.create_message(box, s=3, age_s=10 + n) for n in range(5)]
    for message in messages[3:]:
        forget_cache(app, message)
    third = f"(message {messages[2].id})"
    fetched = Meanwhile(third, lambda: wait_until_fetched(s3_server, messages[3:4]))
    steps = [Press("1", during=f"(message {message.id})") for message in messages[:2]]
    await app.run_call([*steps, fetched, HangUp(during=third)], endpoint="alice", number="1000")
    assert [s3_server.was_read(key_of(message)) for message in messages] == [False, False, False, True, False]


async def create_cold_greeting(app: AppFixture, box: Mailbox) -> Path:
    """A greeting that another node has stored; return where it will be in the cache."""
    changed = await app.activate_recordings(box, MediaKind.UNAVAILABLE)
    path = app.container.recordings.media_path(box.account_id, str(changed.settings.media.unavailable))
    path.unlink()
    return path


async def test_node_has_greetings_in_its_cache_before_anybody_calls(
    app: AppFixture, box: Mailbox, s3_server: S3Server
) -> None:
    greetings = GreetingCache(app.container.media, app.container.recordings, app.clock)
    stored_before = await create_cold_greeting(app, box)
    await greetings.run_once()
    assert stored_before.exists(), "a node that starts has those of all mailboxes"
    app.clock.advance(s=300)
    stored_now = await create_cold_greeting(app, await app.create_box("1001", owner=app.bob))
    await greetings.run_once()
    assert stored_now.exists(), "a node that runs has what another one stores"
    s3_server.fail()
    phone = await leave_message(app, Speak(3000, then="hang-up"))
    assert phone.texts[0].startswith("(greeting of 1000)")


async def test_next_caller_at_another_node_hears_the_greeting_of_this_moment(app: AppFixture, box: Mailbox) -> None:
    """The former one is in the cache of the node, and it has not looked for the new one yet."""
    path = await create_cold_greeting(app, await app.activate_recordings(box, MediaKind.UNAVAILABLE))
    phone = await leave_message(app, Speak(3000, then="hang-up"))
    assert phone.texts[0].startswith("(greeting of 1000)")
    assert path.exists(), "it was fetched in the call"


async def test_greeting_is_fetched_when_the_dialplan_asks_about_its_mailbox(
    app: AppFixture, box: Mailbox, s3_server: S3Server
) -> None:
    """A dialplan asks before the phone rings."""
    await create_cold_greeting(app, box)
    await app.run_call(path="info", attribute="exists", number="1000")
    async with asyncio.timeout(PATIENCE_S):
        while not any(request.startswith("GET data/") and "/media/" in request for request in s3_server.requests):
            await asyncio.sleep(0.01)


async def wait_until_fetched(server: S3Server, messages: Sequence[Message]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not all(server.was_read(key_of(message)) for message in messages):
            await asyncio.sleep(0.01)


async def test_recording_waits_while_store_is_away_and_is_delivered_once(
    app: AppFixture, box: Mailbox, s3_server: S3Server
) -> None:
    await app.activate_recordings(box, MediaKind.UNAVAILABLE)
    app.container.recordings.remove_all_files(PurePosixPath(box.account_id, "media", "0" * 32))
    s3_server.fail()
    await leave_message(app, Speak(3000, then="hang-up"))
    assert await app.messages(box) == []
    s3_server.fault = None
    await run_recovery(app)
    await run_recovery(app)
    [message] = await app.messages(box)
    assert len(s3_server.objects[key_of(message)]) == 48_044
    assert list(app.container.recordings.takes_folder.iterdir()) == []


async def test_caller_hears_spoken_greeting_when_recorded_one_cannot_be_fetched(
    app: AppFixture, box: Mailbox, s3_server: S3Server
) -> None:
    changed = await app.activate_recordings(box, MediaKind.UNAVAILABLE)
    app.container.recordings.media_path(box.account_id, str(changed.settings.media.unavailable)).unlink()
    s3_server.fail()
    phone = await leave_message(app, Speak(3000, then="hang-up"))
    assert phone.texts[0] == GREETING
    assert phone.texts[-1] == BEEP


async def test_owner_hears_that_message_cannot_be_played_while_store_is_away(
    app: AppFixture, box: Mailbox, s3_server: S3Server
) -> None:
    message = await app.create_message(box, s=3)
    forget_cache(app, message)
    s3_server.fail()
    phone = await app.run_call([HangUp(during="Goodbye.")], endpoint="alice", number="1000")
    assert "I am sorry, that could not be done. Nothing was lost." in phone.texts
    assert await app.folder_of(message) == "new"


async def test_forwarded_message_owns_its_object(app: AppFixture, box: Mailbox, s3_server: S3Server) -> None:
    bobs = await app.create_box("1001", owner=app.bob)
    message = await app.create_message(box, s=3)
    copy = await app.container.delivery.forward(message, bobs, sender=box)
    await app.container.delivery.delete_audio_files([message])
    assert key_of(message) not in s3_server.objects
    assert len(s3_server.objects[key_of(copy)]) == copy.bytes == 48_044


async def test_health_names_fault_of_store_and_remedy(app: AppFixture, s3_server: S3Server) -> None:
    s3_server.buckets.clear()
    [problem] = [
        found for found in (await app.container.health_monitor.report()).problems if found.check == "audio store"
    ]
    assert problem.what == (
        f"the bucket of s3://{BUCKET}/data does not exist; until then recordings wait where Asterisk has recorded them"
    )
    assert problem.remedy == "create it, or correct audio.store"


async def test_consistency_check_finds_orphans_and_missing_objects(
    app: AppFixture, box: Mailbox, s3_server: S3Server
) -> None:
    lost, present = await app.create_message(box, s=3), await app.create_message(box, s=3)
    del s3_server.objects[key_of(lost)]
    orphan = f"data/{box.account_id}/vm/202601-{'9' * 32}.wav"
    s3_server.objects[orphan] = b"without a row"
    app.clock.advance(s=20 * 365 * 86_400)  # The server says that all objects are of 2026.
    check = app.container.consistency_check
    assert [path.name for path in await check.orphans()] == [PurePosixPath(orphan).name]
    recordings = app.container.recordings
    paths = [recordings.message_path(message.account_id, message.recording) for message in (lost, present)]
    assert recordings.find_missing(paths) == [paths[0]]


def lose_database(app: AppFixture, *, leave_empty: bool) -> Path:
    app.container.close()
    path = database_path(app.settings.data.folder)
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    if leave_empty:
        path.touch()
    return path


@pytest.mark.parametrize(("leave_empty", "loss"), [(False, "is missing"), (True, "is empty")])
async def test_lost_database_is_refused_where_the_bucket_has_recordings(
    app: AppFixture, box: Mailbox, s3_server: S3Server, leave_empty: bool, loss: str
) -> None:
    message = await app.create_message(box, s=3)
    s3_server.objects["data/another-program/vm/1.wav"] = s3_server.objects["data/check-of-ivr/1"] = b""
    path = lose_database(app, leave_empty=leave_empty)
    s3_server.requests.clear()
    with pytest.raises(StoreError) as refused:
        _ = Stores(app.settings).database
    folder = app.settings.data.folder
    assert f"{path} {loss}, but there are recordings, such as s3://{BUCKET}/{key_of(message)}" in str(refused.value)
    assert f"cp -a FOLDER/. {folder} && systemctl start ivr; without one" in str(refused.value)
    assert len(s3_server.requests) == 1
    [finding] = check_database(HealthFacts(folder, now=0, database_error=str(refused.value)))
    assert finding.command == (
        f"systemctl stop ivr.socket ivr && rm -f {path}-wal {path}-shm && cp -a FOLDER/. {folder}"
        " && systemctl start ivr"
    )
    assert finding.fill_in == ("FOLDER",)
    s3_server.fail(403, "InvalidAccessKeyId")
    with pytest.raises(
        StoreError, match=f"{loss}, and whether there are recordings cannot be seen: .* refuses the key"
    ) as refused:
        _ = Stores(app.settings).database
    [finding] = check_database(HealthFacts(folder, now=0, database_error=str(refused.value)))
    assert "refuses the key" in finding.what
    assert finding.command == "systemctl restart ivr"
    assert "see the finding audio store" in finding.remedy


async def test_present_database_is_opened_without_the_object_store(
    app: AppFixture, box: Mailbox, s3_server: S3Server
) -> None:
    app.container.close()
    s3_server.fail()
    s3_server.requests.clear()
    stores = Stores(app.settings)
    _ = stores.database
    stores.close()
    assert s3_server.requests == []


async def test_new_database_is_created_beside_a_bucket_without_recordings(
    app: AppFixture, box: Mailbox, s3_server: S3Server
) -> None:
    s3_server.objects["data/another-program/vm/1.wav"] = b""
    path = lose_database(app, leave_empty=False)
    stores = Stores(app.settings)
    _ = stores.database
    stores.close()
    assert path.stat().st_size


def test_backup_says_what_to_do(
    app: AppFixture, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IVR_DATA__FOLDER", str(app.settings.data.folder))
    monkeypatch.setenv("IVR_AUDIO__STORE", f"s3://{BUCKET}/data")
    monkeypatch.setattr("sys.argv", ["ivr", "backup", "/nowhere"])
    with pytest.raises(SystemExit):
        main()
    assert f"the recordings are in s3://{BUCKET}/data (audio.store)" in capsys.readouterr().err
