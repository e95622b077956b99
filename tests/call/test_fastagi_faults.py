"""Peers that are not Asterisk, or are faulty: each is dropped, and other calls go on."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.audio.formats import Sound
from ivr.call.fastagi.call import FastAgiCall
from ivr.call.fastagi.server import FastAgiLimits, FastAgiServer
from ivr.call.owner_proof import NO_PROOF
from ivr.doctor.running_service import AGI_HEADER, SKIPPED_STATUS
from ivr.storage.records import CallQuery
from tests.call.conftest import FakePbx
from tests.support.handset import ScriptedHandset

HEADER = b"agi_network_script: check\nagi_channel: Local/x-1\nagi_arg_1: account=demo\n\n"


async def connect(pbx: FakePbx) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*pbx.address)


async def assert_other_call_works(pbx: FakePbx) -> None:
    """Another call works from start to end."""
    if await pbx.app.container.boxes.find_by_number(pbx.app.account.id, "1000") is None:
        await pbx.app.create_box(owner=pbx.app.alice)
    assert await pbx.run_call(ScriptedHandset(), "number=1000") == "DONE"


async def wait_closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def read_until_dropped(reader: asyncio.StreamReader) -> bytes:
    """What came before the service closed the connection, which it does soon."""
    return await asyncio.wait_for(reader.read(), 60)


async def test_port_probe_is_ignored(pbx: FakePbx) -> None:
    for _ in range(20):
        _, writer = await connect(pbx)
        await wait_closed(writer)
    await assert_other_call_works(pbx)


@pytest.mark.parametrize("sent", [b"", b"agi_network: yes\n", b"agi_net", HEADER[:-1]])
async def test_half_a_header_is_dropped_in_time(pbx: FakePbx, sent: bytes) -> None:
    reader, writer = await connect(pbx)
    writer.write(sent)
    assert await read_until_dropped(reader) == b""
    await wait_closed(writer)
    await assert_other_call_works(pbx)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00" * 100 + b"\n",
        b"a" * 10_000_000,
        b"agi_x: " + b"y\nagi_x: " * 9999,
    ],
    ids=["http", "tls", "10 MB without a line", "endless header"],
)
async def test_invalid_header_is_dropped_immediately(pbx: FakePbx, sent: bytes) -> None:
    reader, writer = await connect(pbx)
    try:
        writer.write(sent)
        await writer.drain()
        assert await read_until_dropped(reader) == b""
    except ConnectionError:
        pass
    await wait_closed(writer)
    await assert_other_call_works(pbx)


@pytest.mark.parametrize(
    "reply",
    [b"nonsense\n", b"200 result=\xff\xfe\n", b"\n\n\n200\n", b"x" * 5000, b"200 result=0 endpos=" + b"9" * 99 + b"\n"],
)
async def test_invalid_reply_ends_only_that_call(pbx: FakePbx, reply: bytes) -> None:
    reader, writer = await connect(pbx)
    writer.write(HEADER)
    assert await reader.readline() == b"ANSWER\n"
    writer.write(reply)
    assert b"Traceback" not in await read_until_dropped(reader)
    await wait_closed(writer)
    await assert_other_call_works(pbx)


@pytest.mark.parametrize(
    "reply",
    [b"\n%s\n", b"%s\r\n", b"\r\n%s\r\n", b"%s  \n", b"HANGUP\n\n%s\n"],
    ids=["blank line before", "CRLF", "CRLF and blank line", "blanks behind", "HANGUP each time"],
)
async def test_odd_but_valid_replies_do_not_end_call(pbx: FakePbx, reply: bytes) -> None:
    """The reports of a peer between Asterisk and the service; each command still gets the reply that belongs to it."""
    await pbx.app.create_box(owner=pbx.app.alice)
    reader, writer = await connect(pbx)
    writer.write(HEADER.replace(b"\n", b"\r\n"))
    came = b""
    while line := await asyncio.wait_for(reader.readline(), 60):
        came += line
        writer.write(reply % (b"200 result=1" if b"VARIABLE" in line else b"200 result=0 endpos=0"))
    await wait_closed(writer)
    is_hung_up = reply.startswith(b"HANGUP")
    assert (b"SET VARIABLE IVR_STATUS HANGUP" if is_hung_up else b"SET VARIABLE IVR_STATUS NOACCESS") in came
    assert (b"STREAM FILE" in came) == (not is_hung_up)
    await assert_other_call_works(pbx)


async def test_a_usage_text_of_several_lines_is_one_refusal(pbx: FakePbx) -> None:
    reader, writer = await connect(pbx)
    writer.write(HEADER)
    await reader.readline()
    writer.write(b"520-Invalid command syntax.  Proper usage follows:\nUsage: ANSWER\n520 End of proper usage.\n")
    assert b"SET VARIABLE IVR_STATUS ERROR" in await answer_until_dropped(reader, writer)
    await assert_other_call_works(pbx)


async def test_hangup_line_before_reply_is_no_reply(pbx: FakePbx) -> None:
    """The line is no reply: the one that follows still belongs to the command."""
    reader, writer = await connect(pbx)
    writer.write(HEADER)
    await reader.readline()
    writer.write(b"HANGUP\n200 result=0\n")
    assert b"SET VARIABLE IVR_STATUS HANGUP" in await answer_until_dropped(reader, writer)
    await assert_other_call_works(pbx)


async def test_peer_disconnect_ends_only_that_call(pbx: FakePbx) -> None:
    for _ in range(10):
        reader, writer = await connect(pbx)
        writer.write(HEADER)
        await reader.readline()
        writer.transport.abort()
        await wait_closed(writer)
    await assert_other_call_works(pbx)


async def test_connections_over_call_limit_are_rejected(pbx: FakePbx) -> None:
    waiting = [await connect(pbx) for _ in range(20)]
    for _, writer in waiting:
        writer.write(HEADER)
    for reader, _ in waiting:
        assert await reader.readline() == b"ANSWER\n"
    reader, writer = await connect(pbx)
    writer.write(HEADER)
    assert await read_until_dropped(reader) == b""
    await wait_closed(writer)
    waiting[0][1].write(b"200 result=0\n")
    assert (await waiting[0][0].readline()).startswith(b"STREAM FILE")
    for _, writer in waiting:
        await wait_closed(writer)
    await assert_other_call_works(pbx)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=5), st.booleans())
async def test_random_garbage_ends_only_that_call(pbx: FakePbx, chunks: list[bytes], after_header: bool) -> None:
    reader, writer = await connect(pbx)
    try:
        writer.write(HEADER if after_header else b"")
        for chunk in chunks:
            writer.write(chunk + b"\n")
        writer.write_eof()
        sent = await read_until_dropped(reader)
        assert b"Traceback" not in sent
    except ConnectionError:
        pass
    finally:
        await wait_closed(writer)


async def answer_until_dropped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Answer everything that still comes; gives it all."""
    came = b""
    while line := await asyncio.wait_for(reader.readline(), 60):
        came += line
        writer.write(b"200 result=1\n" if b"VARIABLE" in line else b"200 result=0 endpos=0\n")
    await wait_closed(writer)
    return came


