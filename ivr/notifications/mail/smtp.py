"""SMTP client. It runs in a small thread pool of its own, because smtplib blocks."""

from __future__ import annotations

import asyncio
import contextlib
import re
import smtplib
import ssl
from concurrent.futures import ThreadPoolExecutor

from ivr.errors import (
    MailContentRefused,
    MailTooLarge,
    NotificationFailed,
    NotificationUndeliverable,
    describe_error,
)
from ivr.notifications.settings import MailSettings
from ivr.validation.addresses import to_smtp
from ivr.validation.networks import format_address

TOO_LARGE_REPLY = re.compile(
    r"(552|523)\b|\d{3}[ -]#?[45]\.(2\.3|3\.4)\b"
    r"|\d{3}\b.*(too (large|big)|(message|mail) (is )?too long"
    r"|\b(size|length).*(limit|exceed|maxim|violat)|(exceed|maxim).*\b(size|length))",
    re.IGNORECASE | re.DOTALL,
)
"""Replies to a mail that is too large: codes 552 and 523, the enhanced codes of RFC 3463, and words.

Some servers write them with a temporary code: the mail would be as large at each retry.
"""


SMTP_OK = 250


class SmtpClient:
    """Sends mails to the configured mail server, each over a connection of its own."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._executor = ThreadPoolExecutor(settings.max_connections, "mail")

    async def send(self, recipient: str, mail: bytes) -> None:
        """Send a mail and return when the server has accepted it.

        Raises `NotificationFailed` for a temporary error, `NotificationUndeliverable` for a permanent one,
        `MailContentRefused` when a mail without audio may be accepted, and `MailTooLarge` when a smaller one may.
        """
        await asyncio.get_running_loop().run_in_executor(self._executor, self._send, to_smtp(recipient), mail)

    async def verify(self) -> bool:
        """Log in and name the sender; send nothing. Raises `NotificationFailed`.

        Returns whether the server takes addresses with other characters than ASCII before the @ (SMTPUTF8).
        """
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._verify)

    def close(self) -> None:
        """Cancel waiting mails and stop the threads."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _send(self, recipient: str, mail: bytes) -> None:
        server = self._settings
        smtp = self._log_in()
        try:
            options = () if recipient.isascii() else ("SMTPUTF8", "BODY=8BITMIME")
            if options and not smtp.has_extn("smtputf8"):
                raise NotificationUndeliverable(
                    f"{server.host} does not support addresses with non-ASCII characters (SMTPUTF8): {recipient!r}"
                )
            if limit_bytes := _size_limit(smtp):
                _check_size(len(mail), limit_bytes, server.host)
            smtp.sendmail(server.sender, [recipient], mail, options)
        except smtplib.SMTPRecipientsRefused as error:
            raise _error_for(*error.recipients[recipient]) from error
        except smtplib.SMTPDataError as error:
            raise _error_for(error.smtp_code, error.smtp_error, permanent=MailContentRefused) from error
        except smtplib.SMTPResponseException as error:
            raise _error_for(error.smtp_code, error.smtp_error) from error
        except (OSError, smtplib.SMTPException) as error:
            raise NotificationFailed(f"{format_address(server.host, server.port)}: {describe_error(error)}") from error
        finally:
            # The outcome is settled before QUIT; an error there changes nothing.
            with contextlib.suppress(OSError, smtplib.SMTPException):
                smtp.quit()

    def _verify(self) -> bool:
        server = self._settings
        smtp = self._log_in()
        try:
            code, reply = smtp.mail(server.sender)
            if code != SMTP_OK:
                raise NotificationFailed(
                    f"{server.host} rejects the sender {server.sender}: {code} {reply.decode(errors='replace')}"
                )
            return smtp.has_extn("smtputf8")
        except (OSError, smtplib.SMTPException) as error:
            raise NotificationFailed(f"{format_address(server.host, server.port)}: {describe_error(error)}") from error
        finally:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                smtp.quit()

    def _log_in(self) -> smtplib.SMTP:
        """Return a connection that can send. Raises `NotificationFailed`."""
        server = self._settings
        try:
            return self._connect()
        except smtplib.SMTPAuthenticationError as error:
            raise NotificationFailed(
                f"{server.host} rejects the login, check mail.username and mail.password: {_reply_text(error)}"
            ) from error
        except (OSError, smtplib.SMTPException) as error:
            raise NotificationFailed(f"{format_address(server.host, server.port)}: {describe_error(error)}") from error

    def _connect(self) -> smtplib.SMTP:
        server = self._settings
        if server.security == "tls":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=server.timeout_s, context=self._ssl_context()
            )
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=server.timeout_s)
        try:
            if server.security == "starttls":
                smtp.starttls(context=self._ssl_context())
            if server.username:
                smtp.login(server.username, server.password)
            smtp.ehlo_or_helo_if_needed()
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _ssl_context(self) -> ssl.SSLContext:
        file = self._settings.ca_file
        try:
            return ssl.create_default_context(cafile=file)
        except OSError as error:
            reason = error.strerror or error
            raise NotificationFailed(f"mail.ca_file {file} cannot be used: {reason}") from error


def _size_limit(smtp: smtplib.SMTP) -> int:
    """Return the largest mail in bytes that the server accepts by its reply to EHLO (RFC 1870); 0: it names none."""
    value = smtp.esmtp_features.get("size", "")
    return int(value) if value.isascii() and value.isdigit() else 0


def _check_size(size_bytes: int, limit_bytes: int, host: str) -> None:
    """Raise `MailTooLarge` before a mail is sent that the server would refuse at its end."""
    if size_bytes > limit_bytes:
        raise MailTooLarge(f"the mail has {size_bytes} bytes as sent, and {host} accepts at most {limit_bytes}")


def _error_for(
    code: int, reply: bytes | str, *, permanent: type[NotificationUndeliverable] = NotificationUndeliverable
) -> NotificationFailed:
    """Map an SMTP reply to an error: 4xx is temporary, 5xx is `permanent`, and either may be about the size."""
    text = f"{code} {reply.decode(errors='replace') if isinstance(reply, bytes) else reply}"
    if TOO_LARGE_REPLY.match(text):
        return MailTooLarge(f"the mail server replied {text}")
    return (permanent if code >= 500 else NotificationFailed)(f"the mail server replied {text}")


def _reply_text(error: smtplib.SMTPResponseException) -> str:
    text = error.smtp_error
    return f"{error.smtp_code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
