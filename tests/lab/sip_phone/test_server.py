"""The phone and a server that is played by the test: challenges, subscriptions, and requests within a call."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import md5

import pytest

from tests.lab.sip_phone import phone as phone_module
from tests.lab.sip_phone.call import PhoneCall
from tests.lab.sip_phone.errors import CallRejected, NotifyMissing, RequestRejected, SipTimeout
from tests.lab.sip_phone.phone import Phone
from tests.lab.sip_phone.scripted_peer import ScriptedSipPeer, scripted_sip_peer
from tests.lab.sip_phone.sdp import CONTENT_TYPE, SessionDescription
from tests.lab.sip_phone.sip_message import SipMessage

pytestmark = pytest.mark.asyncio
SDP = ("Content-Type", CONTENT_TYPE)
CHALLENGE = ("WWW-Authenticate", 'Digest realm="pbx", nonce="n1", qop="auth"')
SUMMARY = ("Event", "message-summary")


@asynccontextmanager
async def phone_and_server() -> AsyncIterator[tuple[Phone, ScriptedSipPeer]]:
    async with scripted_sip_peer() as server, Phone("alice", "secret", server.address) as phone:
        yield phone, server


def contact(server: ScriptedSipPeer) -> tuple[str, str]:
    return "Contact", f"<sip:{server.address[0]}:{server.address[1]}>"


def check(request: SipMessage, header: str, nonce: str, password: str = "secret") -> None:
    """The credentials must be those that RFC 2617 asks for."""
    given = dict(re.findall(r'(\w+)="?([^",]*)"?', request.get(header)))
    method, uri, _ = request.start_line.split()
    middle = f"{nonce}:{given['nc']}:{given['cnonce']}:auth"
    expected = _md5(f"{_md5(f'alice:pbx:{password}')}:{middle}:{_md5(f'{method}:{uri}')}")
    assert (given["response"], given["uri"], given["username"]) == (expected, uri, "alice")


def _md5(text: str) -> str:
    return md5(text.encode()).hexdigest()


async def test_phone_registers_and_unregisters_with_password() -> None:
    async with scripted_sip_peer() as server:
        async with Phone("alice", "secret", server.address) as phone:
            registering = asyncio.create_task(phone.register(60))
            first = await server.expect("REGISTER")
            assert not first.all("Authorization")
            assert first.get("Expires") == "60"
            server.reply(first, "401 Unauthorized", [CHALLENGE])
            second = await server.expect("REGISTER")
            check(second, "Authorization", "n1")
            assert (second.cseq()[0], second.get("Call-ID")) == (first.cseq()[0] + 1, first.get("Call-ID"))
            assert second.branch() != first.branch()
            server.reply(second, "200 OK")
            await registering
            leaving = asyncio.create_task(server.expect("REGISTER"))
            leaving.add_done_callback(lambda task: server.reply(task.result(), "200 OK"))
        assert (await leaving).get("Expires") == "0"


async def test_a_wrong_password_is_refused_and_an_old_nonce_tried_again() -> None:
    async with phone_and_server() as (phone, server):
        registering = asyncio.create_task(phone.register())
        for nonce, stale in (("n1", ""), ("n2", ", stale=true"), ("n3", "")):
            request = await server.expect("REGISTER")
            challenge = f'Digest realm="pbx", nonce="{nonce}", qop="auth"{stale}'
            server.reply(request, "407 Proxy Authentication Required", [("Proxy-Authenticate", challenge)])
        check(request, "Proxy-Authorization", "n2")
        with pytest.raises(RequestRejected, match="407"):
            await registering


async def _dialled(phone: Phone, server: ScriptedSipPeer) -> tuple[SipMessage, asyncio.Task[PhoneCall]]:
    """A call that the server answered, after a challenge."""
    dialling = asyncio.create_task(phone.dial("100"))
    invite = await server.expect("INVITE")
    server.reply(invite, "401 Unauthorized", [CHALLENGE])
    assert (await server.expect("ACK")).branch() == invite.branch()
    invite = await server.expect("INVITE")
    check(invite, "Authorization", "n1")
    return invite, dialling


async def test_a_call_follows_contact_and_record_route() -> None:
    async with phone_and_server() as (phone, server), scripted_sip_peer() as proxy:
        invite, dialling = await _dialled(phone, server)
        assert invite.start_line == f"INVITE sip:100@127.0.0.1:{server.address[1]} SIP/2.0"
        route = f"<sip:127.0.0.1:{proxy.address[1]};lr>"
        server.reply(
            invite,
            "200 OK",
            [contact(server), ("Record-Route", f"<sip:10.0.0.1;lr>, {route}"), SDP],
            SessionDescription("127.0.0.1", 40000).encode(),
        )
        ack = await proxy.expect("ACK")
        assert ack.start_line == f"ACK sip:127.0.0.1:{server.address[1]} SIP/2.0"
        assert ack.all("Route") == [route, "<sip:10.0.0.1;lr>"]
        assert ack.cseq()[0] == invite.cseq()[0]
        assert ack.get("To").endswith(";tag=theirs")
        call = await dialling
        server.reply(invite, "200 OK")
        assert await proxy.expect("ACK") == ack
        leaving = asyncio.create_task(call.hang_up())
        proxy.reply(await proxy.expect("BYE"), "200 OK")
        await leaving
        await call.hang_up()
        await proxy.expect_nothing(0.05)


async def test_the_sound_may_be_described_by_the_ringing_already() -> None:
    async with phone_and_server() as (phone, server):
        invite, dialling = await _dialled(phone, server)
        server.reply(invite, "183 Session Progress", [SDP], SessionDescription("127.0.0.1", 40000).encode())
        server.reply(invite, "200 OK", [contact(server)])
        await server.expect("ACK")
        call = await dialling
        leaving = asyncio.create_task(call.hang_up())
        server.reply(await server.expect("BYE"), "200 OK")
        await leaving


async def test_a_call_may_be_heard_before_it_is_answered() -> None:
    async with phone_and_server() as (phone, server):
        dialling = asyncio.create_task(phone.dial_early("100"))
        invite = await server.expect("INVITE")
        server.reply(invite, "183 Session Progress", [SDP], SessionDescription("127.0.0.1", 40000).encode())
        call = await dialling
        assert (call.is_up, call.answered_s) == (True, None)
        server.reply(invite, "200 OK", [contact(server), SDP], SessionDescription("127.0.0.1", 40000).encode())
        await server.expect("ACK")
        await call.wait_until_answered()
        assert call.answered_s == 0
        leaving = asyncio.create_task(call.hang_up())
        server.reply(await server.expect("BYE"), "200 OK")
        await leaving


async def test_a_call_that_is_heard_and_not_answered_is_taken_back() -> None:
    async with phone_and_server() as (phone, server):
        dialling = asyncio.create_task(phone.dial_early("100"))
        invite = await server.expect("INVITE")
        server.reply(invite, "183 Session Progress", [SDP], SessionDescription("127.0.0.1", 40000).encode())
        call = await dialling
        leaving = asyncio.create_task(call.hang_up())
        cancel = await server.expect("CANCEL")
        server.reply(cancel, "200 OK")
        server.reply(invite, "487 Request Terminated")
        await server.expect("ACK")
        await leaving
        assert not call.is_up


async def test_a_call_that_is_heard_may_still_be_refused() -> None:
    async with phone_and_server() as (phone, server):
        dialling = asyncio.create_task(phone.dial_early("100"))
        invite = await server.expect("INVITE")
        server.reply(invite, "183 Session Progress", [SDP], SessionDescription("127.0.0.1", 40000).encode())
        call = await dialling
        server.reply(invite, "480 Temporarily Unavailable")
        await server.expect("ACK")
        await call.wait_for_hangup()
        with pytest.raises(SipTimeout):
            await call.wait_until_answered()


async def test_a_call_that_is_answered_at_once_is_not_heard_before() -> None:
    async with phone_and_server() as (phone, server):
        dialling = asyncio.create_task(phone.dial_early("100"))
        invite = await server.expect("INVITE")
        server.reply(invite, "200 OK", [contact(server), SDP], SessionDescription("127.0.0.1", 40000).encode())
        await server.expect("ACK")
        await server.expect("ACK")
        server.reply(await server.expect("BYE"), "200 OK")
        with pytest.raises(SipTimeout, match="early media"):
            await dialling


async def test_a_call_without_sound_is_ended_again() -> None:
    async with phone_and_server() as (phone, server):
        invite, dialling = await _dialled(phone, server)
        server.reply(invite, "200 OK", [contact(server)], b"v=0\r\n")
        await server.expect("ACK")
        server.reply(await server.expect("BYE"), "200 OK")
        with pytest.raises(ValueError, match="PCMU"):
            await dialling


async def test_a_call_answered_while_it_is_taken_back_is_hung_up() -> None:
    async with phone_and_server() as (phone, server):
        dialling = asyncio.create_task(phone.dial("100", within_s=0.2))
        invite = await server.expect("INVITE")
        server.reply(invite, "180 Ringing")
        cancel = await server.expect("CANCEL")
        assert (cancel.branch(), cancel.cseq()[0]) == (invite.branch(), invite.cseq()[0])
        server.reply(cancel, "200 OK")
        server.reply(invite, "200 OK", [contact(server), SDP], SessionDescription("127.0.0.1", 40000).encode())
        await server.expect("ACK")
        server.reply(await server.expect("BYE"), "200 OK")
        with pytest.raises(TimeoutError):
            await dialling


async def test_requests_within_dialog_are_answered() -> None:
    async with phone_and_server() as (phone, server):
        offer = SessionDescription("127.0.0.1", 40000, 97)
        server.request("INVITE", phone._agent.address, headers=[SDP], body=offer.encode())
        ringing = await server.expect("180")
        answering = asyncio.create_task((await phone.next_call()).answer())
        answer = await server.expect("200")
        tag = answer.get("To").partition("tag=")[2]
        assert tag == ringing.get("To").partition("tag=")[2]
        assert SessionDescription.parse(answer.body).telephone_event_payload == 97
        server.request("ACK", phone._agent.address, branch="z9hG4bK2", to_tag=tag)
        call = await answering
        moved = SessionDescription("127.0.0.1", 40002, 97)
        server.request(
            "INVITE", phone._agent.address, branch="z9hG4bK3", number=2, to_tag=tag, headers=[SDP], body=moved.encode()
        )
        again = await server.expect("200")
        assert again.body == answer.body
        assert call._media._remote == moved
        server.request("ACK", phone._agent.address, branch="z9hG4bK4", number=2, to_tag=tag)
        server.request("OPTIONS", phone._agent.address, branch="z9hG4bK5", number=3, to_tag=tag)
        await server.expect("200")
        server.request("INFO", phone._agent.address, branch="z9hG4bK6", number=4, to_tag=tag)
        await server.expect("501")
        server.request("BYE", phone._agent.address, branch="z9hG4bK7", number=5, to_tag=tag)
        await server.expect("200")
        await call.wait_for_hangup(within_s=0)


async def test_requests_outside_dialog_are_answered() -> None:
    async with phone_and_server() as (phone, server):
        cases = [("OPTIONS", "200"), ("BYE", "481"), ("CANCEL", "481"), ("INFO", "501"), ("INVITE", "488")]
        for number, (method, status) in enumerate(cases):
            server.request(method, phone._agent.address, branch=f"z9hG4bK{number}", number=number)
            await server.expect(status)
        server.request("ACK", phone._agent.address, number=4)


async def test_cancelled_incoming_call_ends() -> None:
    async with phone_and_server() as (phone, server):
        server.request(
            "INVITE", phone._agent.address, headers=[SDP], body=SessionDescription("127.0.0.1", 40000).encode()
        )
        await server.expect("180")
        incoming = await phone.next_call()
        server.request("CANCEL", phone._agent.address)
        await server.expect("200")
        await server.expect("487")
        server.request("ACK", phone._agent.address)
        with pytest.raises(CallRejected, match="487"):
            await incoming.answer()


async def test_every_notify_counts_subscribed_or_not() -> None:
    async with phone_and_server() as (phone, server):
        server.request("NOTIFY", phone._agent.address, headers=[SUMMARY], body=b"Messages-Waiting: no\r\n")
        await server.expect("200")
        subscribing = asyncio.create_task(phone.subscribe_mwi(60))
        subscribe = await server.expect("SUBSCRIBE")
        assert (subscribe.get("Event"), subscribe.get("Expires")) == ("message-summary", "60")
        assert subscribe.start_line.startswith("SUBSCRIBE sip:alice@")
        server.reply(subscribe, "200 OK", [contact(server)])
        await subscribing
        server.request(
            "NOTIFY",
            phone._agent.address,
            branch="z9hG4bK2",
            to_tag="x",
            number=2,
            headers=[SUMMARY],
            body=b"Messages-Waiting: yes\r\nVoice-Message: 3/1 (2/0)\r\n",
        )
        summary = await phone.wait_for_notify(lambda summary: summary.waiting)
        await server.expect("200")
        assert (summary.new, summary.old, summary.urgent_new) == (3, 1, 2)
        assert [one.waiting for one in phone.notifies] == [False, True]
        with pytest.raises(NotifyMissing, match="waiting=True"):
            await phone.wait_for_notify(lambda summary: not summary.waiting, 0.05, since=1)
        for number, (event, body, status) in enumerate(
            [("presence", b"", "489"), ("message-summary", b"junk", "400"), ("message-summary;id=1", b"", "200")]
        ):
            server.request(
                "NOTIFY",
                phone._agent.address,
                branch=f"z9hG4bKn{number}",
                number=number + 3,
                to_tag="x",
                headers=[("Event", event)],
                body=body,
            )
            await server.expect(status)
        assert len(phone.notifies) == 2
        leaving = asyncio.create_task(server.expect("SUBSCRIBE"))
        leaving.add_done_callback(lambda task: server.reply(task.result(), "200 OK", [contact(server)]))
    assert (await leaving).get("Expires") == "0"


async def test_rejected_subscription_raises() -> None:
    async with phone_and_server() as (phone, server):
        subscribing = asyncio.create_task(phone.subscribe_mwi())
        server.reply(await server.expect("SUBSCRIBE"), "404 Not Found")
        with pytest.raises(RequestRejected, match="404"):
            await subscribing


async def test_a_server_that_is_gone_does_not_keep_the_phone_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phone_module, "_CLOSE_TIMEOUT_S", 0.1)
    async with scripted_sip_peer() as server:
        async with asyncio.timeout(2):
            async with Phone("alice", "secret", server.address) as phone:
                registering = asyncio.create_task(phone.register())
                server.reply(await server.expect("REGISTER"), "200 OK")
                await registering
