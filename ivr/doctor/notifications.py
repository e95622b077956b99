"""Checks of notifications: what was given up, and where webhooks go."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator

from ivr.doctor.installation import Installation
from ivr.errors import BadInput
from ivr.health.finding import Finding, warning
from ivr.validation.public_addresses import AllowedAddresses


def check_outbox(installation: Installation) -> Iterator[Finding]:
    """Check that no mail, call or webhook was given up: its recipient knows nothing of it."""
    tasks = installation.snapshot.given_up_tasks if installation.snapshot else ()
    for kind, count in Counter(task.kind for task in tasks).items():
        last = [task for task in tasks if task.kind is kind][-1]
        yield warning(
            "outbox",
            f"{count} of kind {kind} could not be delivered and {'is' if count == 1 else 'are'} no longer retried; the"
            f" last one, to {last.target or 'box ' + last.box_id}: {last.error}",
            "ivr outbox list --given-up; remove the cause, then: ivr outbox retry --given-up",
            command="ivr outbox retry --given-up",
        )


def check_webhooks(installation: Installation) -> Iterator[Finding]:
    """Check that the webhooks of accounts lead to addresses that they may be sent to."""
    addresses = AllowedAddresses(installation.settings.notifications.webhook_networks)
    for account in installation.snapshot.accounts if installation.snapshot else ():
        try:
            addresses.reject_private_url(account.webhook_url or "")
        except BadInput as error:
            command = f"ivr account set {shlex.quote(account.name)} settings.webhook.url=null"
            yield warning(
                "webhooks",
                f"account {account.name}: {error}",
                "list the network in webhook_networks in [notifications] of ivr.toml, then: systemctl restart ivr; or:"
                f" {command}",
                command=command,
            )
