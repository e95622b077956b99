"""The requests to one other side: Call-ID, tags, CSeq and routes (RFC 3261 §12), and our password."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.lab.sip_phone.digest import Challenge
from tests.lab.sip_phone.sip_message import SipAddress, SipMessage, host_port
from tests.lab.sip_phone.transactions import Peer, SipTransactionLayer

ALLOW = ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY")


@dataclass(frozen=True)
class SipCredentials:
    """Who we are to the server."""

    user: str
    password: str


class Dialog:
    """Sends requests in a row: each with the next CSeq, again with credentials where the server asks for them."""

    def __init__(
        self, agent: SipTransactionLayer, account: SipCredentials, local: SipAddress, remote: SipAddress, target: str
    ) -> None:
        self._agent, self._account = agent, account
        self.call_id = secrets.token_hex(12)
        self.local, self.remote, self.target = local, remote, target
        self.routes: list[str] = []
        self.cseq = 0
        self.last_request = SipMessage("")

    @classmethod
    def outgoing(cls, agent: SipTransactionLayer, account: SipCredentials, local: SipAddress, uri: str) -> Dialog:
        """One that we begin."""
        tagged = SipAddress(local.uri, local.display, {"tag": new_tag()})
        return cls(agent, account, tagged, SipAddress(uri), uri)

    @classmethod
    def incoming(cls, agent: SipTransactionLayer, account: SipCredentials, invite: SipMessage, tag: str) -> Dialog:
        """One that began with an INVITE to us, answered with our tag."""
        to = SipAddress.parse(invite.get("To"))
        dialog = cls(
            agent,
            account,
            SipAddress(to.uri, to.display, {"tag": tag}),
            SipAddress.parse(invite.get("From")),
            SipAddress.parse(invite.get("Contact")).uri,
        )
        dialog.call_id = invite.get("Call-ID")
        dialog.routes = list(invite.list_values("Record-Route"))
        return dialog

    @property
    def contact(self) -> str:
        """Our address for requests to come."""
        host, port = self._agent.address
        return f"<sip:{self._account.user}@{host}:{port}>"

    @property
    def next_hop(self) -> Peer:
        """Where our requests go."""
        return host_port(SipAddress.parse(self.routes[0]).uri if self.routes else self.target)

    def confirm(self, response: SipMessage) -> None:
        """Takes the other side's tag, contact and routes from its answer."""
        self.remote = SipAddress.parse(response.get("To"))
        for contact in response.list_values("Contact"):
            self.target = SipAddress.parse(contact).uri
        self.routes = list(response.list_values("Record-Route"))[::-1]

    async def request(
        self,
        method: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        on_provisional: Callable[[SipMessage], None] | None = None,
    ) -> SipMessage:
        """The final response to a request; a challenge to it is answered once (again when only its nonce is old)."""
        proof: dict[str, str] = {}
        while True:
            self.cseq += 1
            message = self.last_request = self._build(method, self.cseq, {**(headers or {}), **proof}, body)
            response = await self._agent.request(message, self.next_hop, on_provisional)
            if response.status not in {401, 407}:
                return response
            requested, answered = (
                ("WWW-Authenticate", "Authorization")
                if response.status == 401
                else ("Proxy-Authenticate", "Proxy-Authorization")
            )
            challenge = Challenge.choose(response.all(requested))
            if answered in proof and not challenge.stale:
                return response
            proof[answered] = challenge.answer(
                self._account.user, self._account.password, method, self.target, secrets.token_hex(8)
            )

    def acknowledge(self) -> None:
        """Sends the ACK of the INVITE that was the last request and got its 200."""
        invite = self.last_request
        proof = {name: value for name, value in invite.headers if name.endswith("Authorization")}
        self._agent.acknowledge(invite.branch(), self._build("ACK", self.cseq, proof, b""), self.next_hop)

    async def cancel(self) -> None:
        """Takes the INVITE back that was the last request; its own final response is still to come."""
        invite = self.last_request
        copied_headers = [
            (name, value)
            for name, value in invite.headers
            if name in {"From", "To", "Call-ID", "Route", "Max-Forwards"}
        ]
        cancel = SipMessage(
            invite.start_line.replace("INVITE", "CANCEL", 1), [*copied_headers, ("CSeq", f"{self.cseq} CANCEL")]
        )
        await self._agent.request(cancel, self.next_hop, branch=invite.branch())

    def _build(self, method: str, cseq: int, headers: Mapping[str, str], body: bytes) -> SipMessage:
        return SipMessage(
            f"{method} {self.target} SIP/2.0",
            [
                ("Max-Forwards", "70"),
                ("From", str(self.local)),
                ("To", str(self.remote)),
                ("Call-ID", self.call_id),
                ("CSeq", f"{cseq} {method}"),
                *(("Route", route) for route in self.routes),
                ("Contact", self.contact),
                ALLOW,
                *headers.items(),
            ],
            body,
        )


def new_tag() -> str:
    """A tag for From or To."""
    return secrets.token_hex(6)
