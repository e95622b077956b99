"""Who gets mail about a box (kazoo-behaviour §5.1, §5.2; checklist N01, N10, SI05)."""

from __future__ import annotations

import re

from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import TaskKind

ADDRESS_PATTERN = re.compile(r"[^@\s,;<>\"\x00-\x1f\x7f]+@[^@\s,;<>\"\x00-\x1f\x7f]+")


def resolve_recipients(mailbox: Mailbox, kind: TaskKind) -> list[str]:
    """The addresses, each once, in the order in which the box names them."""
    box = mailbox.settings
    listed = [
        *box.notify_email_addresses,
        *([box.notify_email] if box.notify_email else []),
        *_legacy_recipients(mailbox),
    ]
    owners = (mailbox.owner and mailbox.owner.email) or ""
    if kind is TaskKind.NEW and mailbox.owner and not mailbox.owner.settings.get("vm_to_email_enabled", True):
        listed = [address for address in listed if address.lower() != owners.lower()]
    elif owners and (kind is not TaskKind.NEW or not box.shared_vmbox or box.shared_vmbox_notify_owner_email):
        listed.append(owners)
    once: dict[str, str] = {}
    for address in listed:
        if ADDRESS_PATTERN.fullmatch(address):
            once.setdefault(address.lower(), address)
    return list(once.values())


def _legacy_recipients(mailbox: Mailbox) -> list[str]:
    """Kazoo's old key: one address or a list of them."""
    old = (mailbox.settings.model_extra or {}).get("notify_email_address") or []
    return [str(address) for address in ([old] if isinstance(old, str) else old)]
