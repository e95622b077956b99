"""The transports that need no Asterisk: each runs the whole call of a case."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from ivr.audio import wav
from ivr.audio.formats import Sound
from ivr.call.ari.client import AriClient
from ivr.call.ari.connection import ConnectionRegistry
from ivr.call.ari.settings import AriSettings
from ivr.call.ari.stasis_application import StasisApplication
from ivr.call.fastagi.server import FastAgiServer
from ivr.call.incoming import IncomingCall
from ivr.call.owner_proof import NO_PROOF
from ivr.prompts.concatenation import ClipSpan, RenderedPrompt
from ivr.prompts.prompt_cache import PromptCache
from ivr.terminal.fake_asterisk import AgiRequest, FakeAsterisk, Handset
from ivr.terminal.handset import PhoneOptions, Screen, TerminalHandset
from ivr.terminal.sound import Loudspeaker
from tests.call.contract.agi_program import FAILURE_FILE
from tests.call.contract.ari_caller import AriCaller
from tests.call.contract.caller_steps import DURING_WORK, CallerHangUp, CallerPress, CallerSpeak
from tests.call.contract.contract_cases import CASES, ContractCase
from tests.call.contract.contract_fixture import CONTEXT, EXTENSION, SOUND_NAMES, VALUE, VARIABLE, ContractFixture
from tests.call.contract.contract_handset import ContractHandset
from tests.call.contract.contract_keyboard import ContractKeyboard, ContractTerminalHandset
from tests.call.contract.contract_service import ContractService
from tests.support.app_fixture import FakeClock
from tests.support.fake_ari_server import APPLICATION, PASSWORD, USER, FakeAriServer
from tests.support.scripted_call import HangUp, Press, ScriptedCall, Speak
from tests.support.scripted_call import ScriptStep as ScriptedStep

CHECKOUT = Path(__file__).parents[3]


@dataclass
class CallOutcome:
    """What the caller and the dialplan noticed of a call. `heard` None: unknown over this transport."""

    status: str | None = None
    heard: list[tuple[str, int, int]] | None = None
    continued_at: tuple[str, str] | None = None
    hung_up: bool = False
    """The channel is gone: the caller or the service hung up."""
    answered: bool = True
    heard_before_answer: list[str] | None = None
    """What was heard before that."""


class TransportUnderTest(ABC):
    """One transport, with a caller at its other end."""

    unsupported: ClassVar[dict[str, str]] = {}
    """Sentences of the contract that this transport does not satisfy, each with the reason."""
    sound_ms: ClassVar[int] = 600
    """How long its sounds are."""
    tolerance_ms: ClassVar[int] = 1
    """How far what was heard may be off."""
    reports_status_after_hangup: ClassVar[bool] = True
    """Whether the dialplan still hears how it ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.takes = folder / "takes"
        self.takes.mkdir()
        self.sounds = {name: _write_sound(folder / f"{name}.wav", name, self.sound_ms) for name in SOUND_NAMES}
        self.clock = FakeClock()

    @abstractmethod
    async def run_case(self, case: ContractCase) -> CallOutcome:
        """The whole call. Raises the failures of the case."""

    def silence(self) -> Sound:
        return PromptCache(self.folder, {}, self.clock.monotonic).render_silence()

    def advance_clock(self, ms: int) -> None:
        self.clock.advance(ms=ms)


