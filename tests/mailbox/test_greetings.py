"""Greetings: which recording a caller hears, and how a recording is activated."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.audio import wav
from ivr.audio.formats import Sound
from ivr.errors import DiskFull, NotFound
from ivr.mailbox.greetings import end_of_day
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.takes import TakeSource
from ivr.storage import audio_folder
from ivr.storage.records import Caller, MediaKind, RecordingPurpose, StoredMedia, Take
from ivr.storage.sqlite.media import SqliteMedia
from tests.mailbox.test_delivery import run_recovery
from tests.support.app_fixture import AppFixture

ZONES = ["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Shanghai", "America/Santiago", "Australia/Lord_Howe"]


def seconds(sound: Sound | None) -> int | None:
    return sound.length_ms // 1000 if sound else None


async def create_recording(app: AppFixture, box_id: str, kind: MediaKind, n: int, source: str = "recording") -> str:
    """Store a recording of `n` seconds and return its id."""
    media_id = f"{n:032x}"
    path = app.container.recordings.media_path(app.account.id, media_id)
    size = app.container.recordings.write(wav.silence(n * 1000), path)
    media = StoredMedia(media_id, app.account.id, box_id, kind, n * 1000, size, int(app.clock.now()), source)
    await SqliteMedia(app.container.database, app.clock).add(media)
    return media_id


async def test_greeting_precedence_is_temporary_then_unavailable_then_none(app: AppFixture) -> None:
    greetings = app.container.voicemail_services.greetings
    box = await app.create_box("1000")
    assert await greetings.find_greeting(box) is None
    own = await create_recording(app, box.id, MediaKind.UNAVAILABLE, 2)
    box = await app.container.boxes.patch(box, {"media": {"unavailable": own}})
    assert seconds(await greetings.find_greeting(box)) == 2
    temporary = await create_recording(app, box.id, MediaKind.TEMPORARY, 3)
    until = int(app.clock.now()) + 3600
    box = await app.container.boxes.patch(
        box, {"media": {"temporary_unavailable": temporary, "temporary_until": until}}
    )
    assert seconds(await greetings.find_greeting(box)) == 3
    app.clock.advance(s=3600)
    assert seconds(await greetings.find_greeting(box)) == 2, "the temporary greeting has expired"


async def test_greeting_alias_of_sip_io_is_accepted(app: AppFixture) -> None:
    box = await app.create_box("1000")
    own = await create_recording(app, box.id, MediaKind.UNAVAILABLE, 2)
    box = await app.container.boxes.patch(box, {"greeting_media_id": own})
    assert seconds(await app.container.voicemail_services.greetings.find_greeting(box)) == 2


async def test_greeting_with_missing_file_counts_as_none(app: AppFixture) -> None:
    box = await app.create_box("1000")
    own = await create_recording(app, box.id, MediaKind.UNAVAILABLE, 2)
    box = await app.container.boxes.patch(box, {"media": {"unavailable": own}})
    app.container.recordings.media_path(app.account.id, own).unlink()
    assert await app.container.voicemail_services.greetings.find_greeting(box) is None


async def test_recording_of_another_account_is_not_played(app: AppFixture) -> None:
    box = await app.create_box("1000")
    own = await create_recording(app, box.id, MediaKind.UNAVAILABLE, 2)
    other = await app.container.directory.create_account(
        app.account.model_copy(update={"id": "", "name": "other", "realm": None})
    )
    foreign = await app.container.boxes.create(other, {"name": "x", "mailbox": "1000", "media": {"unavailable": own}})
    assert await app.container.voicemail_services.greetings.find_greeting(foreign) is None


async def test_name_of_user_takes_precedence_over_name_of_box(app: AppFixture) -> None:
    greetings = app.container.voicemail_services.greetings
    box = await app.create_box("1000", owner=app.alice)
    assert await greetings.find_name(box) is None
    of_box = await create_recording(app, box.id, MediaKind.NAME, 1)
    box = await app.container.boxes.patch(box, {"media": {"name": of_box}})
    assert seconds(await greetings.find_name(box)) == 1
    of_user = await create_recording(app, box.id, MediaKind.NAME, 2)
    changed = app.alice.model_copy(update={"settings": {"media": {"name": of_user}}})
    await app.container.directory.update_user(changed)
    assert seconds(await greetings.find_name(await app.container.boxes.get(box.id))) == 2


# -- changes by the owner --------------------------------------------------------------------------------------------


async def create_take(app: AppFixture, box: Mailbox, purpose: RecordingPurpose, s: int = 2) -> Take:
    """A take as Asterisk leaves it when it dies: samples, and a header with length 0."""
    source = TakeSource("PJSIP/alice-1", "call.1", Caller("1000"))
    take = await app.container.voicemail_services.takes.begin(box.account_id, box.id, purpose, source)
    Path(take.path).write_bytes(wav.header(0) + b"\x10\x20" * (8000 * s))
    return take


async def activate_take(
    app: AppFixture, box: Mailbox, purpose: RecordingPurpose, s: int = 2, days: int | None = None
) -> Mailbox:
    """Activate a take of `s` seconds and return the changed box."""
    await app.container.voicemail_services.greetings.activate(await create_take(app, box, purpose, s), box, days=days)
    return await app.container.boxes.get(box.id)


async def media_exists(app: AppFixture, media_id: str | None) -> bool:
    assert media_id
    return await SqliteMedia(app.container.database, app.clock).get(app.account.id, media_id) is not None


async def test_activated_take_becomes_greeting_and_ends(app: AppFixture) -> None:
    box = await app.create_box("1000")
    changed = await activate_take(app, box, RecordingPurpose.GREETING)
    own = changed.settings.media.unavailable
    path = app.container.recordings.media_path(box.account_id, str(own))
    assert path == app.settings.data.folder / box.account_id / "media" / f"{own}.wav"
    assert path.read_bytes()[:44] == wav.header(32_000)
    assert seconds(await app.container.voicemail_services.greetings.find_greeting(changed)) == 2
    assert changed.revision == box.revision + 1
    assert await app.container.voicemail_services.takes.list_unfinished() == []
    assert list(app.container.recordings.takes_folder.iterdir()) == []


async def test_discarded_take_cannot_become_greeting(app: AppFixture) -> None:
    box = await app.create_box("1000")
    take = await create_take(app, box, RecordingPurpose.GREETING)
    await app.container.voicemail_services.takes.discard(take)
    Path(take.path).write_bytes(wav.header(0) + b"\x10\x20" * 8000)
    with pytest.raises(NotFound):
        await app.container.voicemail_services.greetings.activate(take, box)
    assert (await app.container.boxes.get(box.id)).settings.media.unavailable is None


async def test_new_greeting_removes_previous_recording(app: AppFixture) -> None:
    box = await activate_take(app, await app.create_box("1000"), RecordingPurpose.GREETING, 2)
    first = box.settings.media.unavailable
    box = await activate_take(app, box, RecordingPurpose.GREETING, 3)
    assert not await media_exists(app, first)
    assert seconds(await app.container.voicemail_services.greetings.find_greeting(box)) == 3


async def test_uploaded_greeting_is_stored_after_its_replacement(app: AppFixture) -> None:
    box = await app.create_box("1000")
    uploaded = await create_recording(app, box.id, MediaKind.UNAVAILABLE, 4, source="upload")
    box = await app.container.boxes.patch(box, {"media": {"unavailable": uploaded}})
    box = await activate_take(app, box, RecordingPurpose.GREETING)
    assert box.settings.media.unavailable != uploaded
    assert await media_exists(app, uploaded)
    assert seconds(await app.container.voicemail_services.greetings.find_greeting(box)) == 2


async def test_greeting_shared_with_another_box_is_not_removed(app: AppFixture) -> None:
    first = await activate_take(app, await app.create_box("1000"), RecordingPurpose.GREETING)
    second = await app.create_box("1001", media={"unavailable": first.settings.media.unavailable})
    await activate_take(app, second, RecordingPurpose.GREETING)
    assert await media_exists(app, first.settings.media.unavailable)


async def test_temporary_greeting_expires_at_end_of_day_in_time_zone_of_box(app: AppFixture) -> None:
    """At noon UTC it is 20:00 in Shanghai. Two days are today and tomorrow there."""
    box = await activate_take(app, await app.create_box("1000"), RecordingPurpose.GREETING, 2)
    box = await app.container.boxes.patch(box, {"timezone": "Asia/Shanghai"})
    box = await activate_take(app, box, RecordingPurpose.TEMPORARY_GREETING, 3, days=2)
    greetings = app.container.voicemail_services.greetings
    app.clock.advance(s=4 * 3600 + 86_400 - 1)
    assert seconds(await greetings.find_greeting(box)) == 3
    app.clock.advance(s=1)
    assert seconds(await greetings.find_greeting(box)) == 2
    assert await greetings.find_temporary_greeting(box) is None


@given(st.integers(1, 365), st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)), st.sampled_from(ZONES))
def test_any_number_of_days_expires_at_a_midnight(n: int, at: datetime, zone: str) -> None:
    now = at.replace(tzinfo=ZoneInfo(zone))
    ends = end_of_day(n, now)
    assert datetime.fromtimestamp(ends - 1, now.tzinfo).date() == now.date() + timedelta(days=n - 1)
    assert datetime.fromtimestamp(ends + 3600, now.tzinfo).date() == now.date() + timedelta(days=n)


async def test_temporary_greeting_without_end_date_lasts(app: AppFixture) -> None:
    box = await activate_take(app, await app.create_box("1000"), RecordingPurpose.TEMPORARY_GREETING, 3, days=1)
    box = await activate_take(app, box, RecordingPurpose.TEMPORARY_GREETING, 4)
    app.clock.advance(s=400 * 86_400)
    assert seconds(await app.container.voicemail_services.greetings.find_greeting(box)) == 4


async def test_removed_temporary_greeting_restores_own_greeting(app: AppFixture) -> None:
    box = await activate_take(app, await app.create_box("1000"), RecordingPurpose.GREETING, 2)
    box = await activate_take(app, box, RecordingPurpose.TEMPORARY_GREETING, 3, days=5)
    assert await app.container.voicemail_services.greetings.remove_temporary(box)
    changed = await app.container.boxes.get(box.id)
    assert seconds(await app.container.voicemail_services.greetings.find_greeting(changed)) == 2
    assert changed.settings.media.temporary_until is None
    assert not await media_exists(app, box.settings.media.temporary_unavailable)
    assert not await app.container.voicemail_services.greetings.remove_temporary(changed)


async def test_administrator_can_remove_temporary_greeting(app: AppFixture) -> None:
    box = await activate_take(app, await app.create_box("1000"), RecordingPurpose.TEMPORARY_GREETING, 3, days=5)
    box = await app.container.boxes.patch(box, {"media": {"temporary_unavailable": None}})
    assert await app.container.voicemail_services.greetings.find_greeting(box) is None


async def test_recorded_name_is_stored_with_owner_else_with_box(app: AppFixture) -> None:
    mine = await activate_take(app, await app.create_box("1000", owner=app.alice), RecordingPurpose.NAME, 1)
    assert mine.settings.media.name is None
    assert mine.owner
    media_id = mine.owner.settings["media"]["name"]
    assert await media_exists(app, media_id)
    unowned = await activate_take(app, await app.create_box("1001"), RecordingPurpose.NAME, 1)
    assert await media_exists(app, unowned.settings.media.name)
    other = await activate_take(app, await app.create_box("1002", owner=app.alice), RecordingPurpose.NAME, 2)
    assert not await media_exists(app, media_id), "an owner has one name"
    assert (
        seconds(await app.container.voicemail_services.greetings.find_name(await app.container.boxes.get(mine.id))) == 2
    )
    assert other.owner


async def test_name_that_a_member_records_in_a_shared_box_is_not_the_owners_elsewhere(app: AppFixture) -> None:
    mine = await activate_take(app, await app.create_box("1000", owner=app.alice), RecordingPurpose.NAME, 1)
    alice = await app.container.directory.user(app.alice.id)
    shared = await app.create_box("2000", owner=alice, shared_vmbox=True, members=[app.alice.id, app.bob.id])
    greetings, uploads = app.container.voicemail_services.greetings, app.container.api_services.audio.greeting_uploads
    assert seconds(await greetings.find_name(shared)) == 1, "the owner's, while it has none of its own"
    shared = await activate_take(app, shared, RecordingPurpose.NAME, 2)
    assert seconds(await greetings.find_name(shared)) == 2
    await uploads.deactivate(shared, MediaKind.NAME)
    with pytest.raises(NotFound):
        await uploads.deactivate(await app.container.boxes.get(shared.id), MediaKind.NAME)
    assert seconds(await greetings.find_name(await app.container.boxes.get(mine.id))) == 1


async def test_unknown_box_keys_survive_greeting_change(app: AppFixture) -> None:
    box = await app.create_box("1000", made_by="us", media={"ringing": "x"})
    box = await activate_take(app, box, RecordingPurpose.GREETING)
    assert box.settings.model_extra == {"made_by": "us"}
    assert box.settings.media.model_extra == {"ringing": "x"}


# -- takes of ended calls -----------------------------------------------------------------------------


async def test_suspended_take_is_playable_and_offered_to_owner(app: AppFixture) -> None:
    box = await app.create_box("1000")
    take = await create_take(app, box, RecordingPurpose.GREETING)
    takes = app.container.voicemail_services.takes
    await takes.mark_awaiting_owner(take)
    assert Path(take.path).read_bytes()[:44] == wav.header(32_000)
    assert [found.id for found in await takes.list_awaiting_owner(box.id)] == [take.id]
    assert await takes.list_unfinished() == [], "nothing is left to recover"


async def test_only_newest_suspended_take_of_purpose_is_kept(app: AppFixture) -> None:
    box, other = await app.create_box("1000"), await app.create_box("1001")
    takes = app.container.voicemail_services.takes
    suspended = [
        (box, RecordingPurpose.GREETING),
        (box, RecordingPurpose.NAME),
        (other, RecordingPurpose.GREETING),
        (box, RecordingPurpose.GREETING),
    ]
    ids = []
    for owner_box, purpose in suspended:
        app.clock.advance(s=1)
        ids.append(take := await create_take(app, owner_box, purpose))
        await takes.mark_awaiting_owner(take)
    assert [found.id for found in await takes.list_awaiting_owner(box.id)] == [ids[1].id, ids[3].id]
    assert [found.id for found in await takes.list_awaiting_owner(other.id)] == [ids[2].id]
    assert len(list(app.container.recordings.takes_folder.iterdir())) == 3


async def test_recovered_greeting_is_suspended_and_not_activated(app: AppFixture) -> None:
    box = await app.create_box("1000")
    take = await create_take(app, box, RecordingPurpose.TEMPORARY_GREETING)
    for _ in range(2):
        await run_recovery(app)
    assert [found.id for found in await app.container.voicemail_services.takes.list_awaiting_owner(box.id)] == [take.id]
    assert Path(take.path).read_bytes()[:44] == wav.header(32_000)
    assert (await app.container.boxes.get(box.id)).settings.media.temporary_unavailable is None


async def test_suspended_take_is_deleted_with_its_box(app: AppFixture) -> None:
    box = await app.create_box("1000")
    await app.container.voicemail_services.takes.mark_awaiting_owner(
        await create_take(app, box, RecordingPurpose.GREETING)
    )
    await app.container.boxes.delete(box)
    await run_recovery(app)
    assert await app.container.voicemail_services.takes.list_awaiting_owner(box.id) == []
    assert list(app.container.recordings.takes_folder.iterdir()) == []


async def test_invalid_greeting_take_is_dropped_after_crash(app: AppFixture) -> None:
    box = await app.create_box("1000")
    takes = app.container.voicemail_services.takes
    short, empty = [await create_take(app, box, RecordingPurpose.GREETING, s=0) for _ in range(2)]
    Path(empty.path).unlink()
    await run_recovery(app)
    assert await takes.list_awaiting_owner(box.id) == []
    assert await takes.list_unfinished() == []
    assert not Path(short.path).exists()


async def test_full_disk_still_suspends_greeting_take(app: AppFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    box = await app.create_box("1000")
    take = await create_take(app, box, RecordingPurpose.GREETING)
    monkeypatch.setattr(audio_folder, "fsync", full)
    with pytest.raises(DiskFull):
        await app.container.voicemail_services.greetings.activate(take, box)
    assert (await app.container.boxes.get(box.id)).settings.media.unavailable is None
    await app.container.voicemail_services.takes.mark_awaiting_owner(take)
    assert [found.id for found in await app.container.voicemail_services.takes.list_awaiting_owner(box.id)] == [take.id]
    assert Path(take.path).exists()
