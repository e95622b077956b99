"""What this door is given by whoever builds the house: the rooms behind it, and its limits."""

from __future__ import annotations

from dataclasses import dataclass

from ivr.api.ip_allowlist import Network
from ivr.clock import Clock
from ivr.directory.credentials import CredentialStore
from ivr.directory.directory import Directory
from ivr.directory.rate_limit import RateLimiter
from ivr.directory.tokens import TokenStore
from ivr.ids import IdGenerator
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.bulk import BulkOperations
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.greeting_uploads import GreetingUploads
from ivr.mailbox.listing import ListingStore
from ivr.mailbox.renditions import AudioRenditions
from ivr.mailbox.uploads import Uploads
from ivr.storage.protocols import MessageStore


@dataclass(frozen=True)
class ApiLimits:
    """What a request may carry, and who may do what."""

    json_bytes: int = 8_000_000
    audio_bytes: int = 64_000_000
    idle_timeout_s: float = 30.0
    owner_only: bool = True
    session_lifetime_s: int = 3600
    allowed_networks: tuple[Network, ...] = ()
    """Who may ask; none: everybody."""


@dataclass(frozen=True)
class ApiServices:
    """The rooms behind the door."""

    directory: Directory
    tokens: TokenStore
    credentials: CredentialStore
    rate_limiter: RateLimiter
    boxes: Boxes
    messages: MessageStore
    delivery: Delivery
    lists: ListingStore
    bulk: BulkOperations
    uploads: Uploads
    renditions: AudioRenditions
    greeting_uploads: GreetingUploads
    clock: Clock
    ids: IdGenerator
    limits: ApiLimits
