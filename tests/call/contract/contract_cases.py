"""The contract of `ivr.call.base.Call`, a row for each sentence of it: what the service does and what must come of it.

Every transport is held to the same rows: in memory and with peers (test_contract.py), and on a real Asterisk with a SIP
phone that presses the keys and hears the audio (tests/asterisk/test_contract.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ivr.audio import wav
from ivr.audio.formats import Sound
from ivr.call.base import Call, DigitsEndReason, DigitsResult, PlayResult, RecordEndReason
from ivr.errors import HungUp, RecordingFailed, UnplayableSound
from tests.call.contract.caller_steps import DURING_WORK, CallerHangUp, CallerPress, CallerSpeak, CallerStep
from tests.call.contract.contract_fixture import CONTEXT, EXTENSION, VALUE, VARIABLE, ContractFixture

CaseFunction = Callable[[Call, ContractFixture], Awaitable[None]]
HeardRange = tuple[str, float, float]
"""A sound, and from which part of it to which it is heard."""


@dataclass(frozen=True, slots=True)
class ContractCase:
    """`hears` None: what is heard does not matter here."""

    sentence: str
    run: CaseFunction
    caller_steps: tuple[CallerStep, ...] = ()
    expected_audio: tuple[HeardRange, ...] | None = None
    continues_in_dialplan: bool = False
    """The dialplan goes on at the extension of the contract."""
    service_hangs_up: bool = False
    heard_before_answer: tuple[str, ...] | None = None
    """The sounds heard before the row answers the call; None: it is answered at once."""
    answered: bool = True

    @property
    def caller_hangs_up(self) -> bool:
        return any(
            isinstance(step, CallerHangUp) or (isinstance(step, CallerSpeak) and step.ended_by == "hang-up")
            for step in self.caller_steps
        )


CASES: list[ContractCase] = []


def contract_case(
    sentence: str,
    *caller_steps: CallerStep,
    expected_audio: tuple[HeardRange, ...] | None = None,
    continues_in_dialplan: bool = False,
    service_hangs_up: bool = False,
    heard_before_answer: tuple[str, ...] | None = None,
    answered: bool = True,
) -> Callable[[CaseFunction], CaseFunction]:
    def added(run: CaseFunction) -> CaseFunction:
        CASES.append(
            ContractCase(
                sentence,
                run,
                caller_steps,
                expected_audio,
                continues_in_dialplan,
                service_hangs_up,
                heard_before_answer,
                answered,
            )
        )
        return run

    return added


# -- playing -----------------------------------------------------------------------------------------------------------


@contract_case("a sound is played to its end", expected_audio=(("alpha", 0, 1),))
async def sound_played_to_end(call: Call, stage: ContractFixture) -> None:
    assert await call.play([stage["alpha"]]) == PlayResult(None, stage.position_ms("alpha"))


@contract_case(
    "several sounds are one stretch of time",
    CallerPress("5", "bravo", 0.5),
    expected_audio=(("alpha", 0, 1), ("bravo", 0, 0.5)),
)
async def several_sounds_share_one_position(call: Call, stage: ContractFixture) -> None:
    played = await call.play([stage["alpha"], stage["bravo"]])
    assert played.key == "5"
    assert stage.is_near(played.position_ms, stage.position_ms("alpha") + stage.position_ms("bravo", 0.5))


@contract_case(
    "a key stops a sound, and its position is returned",
    CallerPress("5", "alpha", 0.5),
    expected_audio=(("alpha", 0, 0.5),),
)
async def key_stops_sound_at_position(call: Call, stage: ContractFixture) -> None:
    played = await call.play([stage["alpha"]])
    stage.observations["position_ms"] = played.position_ms
    assert (played.key, played.typed_ahead) == ("5", False)
    assert stage.is_near(played.position_ms, stage.position_ms("alpha", 0.5))


@contract_case("star and pound are keys like any other", CallerPress("*", "alpha"), CallerPress("#", "bravo"))
async def star_and_pound_are_keys(call: Call, stage: ContractFixture) -> None:
    assert (await call.play([stage["alpha"]])).key == "*"
    assert (await call.play([stage["bravo"]])).key == "#"


@contract_case("playing begins at a given position", expected_audio=(("bravo", 0.4, 1),))
async def play_from_position(call: Call, stage: ContractFixture) -> None:
    start_ms = stage.position_ms("alpha") + stage.position_ms("bravo", 0.4)
    played = await call.play([stage["alpha"], stage["bravo"]], position_ms=start_ms)
    assert played == PlayResult(None, stage.position_ms("alpha") + stage.position_ms("bravo"))


@contract_case(
    "playing goes on where a key stopped it", CallerPress("5", "alpha", 0.5), expected_audio=(("alpha", 0, 1),)
)
async def resume_where_key_stopped(call: Call, stage: ContractFixture) -> None:
    stopped = await call.play([stage["alpha"]])
    assert (await call.play([stage["alpha"]], position_ms=stopped.position_ms)).key is None


@contract_case("from beyond the end there is nothing to hear", expected_audio=())
async def play_from_beyond_end(call: Call, stage: ContractFixture) -> None:
    played = await call.play([stage["alpha"]], position_ms=stage.position_ms("alpha") + 500)
    assert played.key is None


@contract_case(
    "a key that means nothing stops nothing", CallerPress("9", "alpha", 0.3), expected_audio=(("alpha", 0, 1),)
)
async def ignored_key(call: Call, stage: ContractFixture) -> None:
    assert (await call.play([stage["alpha"]], keys="12")).key is None
    assert await call.wait_for_key(200) is None, "and it is forgotten"


@contract_case(
    "without keys, what is pressed goes unheard", CallerPress("1", "alpha", 0.3), expected_audio=(("alpha", 0, 1),)
)
async def play_without_keys(call: Call, stage: ContractFixture) -> None:
    assert (await call.play([stage["alpha"]], keys="")).key is None
    assert await call.wait_for_key(200) is None


@contract_case("a file that cannot be played is reported, and the call goes on", expected_audio=(("alpha", 0, 1),))
async def unplayable_sound(call: Call, stage: ContractFixture) -> None:
    with pytest.raises(UnplayableSound):
        await call.play([Sound(stage.take_path("not-there"), 500, "nothing")])
    assert (await call.play([stage["alpha"]])).key is None


# -- keys --------------------------------------------------------------------------------------------------------------


@contract_case(
    "keys pressed during work are typed ahead", CallerPress("12", DURING_WORK), expected_audio=(("alpha", 0, 1),)
)
async def keys_typed_ahead(call: Call, stage: ContractFixture) -> None:
    await call.play([stage["alpha"]], keys="")
    assert await call.run_while_listening(stage.work()) == "done"
    assert await call.play([stage["bravo"]]) == PlayResult("1", 0, typed_ahead=True)
    assert await call.wait_for_key(500) == "2"


@contract_case("a key typed ahead that means nothing there is passed over", CallerPress("91", DURING_WORK))
async def unaccepted_typeahead_skipped(call: Call, stage: ContractFixture) -> None:
    await call.play([stage["alpha"]], keys="")
    await call.run_while_listening(stage.work())
    assert (await call.play([stage["bravo"]], keys="1")).key == "1"


@contract_case(
    "keys typed ahead can be forgotten",
    CallerPress("12", DURING_WORK),
    expected_audio=(("alpha", 0, 1), ("bravo", 0, 1)),
)
async def typeahead_flushed(call: Call, stage: ContractFixture) -> None:
    await call.play([stage["alpha"]], keys="")
    await call.run_while_listening(stage.work())
    call.flush_digits()
    assert (await call.play([stage["bravo"]])).key is None


@contract_case("a key that is given back cuts the next sound", CallerPress("7", "alpha"))
async def key_pushed_back(call: Call, stage: ContractFixture) -> None:
    assert (await call.play([stage["alpha"]])).key == "7"
    call.push_back("7")
    assert await call.play([stage["bravo"]]) == PlayResult("7", 0, typed_ahead=True)


@contract_case("a key ends a wait", CallerPress("4", delay_ms=100))
async def key_during_wait(call: Call, stage: ContractFixture) -> None:
    await call.play([stage["alpha"]], keys="")
    assert await call.wait_for_key(3000) == "4"


@contract_case("a wait runs out")
async def wait_times_out(call: Call, stage: ContractFixture) -> None:
    assert await call.wait_for_key(200) is None


@contract_case("a wait is not ended by a key that means nothing", CallerPress("9", delay_ms=50))
async def wait_skips_unaccepted_key(call: Call, stage: ContractFixture) -> None:
    await call.play([stage["alpha"]], keys="")
    assert await call.wait_for_key(600, keys="12") is None


# -- entries -----------------------------------------------------------------------------------------------------------


@contract_case(
    "pound ends an entry, whose first key cuts the prompt",
    CallerPress("123#", "alpha"),
    expected_audio=(("alpha", 0, 0.5),),
)
async def entry_ended_by_pound(call: Call, stage: ContractFixture) -> None:
    assert await call.collect_digits([stage["alpha"]], 8) == DigitsResult("123", DigitsEndReason.TERMINATOR)


@contract_case("digits behind the longest entry make it too long and go no further", CallerPress("123#", "alpha"))
async def entry_too_long(call: Call, stage: ContractFixture) -> None:
    assert await call.collect_digits([stage["alpha"]], 2) == DigitsResult("123", DigitsEndReason.TOO_LONG)
    assert await call.wait_for_key(700) is None


@contract_case("star cancels an entry", CallerPress("12*", "alpha"))
async def entry_cancelled(call: Call, stage: ContractFixture) -> None:
    assert await call.collect_digits([stage["alpha"]], 8) == DigitsResult("", DigitsEndReason.CANCELLED)


@contract_case("a pause ends an entry", CallerPress("1", "alpha"))
async def entry_ended_by_pause(call: Call, stage: ContractFixture) -> None:
    assert await call.collect_digits([stage["alpha"]], 8, interdigit_timeout_ms=300) == DigitsResult(
        "1", DigitsEndReason.TIMEOUT
    )


@contract_case("an entry without a key ends by its timeout", expected_audio=(("alpha", 0, 1),))
async def entry_without_digits(call: Call, stage: ContractFixture) -> None:
    assert await call.collect_digits([stage["alpha"]], 8, first_digit_timeout_ms=300) == DigitsResult(
        "", DigitsEndReason.TIMEOUT
    )


@contract_case("pound alone is an empty entry", CallerPress("#", "alpha"))
async def entry_with_pound_only(call: Call, stage: ContractFixture) -> None:
    assert await call.collect_digits([stage["alpha"]], 8) == DigitsResult("", DigitsEndReason.TERMINATOR)


@contract_case("an entry may be typed ahead", CallerPress("12#", DURING_WORK), expected_audio=(("alpha", 0, 1),))
async def entry_typed_ahead(call: Call, stage: ContractFixture) -> None:
    await call.play([stage["alpha"]], keys="")
    await call.run_while_listening(stage.work())
    assert await call.collect_digits([stage["bravo"]], 8) == DigitsResult("12", DigitsEndReason.TERMINATOR)


# -- recording ---------------------------------------------------------------------------------------------------------


async def _record(
    call: Call, stage: ContractFixture, path: Path, longest_ms: int = 20_000, silence_ms: int = 0
) -> RecordEndReason:
    await call.play([stage["beep"]], keys="")
    stage.observations["recorded"] = str(path)
    recorded = await call.record(path, max_length_ms=longest_ms, silence_ms=silence_ms)
    assert recorded.length_ms == wav.length_ms(path)
    stage.observations["length_ms"] = recorded.length_ms
    return recorded.end_reason


@contract_case("a key ends a recording and means nothing else", CallerSpeak(1500, "key"))
async def recording_ended_by_key(call: Call, stage: ContractFixture) -> None:
    path = stage.take_path("key")
    assert await _record(call, stage, path) is RecordEndReason.KEY
    assert stage.is_near(wav.length_ms(path), 1500)
    assert await call.wait_for_key(300) is None


@contract_case("silence ends a recording", CallerSpeak(1500, "silence"))
async def recording_ended_by_silence(call: Call, stage: ContractFixture) -> None:
    assert await _record(call, stage, stage.take_path("silence"), silence_ms=2000) is RecordEndReason.SILENCE


@contract_case("the longest length ends a recording", CallerSpeak(3000, "on"))
async def recording_ended_by_max_length(call: Call, stage: ContractFixture) -> None:
    path = stage.take_path("longest")
    assert await _record(call, stage, path, longest_ms=2000, silence_ms=5000) is RecordEndReason.MAX_LENGTH
    assert abs(wav.length_ms(path) - 2000) <= 100


@contract_case("who hangs up while speaking has left what they said", CallerSpeak(1500, "hang-up"))
async def recording_ended_by_hangup(call: Call, stage: ContractFixture) -> None:
    path = stage.take_path("hang-up")
    with pytest.raises(HungUp):
        await _record(call, stage, path)
    assert stage.is_near(wav.length_ms(path), 1500)


@contract_case(
    "a recording that cannot be written is reported, and the call goes on", expected_audio=(("alpha", 0, 1),)
)
async def recording_cannot_be_written(call: Call, stage: ContractFixture) -> None:
    path = stage.take_path("not-writable")
    path.mkdir()
    with pytest.raises(RecordingFailed):
        await call.record(path, max_length_ms=1000, silence_ms=0)
    assert (await call.play([stage["alpha"]])).key is None


# -- hanging up --------------------------------------------------------------------------------------------------------


@contract_case("a hang-up ends a sound", CallerHangUp("alpha"), expected_audio=(("alpha", 0, 0.5),))
async def hangup_during_sound(call: Call, stage: ContractFixture) -> None:
    with pytest.raises(HungUp):
        await call.play([stage["alpha"]])


@contract_case("a hang-up ends a wait", CallerHangUp(delay_ms=100))
async def hangup_during_wait(call: Call, stage: ContractFixture) -> None:
    await call.play([stage["alpha"]], keys="")
    with pytest.raises(HungUp):
        await call.wait_for_key(5000)


@contract_case("a hang-up ends an entry", CallerHangUp("alpha"))
async def hangup_during_entry(call: Call, stage: ContractFixture) -> None:
    with pytest.raises(HungUp):
        await call.collect_digits([stage["alpha"]], 4)


@contract_case("after a hang-up every method says so but work, tell and finish", CallerHangUp("alpha"))
async def hangup_before_every_operation(call: Call, stage: ContractFixture) -> None:
    with pytest.raises(HungUp):
        await call.play([stage["alpha"]])
    path = stage.take_path("after")
    for method in (
        lambda: call.play([stage["alpha"]]),
        lambda: call.wait_for_key(100),
        lambda: call.collect_digits([stage["alpha"]], 4),
        lambda: call.record(path, max_length_ms=1000, silence_ms=0),
        lambda: call.get_variable(VARIABLE),
        lambda: call.extension_exists(CONTEXT, EXTENSION),
        lambda: call.continue_at(CONTEXT, EXTENSION),
        call.hang_up,
    ):
        with pytest.raises(HungUp):
            await method()
    assert not path.exists()
    assert await call.run_while_listening(_four()) == 4
    await call.set_variable("IVR_MESSAGE_ID", "kept")


async def _four() -> int:
    return 4


@contract_case("work goes on behind a hang-up, and the next method says so", CallerHangUp(DURING_WORK))
async def work_completes_after_hangup(call: Call, stage: ContractFixture) -> None:
    await call.play([stage["alpha"]], keys="")
    assert await call.run_while_listening(stage.work()) == "done"
    with pytest.raises(HungUp):
        await call.play([stage["bravo"]])


@contract_case("we hang up", expected_audio=(("alpha", 0, 1),), service_hangs_up=True)
async def service_hangs_up(call: Call, stage: ContractFixture) -> None:
    await call.play([stage["alpha"]])
    with pytest.raises(HungUp):
        await call.hang_up()


# -- the dialplan ------------------------------------------------------------------------------------------------------


@contract_case("a channel variable can be read, and one that is not there is empty")
async def channel_variable_read(call: Call, stage: ContractFixture) -> None:
    assert await call.get_variable(VARIABLE) == VALUE
    assert await call.get_variable("CONTRACT_NEVER_SET") == ""


@contract_case("a variable set for the dialplan can be read again")
async def channel_variable_set(call: Call, stage: ContractFixture) -> None:
    for value in ("DONE", "202611-0a1b2c3d4e5f60718293a4b5c6d7e8f9", "1", "two-words"):
        await call.set_variable("CONTRACT_TOLD", value)
        assert await call.get_variable("CONTRACT_TOLD") == value


@contract_case("a value of any signs is set or passed over, and the call goes on", expected_audio=(("alpha", 0, 1),))
async def channel_variable_set_to_any_text(call: Call, stage: ContractFixture) -> None:
    for value in ('a "quoted" word', "back\\slash", "comma, semicolon; and (brackets)", "Zoë", "", "x" * 300):
        await call.set_variable("CONTRACT_TOLD", value)
    assert (await call.play([stage["alpha"]])).key is None


@contract_case("a line break begins no second command")
async def no_command_injection(call: Call, stage: ContractFixture) -> None:
    await call.set_variable("CONTRACT_TOLD", "before")
    await call.set_variable("CONTRACT_TOLD", 'x"\nSET VARIABLE CONTRACT_INJECTED "yes')
    assert await call.get_variable("CONTRACT_INJECTED") == ""


@contract_case("whether there is an extension")
async def dialplan_extension_exists(call: Call, stage: ContractFixture) -> None:
    assert await call.extension_exists(CONTEXT, EXTENSION)
    assert not await call.extension_exists(CONTEXT, "8")
    assert not await call.extension_exists("contract-nowhere", EXTENSION)


@contract_case(
    "the dialplan goes on at a given extension", expected_audio=(("alpha", 0, 1),), continues_in_dialplan=True
)
async def call_continues_in_dialplan(call: Call, stage: ContractFixture) -> None:
    await call.play([stage["alpha"]])
    await call.continue_at(CONTEXT, EXTENSION)


@contract_case("answering twice is answering once", expected_audio=(("alpha", 0, 1),))
async def second_answer_ignored(call: Call, stage: ContractFixture) -> None:
    await call.answer()
    assert (await call.play([stage["alpha"]])).key is None


# -- before the answer -------------------------------------------------------------------------------------------------


@contract_case(
    "a sound is heard before the answer, and the next behind it",
    heard_before_answer=("alpha",),
    expected_audio=(("alpha", 0, 1), ("bravo", 0, 1)),
)
async def sound_before_answer(call: Call, stage: ContractFixture) -> None:
    assert await call.play([stage["alpha"]]) == PlayResult(None, stage.position_ms("alpha"))
    await call.answer()
    assert await call.play([stage["bravo"]]) == PlayResult(None, stage.position_ms("bravo"))


@contract_case(
    "a key stops a sound before the answer, too",
    CallerPress("5", "alpha", 0.5),
    heard_before_answer=("alpha",),
    expected_audio=(("alpha", 0, 0.5), ("bravo", 0, 1)),
)
async def key_before_answer(call: Call, stage: ContractFixture) -> None:
    played = await call.play([stage["alpha"]])
    assert (played.key, played.typed_ahead) == ("5", False)
    assert stage.is_near(played.position_ms, stage.position_ms("alpha", 0.5))
    await call.answer()
    assert (await call.play([stage["bravo"]])).key is None


@contract_case(
    "keys pressed before the answer are typed ahead of it",
    CallerPress("12#", DURING_WORK),
    heard_before_answer=("alpha",),
)
async def typeahead_before_answer(call: Call, stage: ContractFixture) -> None:
    await call.play([stage["alpha"]], keys="")
    assert await call.run_while_listening(stage.work()) == "done"
    await call.answer()
    assert await call.collect_digits([stage["bravo"]], 2) == DigitsResult("12", DigitsEndReason.TERMINATOR)


@contract_case(
    "a key ends a wait before the answer",
    CallerPress("4", delay_ms=100),
    heard_before_answer=("alpha",),
    answered=False,
)
async def wait_before_answer(call: Call, stage: ContractFixture) -> None:
    await call.play([stage["alpha"]], keys="")
    assert await call.wait_for_key(3000) == "4"


@contract_case(
    "a hang-up before the answer ends a sound", CallerHangUp("alpha"), heard_before_answer=("alpha",), answered=False
)
async def hangup_before_answer(call: Call, stage: ContractFixture) -> None:
    with pytest.raises(HungUp):
        await call.play([stage["alpha"]])
    with pytest.raises(HungUp):
        await call.answer()


@contract_case(
    "a file that cannot be played before the answer is reported, and the call goes on",
    heard_before_answer=("alpha",),
    expected_audio=(("alpha", 0, 1),),
    answered=False,
)
async def unplayable_sound_before_answer(call: Call, stage: ContractFixture) -> None:
    with pytest.raises(UnplayableSound):
        await call.play([Sound(stage.take_path("not-there"), 500, "nothing")])
    assert (await call.play([stage["alpha"]])).key is None


@contract_case(
    "a variable set for the dialplan before the answer can be read again",
    heard_before_answer=("alpha",),
    expected_audio=(("alpha", 0, 1),),
    answered=False,
)
async def variable_set_before_answer(call: Call, stage: ContractFixture) -> None:
    await call.set_variable("CONTRACT_TOLD", "early")
    assert await call.get_variable("CONTRACT_TOLD") == "early"
    assert (await call.play([stage["alpha"]])).key is None


@contract_case(
    "who was heard before the answer is recorded behind it", CallerSpeak(1500, "key"), heard_before_answer=("alpha",)
)
async def recording_after_answer(call: Call, stage: ContractFixture) -> None:
    await call.play([stage["alpha"]])
    await call.answer()
    path = stage.take_path("answered")
    assert await _record(call, stage, path) is RecordEndReason.KEY
    assert stage.is_near(wav.length_ms(path), 1500)


@contract_case(
    "we hang up before the answer",
    heard_before_answer=("alpha",),
    expected_audio=(("alpha", 0, 1),),
    answered=False,
    service_hangs_up=True,
)
async def service_hangs_up_before_answer(call: Call, stage: ContractFixture) -> None:
    await call.play([stage["alpha"]])
    with pytest.raises(HungUp):
        await call.hang_up()


@contract_case(
    "the dialplan goes on unanswered at a given extension",
    heard_before_answer=("alpha",),
    expected_audio=(("alpha", 0, 1),),
    continues_in_dialplan=True,
    answered=False,
)
async def unanswered_call_continues_in_dialplan(call: Call, stage: ContractFixture) -> None:
    await call.play([stage["alpha"]])
    await call.continue_at(CONTEXT, EXTENSION)
