"""Records of imports from other voicemail systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ImportedKind(StrEnum):
    """What an object of another system became."""

    USER = "user"
    BOX = "box"
    PIN = "pin"
    GREETING = "greeting"
    MESSAGE = "message"
    EXPORT = "export"
    """A message or a greeting that was exported to the other system: this is done once."""
    MOVE = "move"
    """A message that was moved here because it was moved at its source; the fingerprint is its revision since."""


class ImportState(StrEnum):
    """The state of an import run."""

    RUNNING = "running"
    """In progress, or interrupted."""
    DONE = "done"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class ImportRun:
    """One run of an import. `options`: what it was started with. Times are Unix seconds."""

    id: str
    began_at: int
    state: ImportState
    options: Mapping[str, Any]
    ended_at: int | None = None
    report: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ImportedObject:
    """What was imported, and from what: an object of the source is imported once."""

    kind: ImportedKind
    source_id: str
    """Identifies the object at its source, wherever it moves there."""
    account_id: str
    box_id: str
    target_id: str
    """Id of the user, mailbox, recording or message here."""
    fingerprint: str
    """Hash of the content at the source."""
    run_id: str
    at: int
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class UndoResult:
    """What an undone import has removed; `remaining`: users and mailboxes that are in use since."""

    messages: int
    greetings: int
    boxes: int
    users: int
    remaining: tuple[str, ...]