class ScriptedTransport(TransportUnderTest):
    """In memory."""

    unsupported: ClassVar[dict[str, str]] = {
        "a file that cannot be played is reported, and the call goes on": "a scripted call opens no files to play",
        "a file that cannot be played before the answer is reported, and the call goes on": "likewise",
        "a recording that cannot be written is reported, and the call goes on": (
            "the disk of a scripted call is the test's"
        ),
    }

    async def run_case(self, row: ContractCase) -> CallOutcome:
        call = ScriptedCall(
            self._script(row), IncomingCall("PJSIP/contract-00000001", "1.1"), self.clock.monotonic, self.advance_clock,
            variables={VARIABLE: VALUE},
        )  # fmt: skip
        call.extensions = {(CONTEXT, EXTENSION)}
        steps = [step for step in row.caller_steps if not isinstance(step, CallerSpeak) and step.during == DURING_WORK]

        async def work() -> str:
            for step in steps:
                if isinstance(step, CallerHangUp):
                    call.hangup_event = True
                else:
                    for key in step.keys:
                        call.typeahead.put(key)
            return "done"

        service = ContractService(row, ContractFixture(self.sounds, self.takes, 1, work))
        await service.handle(call)
        service.raise_failures()
        heard = [(one.text, one.from_ms, one.to_ms) for one in call.heard_sounds]
        early = call.texts[: call.sounds_before_answer]
        return CallOutcome(call.status, heard, call.continue_target, call.hangup_event, call.answered, early)

    def _script(self, row: ContractCase) -> list[ScriptedStep]:
        steps: list[ScriptedStep] = []
        for step in row.caller_steps:
            if isinstance(step, CallerSpeak):
                steps.append(Speak(step.length_ms, "silence" if step.ended_by == "on" else step.ended_by))
            elif step.during != DURING_WORK:
                after_ms = round(step.position * self.sound_ms) if step.during else step.delay_ms
                if isinstance(step, CallerPress):
                    steps.append(Press(step.keys, step.during, after_ms))
                else:  # A caller may hang up in a sound that takes no keys: count from its beginning.
                    steps.append(HangUp(step.during, after_ms if step.during else self.sound_ms + after_ms))
        return steps


class FastAgiTransport(TransportUnderTest):
    """The real server, and a peer that behaves as Asterisk does."""

    async def run_case(self, row: ContractCase) -> CallOutcome:
        follower = ContractHandset(row.caller_steps, self.advance_clock)
        outcome = await self.run_call(row, follower, ContractFixture(self.sounds, self.takes, 1, follower.work))
        outcome.heard, outcome.heard_before_answer = follower.heard, follower.heard_before_answer
        return outcome

    async def run_call(
        self, row: ContractCase, handset: Handset, stage: ContractFixture, monotonic: Callable[[], float] | None = None
    ) -> CallOutcome:
        """The call, with `handset` in the caller's hand."""
        service = ContractService(row, stage)
        server = FastAgiServer(service.handle, self.silence(), NO_PROOF, monotonic or self.clock.monotonic)
        address = await server.start("127.0.0.1", 0)
        peer = FakeAsterisk(incoming_line(), handset)
        peer.variables[VARIABLE] = VALUE
        if isinstance(handset, ContractHandset):
            handset.is_answered = lambda: peer.is_answered
        try:
            status = await peer.connect_and_run(*address)
        finally:
            await server.stop()
        service.raise_failures()
        return read_outcome(status, peer, handset)


class ClassicAgiTransport(TransportUnderTest):
    """A process of our own for the call, on pipes, and a peer that behaves as Asterisk does."""

    async def run_case(self, row: ContractCase) -> CallOutcome:
        follower = ContractHandset(row.caller_steps, self.advance_clock, observes_work=False)
        self.silence()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.call.contract.agi_program", str(CASES.index(row)), str(self.folder),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=CHECKOUT,
        )  # fmt: skip
        assert process.stdin
        assert process.stdout
        peer = FakeAsterisk(incoming_line(), follower)
        peer.variables[VARIABLE] = VALUE
        follower.is_answered = lambda: peer.is_answered
        status = await peer.run_session(
            process.stdout, process.stdin, {"agi_request": "contract"}, lambda: process.send_signal(signal.SIGHUP)
        )
        assert await process.wait() == 0
        if complaint := (self.folder / FAILURE_FILE).read_text():
            pytest.fail(complaint)
        outcome = read_outcome(status, peer, follower)
        outcome.heard, outcome.heard_before_answer = follower.heard, follower.heard_before_answer
        return outcome


