"""Fixtures on the lab: a phone, a user and a box for each test, and the ear that knows every prompt."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import sys
import time
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.lab import processor_waits
from tests.lab.lab import RIVALS, LabInfo
from tests.lab.processes import as_service_user
from tests.lab.processor_waits import find_waits
from tests.lab.service_log import find_stalls
from tests.lab.sip_phone import Clip, ClipNotHeard, Phone, PhoneCall, Samples, Vocabulary
from tests.lab.sip_phone.speech import speech
from tests.support.app_fixture import SOUNDS

LAB = os.environ.get("IVR_LAB")
PAUSE_BEFORE_SPEECH_S = 0.06
SKIP_REASON = "needs a real Asterisk: run 'make test' as root on Debian"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip all tests without a lab, and in a lab the tests of another transport. Long tests start first.

    Every fourth test at the beginning of the list is a long one, so that they do not all run at the same time.
    """
    if LAB and hasattr(config, "workerinput"):
        # No test starts before every worker process is ready, so that the slow preparations delay no call.
        _vocabulary()
        _admin().request("find_or_create_account")
    transport = LabInfo.read(Path(LAB)).transport if LAB else None
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        if transport is None:
            item.add_marker(pytest.mark.skip(reason=SKIP_REASON))
        elif (only := item.get_closest_marker("only_over")) and only.args[0] != transport:
            item.add_marker(pytest.mark.skip(reason=f"about {only.args[0]} alone: {only.args[1]}"))
    long = [item for item in items if item.get_closest_marker("long")]
    short = [item for item in items if not item.get_closest_marker("long")]
    for index, item in enumerate(long):
        short.insert(index * 4, item)
    items[:] = short


class MachineWasFull(Exception):
    """A test failed, and a service or a phone of its lab got no processor for a while.

    `tests/run` makes such a test once more, and says so.
    """


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Tell a failure by the machine from one of the product: calls and phones are of no use without a processor."""
    begin = time.time()
    try:
        yield
    except Exception as error:
        if LAB and (waits := find_waits(Path(LAB).parent / processor_waits.FILE_NAME, begin, time.time())):
            found = [f"{wait.waited_ms} of {wait.of_ms} ms: {wait.process}" for wait in waits]
            raise MachineWasFull(f"no processor for {len(waits)} times, {found[:5]}, and: {error}") from error
        raise


class AdminClient:
    """Client of the admin process (`tests.lab.admin_process`) that belongs to this test process."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.admin_process"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, **as_service_user(environment),
        )  # fmt: skip

    def request(self, command: str, **arguments: Any) -> Any:
        """Run a command in the admin process and return its result."""
        print(json.dumps({"command": command, **arguments}), file=self._process.stdin, flush=True)
        assert self._process.stdout
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, f"{command} {arguments}: {answer['error']}"
        return answer["ok"]

    def close(self) -> None:
        with self._process:
            pass  # Closing its input ends it.


@pytest.fixture(scope="session")
def lab() -> LabInfo:
    assert LAB
    return LabInfo.read(Path(LAB))


@cache
def _vocabulary() -> Vocabulary:
    vocabulary = Vocabulary.from_folder(SOUNDS / "en", rivals_folder=RIVALS)
    vocabulary.prepare()
    return vocabulary


@cache
def _admin() -> AdminClient:
    assert LAB
    return AdminClient({**LabInfo.read(Path(LAB)).environments["0"], "IVR_LOG__LEVEL": "warning"})


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return _vocabulary()


@pytest.fixture(scope="session")
def admin() -> Iterator[AdminClient]:
    yield _admin()
    _admin().close()


