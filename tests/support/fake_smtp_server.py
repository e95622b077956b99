"""A mail server that behaves well, or in one of the bad ways that mail servers have."""

from __future__ import annotations

import asyncio
import email
import socket
import ssl
from collections import deque
from email import policy
from email.message import EmailMessage
from typing import Any, Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

Behaviour = Literal["takes it", "refuses", "not now", "dies in mid-data", "takes it and dies"]


class FakeSmtpServer:
    """Listens on a port of its own. `moods`: how it takes the next mails; afterwards it takes all of them."""

    def __init__(self, **how: Any) -> None:
        self.behaviours: deque[Behaviour] = deque()
        self.unknown_recipients: set[str] = set()
        """Addresses that are nobody's."""
        self.received: list[tuple[str, EmailMessage]] = []
        """What reached somebody: to whom, and the mail."""
        self._next_behaviour = how
        self._controller: Controller | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    def start(self) -> None:
        self._controller = _Controller(self, hostname="127.0.0.1", port=self.port, **self._next_behaviour)
        self._controller.start()

    def stop(self) -> None:
        if self._controller:
            self._controller.stop()
            self._controller = None

    @property
    def mails(self) -> list[EmailMessage]:
        return [mail for _, mail in self.received]

    async def handle_RCPT(self, server: SMTP, _: Session, envelope: Envelope, address: str, __: list[str]) -> str:
        if address in self.unknown_recipients:
            return "550 5.1.1 no such person here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _: Session, envelope: Envelope) -> str:
        mood = self.behaviours.popleft() if self.behaviours else "takes it"
        if mood == "refuses":
            return "554 5.7.1 we do not want this"
        if mood == "not now":
            return "451 4.3.0 come back later"
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.received += [(address, mail) for address in envelope.rcpt_tos]
        if mood == "takes it and dies":
            _drop_connection(server)
        return "250 OK"


class _Server(SMTP):
    async def smtp_DATA(self, arg: str) -> None:
        moods: deque[Behaviour] = self.event_handler.behaviours
        if moods and moods[0] == "dies in mid-data":
            moods.popleft()
            await self.push("354 go on")
            _drop_connection(self)
            return
        await super().smtp_DATA(arg)


class _Controller(Controller):
    def factory(self) -> SMTP:
        return _Server(self.handler, **self.SMTP_kwargs)


def _drop_connection(server: SMTP) -> None:
    """As a server that is killed."""
    assert isinstance(server.transport, asyncio.Transport)
    server.transport.abort()


def authenticated_tls_server(user: str, password: str, tls: ssl.SSLContext) -> dict[str, Any]:
    """A server that wants TLS and a name and a password."""

    def check(_: SMTP, __: Session, ___: Envelope, mechanism: str, data: Any) -> AuthResult:
        right = (data.login, data.password) == (user.encode(), password.encode())
        return AuthResult(success=right, handled=False)

    return {"tls_context": tls, "auth_required": True, "require_starttls": True, "authenticator": check}
