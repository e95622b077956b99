"""Transactions: what is repeated when, and what is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.lab.sip_phone import transactions as agent_module
from tests.lab.sip_phone.errors import SipTimeout
from tests.lab.sip_phone.scripted_peer import ScriptedSipPeer, scripted_sip_peer
from tests.lab.sip_phone.sip_message import SipMessage
from tests.lab.sip_phone.transactions import Peer, SipTransactionLayer

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def _short_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_module, "T1_S", 0.05)


@asynccontextmanager
async def agent_and_peer() -> AsyncIterator[tuple[SipTransactionLayer, asyncio.Queue[SipMessage], ScriptedSipPeer]]:
    """An agent, the requests it passed on, and the other side."""
    requests: asyncio.Queue[SipMessage] = asyncio.Queue()

    def keep(request: SipMessage, _peer: Peer) -> None:
        requests.put_nowait(request)

    agent = SipTransactionLayer(keep)
    await agent.open()
    try:
        async with scripted_sip_peer() as other:
            yield agent, requests, other
    finally:
        agent.close()


def message(method: str) -> SipMessage:
    return SipMessage(
        f"{method} sip:x@y SIP/2.0",
        [("From", "<sip:a@b>;tag=1"), ("To", "<sip:x@y>"), ("Call-ID", "c9"), ("CSeq", f"4 {method}")],
    )


async def test_a_request_is_repeated_until_it_is_answered() -> None:
    async with agent_and_peer() as (agent, _, other):
        answer = asyncio.create_task(agent.request(message("OPTIONS"), other.address))
        first = await other.expect("OPTIONS")
        again = await other.expect("OPTIONS")
        assert first == again
        other.reply(again, "200 OK")
        assert (await answer).status == 200
        await other.expect_nothing(0.2)


async def test_unanswered_request_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_module, "_TRANSACTION_TIMEOUT_S", 0.2)
    async with agent_and_peer() as (agent, _, other):
        with pytest.raises(SipTimeout, match="OPTIONS"):
            await agent.request(message("OPTIONS"), other.address)


async def test_an_invite_that_rings_is_not_repeated() -> None:
    async with agent_and_peer() as (agent, _, other):
        rung: list[SipMessage] = []
        answer = asyncio.create_task(agent.request(message("INVITE"), other.address, rung.append))
        invite = await other.expect("INVITE")
        other.reply(invite, "180 Ringing")
        await other.expect_nothing(0.3)
        other.reply(invite, "200 OK")
        assert (await answer).status == 200
        assert [response.status for response in rung] == [180]


async def test_only_the_answer_to_this_request_counts() -> None:
    async with agent_and_peer() as (agent, _, other):
        answer = asyncio.create_task(agent.request(message("OPTIONS"), other.address))
        request = await other.expect("OPTIONS")
        for line, name in ((0, "Via"), (4, "CSeq")):
            wrong = SipMessage(request.start_line, list(request.headers))
            value = request.headers[line][1]
            wrong.headers[line] = name, value.replace("z9hG4bK", "z9hG4bKx").replace("OPTIONS", "BYE")
            other.reply(wrong, "500 Wrong")
        other.reply(request, "200 OK")
        assert (await answer).status == 200


async def test_a_failed_invite_is_acknowledged_each_time_it_fails() -> None:
    async with agent_and_peer() as (agent, _, other):
        answer = asyncio.create_task(agent.request(message("INVITE"), other.address))
        invite = await other.expect("INVITE")
        for _repeated in range(2):
            other.reply(invite, "486 Busy Here")
            ack = await other.expect("ACK")
            assert ack.branch() == invite.branch()
            assert ack.cseq() == (4, "ACK")
            assert "tag=theirs" in ack.get("To")
        assert (await answer).status == 486


async def test_a_successful_invite_is_acknowledged_again_when_its_answer_comes_again() -> None:
    async with agent_and_peer() as (agent, _, other):
        request = message("INVITE")
        answer = asyncio.create_task(agent.request(request, other.address))
        invite = await other.expect("INVITE")
        other.reply(invite, "200 OK")
        await answer
        agent.acknowledge(request.branch(), message("ACK"), other.address)
        first = await other.expect("ACK")
        other.reply(invite, "200 OK")
        assert await other.expect("ACK") == first
        assert first.branch() not in {"", invite.branch()}


async def test_a_repeated_request_is_answered_again_but_handled_once() -> None:
    async with agent_and_peer() as (agent, requests, other):
        other.request("OPTIONS", agent.address)
        other.request("OPTIONS", agent.address)
        other.request("OPTIONS", agent.address, branch="z9hG4bK2", number=2)
        first, second = await requests.get(), await requests.get()
        assert (first.cseq(), second.cseq()) == ((1, "OPTIONS"), (2, "OPTIONS"))
        agent.respond(first, other.address, 200, "OK", tag="t")
        response = await other.expect("200")
        assert response.get("To") == "<sip:x@here>;tag=t"
        assert response.cseq() == (1, "OPTIONS")
        other.request("OPTIONS", agent.address)
        assert await other.expect("200") == response


async def test_the_answer_to_an_invite_is_repeated_until_it_is_acknowledged() -> None:
    async with agent_and_peer() as (agent, requests, other):
        other.request("INVITE", agent.address)
        invite = await requests.get()
        agent.respond(invite, other.address, 200, "OK", tag="t")
        waiting = asyncio.create_task(agent.wait_for_ack(invite))
        assert await other.expect("200") == await other.expect("200")
        assert not waiting.done()
        other.request("ACK", agent.address, branch="z9hG4bK3")
        await waiting
        await other.expect_nothing(0.3)
        assert requests.empty()


async def test_malformed_sip_is_ignored() -> None:
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context))
    no_call_id = SipMessage(
        "OPTIONS sip:x@y SIP/2.0",
        [("Via", "SIP/2.0/UDP a;branch=z9hG4bKq"), ("From", "<sip:a@b>"), ("To", "<sip:x@y>"), ("CSeq", "4 OPTIONS")],
    )
    async with agent_and_peer() as (agent, requests, other):
        for datagram in (
            b"",
            b"\x00\xff" * 50,
            b"OPTIONS sip:x SIP/2.0\r\n\r\n",
            b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n",
            message("OPTIONS").encode(),
            no_call_id.encode(),
        ):
            other.send(datagram, agent.address)
        other.request("OPTIONS", agent.address)
        assert (await requests.get()).get("Call-ID") == "c1"
        assert errors == []
