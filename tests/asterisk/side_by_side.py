"""A site that moves in while both systems run: callers leave messages in all mailboxes, which move one by one.

`python -m tests.asterisk.side_by_side [--boxes 40] [--callers 6] [--seed N]` does it in a lab of its own.
`test_side_by_side.py` does the same with three mailboxes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

import numpy as np

from ivr.audio import wav
from tests.asterisk.conftest import AdminClient, PhoneUser, RecognisedCall, SpokenMessage, wait_until
from tests.lab.asterisk_config import SipAccount
from tests.lab.asterisk_root import AsteriskUnavailable, unavailable_reason
from tests.lab.lab import Lab, LabInfo
from tests.lab.processes import StartFailed
from tests.lab.sip_phone import Samples, Vocabulary
from tests.lab.sip_phone.speech import speech
from tests.support.app_fixture import SOUNDS

SPEECH_MS = 2000
SAME_AUDIO = 0.8
"""Correlation, at least, of a recording with what was said in the call; of two voices it is below 0.3."""
MESSAGES_PER_BOX = 4
FOLLOW_TIMEOUT_S = 60
"""How long what app_voicemail took may need until it is here, on a machine that does other things too."""
CONTEXT = "pbx"


@dataclass(slots=True)
class BoxState:
    """What one owner is due. `lock`: one call at a time reaches the mailbox."""

    owner: PhoneUser
    spoken: list[Samples] = field(default_factory=list)
    """What callers have said to this owner, in order."""
    heard: list[Samples] = field(default_factory=list)
    """What the owner has heard, as it was played."""
    is_moved: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def key(self) -> str:
        return f"{self.owner.number}@{CONTEXT}"


class Site:
    """The lab with both systems, and what was said to whom."""

    def __init__(self, lab: LabInfo, owners: Sequence[PhoneUser]) -> None:
        self.boxes = [BoxState(owner) for owner in owners]
        self.spool = Path(lab.folder) / "spool" / "voicemail"
        self._data = Path(lab.environments["0"]["IVR_DATA__FOLDER"])
        self._environment = {
            **os.environ,
            **lab.environments["0"],
            "IVR_LOG__LEVEL": "warning",
            # As one word: root refuses a file among the words that Asterisk's user could change, as in this lab.
            "IVR_ASTERISK__CONSOLE_COMMAND": shlex.join(lab.console_command).replace("-C /", "-C/"),
        }
        source = ("--conf", f"{lab.folder}/etc/voicemail.conf", "--spool", str(self.spool), "--context", "pbx=lab")
        words_of_boxes = [word for box in self.boxes for word in ("--box", box.key)]
        self.import_words = ("import", "app-voicemail", *source, *words_of_boxes, "--only", "greetings,messages")

    def folder(self, box: BoxState) -> Path:
        """The folder of the mailbox in the spool of app_voicemail."""
        return self.spool / CONTEXT / box.owner.number

    async def ivr(self, *words: str) -> str:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "ivr", *words],
            capture_output=True,
            text=True,
            env=self._environment,
            check=False,
        )
        assert done.returncode in ((0, 3) if words == self.import_words else (0,)), done.stdout + done.stderr
        return str(done.stdout)

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[None]:
        words = (*self.import_words, "--follow", "--interval", "0.5")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ivr", *words),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._environment,
        )
        try:
            yield
        finally:
            process.terminate()
            assert await process.wait() in (0, 3)

    async def switch(self, box: BoxState, *, back: bool = False) -> None:
        """Have the next caller reach the other system."""
        output = await self.ivr("import", "switch", box.key, *(["--back"] if back else []))
        assert f"callers reach {'app_voicemail' if back else 'ivr'}" in output
        box.is_moved = not back

    async def leave_message(self, caller: PhoneUser, box: BoxState) -> None:
        """Leave a message like no other, by the dialplan's one line for both systems; either may answer."""
        async with box.lock:
            samples = speech(int(box.owner.number) * 100 + len(box.spoken), SPEECH_MS)
            call = await caller.dial(f"*42{box.owner.number}")
            await self._wait_for_recording(call, box)
            await call.say(samples)
            await call.hang_up()
            box.spoken.append(samples)

    async def _wait_for_recording(self, call: RecognisedCall, box: BoxState) -> None:
        beep = asyncio.create_task(call.expect("tone/beep", whole=True, within_s=30))
        try:
            while not beep.done() and not [*self.folder(box).glob("tmp/*.wav")]:
                await asyncio.sleep(0.05)
            if beep.done():
                beep.result()
        finally:
            beep.cancel()
            await asyncio.gather(beep, return_exceptions=True)

    async def wait_until_all_is_here(self) -> None:
        """Wait until each message that a caller has left is in ivr."""
        await wait_until(
            lambda: all(len(box.owner.messages()) == len(box.spoken) for box in self.boxes), FOLLOW_TIMEOUT_S
        )

    async def listen_in_app_voicemail(self, box: BoxState) -> None:
        """The owner hears the new messages there, by the dialplan's one line; app_voicemail moves them to Old."""
        async with box.lock:
            if box.is_moved:
                return
            inbox = self.folder(box) / "INBOX"
            # app_voicemail stores a message a moment after its caller has hung up.
            await wait_until(lambda: len([*inbox.glob("msg*.txt")]) == len(box.spoken), FOLLOW_TIMEOUT_S)
            paths = sorted(inbox.glob("msg*.wav"))
            due = [SpokenMessage(path.stem, read_recording(path)) for path in paths]
            call = await box.owner.dial(f"*43{box.owner.number}")
            await call.press("1")
            for number, message in enumerate(due):
                if number:
                    await call.press("6")
                await call.expect(message, within_s=30)
                box.heard.append(message.samples)
            await call.hang_up()
            await wait_until(lambda: not [*inbox.glob("msg*.txt")], FOLLOW_TIMEOUT_S)

    async def listen_in_ivr(self, box: BoxState) -> None:
        """The owner hears each new message in ivr, by the dialplan's one line, saves it, and there are no more."""
        async with box.lock:
            due = self.new_messages(box)
            call = await box.owner.dial(f"*43{box.owner.number}")
            await call.expect("count/you-have", within_s=30)
            while due:
                heard = await call.call.wait_for_any([message.clip for message in due], within_s=30)
                message = next(one for one in due if one.clip.name == heard.name)
                due.remove(message)
                box.heard.append(message.samples)
                await call.press("1")
                await call.expect("message/saved", within_s=30)
            await call.hang_up()
            await wait_until(lambda: not self.new_messages(box), FOLLOW_TIMEOUT_S)

    async def wait_for_message(self, box: BoxState) -> None:
        """Wait until there is a message in app_voicemail."""
        await wait_until(lambda: [*(self.folder(box) / "INBOX").glob("msg*.txt")], FOLLOW_TIMEOUT_S)

    def new_messages(self, box: BoxState) -> list[SpokenMessage]:
        return [
            SpokenMessage(message["id"], self._recording(message["id"]))
            for message in box.owner.messages()
            if message["folder"] == "new"
        ]

    def recordings(self, box: BoxState) -> list[Samples]:
        """All recordings of the mailbox in ivr."""
        return [self._recording(message["id"]) for message in box.owner.messages()]

    def _recording(self, message_id: str) -> Samples:
        (path,) = self._data.glob(f"*/vm/{message_id}.wav")
        return read_recording(path)


