"""Where the messages of one mailbox of app_voicemail go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ivr.imports import spool
from ivr.imports.report import BoxReport
from ivr.imports.source import ImportOptions, SourceBox
from ivr.imports.spool import SpoolMessage
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Folder, Forwarder

FOLDERS = {
    spool.INBOX: Folder.NEW,
    spool.URGENT: Folder.NEW,
    spool.OLD: Folder.SAVED,
    spool.DELETED: Folder.DELETED,
}


@dataclass(frozen=True, slots=True)
class ImportTarget:
    """Where the messages of one mailbox of the source go, in one run. `cutoff`: Unix seconds of retention.

    `forwarders`: the mailboxes here, by number, from which messages were forwarded to this one.
    """

    source: SourceBox
    mailbox: Mailbox
    options: ImportOptions
    run_id: str
    report: BoxReport
    cutoff: int
    forwarders: Mapping[str, Forwarder] = field(default_factory=dict)


def folder_of(options: ImportOptions, message: SpoolMessage) -> Folder:
    """Return the folder that a message goes to."""
    return FOLDERS.get(message.folder) or Folder(options.folders.get(message.folder, Folder.SAVED))
