"""Checks of mail: the server, the templates, and links to the audio."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Iterator

from ivr.doctor.installation import Installation
from ivr.doctor.settings_file import edit_command, set_command, unset_command
from ivr.errors import NotificationFailed
from ivr.health.finding import RESTART, Finding, ok, problem, warning
from ivr.notifications.mail.smtp import SmtpClient
from ivr.notifications.settings import MailSettings
from ivr.validation.networks import format_address

CA_FILE, SENDER, SERVER, SECURITY = "ca_file", "sender", "host, port or security", "security, or username and password"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
CONNECT_TIMEOUT_S = 5.0


def check_mail_server(installation: Installation) -> Iterator[Finding]:
    """Check that the mail server accepts the login and the sender. No mail is sent."""
    settings = installation.settings.mail
    if not settings.host:
        if count := _users_with_address(installation):
            what = f"no mail server is set, so {count} users with a mail address get no mail about new messages"
            remedy = "set host in [mail] of ivr.toml to HOST, your mail server"
            command = set_command(installation.config_file, "mail", {"host": '"HOST"'})
            yield warning("mail", what, remedy, command=command, fill_in=("HOST",))
        return
    try:
        takes_all_scripts = asyncio.run(_verify(settings.model_copy(update={"timeout_s": CONNECT_TIMEOUT_S})))
    except NotificationFailed as error:
        names = _settings_to_correct(error)
        remedy = f"correct {names} in [mail] of ivr.toml, then: {RESTART}; mails wait meanwhile"
        command, fill_in = _correction(installation, names, settings)
        if names == CA_FILE:
            remedy = f"bring it back, or trust the authorities of the system: {command}"
        elif fill_in:
            remedy += f". Fill in {' and '.join(fill_in)}"
        yield problem("mail", str(error), remedy, command=command, fill_in=fill_in)
    else:
        server = format_address(settings.host, settings.port)
        yield ok("mail", f"{server} accepts mail from {settings.sender}")
        if not takes_all_scripts and (address := _address_of_another_script(installation)):
            what = f"{server} does not support SMTPUTF8, so mail to {address} is given up"
            yield warning("mail", what, "let the mail server support it, or give another address of that person")


def _correction(installation: Installation, names: str, settings: MailSettings) -> tuple[str, tuple[str, ...]]:
    """Return the command that corrects these settings, and the words of it to fill in."""
    file = installation.config_file
    if names == CA_FILE:
        return unset_command(file, "mail", "ca_file"), ()
    if names == SENDER:
        return set_command(file, "mail", {"sender": '"SENDER"'}), (SENDER.upper(),)
    if names == SERVER:
        return set_command(file, "mail", {"host": '"HOST"', "port": "PORT"}), ("HOST", "PORT")
    if names == SECURITY and settings.host in LOOPBACK:  # What is sent unencrypted stays on this machine.
        return set_command(file, "mail", {"security": '"none"'}), ()
    return edit_command(file, "mail", *names.replace(",", "").split()), ()


def _settings_to_correct(error: NotificationFailed) -> str:
    """Return the settings that decide about an error of the mail server."""
    match error.__cause__:
        case smtplib.SMTPAuthenticationError():
            return "username and password"
        case smtplib.SMTPNotSupportedError():
            return SECURITY
        case ssl.SSLError():
            return "security, host or ca_file"
        case OSError() if "ca_file" in str(error):
            return CA_FILE
        case smtplib.SMTPResponseException() | None:
            return SENDER
        case _:
            return SERVER


async def _verify(settings: MailSettings) -> bool:
    client = SmtpClient(settings)
    try:
        return await client.verify()
    finally:
        client.close()


def _users_with_address(installation: Installation) -> int:
    users = installation.snapshot.users if installation.snapshot else ()
    return sum(bool(user.email) and user.settings.get("vm_to_email_enabled") is not False for user in users)


def _address_of_another_script(installation: Installation) -> str:
    """Return a stored address whose part before the @ is not ASCII; "" if there is none."""
    snapshot = installation.snapshot
    if not snapshot:
        return ""
    of_users = [user.email or "" for user in snapshot.users]
    of_boxes = [
        address
        for box in snapshot.boxes
        for address in (box.notify_email or "", *box.notify_email_addresses, *box.short_mail_addresses)
    ]
    addresses = (*of_users, *of_boxes, installation.settings.mail.administrator)
    return next((address for address in addresses if not address.rpartition("@")[0].isascii()), "")


def check_mail_templates(installation: Installation) -> Iterator[Finding]:
    """Check that the site's own templates are where the settings say: the built-in ones would take their place."""
    folder = installation.settings.mail.template_folder
    if folder and not folder.is_dir():
        yield warning(
            "mail",
            f"the folder of your templates, {folder}, does not exist: mails are made of the built-in ones",
            "bring it back, or correct template_folder in [mail] of ivr.toml; then: systemctl restart ivr",
            command=unset_command(installation.config_file, "mail", "template_folder"),
        )


def check_mail_links(installation: Installation) -> Iterator[Finding]:
    """Check that mails that are to link to the audio have an address to link to."""
    settings, snapshot = installation.settings, installation.snapshot
    if settings.api.public_url or not settings.mail.host:
        return
    in_accounts = [account.settings.get("mail_audio") for account in snapshot.accounts] if snapshot else []
    in_boxes = [box.mail_audio for box in snapshot.boxes] if snapshot else []
    if "link" in (settings.voicemail.mail_audio, *in_accounts, *in_boxes):
        yield warning(
            "mail",
            "mail_audio is link, but api.public_url is not set: these mails have neither link nor audio",
            "set public_url in [api] of ivr.toml to URL, the address of the REST API, such as"
            " https://voicemail.example.com",
            command=set_command(installation.config_file, "api", {"public_url": '"URL"'}),
            fill_in=("URL",),
        )
