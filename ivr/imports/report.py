"""What an import has done, per mailbox, and what it has left behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ivr.imports.system import Note, NoteLevel


class BoxReport:
    """The import of one mailbox. Folders have the names of the source."""

    def __init__(self, box: str, account: str) -> None:
        self.box = box
        self.account = account
        self.created = False
        """The mailbox was created, or would be."""
        self.messages: Counter[str] = Counter()
        """Messages of the source, by folder."""
        self.imported = 0
        """Messages that were imported, or would be."""
        self.already_imported = 0
        self.moved = 0
        """Moved here, because they were moved in app_voicemail."""
        self.deleted = 0
        """Moved to `deleted`, because they were deleted in app_voicemail."""
        self.length_ms = 0
        """Of the imported messages."""
        self.greetings: list[str] = []
        self.notes: list[Note] = []

    def note(self, level: NoteLevel, text: str) -> None:
        """Add a note about the mailbox."""
        self.notes.append(Note(self.box, level, text))

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "box": self.box,
            "account": self.account,
            "created": self.created,
            "messages": dict(self.messages),
            "imported": self.imported,
            "already_imported": self.already_imported,
            "moved": self.moved,
            "seconds": round(self.length_ms / 1000, 1),
            "greetings": self.greetings,
            "notes": note_documents(self.notes),
        }


@dataclass
class ImportReport:
    """The whole import. `run_id` None: nothing was changed."""

    run_id: str | None
    boxes: list[BoxReport] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def level(self) -> NoteLevel:
        """The highest level of a note."""
        return max(self.levels, default=NoteLevel.INFO)

    @property
    def levels(self) -> list[NoteLevel]:
        """The levels of all notes."""
        return [note.level for note in (*self.notes, *(note for box in self.boxes for note in box.notes))]

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "run": self.run_id,
            "level": self.level.name.lower(),
            "boxes": [box.to_document() for box in self.boxes],
            "notes": note_documents(self.notes),
        }


def note_documents(notes: Iterable[Note]) -> list[dict[str, str]]:
    """Return notes as JSON."""
    return [{"level": note.level.name.lower(), "text": note.text} for note in notes]
