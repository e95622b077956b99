"""SIP over UDP: requests with their retransmissions, and answers to those of others (RFC 3261 §17)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from tests.lab.sip_phone.errors import SipTimeout
from tests.lab.sip_phone.sip_message import SipAddress, SipMessage, SipSyntaxError, parse_message

T1_S = 0.5
_T2_S = 4.0
_TRANSACTION_TIMEOUT_S = 64 * T1_S
Peer = tuple[str, int]


class SipTransactionLayer(asyncio.DatagramProtocol):
    """One SIP port of 127.0.0.1. New requests go to `on_request`; what is no SIP is ignored."""

    def __init__(self, on_request: Callable[[SipMessage, Peer], None]) -> None:
        self._on_request = on_request
        self._waiting: dict[tuple[str, str], asyncio.Queue[SipMessage]] = {}  # by branch and method
        self._acks: dict[str, tuple[SipMessage, Peer]] = {}  # by branch of the INVITE
        self._sent_responses: dict[tuple[str, str], bytes | None] = {}  # by branch and method; None: not answered yet
        self._unacknowledged: dict[tuple[str, int], asyncio.Event] = {}  # by Call-ID and CSeq
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Binds a free port."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.address: Peer = self._transport.get_extra_info("sockname")

    def close(self) -> None:
        """Frees the port and stops every retransmission."""
        for task in self._tasks:
            task.cancel()
        self._transport.close()

    async def request(
        self,
        message: SipMessage,
        to: Peer,
        on_provisional: Callable[[SipMessage], None] | None = None,
        branch: str = "",
    ) -> SipMessage:
        """Send a request and return its final response; raises NoAnswer after 32 s without a response.

        A branch is only given for CANCEL, which shares that of its INVITE. A failed INVITE is acknowledged here, a
        successful one by the caller, with `acknowledge`.
        """
        method = message.method
        branch = branch or "z9hG4bK" + secrets.token_hex(8)
        self._add_via(message, branch)
        queue = self._waiting[branch, method] = asyncio.Queue[SipMessage]()
        loop = asyncio.get_running_loop()
        interval, deadline, ringing = T1_S, loop.time() + _TRANSACTION_TIMEOUT_S, False
        self.send(message, to)
        try:
            while True:
                try:
                    async with asyncio.timeout(None if ringing else min(interval, deadline - loop.time())):
                        response = await queue.get()
                except TimeoutError:
                    if loop.time() >= deadline:
                        raise SipTimeout(f"no answer to {method} from {to[0]}:{to[1]}") from None
                    self.send(message, to)
                    interval = 2 * interval if method == "INVITE" else min(2 * interval, _T2_S)
                    continue
                if response.status >= 200:
                    if method == "INVITE" and response.status >= 300:
                        self._acknowledge_failure(message, response, to)
                    return response
                ringing = method == "INVITE"
                if on_provisional:
                    on_provisional(response)
        finally:
            del self._waiting[branch, method]

    def acknowledge(self, invite_branch: str, ack: SipMessage, to: Peer) -> None:
        """Acknowledges the 200 of an INVITE, again whenever it is repeated."""
        self._add_via(ack, "z9hG4bK" + secrets.token_hex(8))
        self._acks[invite_branch] = ack, to
        self.send(ack, to)

    def respond(
        self,
        request: SipMessage,
        to: Peer,
        status: int,
        reason: str,
        *,
        tag: str = "",
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
    ) -> None:
        """Answers a request; the same bytes again when the request is repeated."""
        response = SipMessage(f"SIP/2.0 {status} {reason}", [], body)
        for name in ("Via", "Record-Route", "From", "To", "Call-ID", "CSeq"):
            for value in request.all(name):
                address = SipAddress.parse(value) if name == "To" and tag else None
                if address and "tag" not in address.params:
                    value = f"{value};tag={tag}" if ">" in value else f"<{value}>;tag={tag}"
                response.headers.append((name, value))
        response.headers += headers
        data = response.encode()
        self._sent_responses[request.branch(), request.method] = data
        self._transport.sendto(data, to)
        if request.method == "INVITE" and status >= 200:
            acknowledged = self._unacknowledged[request.get("Call-ID"), request.cseq()[0]] = asyncio.Event()
            task = asyncio.create_task(self._retransmit(data, to, acknowledged))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def wait_for_ack(self, invite: SipMessage) -> None:
        """Waits for the ACK of our final answer to an INVITE; NoAnswer after 32 s."""
        try:
            async with asyncio.timeout(_TRANSACTION_TIMEOUT_S):
                await self._unacknowledged[invite.get("Call-ID"), invite.cseq()[0]].wait()
        except TimeoutError:
            raise SipTimeout("our answer was not acknowledged") from None

    def send(self, message: SipMessage, to: Peer) -> None:
        """Sends a message once."""
        self._transport.sendto(message.encode(), to)

    def datagram_received(self, data: bytes, addr: Peer) -> None:
        """Sorts what came; a malformed message is as none."""
        try:
            message = parse_message(data)
            for name in ("Via", "From", "To", "Call-ID"):
                message.get(name)
            number, method = message.cseq()
            if not message.branch():
                return
            if message.status:
                self._on_response(message, method)
            elif method == message.method:
                self._on_request_received(message, number, addr)
        except SipSyntaxError:
            return

    def _on_response(self, response: SipMessage, method: str) -> None:
        branch = response.branch()
        if queue := self._waiting.get((branch, method)):
            queue.put_nowait(response)
        elif method == "INVITE" and response.status >= 200 and branch in self._acks:
            self.send(*self._acks[branch])

    def _on_request_received(self, request: SipMessage, number: int, addr: Peer) -> None:
        key = request.branch(), request.method
        if request.method == "ACK":
            if acknowledged := self._unacknowledged.get((request.get("Call-ID"), number)):
                acknowledged.set()
        elif key not in self._sent_responses:
            self._sent_responses[key] = None
            try:
                self._on_request(request, addr)
            except SipSyntaxError:
                self.respond(request, addr, 400, "Bad Request")
        elif repeated := self._sent_responses[key]:
            self._transport.sendto(repeated, addr)

    async def _retransmit(self, data: bytes, to: Peer, acknowledged: asyncio.Event) -> None:
        interval = T1_S
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _TRANSACTION_TIMEOUT_S
        while loop.time() < deadline:
            try:
                async with asyncio.timeout(interval):
                    await acknowledged.wait()
                return
            except TimeoutError:
                self._transport.sendto(data, to)
                interval = min(2 * interval, _T2_S)

    def _acknowledge_failure(self, invite: SipMessage, response: SipMessage, to: Peer) -> None:
        copied_headers = [
            (name, value) for name, value in invite.headers if name in {"Via", "From", "Call-ID", "Route"}
        ]
        number = invite.cseq()[0]
        ack = SipMessage(
            invite.start_line.replace("INVITE", "ACK", 1),
            [*copied_headers, ("To", response.get("To")), ("CSeq", f"{number} ACK"), ("Max-Forwards", "70")],
        )
        self._acks[invite.branch()] = ack, to
        self.send(ack, to)

    def _add_via(self, message: SipMessage, branch: str) -> None:
        host, port = self.address
        message.headers.insert(0, ("Via", f"SIP/2.0/UDP {host}:{port};branch={branch};rport"))
