"""app_voicemail with storage in files: its voicemail.conf and its spool."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ivr.errors import NotFound
from ivr.imports import spool
from ivr.imports.option_notes import storage_notes
from ivr.imports.spool import SpoolBox
from ivr.imports.system import SystemBoxes
from ivr.imports.voicemail_conf import read_voicemail_conf

APP_VOICEMAIL = "app-voicemail"


@dataclass(frozen=True, slots=True)
class AppVoicemail:
    """The `VoicemailSystem` of a voicemail.conf and a spool."""

    conf: Path
    spool: Path

    @property
    def name(self) -> str:
        return APP_VOICEMAIL

    @property
    def place(self) -> str:
        return f"{self.conf} or {self.spool}"

    def read_boxes(self) -> SystemBoxes:
        """Read voicemail.conf and the names of the spool's folders."""
        if not self.spool.is_dir():
            raise NotFound(f"{self.spool} is no folder: name the spool of app_voicemail with --spool")
        conf = read_voicemail_conf(self.conf, self.spool)
        mailboxes = {**dict.fromkeys(spool.list_boxes(self.spool)), **conf.mailboxes}
        has_messages = any(self.spool.glob("*/*/*/msg*.txt"))
        return SystemBoxes(mailboxes, conf, storage_notes(conf, spool_has_messages=has_messages))

    def read_content(self, number: str, context: str) -> SpoolBox:
        """Read the folder of a mailbox."""
        return spool.read_box(self.spool, number, context)