async def test_a_reply_of_ten_megabytes_ends_that_call_only(pbx: FakePbx) -> None:
    reader, writer = await connect(pbx)
    writer.write(HEADER)
    assert await reader.readline() == b"ANSWER\n"
    try:
        writer.write(b"200 result=0 (" + b"x" * 10_000_000)
        await writer.drain()
        await read_until_dropped(reader)
    except ConnectionError:
        pass
    await wait_closed(writer)
    await assert_other_call_works(pbx)


async def test_a_flood_of_silent_connections_is_bounded_and_keeps_no_call_out(pbx: FakePbx) -> None:
    """Of 300 that say nothing, 100 are held; the oldest are closed first. They count for none of the 20 calls."""
    flood = await asyncio.gather(*(connect(pbx) for _ in range(300)))
    await assert_other_call_works(pbx)
    ended = [asyncio.create_task(reader.read()) for reader, _ in flood]
    assert await asyncio.wait_for(asyncio.gather(*ended), 60) == [b""] * 300
    for _, writer in flood:
        await wait_closed(writer)
    await assert_other_call_works(pbx)


async def test_silent_connections_of_one_address_leave_those_of_another(pbx: FakePbx) -> None:
    """Of 300, 50 are held: the one of the other address, which came first, is among them until its time is over."""
    app_host, port = pbx.address
    other, other_writer = await asyncio.open_connection(app_host, port, local_addr=("127.0.0.2", 0))
    flood = await asyncio.gather(*(connect(pbx) for _ in range(300)))
    await asyncio.gather(*(reader.read() for reader, _ in flood[:250]))
    assert not other.at_eof()
    other_writer.write(HEADER)
    assert await other.readline() == b"ANSWER\n"
    for _, writer in (*flood, (other, other_writer)):
        await wait_closed(writer)


async def test_calls_that_arrive_in_one_moment_are_no_silent_connections() -> None:
    """As when the service starts again: more calls wait at the port than silent connections of an address are held."""
    limits = FastAgiLimits(max_silent_per_address=2)
    served: asyncio.Queue[FastAgiCall] = asyncio.Queue()
    server = FastAgiServer(served.put, Sound(Path("silence"), 1000, ""), NO_PROOF, time.monotonic, limits)
    address = await server.start("127.0.0.1", 0)
    calls = await asyncio.gather(*(asyncio.open_connection(*address) for _ in range(20)))
    for _, writer in calls:
        writer.write(HEADER)
    for _ in calls:
        await asyncio.wait_for(served.get(), 30)
    await server.stop()
    for _, writer in calls:
        await wait_closed(writer)


async def test_calls_are_limited_by_their_headers(pbx: FakePbx) -> None:
    """Connections that were silent when there was room for them are no calls until they send a header."""
    await pbx.app.create_box(owner=pbx.app.alice)
    connections = [await connect(pbx) for _ in range(25)]
    for _, writer in connections:
        writer.write(HEADER.replace(b"\n\n", b"\nagi_arg_2: number=1000\n\n"))
    first_bytes = [await asyncio.wait_for(reader.read(1), 60) for reader, _ in connections]
    assert first_bytes.count(b"") == 5
    for _, writer in connections:
        await wait_closed(writer)


