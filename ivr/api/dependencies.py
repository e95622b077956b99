"""Services and limits of the REST API, passed in by the container."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from ivr.api.audio_links import AudioLinks
from ivr.clock import Clock
from ivr.directory.audit_log import AuditLog
from ivr.directory.credentials import CredentialStore, TokenStore
from ivr.directory.directory import Directory
from ivr.directory.rate_limit import RateLimiter
from ivr.ids import IdGenerator
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.bulk import BulkOperations
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.greetings import GreetingUploads
from ivr.mailbox.owner_changes import OwnerChanges
from ivr.mailbox.renditions import AudioRenditions
from ivr.mailbox.uploads import Uploads
from ivr.metrics.page_server import PageResponse
from ivr.storage.protocols import EdgeRecordingStore, ListingStore, MessageStore, UndeliveredMailStore
from ivr.storage.read_cache import ReadCache

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, kw_only=True)
class ApiLimits:
    """Limits on requests, and the rules of access that are settings."""

    max_json_bytes: int = 1_000_000
    max_audio_bytes: int = 64_000_000
    idle_timeout_s: float = 30.0
    """A request body is abandoned after this many seconds without a byte."""
    min_bytes_per_s: int = 500
    """A request body that brings less on average is abandoned, `idle_timeout_s` after it began at the earliest."""
    max_unpaged_rows: int = 10_000
    """Rows that a list with `paginate=false` may have."""
    delete_batch_size: int = 500
    """Messages per transaction when a whole folder or box is emptied."""
    own_boxes_only: bool = True
    """Whether a user who logs in with a password reaches their own boxes only."""
    session_lifetime_s: int = 3600
    max_sessions: int = 100
    """Sessions of a user, or of an API key, that are valid at a time. A further one ends the oldest."""
    allowed_networks: tuple[Network, ...] = ()
    """Networks of the clients that may connect. Empty: all."""
    origins: tuple[str, ...] = ()
    """Origins of web pages that may read responses (CORS). Empty: those of the API itself only."""
    is_basic_allowed: bool = False
    """Whether each request may be signed in with `Authorization: Basic`."""
    is_token_in_query_allowed: bool = False
    """Whether the audio of a message is sent for `?auth_token=`, too."""


@dataclass(frozen=True, kw_only=True)
class AuthServices:
    """Accounts, and what proves the identity of a client."""

    directory: Directory
    tokens: TokenStore
    credentials: CredentialStore
    rate_limiter: RateLimiter
    """Of wrong credentials."""
    token_rate_limiter: RateLimiter
    """Of wrong tokens."""

    async def count_guess(self, text: str, address: str) -> None:
        """Count a token that is not valid. Raises `RateLimited`.

        One that was valid once is no guess: it is that of a client whose session has ended, or of a phone that changed
        hands.
        """
        if not await self.tokens.is_known(text):
            await self.token_rate_limiter.settle(address, is_right=False)


@dataclass(frozen=True, kw_only=True)
class MailboxServices:
    """Boxes and messages."""

    boxes: Boxes
    messages: MessageStore
    delivery: Delivery
    lists: ListingStore
    undelivered_mail: UndeliveredMailStore
    bulk: BulkOperations
    owner_changes: OwnerChanges


@dataclass(frozen=True, kw_only=True)
class AudioServices:
    """Uploads and downloads of audio."""

    uploads: Uploads
    greeting_uploads: GreetingUploads
    renditions: AudioRenditions
    links: AudioLinks


@dataclass(frozen=True, kw_only=True)
class MediaServices:
    """Recordings by the id of their call: who may upload and fetch them."""

    recordings: EdgeRecordingStore
    edges: tuple[Network, ...] = ()
    """Networks of the media edges. Empty: none uploads."""
    edge_token: str = ""
    clients: tuple[Network, ...] = ()
    """Networks from which recordings may be fetched. Empty: none."""
    x_accel_redirect: str = ""
    """Internal location of nginx that fetches recordings from the object store. Empty: there is none."""


@dataclass(frozen=True, kw_only=True)
class ApiServices:
    """Everything that the routes use."""

    auth: AuthServices
    mailbox: MailboxServices
    audio: AudioServices
    media: MediaServices
    audit_log: AuditLog
    limits: ApiLimits
    rendered_pages: ReadCache
    """Pages of messages as JSON."""
    clock: Clock
    ids: IdGenerator
    public_pages: Mapping[str, Callable[[], Awaitable[PageResponse]]] = field(default_factory=dict)
    """Pages that need no token: /healthz and /readyz, unless they have a port of their own."""
