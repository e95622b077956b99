"""What Asterisk does with the lines of a FastAGI connection: it waits for the next one without taking a processor.

Its threads run at real-time priority (`-p` in Debian's unit). One that reads in a loop without a pause takes a
processor from the service that it waits for, and from every other call.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from pathlib import Path

import pytest

from ivr.call.fastagi.connection import FastAgiConnection
from tests.asterisk.conftest import PhoneUser
from tests.lab.lab import LabInfo

SILENCE = "silence/1"
THINK_S = 0.015
"""From a reply to the next command; the connection itself starts a silence a little later."""
COMMANDS = 80
MAX_THREAD_SHARE = 0.3
"""Of a processor. A thread with a call takes 0.03 here; with a lone space behind each NOOP it took 0.8."""


class CorkedConnection(FastAgiConnection):
    """A connection whose lines can be made to arrive at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket: socket.socket = transport.get_extra_info("socket")
        super().connection_made(transport)

    def cork(self, on: bool) -> None:
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, on)


async def test_asterisk_takes_no_processor_while_it_waits_for_a_command(alice: PhoneUser, lab: LabInfo) -> None:
    if lab.transport != "fastagi":
        pytest.skip("this is about the connections of FastAGI")
    await alice.phone.register()
    greeted = asyncio.get_running_loop().create_future()
    server = await asyncio.get_running_loop().create_server(
        lambda: CorkedConnection(greeted.set_result, lambda _: None), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    originate = f"channel originate PJSIP/{alice.name} application AGI agi://127.0.0.1:{port}"
    console = await asyncio.create_subprocess_exec(
        *lab.console_command, "-rx", originate, stdout=asyncio.subprocess.PIPE
    )
    answered = await (await alice.phone.next_call()).answer()
    connection: CorkedConnection = await asyncio.wait_for(greeted, 10)
    await connection.send_command("NOOP")

    before, began = thread_seconds(lab.asterisk_pid), time.monotonic()
    for _ in range(COMMANDS):
        connection.cork(True)
        connection.set_idle_command("STREAM FILE", SILENCE, "0123456789*#")
        stopping = asyncio.create_task(connection.stop_idle_listen())
        await asyncio.sleep(0)
        connection.cork(False)
        await stopping
        await asyncio.sleep(THINK_S)
    elapsed_s = time.monotonic() - began
    used_s = {thread: seconds - before.get(thread, 0) for thread, seconds in thread_seconds(lab.asterisk_pid).items()}

    await answered.hang_up()
    await console.communicate()
    connection.close()
    server.close()
    assert max(used_s.values()) / elapsed_s < MAX_THREAD_SHARE


def thread_seconds(pid: int) -> dict[str, float]:
    """Return the processor time of each thread of a process, in seconds, by thread id (proc_pid_stat(5))."""
    found = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = (thread / "stat").read_text().rpartition(")")[2].split()
            found[thread.name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found
