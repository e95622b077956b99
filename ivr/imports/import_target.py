"""Where the messages of one mailbox of another system go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ivr.imports import message_fields
from ivr.imports.report import BoxReport
from ivr.imports.source import ImportOptions, SourceBox
from ivr.imports.system import SourceMessage, VoicemailSystem
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Folder, Forwarder

FOLDERS = {
    message_fields.INBOX: Folder.NEW,
    message_fields.URGENT: Folder.NEW,
    message_fields.OLD: Folder.SAVED,
    message_fields.DELETED: Folder.DELETED,
    **{folder.value: folder for folder in Folder},
}
"""By the name of the folder there: that of app_voicemail, or of a system whose folders have the names of ours."""


@dataclass(frozen=True, slots=True)
class ImportTarget:
    """Where the messages of one mailbox of the source go, in one run. `cutoff`: Unix seconds of retention.

    `forwarders`: the mailboxes here, by number, from which messages were forwarded to this one.
    """

    system: VoicemailSystem
    source: SourceBox
    mailbox: Mailbox
    options: ImportOptions
    run_id: str
    report: BoxReport
    cutoff: int
    forwarders: Mapping[str, Forwarder] = field(default_factory=dict)


def folder_of(options: ImportOptions, message: SourceMessage) -> Folder:
    """Return the folder that a message goes to."""
    return FOLDERS.get(message.folder) or Folder(options.folders.get(message.folder, Folder.SAVED))


def source_id(system: str, account_id: str, box: str, *parts: str) -> str:
    """Return the id of something at its source. The account tells two systems with the same numbers apart."""
    return "/".join((system, account_id, box, *parts))
