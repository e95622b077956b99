"""Fake mail server that accepts mails, or fails in one of the ways of real mail servers."""

from __future__ import annotations

import asyncio
import email
import ssl
from collections import deque
from email import policy
from email.message import EmailMessage
from typing import Any, Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.support.free_port import free_port

Behaviour = Literal["accepts", "rejects", "rejects temporarily", "dies during data", "accepts and dies"]


class FakeSmtpServer:
    """SMTP server on a free port. `behaviours`: how it treats the next mails; afterwards it accepts all."""

    def __init__(self, **smtp_options: Any) -> None:
        self.behaviours: deque[Behaviour] = deque()
        self.unknown_recipients: set[str] = set()
        """Addresses that are rejected with 550."""
        self.received: list[tuple[str, EmailMessage]] = []
        """Recipient and content of every accepted mail."""
        self.max_bytes: int | None = None
        """Size of a mail above which its content is refused with `size_refusal`; EHLO does not name it."""
        self.size_refusal = "552 5.3.4 Message size exceeds fixed limit"
        self.refusals_by_recipient: dict[str, str] = {}
        """How the content of mails with audio to these addresses is refused."""
        self.raw: list[bytes] = []
        """Every accepted mail as it came."""
        self.mail_commands = 0
        """Number of mails that were announced (MAIL FROM), refused or not."""
        self.offered_ids: list[str] = []
        """Message-ID of every mail whose content arrived, accepted or not."""
        self._smtp_options = smtp_options
        self._controller: Controller | None = None
        self.port = free_port()

    def start(self) -> None:
        self._controller = _Controller(self, hostname="127.0.0.1", port=self.port, **self._smtp_options)
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
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _: Session, envelope: Envelope) -> str:
        behaviour = self.behaviours.popleft() if self.behaviours else "accepts"
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.offered_ids.append(str(mail["Message-ID"]))
        if self.max_bytes is not None and len(envelope.content) > self.max_bytes:
            return self.size_refusal
        if any(part.get_content_maintype() == "audio" for part in mail.walk()):
            for address in envelope.rcpt_tos:
                if address in self.refusals_by_recipient:
                    return self.refusals_by_recipient[address]
        if behaviour == "rejects":
            return "554 5.7.1 rejected by policy"
        if behaviour == "rejects temporarily":
            return "451 4.3.0 try again later"
        self.raw.append(envelope.content)
        self.received += [(address, mail) for address in envelope.rcpt_tos]
        if behaviour == "accepts and dies":
            _drop_connection(server)
        return "250 OK"


class _Server(SMTP):
    async def smtp_MAIL(self, arg: str | None) -> None:
        self.event_handler.mail_commands += 1
        await super().smtp_MAIL(arg)

    async def smtp_DATA(self, arg: str) -> None:
        behaviours: deque[Behaviour] = self.event_handler.behaviours
        if behaviours and behaviours[0] == "dies during data":
            behaviours.popleft()
            await self.push("354 continue")
            _drop_connection(self)
            return
        await super().smtp_DATA(arg)


class _Controller(Controller):
    def factory(self) -> SMTP:
        return _Server(self.handler, **self.SMTP_kwargs)


def _drop_connection(server: SMTP) -> None:
    """Reset the connection, as a killed server does."""
    assert isinstance(server.transport, asyncio.Transport)
    server.transport.abort()


def authenticated_tls_server(user: str, password: str, tls: ssl.SSLContext) -> dict[str, Any]:
    """Return options of a server that requires TLS, a user name and a password."""

    def check(_: SMTP, __: Session, ___: Envelope, mechanism: str, data: Any) -> AuthResult:
        is_valid = (data.login, data.password) == (user.encode(), password.encode())
        return AuthResult(success=is_valid, handled=False)

    return {"tls_context": tls, "auth_required": True, "require_starttls": True, "authenticator": check}
