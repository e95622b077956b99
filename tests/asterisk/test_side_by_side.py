"""app_voicemail and ivr on one Asterisk: mailboxes move one by one while callers leave messages in all of them."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from ivr.audio import wav
from tests.asterisk.conftest import PhoneUser, SpokenMessage, wait_until
from tests.lab.lab import LabInfo
from tests.lab.sip_phone import Samples
from tests.lab.sip_phone.speech import speech

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it reads the spool of Asterisk's user")

SPEECH_MS = 2000
SAME_AUDIO = 0.8
"""Correlation, at least, of a recording with what was said in the call; of two voices it is below 0.3."""


class Site:
    """The lab with both systems, and what was said to whom."""

    def __init__(self, lab: LabInfo, owners: list[PhoneUser]) -> None:
        self.spool = Path(lab.folder) / "spool" / "voicemail"
        self.spoken: dict[str, list[Samples]] = {owner.number: [] for owner in owners}
        self.moved: set[str] = set()
        self.data = Path(lab.environments["0"]["IVR_DATA__FOLDER"])
        self._environment = {
            **os.environ,
            **lab.environments["0"],
            "IVR_LOG__LEVEL": "warning",
            # As one word: root refuses a file among the words that Asterisk's user could change, as in this lab.
            "IVR_ASTERISK__CONSOLE_COMMAND": shlex.join(lab.console_command).replace("-C /", "-C/"),
        }
        source = ("--conf", f"{lab.folder}/etc/voicemail.conf", "--spool", str(self.spool), "--context", "pbx=lab")
        self.import_words = ("import", "app-voicemail", *source, *self._boxes(owners), "--only", "greetings,messages")

    def _boxes(self, owners: list[PhoneUser]) -> list[str]:
        return [word for owner in owners for word in ("--box", f"{owner.number}@pbx")]

    def inbox(self, owner: PhoneUser) -> Path:
        return self.spool / "pbx" / owner.number / "INBOX"

    async def ivr(self, *words: str) -> str:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "ivr", *words],
            capture_output=True,
            text=True,
            env=self._environment,
            check=False,
        )
        assert done.returncode in (0, 3), done.stdout + done.stderr
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

    async def leave_message(self, caller: PhoneUser, owner: PhoneUser) -> None:
        """Leave a message like no other, by the dialplan's one line for both systems."""
        words_of_box = self.spoken[owner.number]
        samples = speech(int(owner.number) * 10 + len(words_of_box), SPEECH_MS)
        call = await caller.dial(f"*42{owner.number}")
        if owner.number in self.moved:
            await call.expect("tone/beep", whole=True, within_s=25)
        else:
            await wait_until(lambda: [*self.inbox(owner).parent.glob("tmp/*.wav")])
        await call.say(samples)
        await call.hang_up()
        words_of_box.append(samples)

    def recordings(self, owner: PhoneUser) -> list[Samples]:
        paths = [path for m in owner.messages() for path in self.data.glob(f"*/vm/{m['id']}.wav")]
        return [np.frombuffer(wav.read_samples(path), np.int16) for path in paths]


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


@pytest.mark.long
async def test_boxes_move_one_by_one_while_callers_leave_messages(phone_users: list[PhoneUser], lab: LabInfo) -> None:
    site = Site(lab, phone_users)
    for person in phone_users:
        await person.phone.register()
        person.create_user_and_box()

    async def leave_one_in_each_box() -> None:
        callers = [*phone_users[1:], phone_users[0]]
        await asyncio.gather(*map(site.leave_message, callers, phone_users))

    async with site.follow():
        for owner in phone_users:
            await leave_one_in_each_box()
            # What app_voicemail took is here while it goes on.
            await wait_until(lambda: all(len(one.messages()) == len(site.spoken[one.number]) for one in phone_users))
            assert "callers reach ivr" in await site.ivr("import", "switch", f"{owner.number}@pbx")
            site.moved.add(owner.number)
        await leave_one_in_each_box()
        await wait_until(lambda: all(len(one.messages()) == 4 for one in phone_users))
    for owner in phone_users:
        assert_same_audio(site.recordings(owner), site.spoken[owner.number])
    # The same line opens the box in ivr now.
    first = phone_users[0]
    newest_first = [SpokenMessage(m["id"], site.recordings(first)[n]) for n, m in enumerate(first.messages())]
    call = await first.dial(f"*43{first.number}")
    await call.expect("count/you-have", within_s=25)
    heard = await call.call.wait_for_any([message.clip for message in newest_first], within_s=25)
    assert heard.name in {message.clip.name for message in newest_first}
    await call.hang_up()
    # And back: everything is in app_voicemail, and so are its callers.
    assert "callers reach app_voicemail" in await site.ivr("import", "switch", f"{first.number}@pbx", "--back")
    site.moved.remove(first.number)
    await site.leave_message(phone_users[1], first)
    box = site.inbox(first).parent
    await wait_until(lambda: len([*box.glob("*/msg*.txt")]) == 5)
    stored = [np.frombuffer(wav.read_samples(path), np.int16) for path in box.glob("*/msg*.wav")]
    assert_same_audio(stored, site.spoken[first.number])
