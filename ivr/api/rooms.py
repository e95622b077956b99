"""What this door is given by whoever builds the house: the rooms behind it, and its limits."""

from __future__ import annotations

from dataclasses import dataclass

from ivr.api.allowed import Network
from ivr.clock import Clock
from ivr.directory.credentials import Credentials
from ivr.directory.directory import Directory
from ivr.directory.tokens import Tokens
from ivr.directory.tries import Tries
from ivr.ids import Ids
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.bulk import Bulk
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.forms import Forms
from ivr.mailbox.greeting_uploads import GreetingUploads
from ivr.mailbox.listing import Lists
from ivr.mailbox.store import MessageStore
from ivr.mailbox.uploads import Uploads


@dataclass(frozen=True)
class Limits:
    """What a request may carry, and who may do what."""

    json_bytes: int = 8_000_000
    audio_bytes: int = 64_000_000
    idle_s: float = 30.0
    owner_only: bool = True
    session_s: int = 3600
    clients: tuple[Network, ...] = ()
    """Who may ask; none: everybody."""


@dataclass(frozen=True)
class Rooms:
    """The rooms behind the door."""

    directory: Directory
    tokens: Tokens
    credentials: Credentials
    tries: Tries
    boxes: Boxes
    messages: MessageStore
    delivery: Delivery
    lists: Lists
    bulk: Bulk
    uploads: Uploads
    forms: Forms
    greetings: GreetingUploads
    clock: Clock
    ids: Ids
    limits: Limits