class PhoneUser:
    """A phone with a user and, on request, a mailbox of its own."""

    def __init__(self, admin: AdminClient, lab: LabInfo, device: dict[str, str], vocabulary: Vocabulary) -> None:
        self.name = device["name"]
        self.number = device["number"]
        self.phone = Phone(self.name, device["password"], ("127.0.0.1", lab.sip_port), vocabulary=vocabulary)
        self._admin = admin
        self._vocabulary = vocabulary
        self._folder = Path(lab.folder) / "inbox"
        self._agi_service_log = Path(lab.folder) / "service.log" if lab.transport != "ari" else None
        self._recordings_made = 0
        self.user_id = ""

    def create_user_and_box(self, *, pin: str = "1379", admin: AdminClient | None = None, **settings: Any) -> None:
        """Becomes a user with this phone and this box, at the service that everybody uses or another."""
        self._admin = admin or self._admin
        self.user_id = self._admin.request("create_user", name=self.name)["id"]
        self._admin.request("create_box", mailbox=self.number, owner_id=self.user_id, pin=pin, **settings)

    def create_message(
        self,
        *,
        s: float = 4,
        age_s: int = 3600,
        folder: str = "new",
        caller: str = "2001",
        number: str = "",
        announce: bool = False,
    ) -> SpokenMessage:
        """A message of made-up speech that is like no other."""
        file, samples = self._write_speech(s)
        message_id = self._admin.request(
            "create_message", number=number or self.number, file=str(file), caller=caller, age_s=age_s, folder=folder,
            announce=announce,
        )  # fmt: skip
        return SpokenMessage(message_id, samples)

    def add_undelivered_mail(self) -> None:
        """A mail about the box that was given up."""
        self._admin.request("add_undelivered_mail", number=self.number)

    def create_recording(self, kind: str, *, s: float = 2) -> Clip:
        """A greeting ("unavailable", "temporary_unavailable") or a name ("name") in use at the box."""
        file, samples = self._write_speech(s)
        self._admin.request("activate_recording", number=self.number, kind=kind, file=str(file))
        return Clip(f"{kind} of {self.number}", samples)

    def _write_speech(self, s: float) -> tuple[Path, Samples]:
        """A WAV of made-up speech that is like no other."""
        self._recordings_made += 1
        samples = speech(int(self.number) * 100 + self._recordings_made, round(s * 1000))
        self._folder.mkdir(exist_ok=True)
        file = self._folder / f"{self.name}-{self._recordings_made}.wav"
        with wave.open(str(file), "wb") as out:
            out.setparams((1, 2, 8000, 0, "NONE", ""))
            out.writeframes(samples.tobytes())
        file.chmod(0o644)
        return file, samples

    def folder_of(self, message: SpokenMessage) -> str:
        """Where a message is now; "gone" where it is nowhere."""
        return next((str(m["folder"]) for m in self.messages() if m["id"] == message.id), "gone")

    def messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._admin.request("list_messages", number=self.number)
        return found

    def update_box(self, **changes: Any) -> None:
        self._admin.request("update_box", number=self.number, **changes)

    def create_second_box(self, number: str) -> None:
        """Whose owner is the same user."""
        self._admin.request("create_box", mailbox=number, owner_id=self.user_id)

    def move_message(self, message: SpokenMessage, folder: str) -> None:
        """An administrator moves it to another folder."""
        self._admin.request("move_message", number=self.number, message=message.id, folder=folder)

    async def dial(self, number: str, **options: Any) -> RecognisedCall:
        """Dial, and be answered."""
        return RecognisedCall(await self.phone.dial(number, **options), self._vocabulary, self._agi_service_log)

    async def dial_early(self, number: str) -> RecognisedCall:
        """Dial, and hear something before the call is answered."""
        return RecognisedCall(await self.phone.dial_early(number), self._vocabulary, self._agi_service_log)


class SpokenMessage:
    """A message and its speech."""

    def __init__(self, message_id: str, samples: Samples) -> None:
        self.id = message_id
        self.samples = samples
        self.clip = Clip(f"message {message_id[-6:]}", samples)


class KeyMayBeLost(ClipNotHeard):
    """A clip was not heard, and the service stood still while the key before it was pressed.

    Over AGI, Asterisk drops keys that come more than 80 ms after a command (docs/dev/decisions/0016). `tests/run`
    makes such a test once more, and says so.
    """


