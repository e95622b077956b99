"""What a menu works with: the call, the voice, the rooms behind, and, once signed in, the box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from ivr.audio.sound import Sound
from ivr.call.port import Call
from ivr.clock import Clock
from ivr.directory.directory import Directory
from ivr.directory.failures import Attempt
from ivr.directory.people import Account, User
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.greetings import Greetings
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Caller
from ivr.mailbox.pins import Pins
from ivr.mailbox.room import Room
from ivr.mailbox.store import MessageStore
from ivr.mailbox.system import VoicemailSettings
from ivr.mailbox.takes import Source, Takes
from ivr.prompts.voice import Meaning, Voice


class Status(StrEnum):
    """How a call ended, as the dialplan reads it in IVRSTATUS (docs/dialplan.md)."""

    DONE = "DONE"
    HANGUP = "HANGUP"
    BRANCH = "BRANCH"
    """The dialplan goes on where we told it to."""
    NOACCOUNT = "NOACCOUNT"
    NOBOX = "NOBOX"
    FULL = "FULL"
    """The box takes no more messages; the caller was told."""
    NOMESSAGE = "NOMESSAGE"
    """What a caller said was too short to be a message."""
    EXIT = "EXIT"
    """A caller pressed the key that passes the box by."""
    NOACCESS = "NOACCESS"
    """Too many wrong PINs, or a box without one."""
    SKIPPED = "SKIPPED"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Mailroom:
    """The rooms behind the menus, shared by all calls."""

    directory: Directory
    boxes: Boxes
    messages: MessageStore
    pins: Pins
    takes: Takes
    delivery: Delivery
    greetings: Greetings
    room: Room
    system: VoicemailSettings
    asterisk: str
    """Name of the Asterisk that the endpoints are of."""
    clock: Clock


@dataclass(frozen=True, slots=True)
class Visit:
    """One call of one account."""

    call: Call
    voice: Voice
    mailroom: Mailroom
    account: Account
    user: User | None
    """Whose device this call is proven to come from, and who is therefore speaking."""
    opened: list[Mailbox] = field(default_factory=list)
    """The boxes that were signed in to."""
    note_sign_in: Callable[[Mailbox, bool], None] = lambda mailbox, own_phone: None
    """Called with each, and whether it was from a phone of the owner's."""

    @property
    def source(self) -> Source:
        arrival = self.call.arrival
        return Source(arrival.channel, arrival.uniqueid, Caller(arrival.caller_number, arrival.caller_name))

    async def sound(self, *meanings: Meaning) -> Sound:
        """What `meanings` sound like, as one file."""
        known = self.voice.known(*meanings)
        return known if known else await self.call.work(self.voice.join(*meanings))

    def signed_in(self, mailbox: Mailbox, *, own_phone: bool) -> Session:
        """Somebody may hear the messages of a box from now on."""
        self.opened.append(mailbox)
        self.call.journal.note("signed in", box=mailbox.id, own_phone=own_phone)
        self.note_sign_in(mailbox, own_phone)
        return Session(self, mailbox, own_phone)

    def owns(self, mailbox: Mailbox) -> bool:
        """Whether this call has the owner's rights (design, idea 10)."""
        return (
            self.user is not None
            and self.user.account_id == mailbox.account_id
            and mailbox.settings.belongs_to(self.user.id)
        )

    def attempt(self, mailbox: Mailbox | None) -> Attempt:
        """Who tries to open which box. A trunk is nobody's device, so its callers are told apart by their numbers."""
        arrival = self.call.arrival
        endpoint = arrival.endpoint if self.user else None
        return Attempt(self.account.id, mailbox.id if mailbox else None, arrival.caller_number or "unknown", endpoint)


@dataclass(frozen=True, slots=True)
class Session:
    """A visit of somebody who may hear the messages of `mailbox`."""

    visit: Visit
    mailbox: Mailbox
    own_phone: bool
    """From a device of the owner's, not from elsewhere with the PIN."""
    heard: set[str] = field(default_factory=set)
    """Ids of the messages whose audio was played to the end in this call."""
