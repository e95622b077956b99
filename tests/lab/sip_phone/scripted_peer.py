"""The other side of a SIP conversation, for tests that need it to be rude: it says what it is told, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from tests.lab.sip_phone.sip_message import SipMessage, parse_message
from tests.lab.sip_phone.transactions import Peer


class ScriptedSipPeer(asyncio.DatagramProtocol):
    """A UDP port that keeps what it receives."""

    def __init__(self) -> None:
        self._received: asyncio.Queue[tuple[SipMessage, Peer]] = asyncio.Queue()

    async def open(self) -> None:
        """Binds a free port."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.address: Peer = self._transport.get_extra_info("sockname")

    def close(self) -> None:
        """Frees the port."""
        self._transport.close()

    def datagram_received(self, data: bytes, addr: Peer) -> None:
        """Keeps a message for `expect`."""
        message = parse_message(data)
        self._received.put_nowait((message, addr))

    async def expect(self, what: str, within_s: float = 5) -> SipMessage:
        """The next message, which must be a request or a response of this method or status."""
        async with asyncio.timeout(within_s):
            message, self.peer = await self._received.get()
        assert (message.method or str(message.status)) == what, message
        return message

    async def expect_nothing(self, for_s: float) -> None:
        """Nothing must come for so long."""
        try:
            async with asyncio.timeout(for_s):
                message, _ = await self._received.get()
        except TimeoutError:
            return
        raise AssertionError(f"came: {message}")

    def send(self, data: bytes, to: Peer) -> None:
        """Any datagram."""
        self._transport.sendto(data, to)

    def reply(
        self,
        request: SipMessage,
        status: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        tag: str = ";tag=theirs",
    ) -> None:
        """Answers a request, to where the last message came from."""
        copied_headers = [
            (name, value + (tag if name == "To" and ";tag=" not in value else ""))
            for name, value in request.headers
            if name in {"Via", "From", "To", "Call-ID", "CSeq"}
        ]
        self.send(SipMessage(f"SIP/2.0 {status}", [*copied_headers, *headers], body).encode(), self.peer)

    def request(
        self,
        method: str,
        to: Peer,
        *,
        branch: str = "z9hG4bK1",
        number: int = 1,
        to_tag: str = "",
        call_id: str = "c1",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        """A request from us."""
        host, port = self.address
        self.send(
            SipMessage(
                f"{method} sip:x@{to[0]}:{to[1]} SIP/2.0",
                [
                    ("Via", f"SIP/2.0/UDP {host}:{port};branch={branch}"),
                    ("From", '"Caller" <sip:77@there>;tag=ours'),
                    ("To", "<sip:x@here>" + (f";tag={to_tag}" if to_tag else "")),
                    ("Call-ID", call_id),
                    ("CSeq", f"{number} {method}"),
                    ("Contact", f"<sip:77@{host}:{port}>"),
                    *headers,
                ],
                body,
            ).encode(),
            to,
        )


@asynccontextmanager
async def scripted_sip_peer() -> AsyncIterator[ScriptedSipPeer]:
    """An open one."""
    other = ScriptedSipPeer()
    await other.open()
    try:
        yield other
    finally:
        other.close()
