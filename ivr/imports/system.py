"""What an import reads: another voicemail system, its mailboxes, messages and greetings.

Each system is one module that implements `VoicemailSystem`; what becomes of its mailboxes and messages is the same code
for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol

from ivr.imports.voicemail_conf import ConfMailbox, VoicemailConf
from ivr.storage.records import Caller


class NoteLevel(IntEnum):
    """How much a note matters."""

    INFO = 0
    WARNING = 1
    LOSS = 2
    """Something of the source is not here."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that an administrator should know about a mailbox; `box` "": about the whole source."""

    box: str
    level: NoteLevel
    text: str


@dataclass(frozen=True, slots=True)
class DecodedAudio:
    """Samples at 8 kHz mono 16 bit, what they are from, and why better audio of the same was not used."""

    samples: bytes
    file: str
    reasons: tuple[str, ...] = ()


class SourceMessage(Protocol):
    """A message of the other system."""

    @property
    def source_id(self) -> str:
        """Identifies it among all messages of the system, wherever it moves there."""

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def folder(self) -> str: ...

    @property
    def time(self) -> int:
        """Unix seconds at which it was left."""

    @property
    def modified_at(self) -> int:
        """Unix seconds at which it entered its folder, as far as it is known."""

    @property
    def caller(self) -> Caller: ...

    @property
    def origin(self) -> str:
        """The number of the mailbox that it was left in; "" if it is not known."""

    @property
    def is_urgent(self) -> bool: ...

    @property
    def labels(self) -> tuple[str, ...]:
        """What tells it apart there and has no folder here."""

    @property
    def call_id(self) -> str: ...

    @property
    def transcription(self) -> str | None: ...

    @property
    def expected_s(self) -> int:
        """Its length as the system says it, in whole seconds; 0 if it says none."""

    @property
    def warnings(self) -> tuple[str, ...]: ...

    def read_audio(self) -> DecodedAudio:
        """Raises `InvalidAudio` if it has none that can be read; `NotFound` if it was moved meanwhile."""

    def fingerprint(self) -> str:
        """Return a hash of its content."""


class SourceGreeting(Protocol):
    """A greeting of the other system."""

    @property
    def name(self) -> str: ...

    def read_audio(self) -> DecodedAudio | None:
        """Return None if it has gone meanwhile. Raises `InvalidAudio` if it cannot be read."""


class SourceContent(Protocol):
    """What a mailbox holds. `problems`: what in it is not read; `notes`: what an administrator should know."""

    @property
    def exists(self) -> bool:
        """Whether the system has the place of these messages at all."""

    @property
    def messages(self) -> Sequence[SourceMessage]: ...

    @property
    def greetings(self) -> Mapping[str, SourceGreeting]:
        """By the names that app_voicemail has for them: unavail, busy, temp and greet."""

    @property
    def problems(self) -> Sequence[str]: ...

    @property
    def notes(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class DefinedMailbox:
    """A mailbox of a system other than app_voicemail. `fields`: its settings, as they are named here.

    `context`: what its number is unique in, a domain or an account.
    """

    number: str
    context: str
    password: str
    fullname: str = ""
    emails: tuple[str, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    language: str = ""
    time_zone: str = ""
    """Of its owner; "": not said."""
    is_mailed: bool = True
    """Whether its owner gets mails about new messages."""
    aliases: tuple[str, ...] = ()
    notes: tuple[tuple[NoteLevel, str], ...] = ()

    @property
    def key(self) -> str:
        return f"{self.number}@{self.context}"


SourceMailbox = ConfMailbox | DefinedMailbox


@dataclass
class SystemBoxes:
    """The mailboxes of a system by `number@context`; None: it has messages for one that it does not define."""

    mailboxes: dict[str, SourceMailbox | None]
    conf: VoicemailConf = field(default_factory=VoicemailConf)
    """Empty for a system that has no voicemail.conf."""
    notes: list[Note] = field(default_factory=list)


class VoicemailSystem(Protocol):
    """A system to import from. Its methods wait for files or for a network: not in the event loop's thread."""

    @property
    def name(self) -> str:
        """The first part of the ids of its objects."""

    @property
    def place(self) -> str:
        """Where its mailboxes are, in words of an error."""

    def read_boxes(self) -> SystemBoxes:
        """Read which mailboxes there are. Raises `NotFound`, `BadInput`, `StoreError`, OSError."""

    def read_content(self, number: str, context: str) -> SourceContent:
        """Read what a mailbox holds; one that has no place there is empty. Raises as `read_boxes` does."""
