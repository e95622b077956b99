"""Hang-ups that a FastAGI socket tells badly: Asterisk closes it with a command of ours unread.

The kernel then sends a reset. What Asterisk had not sent yet (the line HANGUP waits for an acknowledgement without
TCP_NODELAY) is discarded, and a line that has arrived is easily overlooked by writing first.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from ivr.audio import wav
from ivr.audio.formats import Sound
from ivr.call.fastagi.call import ChannelCheck, FastAgiCall
from ivr.call.fastagi.connection import FastAgiConnection
from ivr.call.incoming import IncomingCall
from ivr.call.journal import Journal
from ivr.call.typeahead import Typeahead
from ivr.errors import ConnectionLost, HungUp
from tests.call.conftest import FakePbx
from tests.support.speech import speech_pcm

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ResettingPeer:
    """One end of a TCP connection that behaves as res_agi does; our end is `connection`."""

    def __init__(self, connection: FastAgiConnection, peer: socket.socket) -> None:
        self.connection = connection
        self._peer = peer

    def send(self, *lines: bytes) -> None:
        for line in lines:
            self._peer.send(line)

    async def read_line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            line += await asyncio.get_running_loop().sock_recv(self._peer, 1)
        return line

    async def wait_for_unread_command(self) -> None:
        while True:
            try:
                self._peer.recv(1, socket.MSG_PEEK)
                return
            except BlockingIOError:
                await asyncio.sleep(0.001)

    def reset(self) -> None:
        self._peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._peer.close()

    def close(self) -> None:
        """With a command unread this resets the connection, as in Asterisk."""
        self._peer.close()


@pytest.fixture(params=[True, False], ids=["nodelay", "delayed"])
async def peer(request: pytest.FixtureRequest) -> AsyncIterator[ResettingPeer]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    theirs.setblocking(False)
    theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, request.param)
    connection = FastAgiConnection(lambda _: None, lambda _: None)
    connection.set_headers({})
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: connection, sock=ours)
    yield ResettingPeer(connection, theirs)
    transport.abort()
    theirs.close()


def new_call(connection: FastAgiConnection, is_channel_gone: Callable[[str], Awaitable[bool | None]]) -> FastAgiCall:
    return FastAgiCall(
        connection,
        Sound(Path("/s.wav"), 60_000, ""),
        IncomingCall("PJSIP/x-1", "1"),
        Journal(lambda: 0.0),
        Typeahead(lambda: 0.0),
        ChannelCheck(is_channel_gone, interval_s=0.001),
    )


async def test_reset_with_command_unread_is_a_hangup(peer: ResettingPeer) -> None:
    """The line HANGUP never left Asterisk."""
    command = asyncio.create_task(peer.connection.send_command("STREAM FILE", "/p", "1", 0))
    await peer.wait_for_unread_command()
    peer.close()
    with pytest.raises(HungUp):
        await command


async def test_closed_socket_without_hangup_line_is_a_hangup(peer: ResettingPeer) -> None:
    command = asyncio.create_task(peer.connection.send_command("STREAM FILE", "/p", "1", 0))
    await peer.read_line()
    peer.close()
    with pytest.raises(HungUp):
        await command


async def test_reset_between_two_commands_is_a_hangup(peer: ResettingPeer) -> None:
    command = asyncio.create_task(peer.connection.send_command("STREAM FILE", "/p", "1", 0))
    await peer.read_line()
    peer.send(b"200 result=-1 endpos=800\n")
    assert (await command).result == "-1"
    command = asyncio.create_task(peer.connection.send_command("CHANNEL STATUS"))
    await peer.wait_for_unread_command()
    peer.send(b"HANGUP\n")
    peer.close()
    with pytest.raises(HungUp):
        await command


async def test_hangup_line_that_has_come_is_read_before_a_reset_is_judged(peer: ResettingPeer) -> None:
    """We write first: the line is in our socket, and writing finds the connection reset."""
    recording = asyncio.create_task(peer.connection.send_command("RECORD FILE", "/t", "wav", "#", 1000))
    peer.send(b"HANGUP\n")
    peer.reset()
    with pytest.raises(HungUp):
        await recording


async def test_idle_listen_that_a_hangup_ends_is_followed_by_no_command(peer: ResettingPeer) -> None:
    peer.connection.set_idle_command("STREAM FILE", "/s", "0123456789*#")
    await peer.read_line()
    peer.send(b"200 result=-1 endpos=800\n")
    await asyncio.sleep(0.01)
    with pytest.raises(HungUp):
        await peer.connection.send_command("STREAM FILE", "/p", "1", 0)
    with pytest.raises(BlockingIOError):
        peer._peer.recv(100)


@pytest.mark.parametrize(
    ("answers", "error"),
    [([True], HungUp), ([False, False, True], HungUp), ([False] * 99, ConnectionLost), ([None], ConnectionLost)],
    ids=["gone", "gone after its extension h", "there", "unknown"],
)
async def test_reset_while_recording_is_a_hangup_only_if_the_channel_is_gone(
    peer: ResettingPeer, answers: list[bool | None], error: type[Exception]
) -> None:
    """Else Asterisk may record on: the take must not be taken for finished, still less dropped."""
    asked_channels: list[str] = []
    remaining = [*answers]

    async def is_channel_gone(channel: str) -> bool | None:
        asked_channels.append(channel)
        return remaining.pop(0)

    recording = asyncio.create_task(
        new_call(peer.connection, is_channel_gone)._record(Path("/t.wav"), max_length_ms=1000, silence_ms=0)
    )
    assert (await peer.read_line()).startswith(b"SET VARIABLE IVR_TAKE_FILE")
    peer.send(b"200 result=1\n")
    assert (await peer.read_line()).startswith(b"RECORD FILE")
    peer.reset()
    with pytest.raises(error):
        await recording
    assert {*asked_channels} == {"PJSIP/x-1"}


async def run_until_reset(pbx: FakePbx, *arguments: str, path: str, at_prompt: int) -> None:
    """A call whose socket is reset while its nth prompt of a kind is unanswered; Asterisk records 2 s."""
    reader, writer = await asyncio.open_connection(*pbx.address)
    header = [f"agi_network_script: {path}", "agi_channel: Local/x-1", "agi_uniqueid: 1.1"]
    header += [f"agi_arg_{n}: {argument}" for n, argument in enumerate(("account=demo", *arguments), 1)]
    writer.write("\n".join([*header, "", ""]).encode())
    recorded = prompts = 0
    while line := (await asyncio.wait_for(reader.readline(), 60)).decode():
        words = line.replace('"', "").split()
        reply = "200 result=0 endpos=160"
        if words[0] == "RECORD":
            wav.write(Path(f"{words[2]}.wav"), speech_pcm(2000))
            recorded, reply = 1, "200 result=49 (dtmf) endpos=16000"
        elif words[0] == "STREAM" and recorded and "silence" not in line:
            prompts += 1
            if prompts == at_prompt:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                writer.transport.abort()
                return
        writer.write(f"{reply}\n".encode())


async def wait_for_status(pbx: FakePbx) -> str:
    """How the only call ended."""
    sql = "SELECT status FROM calls"
    async with asyncio.timeout(60):
        while (row := await pbx.app.container.database.read(lambda c: c.execute(sql).fetchone())) is None:
            await asyncio.sleep(0.005)
    return str(row[0])


async def test_reset_in_review_stores_the_message_at_once(pbx: FakePbx) -> None:
    box = await pbx.app.create_box("1001", owner=pbx.app.bob)
    await run_until_reset(pbx, "number=1001", path="leave", at_prompt=1)
    assert await wait_for_status(pbx) == "HANGUP"
    [message] = await pbx.app.messages(box)
    assert message.length_ms == 2000
