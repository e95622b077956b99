"""Messages come into boxes: audio first, then the row, then nothing is left over."""

from __future__ import annotations

import stat
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from ivr.audio import wav
from ivr.errors import AudioRefused, NotFound, StoreError, StoreFull
from ivr.mailbox import recordings
from ivr.mailbox.adoption import Adoption
from ivr.mailbox.alone import Alone
from ivr.mailbox.attendance import Attendance
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Caller
from ivr.mailbox.store import Purpose, Take
from ivr.mailbox.takes import Source, Takes
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


async def adopt(house: House, after_s: float = 5, gone: bool | None = None) -> None:
    """The service starts again, and looks after the takes for a while."""
    nobody = Attendance(house.settings.data.folder / "nobody")  # The process that began them is dead.
    takes = Takes(house.app.mailroom.takes._store, house.app.recordings, house.clock, house.app.delivery._ids, nobody)
    alone = Alone(house.app.directory, house.app.boxes, house.app.delivery, house.app.recordings, house.clock)

    async def is_gone(channel: str) -> bool | None:
        return gone

    adoption = Adoption(takes, alone, house.app.boxes, house.app.delivery, house.app.messages, house.clock, is_gone)
    await adoption.turn()
    house.clock.advance(s=after_s)
    await adoption.turn()


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


async def test_a_take_that_still_grows_is_left_alone(house: House) -> None:
    box = await house.box()
    take = await a_take(house, box)
    adoption = house.app.adoption
    house.app.mailroom.takes.let_go(take.channel, take.call_id)
    for _ in range(10):
        await adoption.turn()
        Path(take.path).write_bytes(Path(take.path).read_bytes() + SPEECH)
        house.clock.advance(s=4.9)
    assert await house.messages(box) == []
    await adoption.turn()
    house.clock.advance(s=4.9)
    await adoption.turn()
    assert await house.messages(box) == []
    house.clock.advance(s=0.2)
    await adoption.turn()
    [message] = await house.messages(box)
    assert message.length_ms == 12_000


async def test_a_take_of_a_call_that_goes_on_is_left_alone(house: House) -> None:
    """The caller is asked about it: its file does not grow, and is not lost either."""
    box = await house.box()
    take = await a_take(house, box)
    for _ in range(5):
        await house.app.adoption.turn()
        house.clock.advance(s=60)
    assert await house.messages(box) == []
    house.app.mailroom.takes.let_go(take.channel, take.call_id)
    await house.app.adoption.turn()
    house.clock.advance(s=5)
    await house.app.adoption.turn()
    assert len(await house.messages(box)) == 1


async def test_asterisk_knows_better_than_the_file(house: House) -> None:
    box = await house.box()
    await a_take(house, box)
    await adopt(house, after_s=3600, gone=False)
    assert await house.messages(box) == [], "the caller is on hold"
    await adopt(house, after_s=0, gone=True)
    assert len(await house.messages(box)) == 1


async def test_a_take_that_was_replaced_is_never_adopted(house: House) -> None:
    box = await house.box()
    first = await a_take(house, box)
    await house.app.mailroom.takes.drop(first)
    await a_take(house, box, ms=3000)
    await adopt(house)
    assert [m.length_ms for m in await house.messages(box)] == [3000]


async def test_a_greeting_waits_for_its_owner(house: House) -> None:
    box = await house.box()
    take = await a_take(house, box, purpose=Purpose.GREETING)
    await adopt(house)
    assert await house.messages(box) == []
    assert [one.id for one in await house.app.mailroom.takes.aside(box.id)] == [take.id]
    assert Path(take.path).exists()


CRASHES = ["adopt", "add", "forget_file"]


@pytest.mark.parametrize("intro", [False, True], ids=["message", "intro"])
@pytest.mark.parametrize("at", CRASHES)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_a_crash_at_any_point_of_adopting_makes_one_message(
    house: House, monkeypatch: pytest.MonkeyPatch, at: str, before: bool, intro: bool
) -> None:
    box, bobs = await house.box("1000"), await house.box("1001")
    if intro:
        original = await house.message(box)
        await a_take(house, box, purpose=Purpose.INTRO, original=original.id, destination=bobs.id)
    else:
        await a_take(house, bobs)
    where, name = {
        "adopt": (house.app.recordings, "adopt"), "add": (house.app.messages, "add"),
        "forget_file": (Takes, "forget_file"),
    }[at]  # fmt: skip
    real = getattr(where, name)

    def crash(*args: object, **more: object) -> object:
        if before:
            raise PowerCut
        done = real(*args, **more)
        if isinstance(done, Coroutine):
            return _then_crash(done)
        raise PowerCut

    monkeypatch.setattr(where, name, crash)
    with pytest.raises(PowerCut):
        await adopt(house)
    monkeypatch.undo()
    for _ in range(2):
        await adopt(house)
    [message] = await house.messages(bobs)
    assert message.length_ms == (7000 if intro else 2000)
    assert [path for path in house.app.delivery.audio(message) if not path.exists()] == []
    assert await house.app.mailroom.takes.left_behind() == []
    assert list(house.settings.data.folder.rglob("*.part")) == []


class PowerCut(BaseException):
    """Nothing catches it."""


async def _then_crash(done: Coroutine[Any, Any, Any]) -> None:
    await done
    raise PowerCut


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
    [copy] = await house.app.delivery.copy(original, [bobs])
    assert await house.folder_of(original) == "saved"
    assert wav.samples(house.app.delivery.audio(copy)[0]) == wav.samples(house.app.delivery.audio(original)[0])


async def test_a_copy_does_not_depend_on_its_original(house: House) -> None:
    mine, bobs = await house.box("1000"), await house.box("1001")
    original = await house.message(mine)
    [copy] = await house.app.delivery.copy(original, [bobs])
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
        await house.app.delivery.copy(original, [bobs])
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