class AriTransport(TransportUnderTest):
    """The real connection, and a fake Asterisk that speaks ARI, with a caller, ten times as fast as real time."""

    sound_ms: ClassVar[int] = 3000
    tolerance_ms: ClassVar[int] = 900
    reports_status_after_hangup: ClassVar[bool] = False

    async def run_case(self, row: ContractCase) -> CallOutcome:
        asterisk = FakeAriServer()
        asterisk.takes = self.takes
        await asterisk.start_listening()
        lines, person = ConnectionRegistry(), AriCaller(row.caller_steps)
        service = ContractService(row, ContractFixture(self.sounds, self.takes, self.tolerance_ms, person.work))
        calls = StasisApplication(lines, service.handle, self.silence(), NO_PROOF, time.monotonic)
        settings = AriSettings(port=asterisk.port, user=USER, password=PASSWORD, application=APPLICATION)
        dialling = asyncio.create_task(AriClient(settings, lines).run_forever())
        try:
            await asterisk.connected()
            variables = {VARIABLE: VALUE, f"DIALPLAN_EXISTS({CONTEXT},{EXTENSION},1)": "1"}
            peer = asterisk.call("check", variables=variables)
            does = asyncio.create_task(person.handle(asterisk, peer))
            status = await peer.wait_until_over()
            await service.finished.wait()
            await calls.stop()
            does.cancel()
            await asyncio.gather(does, return_exceptions=True)
        finally:
            dialling.cancel()
            await asyncio.gather(dialling, return_exceptions=True)
            await asterisk.stop()
        service.raise_failures()
        heard = [(one.text, *one.heard_positions) for one in peer.playbacks if one.text and one.heard_positions]
        early = [one.text for one in peer.playbacks if one.text and one.heard_positions and one.is_early]
        return CallOutcome(status, heard, peer.continued_at, peer.hung_up.is_set(), peer.is_answered, early)  # type: ignore[arg-type]


class TerminalTransport(FastAgiTransport):
    """The phone in a terminal, in real time, with a keyboard that follows the script."""

    unsupported: ClassVar[dict[str, str]] = {
        "silence ends a recording": "a terminal's microphone is not listened to; it records until a key or the longest",
    }

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(folder)
        self._monkeypatch = monkeypatch

    async def run_case(self, row: ContractCase) -> CallOutcome:
        keyboard = ContractKeyboard(row.caller_steps)
        self._monkeypatch.setattr("ivr.terminal.handset.recorder_command", keyboard.microphone)
        screen = Screen(io.StringIO())
        console = TerminalHandset(keyboard, screen, Loudspeaker(None), PhoneOptions(False, None, self.folder))
        handset = ContractTerminalHandset(console, keyboard)
        stage = ContractFixture(self.sounds, self.takes, 300, keyboard.work)
        return await self.run_call(row, handset, stage, time.monotonic)


def incoming_line() -> AgiRequest:
    """A call as a dialplan passes it on, whose expressions know of one extension."""
    return AgiRequest(
        "check", (), "PJSIP/contract-00000001", "5550100", {f"DIALPLAN_EXISTS({CONTEXT},{EXTENSION},1)": "1"}
    )  # fmt: skip


def read_outcome(status: str, peer: FakeAsterisk, handset: Handset) -> CallOutcome:
    goto = (peer.goto["context"], peer.goto["extension"]) if peer.goto else None
    return CallOutcome(status, None, goto, handset.hangup_event.is_set(), peer.is_answered)


def _write_sound(path: Path, text: str, length_ms: int) -> Sound:
    """A sound of ours, as the prompts are: with its text beside it."""
    pcm = b"\x20\x03" * (length_ms * wav.SAMPLES_PER_MS)
    wav.write(path, pcm)
    sentence = RenderedPrompt(pcm, (ClipSpan(text, text, 0, length_ms),))
    side = {"text": text, "length_ms": length_ms, "clips": [asdict(span) for span in sentence.spans]}
    path.with_suffix(".json").write_text(json.dumps(side))
    return Sound(path, length_ms, text)
