"""What a menu works with: the call, the voice, the rooms behind, and, once signed in, the box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from ivr.audio.sound import Sound
from ivr.call.base import Call
from ivr.clock import Clock
from ivr.directory.directory import Directory
from ivr.directory.models import Account, User
from ivr.directory.pin_lockout import PinAttempt
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.capacity import Room
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.greetings import Greetings
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.pins import Pins
from ivr.mailbox.takes import Source, Takes
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.prompts.voice import Prompt, Voice
from ivr.storage.protocols import MessageStore
from ivr.storage.records import Caller


class Status(StrEnum):
    """How a call ended, as the dialplan reads it in IVR_STATUS (docs/dialplan.md)."""

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
class VoicemailServices:
    """The rooms behind the menus, shared by all calls."""

    directory: Directory
    boxes: Boxes
    messages: MessageStore
    pins: Pins
    takes: Takes
    delivery: Delivery
    greetings: Greetings
    capacity: Room
    system_settings: VoicemailSettings
    asterisk_name: str
    """Name of the Asterisk that the endpoints are of."""
    clock: Clock


@dataclass(frozen=True, slots=True)
class CallContext:
    """One call of one account."""

    call: Call
    voice: Voice
    services: VoicemailServices
    account: Account
    user: User | None
    """Whose device this call is proven to come from, and who is therefore speaking."""
    opened_mailboxes: list[Mailbox] = field(default_factory=list)
    """The boxes that were signed in to."""
    on_sign_in: Callable[[Mailbox, bool], None] = lambda mailbox, own_phone: None
    """Called with each, and whether it was from a phone of the owner's."""

    @property
    def recording_source(self) -> Source:
        arrival = self.call.incoming
        return Source(arrival.channel, arrival.uniqueid, Caller(arrival.caller_number, arrival.caller_name))

    async def render(self, *prompts: Prompt) -> Sound:
        """What `meanings` sound like, as one file."""
        known = self.voice.find_cached(*prompts)
        return known if known else await self.call.run_while_listening(self.voice.render(*prompts))

    def open_session(self, mailbox: Mailbox, *, own_phone: bool) -> OwnerSession:
        """Somebody may hear the messages of a box from now on."""
        self.opened_mailboxes.append(mailbox)
        self.call.journal.note("signed in", box=mailbox.id, own_phone=own_phone)
        self.on_sign_in(mailbox, own_phone)
        return OwnerSession(self, mailbox, own_phone)

    def is_owner(self, mailbox: Mailbox) -> bool:
        """Whether this call has the owner's rights (design, idea 10)."""
        return (
            self.user is not None
            and self.user.account_id == mailbox.account_id
            and mailbox.settings.belongs_to(self.user.id)
        )

    def pin_attempt(self, mailbox: Mailbox | None) -> PinAttempt:
        """Who tries to open which box. A trunk is nobody's device, so its callers are told apart by their numbers."""
        arrival = self.call.incoming
        endpoint = arrival.endpoint if self.user else None
        return PinAttempt(
            self.account.id, mailbox.id if mailbox else None, arrival.caller_number or "unknown", endpoint
        )


@dataclass(frozen=True, slots=True)
class OwnerSession:
    """A visit of somebody who may hear the messages of `mailbox`."""

    call_context: CallContext
    mailbox: Mailbox
    own_phone: bool
    """From a device of the owner's, not from elsewhere with the PIN."""
    heard_message_ids: set[str] = field(default_factory=set)
    """Ids of the messages whose audio was played to the end in this call."""
