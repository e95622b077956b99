"""Checks of the tokens that programs use at the REST API."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from ivr.clock import date_of
from ivr.doctor.installation import Installation
from ivr.health.finding import Finding, warning

DAY_S = 86_400
EXPIRES_SOON_S = 14 * DAY_S


def check_api_keys(installation: Installation) -> Iterator[Finding]:
    """Check that no token of a program is refused, or will be soon: the program would fail without a warning."""
    if installation.snapshot is None:
        return
    now = installation.host.clock.now()
    accounts = {account.id: account.name for account in installation.snapshot.accounts}
    users = {user.id for user in installation.snapshot.users}
    for token in installation.snapshot.api_keys:
        account = shlex.quote(accounts.get(token.account_id, token.account_id))
        name = f"token {token.id} ({token.label or 'without a label'})"
        revoke = f"ivr token revoke {token.id} -a {account} --yes"
        renew = f"if its program is still needed, give it another one: ivr token create -a {account}; then: {revoke}"
        if token.user_id is not None and token.user_id not in users:
            yield warning("tokens", f"{name} belongs to a user who was deleted: it is refused", renew, command=revoke)
        elif token.expires_at is not None and token.expires_at <= now:
            what = f"{name} expired on {_date(token.expires_at)}: it is refused"
            yield warning("tokens", what, renew, command=revoke)
        elif token.expires_at is not None and token.expires_at <= now + EXPIRES_SOON_S:
            create = f"ivr token create -a {account} --label {shlex.quote(token.label or 'renewed')}"
            command = f"{create} && echo 'Enter: its program has this token' && read -r _ && {revoke}"
            yield warning("tokens", f"{name} expires on {_date(token.expires_at)}", renew, command=command)


def _date(time: float) -> str:
    return date_of(time).date().isoformat()