class Weekend:
    """Callers leave messages in all mailboxes while these move one by one, in an order that `random` decides."""

    def __init__(self, site: Site, callers: Sequence[PhoneUser], random: Random) -> None:
        self._site = site
        self._callers = callers
        self._random = random
        calls = MESSAGES_PER_BOX * len(site.boxes)
        self._calls = [site.boxes[n % len(site.boxes)] for n in range(calls)]
        random.shuffle(self._calls)
        self._total = calls
        self._due = 0.0

    async def run(self, *, listen_before: int, back: int) -> None:
        """Move all mailboxes. `listen_before` owners hear messages in app_voicemail first; `back` mailboxes go back
        after a while, and move once more at the end."""
        boxes = self._random.sample(self._site.boxes, len(self._site.boxes))
        for box in boxes[:listen_before]:  # Their callers come first, so that there is something to hear.
            place = max(n for n, called in enumerate(self._calls) if called is box)
            self._calls.append(self._calls.pop(place))
        await self._site.ivr(*self._site.import_words)  # In the week before.
        async with self._site.follow():
            async with asyncio.TaskGroup() as tasks:
                for caller in self._callers:
                    tasks.create_task(self._leave_messages(caller))
                await self._move(boxes, listen_before, back)
            await self._site.wait_until_all_is_here()

    async def _move(self, boxes: list[BoxState], listen_before: int, back: int) -> None:
        count = len(boxes)
        for place, box in enumerate(boxes):
            await self._wait_for_share((place + 1) / (count + 2))
            if place < listen_before:
                await self._site.wait_for_message(box)
                await self._site.listen_in_app_voicemail(box)
            await self._site.switch(box)
            if place < back:
                await self._wait_for_share((place + 1.5) / (count + 2))
                await self._site.switch(box, back=True)
        await self._wait_for_share((count + 1) / (count + 2))
        self._due = self._total
        for box in boxes[:back]:
            await self._site.switch(box)

    async def _wait_for_share(self, share: float) -> None:
        """Wait until so much of all calls was begun: the moves are spread over them."""
        self._due = share * self._total
        while self._begun < self._due:
            await asyncio.sleep(0.1)

    @property
    def _begun(self) -> int:
        return self._total - len(self._calls)

    async def _leave_messages(self, caller: PhoneUser) -> None:
        """Make calls, also while a mailbox moves, but hardly more than are due before the next one moves."""
        while self._calls:
            if self._begun < self._due + len(self._callers):
                await self._site.leave_message(caller, self._calls.pop())
            else:
                await asyncio.sleep(0.1)


