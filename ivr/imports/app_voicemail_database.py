"""app_voicemail with its mailboxes (realtime) or its messages (ODBC) in tables."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ivr.audio import telephony_formats
from ivr.errors import BadInput, InvalidAudio, NotFound
from ivr.imports import spool
from ivr.imports.app_voicemail import AppVoicemail
from ivr.imports.message_fields import FOLDERS, GREETING_NAMES, AppVoicemailMessage, message_time, with_source_ids
from ivr.imports.system import DecodedAudio, SourceContent, SystemBoxes
from ivr.imports.voicemail_conf import (
    ConfMailbox,
    VoicemailConf,
    conf_mailbox,
    parse_options,
    read_voicemail_conf,
)
from ivr.storage.sources.app_voicemail_tables import AppVoicemailTables

PASSWORDS = ("vmsecret", "secret", "password")
"""Columns that a password can have; the first that is not empty counts."""
NO_OPTIONS = frozenset(
    {"uniqueid", "id", "context", "mailbox", "fullname", "email", "pager", "stamp", "options", *PASSWORDS}
)
"""Columns of a mailbox that are no options of voicemail.conf. `options` has several of them."""
DEFAULT_CONTEXT = "default"
SUFFIX_BY_FORMAT = {"wav49": "WAV", "slin": "sln"}


@dataclass(frozen=True, slots=True)
class TableAudio:
    """The audio of a row: in the row, or in files below `folder` (`odbc_audio_on_disk`). `suffix`: of its format."""

    tables: AppVoicemailTables
    row: Mapping[str, Any]
    suffix: str
    folder: Path

    def read(self) -> DecodedAudio:
        """Raises `InvalidAudio`; `NotFound` if the row is another message by now."""
        number = self.row["msgnum"]
        found = self.tables.recording(self.row["dir"], number)
        if found is None or found[0] != self.row:
            raise NotFound(f"message {number} of {self.row['dir']} was moved while it was read")
        if found[1]:
            name = f"recording.{self.suffix}"
            return DecodedAudio(telephony_formats.decode_content(found[1], name), name)
        stem = f"msg{number:04d}" if number >= 0 else self.folder.name
        parent = self.folder if number >= 0 else self.folder.parent
        audio = spool.read_best(tuple(telephony_formats.best_first(sorted(parent.glob(f"{stem}.*")))))
        if audio is None:
            raise InvalidAudio(f"it has no audio in the table, and none in {parent}")
        return audio


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMessage(AppVoicemailMessage):
    """A message of the table."""

    audio: TableAudio

    @property
    def name(self) -> str:
        return f"{self.folder}/{self.audio.row['msgnum']}"

    def read_audio(self) -> DecodedAudio:
        """Return its samples. Raises `InvalidAudio`, `NotFound`."""
        return self.audio.read()

    def fingerprint(self) -> str:
        """Return a hash of what is known of it."""
        known = [self.fields.get(key, "") for key in ("origtime", "callerid", "duration", "msg_id")]
        return hashlib.sha256("\0".join(known).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class TableGreeting:
    """A greeting of the table."""

    name: str
    audio: TableAudio

    def read_audio(self) -> DecodedAudio | None:
        """Return its samples; None if it has gone. Raises `InvalidAudio`."""
        try:
            return self.audio.read()
        except NotFound:
            return None


@dataclass
class TableContent:
    """What the table has of a mailbox."""

    exists: bool = False
    messages: list[TableMessage] = field(default_factory=list)
    greetings: dict[str, TableGreeting] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class AppVoicemailDatabase:
    """The `VoicemailSystem` of an app_voicemail that uses a database. voicemail.conf has its general options."""

    def __init__(self, files: AppVoicemail, tables: AppVoicemailTables) -> None:
        self._files = files
        self._tables = tables
        self._suffix = "wav"
        self._folders: dict[str, list[str]] = {}

    @property
    def name(self) -> str:
        """That of app_voicemail: a message that was imported from the spool is not imported from the table."""
        return self._files.name

    @property
    def place(self) -> str:
        return f"{self._files.conf} or {self._tables.place}"

    def read_boxes(self) -> SystemBoxes:
        """Read voicemail.conf, the table of mailboxes, and the folders of the table of messages."""
        if self._tables.has_messages:
            conf = read_voicemail_conf(self._files.conf, self._files.spool)
            found = SystemBoxes(dict(conf.mailboxes), conf)
            first_format = conf.general.get("format", "wav").replace(",", "|").partition("|")[0].strip()
            self._suffix = SUFFIX_BY_FORMAT.get(first_format, first_format)
            self._folders = {}
            for folder in self._tables.folders():
                self._folders.setdefault(_box_key(folder), []).append(folder)
            found.mailboxes = {**dict.fromkeys(self._folders), **found.mailboxes}
        else:
            found = self._files.read_boxes()
        for row in self._tables.mailboxes():
            mailbox = _mailbox_of_row(row, found.conf)
            if isinstance(found.mailboxes.get(mailbox.key), ConfMailbox):
                continue  # app_voicemail looks into voicemail.conf first.
            found.mailboxes[mailbox.key] = mailbox
        return found

    def read_content(self, number: str, context: str) -> SourceContent:
        """Read what is known of the messages of a mailbox. Their audio is read when it is asked for."""
        if not self._tables.has_messages:
            return self._files.read_content(number, context)
        if not self._folders:
            self.read_boxes()
        key = f"{number}@{context}"
        content = TableContent(exists=key in self._folders)
        for folder in self._folders.get(key, ()):
            for row in self._tables.messages(folder):
                self._add(content, row, self._files.spool / context / number / PurePosixPath(folder).name)
        content.messages = with_source_ids(content.messages, key)
        return content

    def _add(self, content: TableContent, row: Mapping[str, Any], folder: Path) -> None:
        audio = TableAudio(self._tables, row, self._suffix, folder)
        if folder.name in GREETING_NAMES:
            content.greetings[folder.name] = TableGreeting(folder.name, audio)
            return
        name = f"{folder.name}/{row['msgnum']}"
        if folder.name not in FOLDERS:
            content.problems.append(f"{name}: app_voicemail has no such folder, its message is not read")
            return
        fields = {key: "" if value is None else str(value).strip() for key, value in row.items()}
        time, warnings = message_time(fields, 0)
        if not time:
            content.problems.append(f"{name}: origtime is {fields['origtime']!r}, and msg_id has no time")
            return
        content.messages.append(
            TableMessage(folder=folder.name, fields=fields, time=time, modified_at=time, warnings=warnings, audio=audio)
        )


def _box_key(folder: str) -> str:
    """Return `number@context` of `SPOOL/context/number/folder`. Raises `BadInput`."""
    parts = PurePosixPath(folder).parts
    if len(parts) < 3:
        raise BadInput(f"dir {folder!r} of the table of messages is no path of app_voicemail")
    return f"{parts[-2]}@{parts[-3]}"


def _mailbox_of_row(row: Mapping[str, Any], conf: VoicemailConf) -> ConfMailbox:
    texts = {name.lower(): str(value).strip() for name, value in row.items() if value not in (None, "")}
    return conf_mailbox(
        number=texts.get("mailbox", ""),
        context=texts.get("context", DEFAULT_CONTEXT),
        password=next((texts[name] for name in PASSWORDS if name in texts), ""),
        fullname=texts.get("fullname", ""),
        emails=texts.get("email", ""),
        pager=texts.get("pager", ""),
        own_options={
            **{name: value for name, value in texts.items() if name not in NO_OPTIONS},
            **dict(parse_options(texts.get("options", ""))),
        },
        general=conf.general,
    )
