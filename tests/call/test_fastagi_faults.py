"""Peers that are not Asterisk, or not well: each is dropped, and nobody else notices."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.call.conftest import Exchange
from tests.support.handset import ScriptedHandset

HEADER = b"agi_network_script: check\nagi_channel: Local/x-1\nagi_arg_1: account=demo\n\n"


async def connect(exchange: Exchange) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*exchange.address)


async def still_serves(exchange: Exchange) -> None:
    """Somebody else's call goes through."""
    if await exchange.house.app.boxes.by_number(exchange.house.account.id, "1000") is None:
        await exchange.house.box(owner=exchange.house.alice)
    assert await exchange.call(ScriptedHandset(), "number=1000") == "DONE"


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def dropped(reader: asyncio.StreamReader) -> bytes:
    """What came before the service closed the connection, which it does soon."""
    return await asyncio.wait_for(reader.read(), 5)


async def test_a_port_probe(exchange: Exchange) -> None:
    for _ in range(20):
        _, writer = await connect(exchange)
        await closed(writer)
    await still_serves(exchange)


@pytest.mark.parametrize("sent", [b"", b"agi_network: yes\n", b"agi_net", HEADER[:-1]])
async def test_half_a_header_is_dropped_in_time(exchange: Exchange, sent: bytes) -> None:
    reader, writer = await connect(exchange)
    writer.write(sent)
    assert await dropped(reader) == b""
    await closed(writer)
    await still_serves(exchange)


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
async def test_what_is_no_header_is_dropped_at_once(exchange: Exchange, sent: bytes) -> None:
    reader, writer = await connect(exchange)
    try:
        writer.write(sent)
        await writer.drain()
        assert await dropped(reader) == b""
    except ConnectionError:
        pass
    await closed(writer)
    await still_serves(exchange)


@pytest.mark.parametrize("reply", [b"nonsense\n", b"200 result=\xff\xfe\n", b"\n\n\n200\n", b"x" * 5000])
async def test_a_reply_that_is_none_ends_that_call_only(exchange: Exchange, reply: bytes) -> None:
    reader, writer = await connect(exchange)
    writer.write(HEADER)
    assert await reader.readline() == b"ANSWER\n"
    writer.write(reply)
    assert b"Traceback" not in await dropped(reader)
    await closed(writer)
    await still_serves(exchange)


async def test_a_usage_text_of_several_lines_is_one_refusal(exchange: Exchange) -> None:
    reader, writer = await connect(exchange)
    writer.write(HEADER)
    await reader.readline()
    writer.write(b"520-Invalid command syntax.  Proper usage follows:\nUsage: ANSWER\n520 End of proper usage.\n")
    assert b"SET VARIABLE IVRSTATUS ERROR" in await dropped_after_answers(reader, writer)
    await still_serves(exchange)


async def test_hangup_between_a_command_and_its_reply(exchange: Exchange) -> None:
    """The line is no reply: the one that follows still belongs to the command."""
    reader, writer = await connect(exchange)
    writer.write(HEADER)
    await reader.readline()
    writer.write(b"HANGUP\n200 result=0\n")
    assert b"SET VARIABLE IVRSTATUS HANGUP" in await dropped_after_answers(reader, writer)
    await still_serves(exchange)


async def test_a_peer_that_dies_in_mid_call(exchange: Exchange) -> None:
    for _ in range(10):
        reader, writer = await connect(exchange)
        writer.write(HEADER)
        await reader.readline()
        writer.transport.abort()
        await closed(writer)
    await still_serves(exchange)


async def test_no_more_calls_than_allowed_and_the_others_go_on(exchange: Exchange) -> None:
    waiting = [await connect(exchange) for _ in range(20)]
    for _, writer in waiting:
        writer.write(HEADER)
    for reader, _ in waiting:
        assert await reader.readline() == b"ANSWER\n"
    reader, writer = await connect(exchange)
    writer.write(HEADER)
    assert await dropped(reader) == b""
    await closed(writer)
    waiting[0][1].write(b"200 result=0\n")
    assert (await waiting[0][0].readline()).startswith(b"STREAM FILE")
    for _, writer in waiting:
        await closed(writer)
    await still_serves(exchange)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=5), st.booleans())
async def test_garbage_of_every_kind(exchange: Exchange, chunks: list[bytes], after_header: bool) -> None:
    reader, writer = await connect(exchange)
    try:
        writer.write(HEADER if after_header else b"")
        for chunk in chunks:
            writer.write(chunk + b"\n")
        writer.write_eof()
        sent = await dropped(reader)
        assert b"Traceback" not in sent
    except ConnectionError:
        pass
    finally:
        await closed(writer)


async def dropped_after_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Answer everything that still comes; gives it all."""
    came = b""
    while line := await asyncio.wait_for(reader.readline(), 5):
        came += line
        writer.write(b"200 result=1\n" if b"VARIABLE" in line else b"200 result=0 endpos=0\n")
    await closed(writer)
    return came