def read_recording(path: Path) -> Samples:
    return np.frombuffer(wav.read_samples(path), np.int16)


def similarity(one: Samples, other: Samples) -> float:
    """Return the largest correlation of two recordings, however they are shifted."""
    size = len(one) + len(other)
    first, second = (np.fft.rfft(samples.astype(float), size) for samples in (one, other))
    peak = np.max(np.fft.irfft(first * np.conj(second), size))
    return float(peak / (np.linalg.norm(one.astype(float)) * np.linalg.norm(other.astype(float))))


def assert_same_audio(found: list[Samples], spoken: list[Samples]) -> None:
    """Each of what was said is in one recording, and no recording is of anything else."""
    matches = [[similarity(recording, words) > SAME_AUDIO for words in spoken] for recording in found]
    assert [sum(row) for row in matches] == [1] * len(spoken)
    assert [sum(column) for column in zip(*matches, strict=True)] == [1] * len(spoken)


async def run_in_lab(count: int, caller_count: int, seed: int) -> None:
    """Move `count` mailboxes in a lab of their own, let each owner hear the rest, and print what happened."""
    devices = tuple(SipAccount(f"m{n:03}", secrets.token_hex(8), str(1400 + n)) for n in range(count + caller_count))
    random, before = Random(seed), count // 3
    vocabulary = Vocabulary.from_folder(SOUNDS / "en")
    lab = Lab(devices)
    try:
        lab.start()
        info = LabInfo.read(lab.write_info())
        async with AsyncExitStack() as stack:
            admin = AdminClient({**info.environments["0"], "IVR_LOG__LEVEL": "warning"})
            stack.callback(admin.close)
            people = [PhoneUser(admin, info, asdict(device), vocabulary) for device in devices]
            for person in people:
                await stack.enter_async_context(person.phone)
                await person.phone.register(3600)
            for person in people[:count]:
                person.create_user_and_box()
            site = Site(info, people[:count])
            began = time.monotonic()
            await Weekend(site, people[count:], random).run(listen_before=before, back=count // 8)
            took_s = time.monotonic() - began
            print(f"{count} mailboxes moved in {took_s:.0f} s, while {caller_count} callers left messages", flush=True)
            print(await site.ivr(*site.import_words), await site.ivr("import", "verify"), sep="")
            waiting = random.sample(site.boxes, count)

            async def listen() -> None:
                while waiting:
                    await site.listen_in_ivr(waiting.pop())

            await asyncio.gather(*(listen() for _ in range(caller_count)))
            for box in site.boxes:
                assert_same_audio(site.recordings(box), box.spoken)
                assert_same_audio(box.heard, box.spoken)
            spoken, heard = (
                sum(map(len, lists)) for lists in zip(*((b.spoken, b.heard) for b in site.boxes), strict=True)
            )
            took_s = time.monotonic() - began
            print(f"{spoken} messages left, {heard} heard, each once and by its owner, in {took_s:.0f} s")
    except BaseException:
        print(f"The lab's logs are in {lab.folder}: asterisk.out, log/messages, service.log", file=sys.stderr)
        raise
    finally:
        lab.stop()
    lab.remove()


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--boxes", type=int, default=40)
    words.add_argument("--callers", type=int, default=6)
    words.add_argument("--seed", type=int, default=20_261_129)
    options = words.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # The lab ends with us.
    if reason := unavailable_reason():
        print(f"no lab: {reason}", file=sys.stderr)
        return 1
    asyncio.run(run_in_lab(options.boxes, options.callers, options.seed))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (AsteriskUnavailable, StartFailed) as reason:
        print(f"no lab: {reason}", file=sys.stderr)
        sys.exit(1)
