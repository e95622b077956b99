"""One FastAGI socket: replies belong to their commands, and it listens whenever nothing else is in flight."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ivr.audio.sound import Sound
from ivr.call.arrival import Arrival
from ivr.call.fastagi.call import FastAgiCall
from ivr.call.fastagi.connection import Connection
from ivr.call.journal import Journal
from ivr.call.typeahead import Typeahead
from ivr.errors import CallFailed, HungUp

SILENCE = b'STREAM FILE /s "0123456789*#"\n'


class Wire(asyncio.Transport):
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


class Socket:
    """A connection that has been greeted and listens."""

    def __init__(self, *, listening: bool = True, late: bool = False) -> None:
        self.wire = Wire()
        self.keys: list[str] = []
        self.connection = Connection(lambda _: None, lambda _: None, lambda: late)
        self.connection.connection_made(self.wire)
        self.connection.heard_key = self.keys.append
        self.says("agi_channel: x", "")
        if listening:
            self.connection.listen_with("STREAM FILE", "/s", "0123456789*#")

    def says(self, *lines: str) -> None:
        for line in lines:
            self.connection.data_received(line.encode() + b"\n")


async def turns(n: int) -> None:
    """Let the loop go round `n` times."""
    for _ in range(n):
        await asyncio.sleep(0)


async def test_it_listens_when_nothing_else_is_in_flight() -> None:
    assert Socket().wire.written == [SILENCE.replace(b'"', b"")]


async def test_it_listens_again_in_the_turn_in_which_a_key_comes() -> None:
    socket = Socket()
    socket.says("200 result=49 endpos=160")
    assert socket.keys == ["1"]
    assert len(socket.wire.written) == 2, "at once: whatever the loop does next, no key is lost"


async def test_it_listens_again_when_the_silence_has_run_out() -> None:
    socket = Socket()
    socket.says("200 result=0 endpos=480000")
    assert socket.keys == []
    assert len(socket.wire.written) == 2


async def reply_to_a_prompt(socket: Socket) -> None:
    """A prompt is played to its end, and the menu does not know yet what comes next."""
    command = asyncio.create_task(socket.connection.command("STREAM FILE", "/p", "1", 0))
    await turns(1)
    assert socket.wire.written[-1] == b"NOOP\n", "the silence is ended by something whose reply is unmistakable"
    socket.says("200 result=0")
    await turns(1)
    assert socket.wire.written[-1] == b"STREAM FILE /p 1 0\n"
    socket.says("200 result=0 endpos=800")
    await command


async def test_in_a_loop_that_runs_late_it_listens_within_two_turns_of_a_reply() -> None:
    socket = Socket(late=True)
    await reply_to_a_prompt(socket)
    await turns(2)
    assert socket.wire.written[-1].startswith(b"STREAM FILE /s")


async def test_in_a_loop_that_is_on_time_it_listens_soon_after_a_reply() -> None:
    socket = Socket()
    await reply_to_a_prompt(socket)
    await turns(2)
    assert socket.wire.written[-1] == b"STREAM FILE /p 1 0\n"
    while not socket.wire.written[-1].startswith(b"STREAM FILE /s"):
        await asyncio.sleep(0.001)


async def test_a_noop_that_lies_unread_in_asterisks_buffer_is_followed_by_a_space() -> None:
    """Asterisk reads two lines at once, sees the first, and the second only when more arrives."""
    socket = Socket()
    command = asyncio.create_task(socket.connection.command("STREAM FILE", "/p", "1", 0))
    while b" " not in socket.wire.written:
        await asyncio.sleep(0.001)
    assert socket.wire.written.count(b"NOOP\n") == 1
    socket.says("200 result=0")
    await turns(2)
    assert socket.wire.written[-1] == b"STREAM FILE /p 1 0\n"
    socket.says("200 result=49 endpos=800")
    assert (await command).result == "49"


async def test_no_command_is_sent_before_the_noop_is_answered() -> None:
    socket = Socket()
    command = asyncio.create_task(socket.connection.command("STREAM FILE", "/p", "1", 0))
    await turns(5)
    assert socket.wire.written[-1] == b"NOOP\n"
    command.cancel()
    await turns(2)


async def test_a_menu_that_goes_on_at_once_plays_no_silence_between() -> None:
    socket = Socket()

    async def menu() -> None:
        await socket.connection.command("STREAM FILE", "/p", "1", 0)
        await socket.connection.command("STREAM FILE", "/q", "1", 0)

    going = asyncio.create_task(menu())
    await turns(1)
    socket.says("200 result=0")
    await turns(1)
    socket.says("200 result=0 endpos=800")
    await turns(1)
    assert socket.wire.written[-1] == b"STREAM FILE /q 1 0\n"
    assert len(socket.wire.written) == 4
    going.cancel()


async def test_a_key_at_the_instant_at_which_a_command_ends_the_silence_is_told_apart() -> None:
    socket = Socket()
    command = asyncio.create_task(socket.connection.command("STREAM FILE", "/p", "1", 0))
    await turns(1)
    socket.says("200 result=55 endpos=1600", "200 result=0")
    await turns(1)
    socket.says("200 result=49 endpos=800")
    reply = await command
    assert socket.keys == ["7"]
    assert (reply.result, reply.endpos) == ("49", 800)


async def test_a_hangup_line_is_no_reply() -> None:
    socket = Socket(listening=False)
    command = asyncio.create_task(socket.connection.command("STREAM FILE", "/p", "1", 0))
    await turns(1)
    socket.says("HANGUP", "200 result=-1 endpos=160")
    assert (await command).result == "-1"
    with pytest.raises(HungUp):
        await socket.connection.command("STREAM FILE", "/q", "1", 0)


async def test_dead_commands_still_go_through() -> None:
    socket = Socket(listening=False)
    socket.says("HANGUP")
    command = asyncio.create_task(socket.connection.command("SET VARIABLE", "A", "b", also_dead=True))
    await turns(1)
    socket.says("200 result=1")
    assert (await command).code == 200


async def test_a_command_that_a_dead_channel_refuses_means_hung_up() -> None:
    socket = Socket(listening=False)
    command = asyncio.create_task(socket.connection.command("STREAM FILE", "/p", "1", 0))
    await turns(1)
    socket.says("511 Command Not Permitted on a dead channel or intercept routine")
    with pytest.raises(HungUp):
        await command


async def test_a_connection_lost_after_a_hangup_means_hung_up() -> None:
    socket = Socket(listening=False)
    command = asyncio.create_task(socket.connection.command("STREAM FILE", "/p", "1", 0))
    await turns(1)
    socket.says("HANGUP")
    socket.connection.connection_lost(None)
    with pytest.raises(HungUp):
        await command


async def test_a_connection_that_broke_means_no_hang_up_and_ends_the_call() -> None:
    """Asterisk may record on: what is recorded must not be taken for finished."""
    socket = Socket(listening=False)
    command = asyncio.create_task(socket.connection.command("RECORD FILE", "/t", "wav", "#", 1000))
    await turns(1)
    socket.connection.connection_lost(None)
    with pytest.raises(CallFailed, match="Asterisk is gone"):
        await command
    with pytest.raises(HungUp):
        await socket.connection.command("STREAM FILE", "/p", "1", 0)


async def test_a_connection_that_we_closed_means_no_such_thing() -> None:
    """The caller may be talking on: what is recorded must not be taken for finished."""
    socket = Socket(listening=False)
    command = asyncio.create_task(socket.connection.command("RECORD FILE", "/t", "wav", "#", 1000))
    await turns(1)
    socket.connection.close()
    socket.connection.connection_lost(None)
    with pytest.raises(CallFailed, match="stopping"):
        await command


async def test_an_asterisk_that_does_not_answer_is_given_up() -> None:
    socket = Socket(listening=False)
    with pytest.raises(CallFailed, match="no reply"):
        await socket.connection.command("NOOP", within_s=0.01)
    assert socket.wire.closed


async def test_an_answer_that_nothing_asked_for_ends_the_call() -> None:
    socket = Socket(listening=False)
    socket.says("200 result=0")
    assert socket.wire.closed


async def test_replies_may_come_in_pieces() -> None:
    socket = Socket(listening=False)
    command = asyncio.create_task(socket.connection.command("NOOP"))
    await turns(1)
    for byte in b"200 result=0\n":
        socket.connection.data_received(bytes([byte]))
    assert (await command).result == "0"


async def test_a_key_that_comes_while_the_listening_ends_comes_before_the_next_sound() -> None:
    """Otherwise the key after it, which cuts the sound, would overtake it."""
    socket = Socket()
    call = FastAgiCall(
        socket.connection,
        Sound(Path("/s.wav"), 60_000, ""),
        Arrival("PJSIP/x-1", "1"),
        Journal(lambda: 0.0),
        Typeahead(lambda: 0.0),
    )
    playing = asyncio.create_task(call.play([Sound(Path("/p.wav"), 1000, "")]))
    await turns(1)
    socket.says("200 result=55 endpos=1600", "200 result=0")
    played = await playing
    assert (played.key, played.typed_ahead) == ("7", True)
    assert not any(line.startswith(b"STREAM FILE /p") for line in socket.wire.written)
