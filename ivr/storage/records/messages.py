"""A message: what is known of it besides its audio."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

GREGORIAN_OFFSET_S = 62_167_219_200
"""Seconds from year 0 to 1970: REST speaks Gregorian seconds."""


class Folder(StrEnum):
    NEW = "new"
    SAVED = "saved"
    DELETED = "deleted"


class ChangeReason(StrEnum):
    """Why a message changed, as its events report it; the values are those of Kazoo."""

    DTMF = "dtmf"
    PLAYED = "heard"
    AFTER_NOTIFICATION = "after_notify"
    API_REQUEST = "crossbar_action"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who left a message, as the network said."""

    number: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of one box; its audio lies at `<account>/vm/<recording>.wav`."""

    id: str
    account_id: str
    box_id: str
    folder: Folder
    time: int
    """Unix seconds at which it was left."""
    length_ms: int
    """Of the audio, and of the intro where there is one."""
    caller: Caller = Caller()
    urgent: bool = False
    folder_before: Folder | None = None
    """Where it was before it came to its folder; None: it has never been elsewhere."""
    sample_rate: int = 8000
    bytes: int = 0
    """Of all its files."""
    intro_id: str | None = None
    """What somebody said who forwarded it."""
    intro_ms: int = 0
    from_uri: str = ""
    to_uri: str = ""
    call_id: str = ""
    history: tuple[str, ...] = ()
    """Ids of the boxes it was in before."""
    transcription: str | None = None
    upload_type: str | None = None
    """Content type of what a program brought, which is kept too; None: nothing, or the message has an intro."""
    audio: str | None = None
    """What its audio is called, where that came later than the message; None: as the message."""
    revision: int = 1

    @property
    def recording(self) -> str:
        """The name of its audio, without an ending. Audio never changes under its name: other audio has another one."""
        return self.audio or self.id

    @property
    def gregorian(self) -> int:
        """Seconds since year 0."""
        return self.time + GREGORIAN_OFFSET_S

    @property
    def has_audio(self) -> bool:
        """Whether its audio has come; before that only programs see it, and no folder counts it."""
        return self.bytes > 0

    @property
    def order(self) -> tuple[bool, int, str]:
        """Its place in the order of play."""
        return (self.urgent, self.time, self.id)


@dataclass(frozen=True, slots=True)
class FolderCounts:
    """How many messages a box has in each folder."""

    new: int = 0
    saved: int = 0
    deleted: int = 0
    urgent_new: int = 0
    """How many of the new ones are urgent."""
    urgent_saved: int = 0


@dataclass(frozen=True, slots=True)
class OpenFolder:
    """A folder as it was when it was opened: what comes in later is not in it. Never a list of messages."""

    box_id: str
    folder: Folder
    oldest_first: bool
    as_of: int
    """The last arrival in the account when it was opened."""
    not_before: int
    """Unix seconds; what is older has passed retention."""
