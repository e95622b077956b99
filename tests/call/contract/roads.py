"""The roads that need no Asterisk: each leads one call of a row from its first moment to its last."""

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
from ivr.audio.sound import Sound
from ivr.call.ari.dialling import Dialling
from ivr.call.ari.lines import Lines
from ivr.call.ari.service import AriService
from ivr.call.ari.settings import AriSettings
from ivr.call.arrival import Arrival
from ivr.call.fastagi.server import FastAgiServer
from ivr.call.scripted import HangUp, Press, ScriptedCall, Speak
from ivr.call.scripted import Step as ScriptedStep
from ivr.prompts.joining import Sentence, Span
from ivr.prompts.sentences import Sentences
from ivr.terminal.asterisk import Asterisk, Handset, Line
from ivr.terminal.console import Console, Manner
from ivr.terminal.screen import Screen
from ivr.terminal.sound import Loudspeaker
from tests.call.contract.agi_program import COMPLAINT
from tests.call.contract.ari_person import AtThePhone
from tests.call.contract.follower import Follower
from tests.call.contract.keyboard import FollowingConsole, FollowingKeyboard
from tests.call.contract.rows import ROWS, Row
from tests.call.contract.script import WORK, HangsUp, Presses, Speaks
from tests.call.contract.service import Service
from tests.call.contract.stage import CONTEXT, EXTENSION, NAMES, VALUE, VARIABLE, Stage
from tests.support.ari import APPLICATION, PASSWORD, USER, FakeAri
from tests.support.house import FakeClock

CHECKOUT = Path(__file__).parents[3]


@dataclass
class Outcome:
    """What the caller and the dialplan noticed of a call. `heard` None: this road cannot tell."""

    status: str | None = None
    heard: list[tuple[str, int, int]] | None = None
    went_to: tuple[str, str] | None = None
    is_over: bool = False
    """The channel is gone, whoever hung up."""
    answered: bool = True
    early: list[str] | None = None
    """What was heard before that."""


class Road(ABC):
    """One transport, with a caller at its other end."""

    cannot: ClassVar[dict[str, str]] = {}
    """Sentences of the contract that this road does not hold, each with the reason."""
    sound_ms: ClassVar[int] = 600
    """How long its sounds are."""
    slack_ms: ClassVar[int] = 1
    """How far what was heard may be off."""
    tells_after_a_hang_up: ClassVar[bool] = True
    """Whether the dialplan still hears how it ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.takes = folder / "takes"
        self.takes.mkdir()
        self.sounds = {name: _recorded(folder / f"{name}.wav", name, self.sound_ms) for name in NAMES}
        self.clock = FakeClock()

    @abstractmethod
    async def meet(self, row: Row) -> Outcome:
        """The whole call. Raises what the row complains of."""

    def silence(self) -> Sound:
        return Sentences(self.folder, {}, self.clock.monotonic).silence()

    def pass_time(self, ms: int) -> None:
        self.clock.advance(ms=ms)


class Scripted(Road):
    """In memory."""

    cannot: ClassVar[dict[str, str]] = {
        "a file that cannot be played is told, and the call goes on": "a scripted call opens no files to play",
        "a file that cannot be played before the answer is told, and the call goes on": "likewise",
        "a recording that cannot be written is told, and the call goes on": "the disk of a scripted call is the test's",
    }

    async def meet(self, row: Row) -> Outcome:
        call = ScriptedCall(
            self._script(row), Arrival("PJSIP/contract-00000001", "1.1"), self.clock.monotonic, self.pass_time,
            variables={VARIABLE: VALUE},
        )  # fmt: skip
        call.extensions = {(CONTEXT, EXTENSION)}
        steps = [step for step in row.caller if not isinstance(step, Speaks) and step.during == WORK]

        async def work() -> str:
            for step in steps:
                if isinstance(step, HangsUp):
                    call.hung_up = True
                else:
                    for key in step.keys:
                        call.typeahead.put(key)
            return "done"

        service = Service(row, Stage(self.sounds, self.takes, 1, work))
        await service.receive(call)
        service.complain()
        heard = [(one.text, one.from_ms, one.to_ms) for one in call.heard]
        early = call.texts[: call.heard_early]
        return Outcome(call.status, heard, call.branch, call.hung_up, call.answered, early)

    def _script(self, row: Row) -> list[ScriptedStep]:
        steps: list[ScriptedStep] = []
        for step in row.caller:
            if isinstance(step, Speaks):
                steps.append(Speak(step.ms, "silence" if step.then == "on" else step.then))
            elif step.during != WORK:
                after_ms = round(step.at * self.sound_ms) if step.during else step.ms
                if isinstance(step, Presses):
                    steps.append(Press(step.keys, step.during, after_ms))
                else:  # Somebody may hang up in a sound that takes no keys: count from its beginning.
                    steps.append(HangUp(step.during, after_ms if step.during else self.sound_ms + after_ms))
        return steps


class FastAgi(Road):
    """The real server, and a peer that behaves as Asterisk does."""

    async def meet(self, row: Row) -> Outcome:
        follower = Follower(row.caller, self.pass_time)
        outcome = await self.converse(row, follower, Stage(self.sounds, self.takes, 1, follower.work))
        outcome.heard, outcome.early = follower.heard, follower.early
        return outcome

    async def converse(
        self, row: Row, handset: Handset, stage: Stage, monotonic: Callable[[], float] | None = None
    ) -> Outcome:
        """The call, with `handset` in the caller's hand."""
        service = Service(row, stage)
        server = FastAgiServer(service.receive, self.silence(), "", monotonic or self.clock.monotonic)
        address = await server.start("127.0.0.1", 0)
        peer = Asterisk(line(), handset)
        peer.variables[VARIABLE] = VALUE
        if isinstance(handset, Follower):
            handset.is_answered = lambda: peer.is_answered
        try:
            status = await peer.call(*address)
        finally:
            await server.stop()
        service.complain()
        return outcome_of(status, peer, handset)


