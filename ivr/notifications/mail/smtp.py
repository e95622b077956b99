"""Hands a mail to the mail server, in a thread of a few that do nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import ssl
from concurrent.futures import ThreadPoolExecutor

from ivr.errors import NotificationFailed, NotificationUndeliverable
from ivr.notifications.settings import MailSettings


class SmtpClient:
    """The mail server of the settings."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._executor = ThreadPoolExecutor(settings.at_once, "mail")

    async def send(self, recipient: str, mail: bytes) -> None:
        """Returns when the server has taken it. Raises `NotificationFailed`, `NotificationUndeliverable`."""
        await asyncio.get_running_loop().run_in_executor(self._executor, self._send, recipient, mail)

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _send(self, recipient: str, mail: bytes) -> None:
        server = self._settings
        try:
            smtp = self._connect()
        except smtplib.SMTPAuthenticationError as error:
            raise NotificationFailed(f"{server.host} does not let us sign in: {_reply_text(error)}") from error
        except (OSError, smtplib.SMTPException) as error:
            raise NotificationFailed(f"{server.host}:{server.port}: {error}") from error
        try:
            options = () if recipient.isascii() else ("SMTPUTF8", "BODY=8BITMIME")
            if options and not smtp.has_extn("smtputf8"):
                raise NotificationUndeliverable(f"{server.host} takes no address such as {recipient!r}")
            smtp.sendmail(server.sender, [recipient], mail, options)
        except smtplib.SMTPRecipientsRefused as error:
            raise _error_for(*error.recipients[recipient]) from error
        except smtplib.SMTPResponseException as error:
            raise _error_for(error.smtp_code, error.smtp_error) from error
        except (OSError, smtplib.SMTPException) as error:
            raise NotificationFailed(f"{server.host}:{server.port}: {error}") from error
        finally:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                smtp.quit()  # What it says now changes nothing: it has taken the mail, or not.

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
            if server.user:
                smtp.login(server.user, server.password)
            smtp.ehlo_or_helo_if_needed()
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _ssl_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._settings.ca_file)


def _error_for(code: int, reply: bytes | str) -> NotificationFailed:
    """4xx: not now; 5xx: never."""
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return (NotificationUndeliverable if code >= 500 else NotificationFailed)(f"the mail server said {code} {text}")


def _reply_text(error: smtplib.SMTPResponseException) -> str:
    text = error.smtp_error
    return f"{error.smtp_code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
