"""Checks of notifications: what was given up, and what mails cannot have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ivr.doctor.installation import Installation
from ivr.health.finding import Finding, warning


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
            "set public_url in [api] of ivr.toml to the address of the REST API, such as https://voicemail.example.com",
        )
