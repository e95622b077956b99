"""`make asterisk`: somebody with a softphone registers with what is printed, and dials."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.asterisk.conftest import Conversation
from tests.asterisk.rig.lab import CHECKOUT, Notes
from tests.sipphone import Clip, Phone, Vocabulary
from tests.support.house import SOUNDS

START_WITHIN_S = 90
END_WITHIN_S = 40


class Shown:
    """The command, and what it has shown until it was ready."""

    def __init__(self, process: Process, text: str) -> None:
        self.process = process
        self.text = text

    @property
    def server(self) -> tuple[str, int]:
        found = re.search(r"([\d.]+):(\d+) \(UDP\)", self.text)
        assert found, self.text
        return found[1], int(found[2])

    def password(self, user: str) -> str:
        found = re.search(rf"user {user} +password (\w+)", self.text)
        assert found, self.text
        return found[1]

    def children(self) -> dict[int, str]:
        """Its processes and their command lines."""
        own = str(self.process.pid)
        stats = {path.parent: path.read_text().rpartition(")")[2].split() for path in Path("/proc").glob("[0-9]*/stat")}
        return {
            int(at.name): (at / "cmdline").read_text().replace("\0", " ")
            for at, stat in stats.items()
            if stat[1] == own
        }


@pytest.fixture
async def shown(notes: Notes) -> AsyncIterator[Shown]:
    command = (sys.executable, "-m", "tests.asterisk.rig", "up", "--transport", notes.transport)
    process = await asyncio.create_subprocess_exec(*command, cwd=CHECKOUT, stdout=PIPE)
    assert process.stdout
    try:
        async with asyncio.timeout(START_WITHIN_S):
            text = (await process.stdout.readuntil(b"Ctrl-C ends both.")).decode()
        yield Shown(process, text)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def test_alices_softphone_hears_the_demo_messages_and_ctrl_c_ends_everything(
    shown: Shown, vocabulary: Vocabulary
) -> None:
    first = Clip.from_wav(SOUNDS / "demo" / "dentist.wav", "dentist")
    async with Phone("alice", shown.password("alice"), shown.server, vocabulary=vocabulary) as phone:
        await phone.register()
        call = Conversation(await phone.dial("*97"), vocabulary)
        await call.hears("count/you-have", "number/3", "count/new-messages", "count/and", "number/1", "message/message")
        await call.hears(first, within_s=20, whole=True)
        await call.hang_up()

    begun = shown.children()
    assert sorted("asterisk -f" in line for line in begun.values()) == [False, True], begun
    assert sorted("ivr serve" in line for line in begun.values()) == [False, True], begun
    shown.process.send_signal(signal.SIGINT)
    async with asyncio.timeout(END_WITHIN_S):
        assert await shown.process.wait() == 0
    assert [line for pid, line in begun.items() if Path(f"/proc/{pid}").exists()] == []