class RecognisedCall:
    """A call, in which things are heard one after another.

    `agi_service_log`: that of the service, if calls come over AGI.
    """

    def __init__(self, call: PhoneCall, vocabulary: Vocabulary, agi_service_log: Path | None = None) -> None:
        self.call = call
        self._vocabulary = vocabulary
        self._agi_service_log = agi_service_log
        self._pressed_at = (0.0, 0.0)
        self._heard_until_s = 0.0
        self._covered: tuple[str, ...] = ()
        """The rest of the prompts that the recording stands for which was heard last."""

    async def expect(self, *sounds: str | Clip | SpokenMessage, within_s: float = 12, whole: bool = False) -> None:
        """Hear prompts (keys of the catalogue), clips and messages, in this order, each after the one before.

        With `whole`, each to its end.
        """
        for at, one in enumerate(sounds):
            if isinstance(one, str) and one in self._covered:
                self._covered = self._covered[self._covered.index(one) + 1 :]
                continue
            names = [*itertools.takewhile(lambda sound: isinstance(sound, str), sounds[at:])]
            clips = (
                self._vocabulary.replacing([str(name) for name in names])
                if isinstance(one, str)
                else [one.clip if isinstance(one, SpokenMessage) else one]
            )
            try:
                heard = await self.call.wait_for_any(clips, within_s=within_s, after_s=self._heard_until_s, whole=whole)
            except ClipNotHeard as error:
                if self._agi_service_log and (stalls := find_stalls(self._agi_service_log, *self._pressed_at)):
                    raise KeyMayBeLost(
                        f"{error}; when keys were pressed, the service stood still: {stalls} ms"
                    ) from error
                raise
            self._heard_until_s = heard.start_s + 0.02
            parts = self._vocabulary.replaced.get(heard.name, ())
            self._covered = parts[parts.index(one) + 1 :] if one in parts else ()

    async def press(self, keys: str, **options: Any) -> None:
        """Press keys; what counts from now on is what is heard from the last one on."""
        begin = time.time()
        await self.call.press(keys, **options)
        self._pressed_at = begin, time.time()
        self._heard_until_s = self.call.key_up_s
        self._covered = ()

    async def say(self, samples: Samples) -> None:
        """Speak a moment after the last clip, as a person does: not in the frame that follows a beep."""
        await asyncio.sleep(PAUSE_BEFORE_SPEECH_S)
        await self.call.say(samples)

    async def wait_for_hangup(self, within_s: float = 15) -> None:
        """The other side hangs up."""
        await self.call.wait_for_hangup(within_s)

    async def hang_up(self) -> None:
        await self.call.hang_up()


@pytest.fixture
async def phone_users(admin: AdminClient, lab: LabInfo, vocabulary: Vocabulary) -> AsyncIterator[list[PhoneUser]]:
    """Three people that no other test knows, with phones that are registered; they have not moved in yet."""
    async with contextlib.AsyncExitStack() as stack:
        found = [PhoneUser(admin, lab, claim_device(lab), vocabulary) for _ in range(3)]
        for person in found:
            await stack.enter_async_context(person.phone)
        yield found


@pytest.fixture
async def alice(phone_users: list[PhoneUser]) -> PhoneUser:
    await phone_users[0].phone.register()
    return phone_users[0]


@pytest.fixture
async def bob(phone_users: list[PhoneUser]) -> PhoneUser:
    await phone_users[1].phone.register()
    return phone_users[1]


@pytest.fixture
async def stranger(phone_users: list[PhoneUser]) -> PhoneUser:
    """Has a phone that the service does not know."""
    await phone_users[2].phone.register()
    return phone_users[2]


def claim_device(lab: LabInfo) -> dict[str, str]:
    """Return a device that no test process uses yet."""
    for device in lab.sip_accounts:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(Path(lab.folder) / f"taken-{device['name']}", os.O_CREAT | os.O_EXCL))
            return device
    raise AssertionError("the lab has no more phones: make PHONES larger")


async def wait_until(condition: Callable[[], object], within_s: float = 10) -> None:
    """Wait until something is so: what a hang-up leaves to do is done a moment later."""
    deadline = asyncio.get_running_loop().time() + within_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"not so within {within_s} s"
        await asyncio.sleep(0.05)


def level_dbfs(samples: Samples) -> float:
    """How loud it is, 0 being full scale."""
    return float(20 * np.log10(max(1.0, float(np.sqrt(np.mean(samples.astype(float) ** 2)))) / 32768))