@pytest.mark.parametrize("after", range(1, 12))
async def test_hangup_line_at_any_command_keeps_replies_matched(pbx: FakePbx, after: int) -> None:
    """At whichever command it comes: every reply is still matched to its command, and the call ends as hung up."""
    await pbx.app.create_box(owner=pbx.app.alice)
    reader, writer = await connect(pbx)
    writer.write(HEADER.replace(b"\n\n", b"\nagi_arg_2: number=1000\n\n"))
    came = []
    while line := await asyncio.wait_for(reader.readline(), 60):
        came.append(line)
        writer.write(b"HANGUP\n" if len(came) == after else b"")
        writer.write(b"200 result=1\n" if b"VARIABLE" in line else b"200 result=0 endpos=160\n")
    await wait_closed(writer)
    status = [line for line in came if line.startswith(b"SET VARIABLE IVR_STATUS")]
    ways = {
        b"SET VARIABLE IVR_STATUS HANGUP\n",
        b"SET VARIABLE IVR_STATUS NOACCESS\n",
        b"SET VARIABLE IVR_STATUS DONE\n",
    }
    assert len(status) == 1, came
    assert status[0] in ways
    assert status[0] == b"SET VARIABLE IVR_STATUS HANGUP\n" or len(came) <= after
    await assert_other_call_works(pbx)


@pytest.mark.parametrize(
    "argument",
    [
        'account=de"mo', "account=demo\\", "account=${SHELL(id)}", "account='; DROP TABLE accounts; --",
        "account=\x01\x7f", "account=demo\tx", "account=" + "x" * 3000, "number=\"1000\" \"x\"", "language=../../etc",
        "id=%00", "=", "account",
    ],
)  # fmt: skip
async def test_arguments_cannot_inject_commands(pbx: FakePbx, argument: str) -> None:
    """Each is heard as an account or box that there is not, or passed over; nothing of it reaches a command."""
    reader, writer = await connect(pbx)
    writer.write(b"agi_network_script: leave\nagi_channel: Local/x-1\n")
    writer.write(f"agi_arg_1: account=demo\nagi_arg_2: number=4711\nagi_arg_3: {argument}\n\n".encode())
    came = await answer_until_dropped(reader, writer)
    assert b"SET VARIABLE IVR_STATUS NO" in came
    assert argument.encode() not in came or len(argument) < 2
    await assert_other_call_works(pbx)


async def test_multiline_caller_name_cannot_inject_header_or_command(pbx: FakePbx) -> None:
    """A line break in a header begins another header, and can never begin a command of ours."""
    await pbx.app.create_box(owner=pbx.app.alice)
    reader, writer = await connect(pbx)
    name = b'agi_calleridname: "Eve"\nHANGUP\nagi_calleridname: x: y\n'
    writer.write(HEADER.replace(b"check", b"leave").replace(b"\n\n", b"\nagi_arg_2: number=1000\n" + name + b"\n"))
    came = await answer_until_dropped(reader, writer)
    assert b"Eve" not in came
    await assert_other_call_works(pbx)


@pytest.mark.parametrize("result", [b"", b"99999", b"-7", b"x", b"1", "²".encode()])
async def test_invalid_key_in_result_ends_only_that_call(pbx: FakePbx, result: bytes) -> None:
    """Where Asterisk says which key ended a sound, nonsense is no key; the call is given back to the dialplan."""
    reader, writer = await connect(pbx)
    writer.write(HEADER)
    await reader.readline()
    writer.write(b"200 result=0\n")
    with structlog.testing.capture_logs() as logs:
        while line := await asyncio.wait_for(reader.readline(), 60):
            plays = line.startswith(b"STREAM FILE")
            writer.write(b"200 result=" + (result if plays else b"0") + (b" endpos=0\n" if plays else b"\n"))
    await wait_closed(writer)
    await assert_other_call_works(pbx)
    assert not [entry for entry in logs if entry["event"] == "call.crashed"]


async def test_invalid_argument_index_is_ignored(pbx: FakePbx) -> None:
    reader, writer = await connect(pbx)
    writer.write(HEADER.replace(b"\n\n", "\nagi_arg_²: x=1\nagi_arg_".encode() + b"9" * 5000 + b": y=1\n\n"))
    assert await reader.readline() == b"ANSWER\n"
    await wait_closed(writer)
    await assert_other_call_works(pbx)


async def test_probe_of_the_doctor_is_answered_and_leaves_no_record(pbx: FakePbx) -> None:
    reader, writer = await asyncio.open_connection(*pbx.address)
    writer.write(AGI_HEADER)
    assert SKIPPED_STATUS in await reader.readline()
    writer.write(b"200 result=1\n")
    await reader.read()
    writer.close()
    store = pbx.app.container.call_store
    assert await store.live_calls() == []
    assert await store.recent_calls(CallQuery(since=0), 10) == []
