"""Records of messages and folders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

GREGORIAN_OFFSET_S = 62_167_219_200
"""Seconds from year 0 to 1970; the REST API uses Gregorian seconds."""


class Folder(StrEnum):
    """The folders of a mailbox."""

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
    """The caller who left a message, as the network reported it."""

    number: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Forwarder:
    """The mailbox whose owner forwarded a message, as it was named then."""

    box_id: str
    number: str
    name: str


@dataclass(frozen=True, slots=True)
class Message:
    """One row of `messages`; its audio is stored at `<account>/vm/<recording>.wav`."""

    id: str
    account_id: str
    box_id: str
    folder: Folder
    time: int
    """Unix seconds at which the message was left."""
    length_ms: int
    """Length of the audio, and of the intro if there is one."""
    caller: Caller = Caller()
    urgent: bool = False
    folder_before: Folder | None = None
    """The previous folder; None: the message was never moved."""
    sample_rate: int = 8000
    bytes: int = 0
    """Size of all its files; 0: no audio was uploaded yet."""
    intro_id: str | None = None
    """Recording of the sender who forwarded the message."""
    intro_ms: int = 0
    from_uri: str = ""
    to_uri: str = ""
    call_id: str = ""
    history: tuple[str, ...] = ()
    """Ids of the mailboxes that the message was in before."""
    forwarded_by: Forwarder | None = None
    """Who forwarded it last; None: it was not forwarded."""
    caller_user_id: str | None = None
    """The user whose phone the caller provably used."""
    transcription: str | None = None
    upload_type: str | None = None
    """Content type of the original upload, which is stored too; None: no upload, or the message has an intro."""
    audio: str | None = None
    """Name of audio that was uploaded after the message was created; None: the id of the message."""
    retention_from: int | None = None
    """Unix seconds from which the retention period counts; None: from `time`. Set for messages that were imported,
    or stored long after they were left, as after a crash."""
    labels: tuple[str, ...] = ()
    """Names of folders that another system had the message in and that do not exist here."""
    mailed_without_audio: bool = False
    """Whether a mail about the message was delivered without its audio, or not at all: dropped, or too late."""
    revision: int = 1

    @property
    def recording(self) -> str:
        """The file name of the audio without a suffix. Audio never changes under its name: new audio has a new name."""
        return self.audio or self.id

    @property
    def gregorian(self) -> int:
        """The time of the message in seconds since year 0."""
        return self.time + GREGORIAN_OFFSET_S

    def without_intro(self) -> Message:
        """Return it without intro, and without the original upload, which is never served behind an intro."""
        length_ms = self.length_ms - self.intro_ms
        return replace(self, intro_id=None, intro_ms=0, length_ms=length_ms, upload_type=None)

    @property
    def has_audio(self) -> bool:
        """Whether the message has audio. Without audio, only the REST API returns it, and no folder counts it."""
        return self.bytes > 0

    @property
    def order(self) -> tuple[bool, int, str]:
        """The sort key of the order of play."""
        return (self.urgent, self.time, self.id)


@dataclass(frozen=True, slots=True)
class FolderCounts:
    """The number of messages in each folder of a mailbox."""

    new: int = 0
    saved: int = 0
    deleted: int = 0
    urgent_new: int = 0
    """The urgent messages among `new`."""
    urgent_saved: int = 0


@dataclass(frozen=True, slots=True)
class OpenFolder:
    """The state of a folder when it was opened, without messages that arrive later. Contains no list of messages."""

    box_id: str
    folder: Folder
    oldest_first: bool
    as_of: int
    """The last arrival number of the mailbox when the folder was opened."""
    not_before: int
    """Unix seconds; older messages are past retention."""
