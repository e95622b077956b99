"""What an export to app_voicemail does with each message of a mailbox: write it, move it, or leave it where it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ivr.imports import message_fields
from ivr.imports.app_voicemail import APP_VOICEMAIL
from ivr.imports.import_target import source_id
from ivr.imports.message_text import folder_name, new_msg_id
from ivr.imports.report import note_documents
from ivr.imports.spool import SpoolBox, SpoolMessage
from ivr.imports.system import Note, NoteLevel
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import ImportedObject, Message


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What is exported, and where to. `conf`: the voicemail.conf, if there is one."""

    spool: Path
    conf: Path | None = None
    boxes: tuple[str, ...] = ()
    """Numbers of the mailboxes; empty: all."""
    contexts: dict[str, str] = field(default_factory=dict)
    """Context by account, for mailboxes that were not imported."""


@dataclass(frozen=True, slots=True)
class ExportTarget:
    """A mailbox here, and its name in app_voicemail."""

    mailbox: Mailbox
    number: str
    context: str

    @property
    def key(self) -> str:
        return f"{self.number}@{self.context}"


class BoxExportReport:
    """The export of one mailbox: numbers of messages, names of greetings."""

    def __init__(self, box: str, account: str) -> None:
        self.box = box
        self.account = account
        self.written = 0
        self.moved = 0
        self.in_place = 0
        self.already_exported = 0
        self.removed = 0
        """Deleted here, and moved to Deleted there."""
        self.greetings: list[str] = []
        self.notes: list[Note] = []

    def note(self, level: NoteLevel, text: str) -> None:
        """Add a note about the mailbox."""
        self.notes.append(Note(self.box, level, text))

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON."""
        counts = ("box", "account", "written", "moved", "in_place", "already_exported", "removed", "greetings")
        return {**{name: getattr(self, name) for name in counts}, "notes": note_documents(self.notes)}


@dataclass(frozen=True, slots=True)
class PlannedMessage:
    """A message and its place in the spool. `found`: where the spool has it already.

    `is_new`: an import does not know yet that the message with this source id is here.
    """

    message: Message
    key: str
    msg_id: str
    folder: str
    found: SpoolMessage | None
    is_new: bool


@dataclass
class ExportPlan:
    """What one export does with the messages of one mailbox."""

    to_write: list[PlannedMessage] = field(default_factory=list)
    to_move: list[PlannedMessage] = field(default_factory=list)
    in_place: list[PlannedMessage] = field(default_factory=list)
    to_remove: list[tuple[str, str, SpoolMessage]] = field(default_factory=list)
    """Source id, id of the message that was deleted here, and where the spool still has it."""
    removed: list[tuple[str, str]] = field(default_factory=list)
    """The same of those that are deleted there, too."""
    already_exported: int = 0


def plan_messages(
    target: ExportTarget,
    messages: Sequence[Message],
    found: SpoolBox,
    imported: Iterable[ImportedObject],
    exported: Collection[str],
) -> ExportPlan:
    """Return what is to be done. `exported`: source ids of what an earlier export to this spool has dealt with.

    Each message is exported to a spool once: what its owner does with it there afterwards is not undone.
    """
    plan = ExportPlan()
    account_id = target.mailbox.account_id
    there = {source_id(APP_VOICEMAIL, account_id, message.source_id): message for message in found.messages}
    keys_by_message: defaultdict[str, list[str]] = defaultdict(list)
    for one in imported:
        keys_by_message[one.target_id].append(one.source_id)
    for message in sorted(messages, key=lambda one: (one.time, one.id)):
        keys = keys_by_message.pop(message.id, [])
        key, msg_id = _identify(target, message, keys, there)
        if any(one in exported for one in {key, *keys}):
            plan.already_exported += 1
            continue
        planned = PlannedMessage(message, key, msg_id, folder_name(message), there.get(key), key not in keys)
        if planned.found is None:
            plan.to_write.append(planned)
        elif planned.found.folder == planned.folder:
            plan.in_place.append(planned)
        else:
            plan.to_move.append(planned)
    for message_id, keys in keys_by_message.items():
        for key in keys:
            if key not in there or key in exported:
                continue
            if there[key].folder == message_fields.DELETED:
                plan.removed.append((key, message_id))
            else:
                plan.to_remove.append((key, message_id, there[key]))
    return plan


def _identify(target: ExportTarget, message: Message, keys: Sequence[str], there: Collection[str]) -> tuple[str, str]:
    """Return the source id and the `msg_id` of a message: those of its import, where they say which one it is."""
    for key in keys:
        if key in there:
            return key, ""
    for key in keys:
        msg_id = key.rpartition("/")[2]
        if (
            msg_id
            and "#" not in msg_id
            and key == source_id(APP_VOICEMAIL, target.mailbox.account_id, target.key, msg_id)
        ):
            return key, msg_id
    msg_id = new_msg_id(message)
    return source_id(APP_VOICEMAIL, target.mailbox.account_id, target.key, msg_id), msg_id
