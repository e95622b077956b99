"""Fixtures on the lab: a phone, a user and a box for each test, and the ear that knows every prompt."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.asterisk.rig.lab import Notes
from tests.asterisk.rig.processes import as_service
from tests.sipphone import Clip, Phone, PhoneCall, Samples, Vocabulary
from tests.sipphone.speech import speech
from tests.support.house import SOUNDS

LAB = os.environ.get("IVR_LAB")
BREATH_S = 0.06
REASON = "needs a real Asterisk: run 'make test' as root on Debian"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a lab none is run; in one, all but those that are about another road than its calls take."""
    if LAB and hasattr(config, "workerinput"):
        # No test begins before every process is here: what takes time is done by then, and makes nobody's call late.
        _vocabulary()
        _desk().ask("account")
    transport = Notes.read(Path(LAB)).transport if LAB else None
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        if transport is None:
            item.add_marker(pytest.mark.skip(reason=REASON))
        elif (only := item.get_closest_marker("only_over")) and only.args[0] != transport:
            item.add_marker(pytest.mark.skip(reason=f"about {only.args[0]} alone: {only.args[1]}"))


class Desk:
    """The clerk of this test process, and what a test asks of them."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.asterisk.rig.clerk"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, **as_service(environment),
        )  # fmt: skip

    def ask(self, do: str, **how: Any) -> Any:
        """Have something done; what the clerk answers."""
        print(json.dumps({"do": do, **how}), file=self._process.stdin, flush=True)
        assert self._process.stdout
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, f"{do} {how}: {answer['error']}"
        return answer["ok"]

    def close(self) -> None:
        with self._process:
            pass  # Closing its input ends it.


@pytest.fixture(scope="session")
def notes() -> Notes:
    assert LAB
    return Notes.read(Path(LAB))


@cache
def _vocabulary() -> Vocabulary:
    vocabulary = Vocabulary.from_folder(SOUNDS / "en")
    vocabulary.prepare()
    return vocabulary


@cache
def _desk() -> Desk:
    assert LAB
    return Desk({**Notes.read(Path(LAB)).environments["0"], "IVR_LOG__LEVEL": "warning"})


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return _vocabulary()


@pytest.fixture(scope="session")
def desk() -> Iterator[Desk]:
    yield _desk()
    _desk().close()


class Person:
    """Somebody with a phone of their own, a user of their own, and a box of their own."""

    def __init__(self, desk: Desk, notes: Notes, device: dict[str, str], vocabulary: Vocabulary) -> None:
        self.name = device["name"]
        self.number = device["number"]
        self.phone = Phone(self.name, device["password"], ("127.0.0.1", notes.sip_port), vocabulary=vocabulary)
        self._desk = desk
        self._vocabulary = vocabulary
        self._folder = Path(notes.folder) / "inbox"
        self._messages = 0
        self.user_id = ""

    def moves_in(self, *, pin: str = "1379", at: Desk | None = None, **settings: Any) -> None:
        """Becomes a user with this phone and this box, at the service that everybody uses or another."""
        self._desk = at or self._desk
        self.user_id = self._desk.ask("user", name=self.name)["id"]
        self._desk.ask("box", mailbox=self.number, owner_id=self.user_id, pin=pin, **settings)

    def has_message(
        self,
        *,
        s: float = 4,
        age_s: int = 3600,
        folder: str = "new",
        caller: str = "2001",
        at: str = "",
        announce: bool = False,
    ) -> Recorded:
        """A message of made-up speech that is like no other."""
        file, samples = self._spoken(s)
        message_id = self._desk.ask(
            "message", number=at or self.number, file=str(file), caller=caller, age_s=age_s, folder=folder,
            announce=announce,
        )  # fmt: skip
        return Recorded(message_id, samples)

    def has_recording(self, kind: str, *, s: float = 2) -> Clip:
        """A greeting ("unavailable", "temporary_unavailable") or a name ("name") in use at the box."""
        file, samples = self._spoken(s)
        self._desk.ask("recording", number=self.number, kind=kind, file=str(file))
        return Clip(f"{kind} of {self.number}", samples)

    def _spoken(self, s: float) -> tuple[Path, Samples]:
        """A WAV of made-up speech that is like no other."""
        self._messages += 1
        samples = speech(int(self.number) * 100 + self._messages, round(s * 1000))
        self._folder.mkdir(exist_ok=True)
        file = self._folder / f"{self.name}-{self._messages}.wav"
        with wave.open(str(file), "wb") as out:
            out.setparams((1, 2, 8000, 0, "NONE", ""))
            out.writeframes(samples.tobytes())
        file.chmod(0o644)
        return file, samples

    def folder_of(self, message: Recorded) -> str:
        """Where a message is now; "gone" where it is nowhere."""
        return next((str(m["folder"]) for m in self.messages() if m["id"] == message.id), "gone")

    def messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._desk.ask("messages", number=self.number)
        return found

    def set_box(self, **changes: Any) -> None:
        self._desk.ask("set_box", number=self.number, **changes)

    def has_one_more_box(self, number: str) -> None:
        """Whose owner is the same user."""
        self._desk.ask("box", mailbox=number, owner_id=self.user_id)

    def moves(self, message: Recorded, folder: str) -> None:
        """An administrator moves it to another folder."""
        self._desk.ask("move", number=self.number, message=message.id, folder=folder)

    async def dials(self, number: str, **how: Any) -> Conversation:
        """Dial, and be answered."""
        return Conversation(await self.phone.dial(number, **how), self._vocabulary)

    async def dials_early(self, number: str) -> Conversation:
        """Dial, and hear something before the call is answered."""
        return Conversation(await self.phone.dial_early(number), self._vocabulary)


class Recorded:
    """A message and what is said in it."""

    def __init__(self, message_id: str, samples: Samples) -> None:
        self.id = message_id
        self.samples = samples
        self.clip = Clip(f"message {message_id[-6:]}", samples)


class Conversation:
    """A call, in which things are heard one after another."""

    def __init__(self, call: PhoneCall, vocabulary: Vocabulary) -> None:
        self.call = call
        self._vocabulary = vocabulary
        self._since_s = 0.0

    async def hears(self, *what: str | Clip | Recorded, within_s: float = 12, whole: bool = False) -> None:
        """Hear prompts (keys of the catalogue), clips and messages, in this order, each after the one before.

        With `whole`, each to its end.
        """
        for one in what:
            clip = self._vocabulary[one] if isinstance(one, str) else one.clip if isinstance(one, Recorded) else one
            heard = await self.call.hears(clip, within_s=within_s, after_s=self._since_s, whole=whole)
            self._since_s = heard.start_s + 0.02

    async def press(self, keys: str, **how: Any) -> None:
        """Press keys; what counts from now on is what is heard from the last one on."""
        await self.call.press(keys, **how)
        self._since_s = self.call.key_up_s

    async def says(self, samples: Samples) -> None:
        """Speak, a breath behind what was heard: nobody speaks into the frame that follows a beep."""
        await asyncio.sleep(BREATH_S)
        await self.call.say(samples)

    async def ends(self, within_s: float = 15) -> None:
        """The other side hangs up."""
        await self.call.ended(within_s)

    async def hang_up(self) -> None:
        await self.call.hang_up()


@pytest.fixture
async def people(desk: Desk, notes: Notes, vocabulary: Vocabulary) -> AsyncIterator[list[Person]]:
    """Three people that no other test knows, with phones that are registered; they have not moved in yet."""
    async with contextlib.AsyncExitStack() as stack:
        found = [Person(desk, notes, take_device(notes), vocabulary) for _ in range(3)]
        for person in found:
            await stack.enter_async_context(person.phone)
        yield found


@pytest.fixture
async def alice(people: list[Person]) -> Person:
    await people[0].phone.register()
    return people[0]


@pytest.fixture
async def bob(people: list[Person]) -> Person:
    await people[1].phone.register()
    return people[1]


@pytest.fixture
async def stranger(people: list[Person]) -> Person:
    """Has a phone that the service does not know."""
    await people[2].phone.register()
    return people[2]


def take_device(notes: Notes) -> dict[str, str]:
    """One that nobody has taken yet, whichever test process asks."""
    for device in notes.devices:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(Path(notes.folder) / f"taken-{device['name']}", os.O_CREAT | os.O_EXCL))
            return device
    raise AssertionError("the lab has no more phones: make PHONES larger")


async def eventually(condition: Callable[[], object], within_s: float = 10) -> None:
    """Wait until something is so: what a hang-up leaves to do is done a moment later."""
    deadline = asyncio.get_running_loop().time() + within_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"not so within {within_s} s"
        await asyncio.sleep(0.05)


def level_dbfs(samples: Samples) -> float:
    """How loud it is, 0 being full scale."""
    return float(20 * np.log10(max(1.0, float(np.sqrt(np.mean(samples.astype(float) ** 2)))) / 32768))
