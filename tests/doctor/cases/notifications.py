"""What is wrong with tokens, webhooks or mail."""

from __future__ import annotations

import time
from typing import Any

from aiosmtpd.smtp import AuthResult, Envelope

from tests.doctor.broken_site import BrokenSite
from tests.doctor.cases.case import Case, Step, all_of, change_row
from tests.support.fake_smtp_server import FakeSmtpServer


def add_token(expires_in_days: int | None, user: str | None = None) -> Step:
    def damage(site: BrokenSite) -> None:
        expires_at = None if expires_in_days is None else int(time.time()) + expires_in_days * 86_400
        site.change_row(
            "INSERT INTO tokens (hash, account_id, user_id, label, kind, created_at, expires_at)"
            " SELECT ?, id, ?, 'crm', 'api_key', 1, ? FROM accounts",
            "ab" * 32, user, expires_at,
        )  # fmt: skip

    return damage


def give_up_mail(site: BrokenSite) -> None:
    site.change_row(
        "INSERT INTO outbox (account_id, box_id, kind, target, payload, created_at, due_at, attempts, error)"
        " SELECT account_id, id, 'mail', 'ann@example.org', '{}', 1, ?, 9, 'no such host' FROM boxes",
        2**53,
    )


def mail_server(site: BrokenSite, **options: Any) -> FakeSmtpServer:
    server = FakeSmtpServer(**options)
    server.start()
    site.stack.callback(server.stop)
    return server


def mail_login_wrong(site: BrokenSite) -> None:
    def check(*words: Any) -> AuthResult:
        return AuthResult(success=words[-1].password == b"right", handled=False)

    server = mail_server(site, auth_required=True, auth_require_tls=False, authenticator=check)
    site.write_config(mail={"host": "127.0.0.1", "port": server.port, "username": "ivr", "password": "wrong"})


def mail_settings_wrong(**settings: object) -> Step:
    """A mail server is there; these settings are wrong."""

    def damage(site: BrokenSite) -> None:
        site.write_config(mail={"host": "127.0.0.1", "port": mail_server(site).port, **settings})

    return damage


def ca_file_missing(site: BrokenSite) -> None:
    mail_settings_wrong(security="starttls", ca_file="/nowhere.pem")(site)

    def restart() -> None:  # The server of this test has no TLS.
        site.config.write_text(site.config.read_text().replace('"starttls"', '"none"'))

    site.effects["systemctl restart ivr"] = restart


class _RefusesSender(FakeSmtpServer):
    async def handle_MAIL(self, _: object, __: object, envelope: Envelope, address: str, ___: object) -> str:
        if address.endswith("@localhost"):
            return "550 5.1.8 sender domain does not exist"
        envelope.mail_from = address
        return "250 OK"


def mail_sender_refused(site: BrokenSite) -> None:
    server = _RefusesSender()
    server.start()
    site.stack.callback(server.stop)
    site.write_config(mail={"host": "127.0.0.1", "port": server.port})


CASES: dict[str, Case] = {
    "mail given up": Case(give_up_mail, "outbox", "could not be delivered"),
    # -- tokens, webhooks, mail
    "token expired": Case(add_token(-1), "tokens", "(crm) expired on"),
    "token expires soon": Case(add_token(3), "tokens", "(crm) expires on"),
    "token of a deleted user": Case(add_token(None, "f" * 32), "tokens", "belongs to a user who was deleted"),
    "webhook to a private address": Case(
        change_row(
            "UPDATE accounts SET settings = json_set(settings, '$.webhook', json('{\"url\":\"http://10.0.0.5/\"}'))"
        ),
        "webhooks",
        "10.0.0.5 is not a public address",
    ),
    "mail server unreachable": Case(
        mail_settings_wrong(port=9),
        "mail",
        "127.0.0.1:9: Connection refused",
        {"HOST": "127.0.0.1", "PORT": lambda site: mail_server(site).port},
    ),
    "mail server without TLS": Case(mail_settings_wrong(security="starttls"), "mail", "STARTTLS"),
    "mail server's CA file missing": Case(
        ca_file_missing,
        "mail",
        "/nowhere.pem",
    ),
    "mail login wrong": Case(mail_login_wrong, "mail", "rejects the login", typed="n; s/wrong/right/"),
    "mail sender refused": Case(
        mail_sender_refused,
        "mail",
        "rejects the sender voicemail@localhost",
        {"SENDER": "vm@example.org"},
    ),
    "mail not configured": Case(
        all_of(
            change_row("UPDATE users SET email = 'alice@example.org'"),
            lambda site: site.write_config(mail={"port": mail_server(site).port}),
        ),
        "mail",
        "no mail server is set",
        {"HOST": "127.0.0.1"},
    ),
    "mail templates missing": Case(
        mail_settings_wrong(template_folder="/nowhere"),
        "mail",
        "the folder of your templates, /nowhere,",
    ),
}
