"""Messages come into boxes: audio first, then the row, then nothing is left over."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ivr.audio import wav
from ivr.errors import AudioRefused, NotFound, StoreError, StoreFull
from ivr.mailbox import recordings
from ivr.mailbox.adoption import Adoption
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Caller
from ivr.mailbox.store import Purpose, Take
from ivr.mailbox.takes import Source
from tests.support.house import House

SPEECH = b"\x10\x20" * 8000


async def a_take(
    house: House, box: Mailbox, *, ms: int = 2000, purpose: Purpose = Purpose.MESSAGE, **payload: str
) -> Take:
    """A take as Asterisk leaves it when it dies: samples, and a header that says 0."""
    source = Source("PJSIP/x-1", "call.1", Caller("2001", "Somebody"))
    take = await house.app.mailroom.takes.begin(box.account_id, box.id, purpose, source, payload)
    if ms:
        Path(take.path).write_bytes(wav.header(0) + b"\x10\x20" * (8 * ms))
    return take


async def adopt(house: House) -> None:
    app = house.app
    await Adoption(app.mailroom.takes, app.boxes, app.delivery, app.messages).run(quiet_s=0.01)


async def test_a_take_becomes_a_message_with_a_mended_header(house: House) -> None:
    box = await house.box()
    message = await house.app.delivery.deliver(await a_take(house, box), box)
    path = house.app.recordings.message(box.account_id, message.id)
    assert path == house.settings.data.folder / box.account_id / "vm" / f"{message.id}.wav"
    assert path.read_bytes()[:44] == wav.header(32_000)
    assert message.length_ms == 2000


async def test_nobody_else_can_read_recordings(house: House) -> None:
    box = await house.box()
    message = await house.app.delivery.deliver(await a_take(house, box), box)
    path = house.app.recordings.message(box.account_id, message.id)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o2750
    assert stat.S_IMODE(house.app.recordings.takes.stat().st_mode) == 0o2770


async def test_a_take_is_adopted_once(house: House) -> None:
    box = await house.box()
    take = await a_take(house, box)
    await house.app.delivery.deliver(take, box)
    Path(take.path).write_bytes(wav.header(0) + SPEECH)
    with pytest.raises(NotFound):
        await house.app.delivery.deliver(take, box)
    assert len(await house.messages(box)) == 1


async def test_after_a_crash_what_was_said_is_there(house: House) -> None:
    box = await house.box()
    await a_take(house, box)
    await adopt(house)
    [message] = await house.messages(box)
    assert (message.length_ms, message.caller.number, message.call_id) == (2000, "2001", "call.1")
    await adopt(house)
    assert len(await house.messages(box)) == 1
    assert list(house.app.recordings.takes.iterdir()) == []


async def test_after_a_crash_between_file_and_row_there_is_one_message(house: House) -> None:
    box = await house.box()
    take = await a_take(house, box)
    target = house.app.recordings.message(box.account_id, str((take.payload or {})["message_id"]))
    house.app.recordings.adopt(Path(take.path), target)
    await adopt(house)
    assert [m.id for m in await house.messages(box)] == [target.stem]


async def test_a_take_that_still_grows_is_left_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    box = await house.box()
    take = await a_take(house, box)
    grown: list[int] = []

    def still_talking(_: Take) -> int:
        grown.append(len(grown) * 500)
        if len(grown) == 4:
            assert Path(take.path).exists()
            monkeypatch.undo()
        return grown[-1]

    monkeypatch.setattr(house.app.mailroom.takes, "length_ms", still_talking)
    await adopt(house)
    assert len(grown) == 4
    assert len(await house.messages(box)) == 1


@pytest.mark.parametrize("ms", [0, 300])
async def test_a_take_shorter_than_the_minimum_is_dropped(house: House, ms: int) -> None:
    box = await house.box()
    await a_take(house, box, ms=ms)
    await adopt(house)
    assert await house.messages(box) == []
    assert await house.app.mailroom.takes.left_behind() == []


async def test_a_take_that_is_no_recording_is_dropped_and_stops_nobody(house: House) -> None:
    box = await house.box()
    broken, good = await a_take(house, box), await a_take(house, box)
    Path(broken.path).write_bytes(b"not a recording at all" * 9999)
    await adopt(house)
    assert len(await house.messages(box)) == 1
    assert good.id


async def test_an_intro_cut_off_by_a_crash_forwards_with_what_was_said(house: House) -> None:
    mine, bobs = await house.box("1000", owner=house.alice), await house.box("1001", owner=house.bob)
    original = await house.message(mine, s=5)
    await a_take(house, mine, purpose=Purpose.INTRO, original=original.id, destination=bobs.id)
    await adopt(house)
    [copy] = await house.messages(bobs)
    assert (copy.intro_ms, copy.length_ms) == (2000, 7000)


async def test_moving_gives_a_new_id_a_new_folder_and_takes_the_original_away(house: House) -> None:
    mine, bobs = await house.box("1000"), await house.box("1001")
    original = await house.message(mine, folder="saved", age_s=3600)
    moved = await house.app.delivery.move(original, bobs)
    assert moved.id != original.id
    assert moved.id[:7] == "201605-"
    assert (moved.folder, moved.time, moved.history) == ("new", int(house.clock.now()), (mine.id,))
    assert moved.caller == original.caller
    assert await house.messages(mine) == []
    assert await house.messages(bobs) == [moved]


async def test_copying_leaves_the_original(house: House) -> None:
    mine, bobs = await house.box("1000"), await house.box("1001")
    original = await house.message(mine, folder="saved")
    copy = await house.app.delivery.copy(original, bobs)
    assert await house.folder_of(original) == "saved"
    assert wav.samples(house.app.delivery.audio(copy)[0]) == wav.samples(house.app.delivery.audio(original)[0])


async def test_a_copy_does_not_depend_on_its_original(house: House) -> None:
    mine, bobs = await house.box("1000"), await house.box("1001")
    original = await house.message(mine)
    copy = await house.app.delivery.copy(original, bobs)
    house.app.recordings.remove(house.app.delivery.audio(original)[0])
    assert wav.length_ms(house.app.delivery.audio(copy)[0]) == 5000


async def test_what_cannot_be_kept_leaves_nothing_half_done(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    box = await house.box()
    take = await a_take(house, box)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recordings, "_sync", full)
    with pytest.raises(StoreFull):
        await house.app.delivery.deliver(take, box)
    monkeypatch.undo()
    assert await house.messages(box) == []
    assert Path(take.path).exists(), "what was said is still there"
    await adopt(house)
    assert len(await house.messages(box)) == 1


async def test_a_message_whose_audio_is_gone_cannot_be_copied(house: House) -> None:
    mine, bobs = await house.box("1000"), await house.box("1001")
    original = await house.message(mine)
    house.app.delivery.audio(original)[0].unlink()
    with pytest.raises(NotFound):
        await house.app.delivery.copy(original, bobs)
    assert await house.messages(bobs) == []


def test_a_data_folder_that_is_not_ours_is_told(tmp_path: Path) -> None:
    file = tmp_path / "a-file"
    file.touch()
    with pytest.raises(StoreError, match="cannot be read or written"):
        recordings.Recordings(file).prepare()


def test_a_header_that_was_never_closed_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    path.write_bytes(wav.header(0) + SPEECH + b"\x01")
    wav.mend(path)
    assert path.read_bytes() == wav.header(16_000) + SPEECH


def test_what_is_no_recording_of_ours_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    path.write_bytes(b"x" * 100)
    with pytest.raises(AudioRefused):
        wav.mend(path)
    assert path.read_bytes() == b"x" * 100
