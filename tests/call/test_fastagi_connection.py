"""One FastAGI socket: replies belong to their commands, and it listens whenever nothing else is in flight."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ivr.audio.formats import Sound
from ivr.call.fastagi.call import FastAgiCall
from ivr.call.fastagi.connection import FastAgiConnection
from ivr.call.incoming import IncomingCall
from ivr.call.journal import Journal
from ivr.call.typeahead import Typeahead
from ivr.errors import CallFailed, HungUp

SILENCE = b'STREAM FILE /s "0123456789*#"\n'


class RecordingTransport(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


class ConnectionUnderTest:
    """A connection that has been greeted and listens."""

    def __init__(self, *, listening: bool = True, lagging: bool = False) -> None:
        self.transport = RecordingTransport()
        self.keys: list[str] = []
        self.connection = FastAgiConnection(lambda _: None, lambda _: None, lambda: lagging)
        self.connection.connection_made(self.transport)
        self.connection.on_key = self.keys.append
        self.receive("agi_channel: x", "")
        if listening:
            self.connection.set_idle_command("STREAM FILE", "/s", "0123456789*#")

    def receive(self, *lines: str) -> None:
        for line in lines:
            self.connection.data_received(line.encode() + b"\n")


async def run_loop_turns(n: int) -> None:
    """Let the loop go round `n` times."""
    for _ in range(n):
        await asyncio.sleep(0)


async def test_connection_streams_silence_when_idle() -> None:
    assert ConnectionUnderTest().transport.written == [SILENCE.replace(b'"', b"")]


async def test_idle_listen_restarts_in_same_loop_turn_as_key() -> None:
    socket = ConnectionUnderTest()
    socket.receive("200 result=49 endpos=160")
    assert socket.keys == ["1"]
    assert len(socket.transport.written) == 2, "at once: whatever the loop does next, no key is lost"


async def test_idle_listen_restarts_after_silence_ends() -> None:
    socket = ConnectionUnderTest()
    socket.receive("200 result=0 endpos=480000")
    assert socket.keys == []
    assert len(socket.transport.written) == 2


async def finish_prompt(socket: ConnectionUnderTest) -> None:
    """A prompt is played to its end, and the menu does not know yet what comes next."""
    command = asyncio.create_task(socket.connection.send_command("STREAM FILE", "/p", "1", 0))
    await run_loop_turns(1)
    assert socket.transport.written[-1] == b"NOOP\n", "the silence is ended by something whose reply is unmistakable"
    socket.receive("200 result=0")
    await run_loop_turns(1)
    assert socket.transport.written[-1] == b"STREAM FILE /p 1 0\n"
    socket.receive("200 result=0 endpos=800")
    await command


async def test_lagging_loop_starts_idle_listen_within_two_turns() -> None:
    socket = ConnectionUnderTest(lagging=True)
    await finish_prompt(socket)
    await run_loop_turns(2)
    assert socket.transport.written[-1].startswith(b"STREAM FILE /s")


async def test_punctual_loop_starts_idle_listen_soon_after_reply() -> None:
    socket = ConnectionUnderTest()
    await finish_prompt(socket)
    await run_loop_turns(2)
    assert socket.transport.written[-1] == b"STREAM FILE /p 1 0\n"
    while not socket.transport.written[-1].startswith(b"STREAM FILE /s"):
        await asyncio.sleep(0.001)


async def test_a_noop_that_lies_unread_in_asterisks_buffer_is_followed_by_another() -> None:
    """Asterisk reads two lines at once, processes the first, and the second only when more arrives."""
    socket = ConnectionUnderTest()
    command = asyncio.create_task(socket.connection.send_command("STREAM FILE", "/p", "1", 0))
    while socket.transport.written.count(b"NOOP\n") < 3:
        await asyncio.sleep(0.001)
    for _ in range(socket.transport.written.count(b"NOOP\n")):
        assert socket.transport.written[-1] == b"NOOP\n", "a command behind an unanswered NOOP could remain unread"
        socket.receive("200 result=0")
    await run_loop_turns(2)
    assert socket.transport.written[-1] == b"STREAM FILE /p 1 0\n"
    socket.receive("200 result=49 endpos=800")
    assert (await command).result == "49"


async def test_asterisk_that_was_late_is_woken_soon_after_its_first_reply() -> None:
    """It has read several NOOPs at once. Else a sound would wait for as long again as Asterisk was late."""
    socket = ConnectionUnderTest()
    command = asyncio.create_task(socket.connection.send_command("STREAM FILE", "/p", "1", 0))
    while socket.transport.written.count(b"NOOP\n") < 5:
        await asyncio.sleep(0.001)
    written = len(socket.transport.written)
    socket.receive("200 result=0")
    written_soon: list[int] = []
    asyncio.get_running_loop().call_later(0.02, lambda: written_soon.append(len(socket.transport.written)))
    while not written_soon:
        await asyncio.sleep(0.001)
    assert written_soon[0] > written
    command.cancel()
    await run_loop_turns(2)


async def test_only_whole_lines_are_written() -> None:
    """Asterisk reads a line that has begun in a loop without a pause, at real-time priority."""
    socket = ConnectionUnderTest()
    command = asyncio.create_task(socket.connection.send_command("STREAM FILE", "/p", "1", 0))
    while len(socket.transport.written) < 4:
        await asyncio.sleep(0.001)
    command.cancel()
    assert all(data.endswith(b"\n") for data in socket.transport.written)


async def test_no_command_is_sent_before_the_noop_is_answered() -> None:
    socket = ConnectionUnderTest()
    command = asyncio.create_task(socket.connection.send_command("STREAM FILE", "/p", "1", 0))
    await run_loop_turns(5)
    assert socket.transport.written[-1] == b"NOOP\n"
    command.cancel()
    await run_loop_turns(2)


async def test_a_menu_that_goes_on_at_once_plays_no_silence_between() -> None:
    socket = ConnectionUnderTest()

    async def menu() -> None:
        await socket.connection.send_command("STREAM FILE", "/p", "1", 0)
        await socket.connection.send_command("STREAM FILE", "/q", "1", 0)

    going = asyncio.create_task(menu())
    await run_loop_turns(1)
    socket.receive("200 result=0")
    await run_loop_turns(1)
    socket.receive("200 result=0 endpos=800")
    await run_loop_turns(1)
    assert socket.transport.written[-1] == b"STREAM FILE /q 1 0\n"
    assert len(socket.transport.written) == 4
    going.cancel()


async def test_a_key_at_the_instant_at_which_a_command_ends_the_silence_is_told_apart() -> None:
    socket = ConnectionUnderTest()
    command = asyncio.create_task(socket.connection.send_command("STREAM FILE", "/p", "1", 0))
    await run_loop_turns(1)
    socket.receive("200 result=55 endpos=1600", "200 result=0")
    await run_loop_turns(1)
    socket.receive("200 result=49 endpos=800")
    reply = await command
    assert socket.keys == ["7"]
    assert (reply.result, reply.endpos) == ("49", 800)


async def test_a_hangup_line_is_no_reply() -> None:
    socket = ConnectionUnderTest(listening=False)
    command = asyncio.create_task(socket.connection.send_command("STREAM FILE", "/p", "1", 0))
    await run_loop_turns(1)
    socket.receive("HANGUP", "200 result=-1 endpos=160")
    assert (await command).result == "-1"
    with pytest.raises(HungUp):
        await socket.connection.send_command("STREAM FILE", "/q", "1", 0)


async def test_commands_allowed_on_dead_channel_still_succeed() -> None:
    socket = ConnectionUnderTest(listening=False)
    socket.receive("HANGUP")
    command = asyncio.create_task(socket.connection.send_command("SET VARIABLE", "A", "b", allow_dead_channel=True))
    await run_loop_turns(1)
    socket.receive("200 result=1")
    assert (await command).code == 200


async def test_a_command_that_a_dead_channel_refuses_means_hung_up() -> None:
    socket = ConnectionUnderTest(listening=False)
    command = asyncio.create_task(socket.connection.send_command("STREAM FILE", "/p", "1", 0))
    await run_loop_turns(1)
    socket.receive("511 Command Not Permitted on a dead channel or intercept routine")
    with pytest.raises(HungUp):
        await command


async def test_a_connection_lost_after_a_hangup_means_hung_up() -> None:
    socket = ConnectionUnderTest(listening=False)
    command = asyncio.create_task(socket.connection.send_command("STREAM FILE", "/p", "1", 0))
    await run_loop_turns(1)
    socket.receive("HANGUP")
    socket.connection.connection_lost(None)
    with pytest.raises(HungUp):
        await command


async def test_broken_connection_ends_call_without_hangup() -> None:
    """Asterisk may record on: what is recorded must not be taken for finished."""
    socket = ConnectionUnderTest(listening=False)
    command = asyncio.create_task(socket.connection.send_command("RECORD FILE", "/t", "wav", "#", 1000))
    await run_loop_turns(1)
    socket.connection.connection_lost(None)
    with pytest.raises(CallFailed, match="was lost during a recording"):
        await command
    with pytest.raises(HungUp):
        await socket.connection.send_command("STREAM FILE", "/p", "1", 0)


async def test_connection_closed_by_service_is_not_a_hangup() -> None:
    """The caller may be talking on: what is recorded must not be taken for finished."""
    socket = ConnectionUnderTest(listening=False)
    command = asyncio.create_task(socket.connection.send_command("RECORD FILE", "/t", "wav", "#", 1000))
    await run_loop_turns(1)
    socket.connection.close()
    socket.connection.connection_lost(None)
    with pytest.raises(CallFailed, match="stopping"):
        await command


async def test_unanswered_command_times_out() -> None:
    socket = ConnectionUnderTest(listening=False)
    with pytest.raises(CallFailed, match="no reply"):
        await socket.connection.send_command("NOOP", timeout_s=0.01)
    assert socket.transport.closed


async def test_unsolicited_reply_ends_call() -> None:
    socket = ConnectionUnderTest(listening=False)
    socket.receive("200 result=0")
    assert socket.transport.closed


async def test_replies_may_come_in_pieces() -> None:
    socket = ConnectionUnderTest(listening=False)
    command = asyncio.create_task(socket.connection.send_command("NOOP"))
    await run_loop_turns(1)
    for byte in b"200 result=0\n":
        socket.connection.data_received(bytes([byte]))
    assert (await command).result == "0"


async def test_a_key_that_comes_while_the_listening_ends_comes_before_the_next_sound() -> None:
    """Otherwise the key after it, which cuts the sound, would overtake it."""
    socket = ConnectionUnderTest()
    call = FastAgiCall(
        socket.connection,
        Sound(Path("/s.wav"), 60_000, ""),
        IncomingCall("PJSIP/x-1", "1"),
        Journal(lambda: 0.0),
        Typeahead(lambda: 0.0),
    )
    playing = asyncio.create_task(call.play([Sound(Path("/p.wav"), 1000, "")]))
    await run_loop_turns(1)
    socket.receive("200 result=55 endpos=1600", "200 result=0")
    played = await playing
    assert (played.key, played.typed_ahead) == ("7", True)
    assert not any(line.startswith(b"STREAM FILE /p") for line in socket.transport.written)