class ClassicAgi(Road):
    """A process of our own for the call, on pipes, and a peer that behaves as Asterisk does."""

    async def meet(self, row: Row) -> Outcome:
        follower = Follower(row.caller, self.pass_time, sees_work=False)
        self.silence()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.call.contract.agi_program", str(ROWS.index(row)), str(self.folder),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=CHECKOUT,
        )  # fmt: skip
        assert process.stdin
        assert process.stdout
        peer = Asterisk(line(), follower)
        peer.variables[VARIABLE] = VALUE
        follower.is_answered = lambda: peer.is_answered
        status = await peer.converse(
            process.stdout, process.stdin, {"agi_request": "contract"}, lambda: process.send_signal(signal.SIGHUP)
        )
        assert await process.wait() == 0
        if complaint := (self.folder / COMPLAINT).read_text():
            pytest.fail(complaint)
        outcome = outcome_of(status, peer, follower)
        outcome.heard, outcome.early = follower.heard, follower.early
        return outcome


class Ari(Road):
    """The real connection, and an Asterisk that speaks ARI, with somebody at its phone, ten times as fast as life."""

    sound_ms: ClassVar[int] = 3000
    slack_ms: ClassVar[int] = 900
    tells_after_a_hang_up: ClassVar[bool] = False

    async def meet(self, row: Row) -> Outcome:
        asterisk = FakeAri()
        asterisk.takes = self.takes
        await asterisk.start_listening()
        lines, person = Lines(), AtThePhone(row.caller)
        service = Service(row, Stage(self.sounds, self.takes, self.slack_ms, person.work))
        calls = AriService(lines, service.receive, self.silence(), "", time.monotonic)
        settings = AriSettings(port=asterisk.port, user=USER, password=PASSWORD, application=APPLICATION)
        dialling = asyncio.create_task(Dialling(settings, lines).run())
        try:
            await asterisk.connected()
            variables = {VARIABLE: VALUE, f"DIALPLAN_EXISTS({CONTEXT},{EXTENSION},1)": "1"}
            peer = asterisk.call("check", variables=variables)
            does = asyncio.create_task(person.follow(asterisk, peer))
            status = await peer.ends()
            await service.over.wait()
            await calls.stop()
            does.cancel()
            await asyncio.gather(does, return_exceptions=True)
        finally:
            dialling.cancel()
            await asyncio.gather(dialling, return_exceptions=True)
            await asterisk.stop()
        service.complain()
        heard = [(one.text, *one.heard) for one in peer.playbacks if one.text and one.heard]
        early = [one.text for one in peer.playbacks if one.text and one.heard and one.is_early]
        return Outcome(status, heard, peer.went_to, peer.hung_up.is_set(), peer.is_answered, early)  # type: ignore[arg-type]


class Terminal(FastAgi):
    """The phone in a terminal, in real time, with somebody else's fingers on its keyboard."""

    cannot: ClassVar[dict[str, str]] = {
        "silence ends a recording": "a terminal's microphone is not listened to; it records until a key or the longest",
    }

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(folder)
        self._patch = monkeypatch

    async def meet(self, row: Row) -> Outcome:
        keyboard = FollowingKeyboard(row.caller)
        self._patch.setattr("ivr.terminal.console.recorder", keyboard.microphone)
        screen = Screen(io.StringIO())
        console = Console(keyboard, screen, Loudspeaker(None), Manner(False, None, self.folder))
        handset = FollowingConsole(console, keyboard)
        stage = Stage(self.sounds, self.takes, 300, keyboard.work)
        return await self.converse(row, handset, stage, time.monotonic)


def line() -> Line:
    """A call as a dialplan passes it on, whose expressions know of one extension."""
    return Line(
        "check", (), "PJSIP/contract-00000001", "5550100", {f"DIALPLAN_EXISTS({CONTEXT},{EXTENSION},1)": "1"}
    )  # fmt: skip


def outcome_of(status: str, peer: Asterisk, handset: Handset) -> Outcome:
    goto = (peer.goto["context"], peer.goto["extension"]) if peer.goto else None
    return Outcome(status, None, goto, handset.hung_up.is_set(), peer.is_answered)


def _recorded(path: Path, text: str, length_ms: int) -> Sound:
    """A sound of ours, as the prompts are: with its text beside it."""
    pcm = b"\x20\x03" * (length_ms * wav.SAMPLES_PER_MS)
    wav.write(path, pcm)
    sentence = Sentence(pcm, (Span(text, text, 0, length_ms),))
    side = {"text": text, "length_ms": length_ms, "clips": [asdict(span) for span in sentence.spans]}
    path.with_suffix(".json").write_text(json.dumps(side))
    return Sound(path, length_ms, text)
