"""`make asterisk`: a softphone registers with the printed credentials and dials."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.asterisk.conftest import RecognisedCall
from tests.lab.lab import CHECKOUT, LabInfo
from tests.lab.sip_phone import Clip, Phone, Vocabulary
from tests.support.app_fixture import SOUNDS

START_WITHIN_S = 90
END_WITHIN_S = 40


class LabCommand:
    """The command, and what it has shown until it was ready."""

    def __init__(self, process: Process, text: str) -> None:
        self.process = process
        self.output = text

    @property
    def server(self) -> tuple[str, int]:
        found = re.search(r"([\d.]+):(\d+) \(UDP\)", self.output)
        assert found, self.output
        return found[1], int(found[2])

    def password(self, user: str) -> str:
        found = re.search(rf"user {user} +password (\w+)", self.output)
        assert found, self.output
        return found[1]

    def child_processes(self) -> dict[int, str]:
        """Its processes and their command lines."""
        own = str(self.process.pid)
        stats = {path.parent: path.read_text().rpartition(")")[2].split() for path in Path("/proc").glob("[0-9]*/stat")}
        return {
            int(at.name): (at / "cmdline").read_text().replace("\0", " ")
            for at, stat in stats.items()
            if stat[1] == own
        }


@pytest.fixture
async def lab_command(lab: LabInfo) -> AsyncIterator[LabCommand]:
    command = (sys.executable, "-m", "tests.lab", "up", "--transport", lab.transport)
    process = await asyncio.create_subprocess_exec(*command, cwd=CHECKOUT, stdout=PIPE)
    assert process.stdout
    try:
        async with asyncio.timeout(START_WITHIN_S):
            text = (await process.stdout.readuntil(b"Ctrl-C ends both.")).decode()
        yield LabCommand(process, text)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def test_alices_softphone_hears_the_demo_messages_and_ctrl_c_ends_everything(
    lab_command: LabCommand, vocabulary: Vocabulary
) -> None:
    first = Clip.from_wav(SOUNDS / "demo" / "dentist.wav", "dentist")
    async with Phone("alice", lab_command.password("alice"), lab_command.server, vocabulary=vocabulary) as phone:
        await phone.register()
        call = RecognisedCall(await phone.dial("*97"), vocabulary)
        await call.expect(
            "count/you-have",
            "number/3",
            "count/new-messages",
            "count/and",
            "number/1",
            "count/saved-message",
            "message/message",
            "number/1",
        )
        await call.expect(first, within_s=20, whole=True)
        await call.hang_up()

    begun = lab_command.child_processes()
    assert sorted(" -f -p -U asterisk " in line for line in begun.values()) == [False, True], begun
    assert sorted("ivr serve" in line for line in begun.values()) == [False, True], begun
    lab_command.process.send_signal(signal.SIGINT)
    async with asyncio.timeout(END_WITHIN_S):
        assert await lab_command.process.wait() == 0
    assert [line for pid, line in begun.items() if Path(f"/proc/{pid}").exists()] == []
