"""What the page works with, passed in by the container."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ivr.api.dependencies import ApiServices
from ivr.directory.pin_lockout import PinLockout
from ivr.directory.secret_store import SecretStore
from ivr.health.finding import Finding
from ivr.mailbox.mailbox import Capacity
from ivr.mailbox.pins import Pins
from ivr.mailbox.takes import Takes
from ivr.notifications.call_back_call import CallBackCalls
from ivr.storage.protocols import BoxUsageStore, CallLogStore, OutboxStore
from ivr.web.live_updates import LiveUpdates


@dataclass(frozen=True, kw_only=True)
class PageLimits:
    """Settings and limits of the page."""

    session_lifetime_s: int = 12 * 3600
    public_url: str = ""
    """Address of the page for the world; empty: not known."""
    page_size: int = 50
    """Messages in one part of a list."""
    max_form_bytes: int = 100_000
    max_recipients: int = 20
    dial_prefix: str = "*97"
    """What a desk phone dials in front of a mailbox number and the reference of a message."""
    phones_without_tls: bool = False
    """Whether desk phones may send PINs and secrets over plain HTTP."""


FindFindings = Callable[[], Awaitable[Sequence[Finding] | None]]
"""Returns what `ivr doctor` finds; None if that cannot be run."""


@dataclass(frozen=True, kw_only=True)
class AdminServices:
    """What administrators see and do on the page, beside what owners do."""

    pin_lockout: PinLockout
    box_usage: BoxUsageStore
    calls: CallLogStore
    outbox: OutboxStore
    call_record_days: int
    find_findings: FindFindings
    random_bytes: Callable[[int], bytes]


@dataclass(frozen=True, kw_only=True)
class PageServices:
    """Services and limits of the page."""

    api: ApiServices
    pins: Pins
    secret_store: SecretStore
    takes: Takes
    capacity: Capacity
    live_updates: LiveUpdates
    call_backs: CallBackCalls | None
    """None: there is no connection to Asterisk's manager interface, so no phone can be rung."""
    admin: AdminServices
    limits: PageLimits
    languages: Sequence[str]
    """Codes of the languages of prompts or mails, for owners to choose from."""
    asterisk_name: str
    """Name of the Asterisk whose endpoints the desk phones are."""
