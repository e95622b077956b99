"""The contract of `ivr.call.port.Call`, a row for each sentence of it: what the service does and what must come of it.

Every transport is held to the same rows: in memory and with peers (test_contract.py), and on a real Asterisk with a SIP
phone that presses the keys and hears the audio (tests/asterisk/test_contract.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ivr.audio import wav
from ivr.audio.sound import Sound
from ivr.call.port import Call, Entry, EntryEnd, Played, RecordingEnd
from ivr.errors import HungUp, NotRecorded, UnplayableSound
from tests.call.contract.script import WORK, HangsUp, Presses, Speaks, Step
from tests.call.contract.stage import CONTEXT, EXTENSION, VALUE, VARIABLE, Stage

Run = Callable[[Call, Stage], Awaitable[None]]
Stretch = tuple[str, float, float]
"""A sound, and from which part of it to which it is heard."""


@dataclass(frozen=True, slots=True)
class Row:
    """`hears` None: what is heard does not matter here."""

    sentence: str
    run: Run
    caller: tuple[Step, ...] = ()
    hears: tuple[Stretch, ...] | None = None
    goes_on: bool = False
    """The dialplan goes on at the extension of the contract."""
    hung_up_by_us: bool = False
    early: tuple[str, ...] | None = None
    """The sounds heard before the row answers the call; None: it is answered at once."""
    answered: bool = True

    @property
    def caller_hangs_up(self) -> bool:
        return any(isinstance(step, HangsUp) or (isinstance(step, Speaks) and step.then == "hang-up")
                   for step in self.caller)  # fmt: skip


ROWS: list[Row] = []


def row(
    sentence: str, *caller: Step, hears: tuple[Stretch, ...] | None = None, goes_on: bool = False,
    hung_up_by_us: bool = False, early: tuple[str, ...] | None = None, answered: bool = True,
) -> Callable[[Run], Run]:  # fmt: skip
    def added(run: Run) -> Run:
        ROWS.append(Row(sentence, run, caller, hears, goes_on, hung_up_by_us, early, answered))
        return run

    return added


# -- playing -----------------------------------------------------------------------------------------------------------


@row("a sound is played to its end", hears=(("alpha", 0, 1),))
async def to_its_end(call: Call, stage: Stage) -> None:
    assert await call.play([stage["alpha"]]) == Played(None, stage.ms("alpha"))


@row("several sounds are one stretch of time", Presses("5", "bravo", 0.5), hears=(("alpha", 0, 1), ("bravo", 0, 0.5)))
async def one_stretch(call: Call, stage: Stage) -> None:
    played = await call.play([stage["alpha"], stage["bravo"]])
    assert played.key == "5"
    assert stage.is_near(played.position_ms, stage.ms("alpha") + stage.ms("bravo", 0.5))


@row("a key stops a sound, and its position is told", Presses("5", "alpha", 0.5), hears=(("alpha", 0, 0.5),))
async def a_key_and_its_position(call: Call, stage: Stage) -> None:
    played = await call.play([stage["alpha"]])
    stage.found["position_ms"] = played.position_ms
    assert (played.key, played.typed_ahead) == ("5", False)
    assert stage.is_near(played.position_ms, stage.ms("alpha", 0.5))


@row("star and pound are keys like any other", Presses("*", "alpha"), Presses("#", "bravo"))
async def star_and_pound(call: Call, stage: Stage) -> None:
    assert (await call.play([stage["alpha"]])).key == "*"
    assert (await call.play([stage["bravo"]])).key == "#"


@row("playing begins where it is told to", hears=(("bravo", 0.4, 1),))
async def from_a_position(call: Call, stage: Stage) -> None:
    start_ms = stage.ms("alpha") + stage.ms("bravo", 0.4)
    played = await call.play([stage["alpha"], stage["bravo"]], position_ms=start_ms)
    assert played == Played(None, stage.ms("alpha") + stage.ms("bravo"))


@row("playing goes on where a key stopped it", Presses("5", "alpha", 0.5), hears=(("alpha", 0, 1),))
async def on_from_there(call: Call, stage: Stage) -> None:
    stopped = await call.play([stage["alpha"]])
    assert (await call.play([stage["alpha"]], position_ms=stopped.position_ms)).key is None


@row("from beyond the end there is nothing to hear", hears=())
async def from_beyond_the_end(call: Call, stage: Stage) -> None:
    played = await call.play([stage["alpha"]], position_ms=stage.ms("alpha") + 500)
    assert played.key is None


@row("a key that means nothing stops nothing", Presses("9", "alpha", 0.3), hears=(("alpha", 0, 1),))
async def ignored_key(call: Call, stage: Stage) -> None:
    assert (await call.play([stage["alpha"]], keys="12")).key is None
    assert await call.wait(200) is None, "and it is forgotten"


@row("without keys, what is pressed goes unheard", Presses("1", "alpha", 0.3), hears=(("alpha", 0, 1),))
async def no_keys(call: Call, stage: Stage) -> None:
    assert (await call.play([stage["alpha"]], keys="")).key is None
    assert await call.wait(200) is None


@row("a file that cannot be played is told, and the call goes on", hears=(("alpha", 0, 1),))
async def unplayable(call: Call, stage: Stage) -> None:
    with pytest.raises(UnplayableSound):
        await call.play([Sound(stage.take("not-there"), 500, "nothing")])
    assert (await call.play([stage["alpha"]])).key is None


# -- keys --------------------------------------------------------------------------------------------------------------


@row("keys pressed during work are typed ahead", Presses("12", WORK), hears=(("alpha", 0, 1),))
async def typed_ahead(call: Call, stage: Stage) -> None:
    await call.play([stage["alpha"]], keys="")
    assert await call.work(stage.work()) == "done"
    assert await call.play([stage["bravo"]]) == Played("1", 0, typed_ahead=True)
    assert await call.wait(500) == "2"


@row("a key typed ahead that means nothing there is passed over", Presses("91", WORK))
async def typed_ahead_and_passed_over(call: Call, stage: Stage) -> None:
    await call.play([stage["alpha"]], keys="")
    await call.work(stage.work())
    assert (await call.play([stage["bravo"]], keys="1")).key == "1"


@row("keys typed ahead can be forgotten", Presses("12", WORK), hears=(("alpha", 0, 1), ("bravo", 0, 1)))
async def forgotten(call: Call, stage: Stage) -> None:
    await call.play([stage["alpha"]], keys="")
    await call.work(stage.work())
    call.forget_keys()
    assert (await call.play([stage["bravo"]])).key is None


@row("a key that is given back cuts the next sound", Presses("7", "alpha"))
async def given_back(call: Call, stage: Stage) -> None:
    assert (await call.play([stage["alpha"]])).key == "7"
    call.unread("7")
    assert await call.play([stage["bravo"]]) == Played("7", 0, typed_ahead=True)


@row("a key ends a wait", Presses("4", ms=100))
async def a_key_in_a_wait(call: Call, stage: Stage) -> None:
    await call.play([stage["alpha"]], keys="")
    assert await call.wait(3000) == "4"


@row("a wait runs out")
async def a_wait_runs_out(call: Call, stage: Stage) -> None:
    assert await call.wait(200) is None


@row("a wait is not ended by a key that means nothing", Presses("9", ms=50))
async def a_wait_passes_over(call: Call, stage: Stage) -> None:
    await call.play([stage["alpha"]], keys="")
    assert await call.wait(600, keys="12") is None


# -- entries -----------------------------------------------------------------------------------------------------------


@row("pound ends an entry, whose first key cuts the prompt", Presses("123#", "alpha"), hears=(("alpha", 0, 0.5),))
async def ended_by_pound(call: Call, stage: Stage) -> None:
    assert await call.ask([stage["alpha"]], 8) == Entry("123", EntryEnd.TERMINATOR)


@row("an entry is complete by its length, and a pound behind it is swallowed", Presses("12#", "alpha"))
async def complete_by_length(call: Call, stage: Stage) -> None:
    assert await call.ask([stage["alpha"]], 2) == Entry("12", EntryEnd.LENGTH)
    assert await call.wait(700) is None


@row("a pause ends an entry", Presses("1", "alpha"))
async def ended_by_a_pause(call: Call, stage: Stage) -> None:
    assert await call.ask([stage["alpha"]], 8, next_ms=300) == Entry("1", EntryEnd.SILENCE)


@row("nobody types anything", hears=(("alpha", 0, 1),))
async def nothing_typed(call: Call, stage: Stage) -> None:
    assert await call.ask([stage["alpha"]], 8, first_ms=300) == Entry("", EntryEnd.SILENCE)


@row("pound alone is an empty entry", Presses("#", "alpha"))
async def pound_alone(call: Call, stage: Stage) -> None:
    assert await call.ask([stage["alpha"]], 8) == Entry("", EntryEnd.TERMINATOR)


@row("an entry may be typed ahead", Presses("12#", WORK), hears=(("alpha", 0, 1),))
async def entry_typed_ahead(call: Call, stage: Stage) -> None:
    await call.play([stage["alpha"]], keys="")
    await call.work(stage.work())
    assert await call.ask([stage["bravo"]], 8) == Entry("12", EntryEnd.TERMINATOR)


# -- recording ---------------------------------------------------------------------------------------------------------


async def _record(call: Call, stage: Stage, path: Path, longest_ms: int = 20_000, silence_ms: int = 0) -> RecordingEnd:
    await call.play([stage["beep"]], keys="")
    stage.found["recorded"] = str(path)
    recorded = await call.record(path, longest_ms=longest_ms, silence_ms=silence_ms)
    assert recorded.length_ms == wav.length_ms(path)
    stage.found["length_ms"] = recorded.length_ms
    return recorded.ended_by


@row("a key ends a recording and means nothing else", Speaks(1500, "key"))
async def recorded_to_a_key(call: Call, stage: Stage) -> None:
    path = stage.take("key")
    assert await _record(call, stage, path) is RecordingEnd.KEY
    assert stage.is_near(wav.length_ms(path), 1500)
    assert await call.wait(300) is None


@row("silence ends a recording", Speaks(1500, "silence"))
async def recorded_to_silence(call: Call, stage: Stage) -> None:
    assert await _record(call, stage, stage.take("silence"), silence_ms=2000) is RecordingEnd.SILENCE


@row("the longest length ends a recording", Speaks(3000, "on"))
async def recorded_to_the_longest(call: Call, stage: Stage) -> None:
    path = stage.take("longest")
    assert await _record(call, stage, path, longest_ms=2000, silence_ms=5000) is RecordingEnd.LENGTH
    assert abs(wav.length_ms(path) - 2000) <= 100


@row("who hangs up while speaking has left what they said", Speaks(1500, "hang-up"))
async def recorded_to_a_hang_up(call: Call, stage: Stage) -> None:
    path = stage.take("hang-up")
    with pytest.raises(HungUp):
        await _record(call, stage, path)
    assert stage.is_near(wav.length_ms(path), 1500)


@row("a recording that cannot be written is told, and the call goes on", hears=(("alpha", 0, 1),))
async def not_recorded(call: Call, stage: Stage) -> None:
    path = stage.take("not-writable")
    path.mkdir()
    with pytest.raises(NotRecorded):
        await call.record(path, longest_ms=1000, silence_ms=0)
    assert (await call.play([stage["alpha"]])).key is None


# -- hanging up --------------------------------------------------------------------------------------------------------


@row("a hang-up ends a sound", HangsUp("alpha"), hears=(("alpha", 0, 0.5),))
async def hung_up_in_a_sound(call: Call, stage: Stage) -> None:
    with pytest.raises(HungUp):
        await call.play([stage["alpha"]])


@row("a hang-up ends a wait", HangsUp(ms=100))
async def hung_up_in_a_wait(call: Call, stage: Stage) -> None:
    await call.play([stage["alpha"]], keys="")
    with pytest.raises(HungUp):
        await call.wait(5000)


@row("a hang-up ends an entry", HangsUp("alpha"))
async def hung_up_in_an_entry(call: Call, stage: Stage) -> None:
    with pytest.raises(HungUp):
        await call.ask([stage["alpha"]], 4)


@row("after a hang-up every method says so but work, tell and finish", HangsUp("alpha"))
async def hung_up_everywhere(call: Call, stage: Stage) -> None:
    with pytest.raises(HungUp):
        await call.play([stage["alpha"]])
    path = stage.take("after")
    for method in (
        lambda: call.play([stage["alpha"]]), lambda: call.wait(100), lambda: call.ask([stage["alpha"]], 4),
        lambda: call.record(path, longest_ms=1000, silence_ms=0), lambda: call.variable(VARIABLE),
        lambda: call.extension_exists(CONTEXT, EXTENSION), lambda: call.leave(CONTEXT, EXTENSION), call.hang_up,
    ):  # fmt: skip
        with pytest.raises(HungUp):
            await method()
    assert not path.exists()
    assert await call.work(_four()) == 4
    await call.tell("IVRMESSAGE", "kept")


async def _four() -> int:
    return 4


@row("work goes on behind a hang-up, and the next method says so", HangsUp(WORK))
async def work_outlives_a_hang_up(call: Call, stage: Stage) -> None:
    await call.play([stage["alpha"]], keys="")
    assert await call.work(stage.work()) == "done"
    with pytest.raises(HungUp):
        await call.play([stage["bravo"]])


@row("we hang up", hears=(("alpha", 0, 1),), hung_up_by_us=True)
async def we_hang_up(call: Call, stage: Stage) -> None:
    await call.play([stage["alpha"]])
    with pytest.raises(HungUp):
        await call.hang_up()


# -- the dialplan ------------------------------------------------------------------------------------------------------


@row("a channel variable can be read, and one that is not there is empty")
async def a_variable(call: Call, stage: Stage) -> None:
    assert await call.variable(VARIABLE) == VALUE
    assert await call.variable("CONTRACT_NEVER_SET") == ""


@row("what the dialplan is told can be read again")
async def told(call: Call, stage: Stage) -> None:
    for value in ("DONE", "202611-0a1b2c3d4e5f60718293a4b5c6d7e8f9", "1", "two-words"):
        await call.tell("CONTRACT_TOLD", value)
        assert await call.variable("CONTRACT_TOLD") == value


@row("a value of any signs is told or passed over, and the call goes on", hears=(("alpha", 0, 1),))
async def told_anything(call: Call, stage: Stage) -> None:
    for value in ('a "quoted" word', "back\\slash", "comma, semicolon; and (brackets)", "Zoë", "", "x" * 300):
        await call.tell("CONTRACT_TOLD", value)
    assert (await call.play([stage["alpha"]])).key is None


@row("a line break begins no second command")
async def no_injection(call: Call, stage: Stage) -> None:
    await call.tell("CONTRACT_TOLD", "before")
    await call.tell("CONTRACT_TOLD", 'x"\nSET VARIABLE CONTRACT_INJECTED "yes')
    assert await call.variable("CONTRACT_INJECTED") == ""


@row("whether there is an extension")
async def an_extension(call: Call, stage: Stage) -> None:
    assert await call.extension_exists(CONTEXT, EXTENSION)
    assert not await call.extension_exists(CONTEXT, "8")
    assert not await call.extension_exists("contract-nowhere", EXTENSION)


@row("the dialplan goes on where it is told to", hears=(("alpha", 0, 1),), goes_on=True)
async def it_goes_on(call: Call, stage: Stage) -> None:
    await call.play([stage["alpha"]])
    await call.leave(CONTEXT, EXTENSION)


@row("answering twice is answering once", hears=(("alpha", 0, 1),))
async def answered_twice(call: Call, stage: Stage) -> None:
    await call.answer()
    assert (await call.play([stage["alpha"]])).key is None


# -- before the answer -------------------------------------------------------------------------------------------------


@row("a sound is heard before the answer, and the next behind it", early=("alpha",),
     hears=(("alpha", 0, 1), ("bravo", 0, 1)))  # fmt: skip
async def heard_before_the_answer(call: Call, stage: Stage) -> None:
    assert await call.play([stage["alpha"]]) == Played(None, stage.ms("alpha"))
    await call.answer()
    assert await call.play([stage["bravo"]]) == Played(None, stage.ms("bravo"))


@row("a key stops a sound before the answer, too", Presses("5", "alpha", 0.5), early=("alpha",),
     hears=(("alpha", 0, 0.5), ("bravo", 0, 1)))  # fmt: skip
async def a_key_before_the_answer(call: Call, stage: Stage) -> None:
    played = await call.play([stage["alpha"]])
    assert (played.key, played.typed_ahead) == ("5", False)
    assert stage.is_near(played.position_ms, stage.ms("alpha", 0.5))
    await call.answer()
    assert (await call.play([stage["bravo"]])).key is None


@row("keys pressed before the answer are typed ahead of it", Presses("12", WORK), early=("alpha",))
async def typed_ahead_of_the_answer(call: Call, stage: Stage) -> None:
    await call.play([stage["alpha"]], keys="")
    assert await call.work(stage.work()) == "done"
    await call.answer()
    assert await call.ask([stage["bravo"]], 2) == Entry("12", EntryEnd.LENGTH)


@row("a key ends a wait before the answer", Presses("4", ms=100), early=("alpha",), answered=False)
async def a_wait_before_the_answer(call: Call, stage: Stage) -> None:
    await call.play([stage["alpha"]], keys="")
    assert await call.wait(3000) == "4"


@row("a hang-up before the answer ends a sound", HangsUp("alpha"), early=("alpha",), answered=False)
async def hung_up_before_the_answer(call: Call, stage: Stage) -> None:
    with pytest.raises(HungUp):
        await call.play([stage["alpha"]])
    with pytest.raises(HungUp):
        await call.answer()


@row("a file that cannot be played before the answer is told, and the call goes on", early=("alpha",),
     hears=(("alpha", 0, 1),), answered=False)  # fmt: skip
async def unplayable_before_the_answer(call: Call, stage: Stage) -> None:
    with pytest.raises(UnplayableSound):
        await call.play([Sound(stage.take("not-there"), 500, "nothing")])
    assert (await call.play([stage["alpha"]])).key is None


@row("what the dialplan is told before the answer can be read again", early=("alpha",), hears=(("alpha", 0, 1),),
     answered=False)  # fmt: skip
async def told_before_the_answer(call: Call, stage: Stage) -> None:
    await call.tell("CONTRACT_TOLD", "early")
    assert await call.variable("CONTRACT_TOLD") == "early"
    assert (await call.play([stage["alpha"]])).key is None


@row("who was heard before the answer is recorded behind it", Speaks(1500, "key"), early=("alpha",))
async def recorded_behind_the_answer(call: Call, stage: Stage) -> None:
    await call.play([stage["alpha"]])
    await call.answer()
    path = stage.take("answered")
    assert await _record(call, stage, path) is RecordingEnd.KEY
    assert stage.is_near(wav.length_ms(path), 1500)


@row("we hang up before the answer", early=("alpha",), hears=(("alpha", 0, 1),), answered=False, hung_up_by_us=True)
async def we_hang_up_before_the_answer(call: Call, stage: Stage) -> None:
    await call.play([stage["alpha"]])
    with pytest.raises(HungUp):
        await call.hang_up()


@row("the dialplan goes on unanswered where it is told to", early=("alpha",), hears=(("alpha", 0, 1),), goes_on=True,
     answered=False)  # fmt: skip
async def it_goes_on_unanswered(call: Call, stage: Stage) -> None:
    await call.play([stage["alpha"]])
    await call.leave(CONTEXT, EXTENSION)
