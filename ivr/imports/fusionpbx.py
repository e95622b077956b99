"""FusionPBX: its tables in PostgreSQL, and recordings as files or as text in these tables."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ivr.audio import telephony_formats
from ivr.audio.formats import SNIFF_BYTES, sniff
from ivr.errors import BadInput, InvalidAudio, NotFound
from ivr.imports.fusionpbx_settings import (
    MESSAGE_COLUMNS,
    NO_GREETING,
    column_text,
    describe_columns,
    describe_keys,
    describe_settings,
    map_settings,
)
from ivr.imports.message_fields import further_fields, known_caller
from ivr.imports.system import DecodedAudio, DefinedMailbox, Note, NoteLevel, SourceMailbox, SystemBoxes
from ivr.storage.records import Caller, Folder
from ivr.storage.sources.fusionpbx_tables import FusionPbxTables

FUSIONPBX = "fusionpbx"
FOLDERS = {"": Folder.NEW, "saved": Folder.SAVED, "deleted": Folder.DELETED}
"""By `message_status`."""
SUFFIXES = (".wav", ".mp3", ".ogg")
"""Of recordings and of greetings that are uploaded."""
MAX_DIGITS = 11
"""Of a time or a length in seconds. Columns of the type `numeric` may hold thousands of digits."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording of FusionPBX. `text`: its column, in base64; `stem`: path of its file without a suffix."""

    stem: Path | None
    text: str

    def read(self) -> DecodedAudio | None:
        """Return its samples; None if it is neither in the column nor in a file. Raises `InvalidAudio`."""
        reasons = []
        if self.text:
            try:
                return _decode_text(self.text)
            except InvalidAudio as error:
                reasons.append(str(error))
        for path in (self.stem.with_name(self.stem.name + suffix) for suffix in SUFFIXES) if self.stem else ():
            try:
                return DecodedAudio(telephony_formats.decode(path), path.name, tuple(reasons))
            except FileNotFoundError:
                continue
            except InvalidAudio as error:
                reasons.append(str(error))
        if reasons:
            raise InvalidAudio("; ".join(reasons))
        return None


@dataclass(frozen=True, slots=True)
class FusionPbxMessage:
    """A message of FusionPBX. `row`: its columns but the recordings; `folder_path`: of the files of its mailbox."""

    tables: FusionPbxTables
    key: str
    row: Mapping[str, Any]
    folder_path: Path | None

    @property
    def uuid(self) -> str:
        return str(self.row["voicemail_message_uuid"])

    @property
    def source_id(self) -> str:
        return f"{self.key}/{self.uuid}"

    @property
    def name(self) -> str:
        return f"{self.folder}/{self.uuid}"

    @property
    def folder(self) -> str:
        return FOLDERS[column_text(self.row, "message_status")]

    @property
    def time(self) -> int:
        return _integer(self.row["created_epoch"])

    @property
    def modified_at(self) -> int:
        return max(self.time, _integer(self.row["read_epoch"]))

    @property
    def caller(self) -> Caller:
        return known_caller(column_text(self.row, "caller_id_number"), column_text(self.row, "caller_id_name"))

    @property
    def origin(self) -> str:
        """FusionPBX does not say from which mailbox a message was forwarded."""
        return ""

    @property
    def is_urgent(self) -> bool:
        return column_text(self.row, "message_priority").lower() == "urgent"

    @property
    def labels(self) -> tuple[str, ...]:
        return ()

    @property
    def call_id(self) -> str:
        return ""

    @property
    def transcription(self) -> str | None:
        return column_text(self.row, "message_transcription") or None

    @property
    def expected_s(self) -> int:
        return _integer(self.row["message_length"])

    @property
    def warnings(self) -> tuple[str, ...]:
        return ()

    def read_audio(self) -> DecodedAudio:
        """Return its samples, those of an introduction first. Raises `InvalidAudio`."""
        texts = self.tables.message_audio(self.uuid)
        found = self._recording("msg", texts.get("message_base64")).read()
        if found is None:
            where = f" and not in {self.folder_path}" if self.folder_path else ": name their folder with --storage"
            raise InvalidAudio(f"it has no audio in the database{where}")
        intro = self._recording("intro", texts.get("message_intro_base64")).read()
        if intro is None:
            return found
        return DecodedAudio(intro.samples + found.samples, found.file, (*intro.reasons, *found.reasons))

    def fingerprint(self) -> str:
        """Return a hash of what is known of it."""
        columns = ("voicemail_message_uuid", "created_epoch", "message_length")
        return hashlib.sha256("|".join(column_text(self.row, name) for name in columns).encode()).hexdigest()

    def _recording(self, prefix: str, text: str | None) -> Recording:
        return Recording(self.folder_path / f"{prefix}_{self.uuid}" if self.folder_path else None, text or "")


@dataclass(frozen=True, slots=True)
class FusionPbxGreeting:
    """A greeting, or the recorded name, of a mailbox of FusionPBX."""

    name: str
    recording: Recording

    def read_audio(self) -> DecodedAudio | None:
        """Return its samples. Raises `InvalidAudio`."""
        found = self.recording.read()
        if found is None:
            raise InvalidAudio("it is neither in the database nor in a file")
        return found


@dataclass
class FusionPbxContent:
    """What a mailbox of FusionPBX holds."""

    exists: bool = False
    messages: list[FusionPbxMessage] = field(default_factory=list)
    greetings: dict[str, FusionPbxGreeting] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class FusionPbx:
    """The `VoicemailSystem` of a FusionPBX, whose domains are the contexts of its mailboxes.

    `storage`: the folder of FreeSWITCH's recordings; None: they are in the database.
    """

    def __init__(self, tables: FusionPbxTables, storage: Path | None) -> None:
        self._tables = tables
        self._storage = storage
        self._rows: dict[str, Mapping[str, Any]] = {}
        self._settings: dict[str, dict[str, dict[str, str]]] = {}

    @property
    def name(self) -> str:
        return FUSIONPBX

    @property
    def place(self) -> str:
        return self._tables.place

    def read_boxes(self) -> SystemBoxes:
        """Read the mailboxes of all domains."""
        if self._storage and not self._storage.is_dir():
            raise NotFound(f"{self._storage} is no folder: name FreeSWITCH's storage folder with --storage")
        domains = self._tables.domains()
        names = self._tables.extension_names()
        mailboxes: dict[str, SourceMailbox | None] = {}
        self._settings = {category: self._tables.settings(category) for category in ("voicemail", "domain")}
        self._rows = {}
        rows = self._tables.voicemails()
        numbers = {
            str(row["voicemail_uuid"]): (str(row["domain_uuid"]), column_text(row, "voicemail_id")) for row in rows
        }
        for row in rows:
            context = domains.get(str(row["domain_uuid"]))
            if context is None:
                raise BadInput(f"{self.place}: mailbox {row['voicemail_id']} belongs to no domain of v_domains")
            fullname = names.get((str(row["domain_uuid"]), column_text(row, "voicemail_id")), "")
            if self._storage and not (_is_folder_name(context) and _is_folder_name(column_text(row, "voicemail_id"))):
                raise BadInput(f"{self.place}: no folder is named {row['voicemail_id']!r} below {context!r}")
            mailbox = self._define(row, context, fullname, numbers)
            if mailbox.key in mailboxes:
                raise BadInput(f"{self.place} has two mailboxes {mailbox.key}: delete one of them there")
            mailboxes[mailbox.key] = mailbox
            self._rows[mailbox.key] = row
        if not mailboxes:
            raise NotFound(f"{self.place} has no mailbox in v_voicemails")
        notes = [*self._source_notes(numbers), *describe_settings(self._settings["voicemail"], domains)]
        return SystemBoxes(mailboxes, notes=notes)

    def read_content(self, number: str, context: str) -> FusionPbxContent:
        """Read what is known of the messages of a mailbox. Their audio is read when it is asked for."""
        key = f"{number}@{context}"
        if not self._rows:
            self.read_boxes()
        row = self._rows.get(key)
        if row is None:
            return FusionPbxContent()
        folder = self._storage / "voicemail" / "default" / context / number if self._storage else None
        content = FusionPbxContent(exists=True)
        for message in self._tables.messages(row["voicemail_uuid"]):
            if problem := _message_problem(message):
                content.problems.append(f"message {message['voicemail_message_uuid']}: {problem}")
            else:
                content.messages.append(FusionPbxMessage(self._tables, key, message, folder))
        content.notes.extend(further_fields((message.row for message in content.messages), MESSAGE_COLUMNS))
        self._add_greetings(content, row, folder)
        return content

    def _add_greetings(self, content: FusionPbxContent, row: Mapping[str, Any], folder: Path | None) -> None:
        chosen = column_text(row, "greeting_id")
        others = []
        for greeting in self._tables.greetings(row["domain_uuid"], column_text(row, "voicemail_id")):
            if column_text(greeting, "greeting_id") != chosen:
                others.append(column_text(greeting, "greeting_name") or column_text(greeting, "greeting_id"))
                continue
            file = column_text(greeting, "greeting_filename") or f"greeting_{chosen}.wav"
            recording = Recording(
                folder / Path(file).stem if folder else None, column_text(greeting, "greeting_base64")
            )
            content.greetings["unavail"] = FusionPbxGreeting("unavail", recording)
        if chosen not in ("", NO_GREETING, "default") and "unavail" not in content.greetings:
            recording = Recording(folder / f"greeting_{chosen}" if folder and chosen.isdigit() else None, "")
            content.greetings["unavail"] = FusionPbxGreeting("unavail", recording)
        if others:
            content.problems.append(f"greetings that are not chosen have no place here: {', '.join(sorted(others))}")
        name = Recording(folder / "recorded_name" if folder else None, column_text(row, "voicemail_name_base64"))
        if name.text or (name.stem and any(name.stem.with_suffix(suffix).exists() for suffix in SUFFIXES)):
            content.greetings["greet"] = FusionPbxGreeting("greet", name)

    def _copies(
        self, row: Mapping[str, Any], numbers: Mapping[str, tuple[str, str]]
    ) -> tuple[list[str], list[tuple[NoteLevel, str]]]:
        """Return the numbers of its domain that get copies, and notes on the other mailboxes that do."""
        copies, notes = [], []
        for target in self._tables.copies(row["voicemail_uuid"]):
            domain, number = numbers.get(target, ("", ""))
            if domain == str(row["domain_uuid"]):
                copies += [number] if number != column_text(row, "voicemail_id") else []
            else:
                name = f"{number} of another domain" if domain else f"{target}, which does not exist"
                notes.append((NoteLevel.WARNING, f"copies to mailbox {name}: they are left out"))
        return copies, notes

    def _source_notes(self, voicemails: Iterable[str]) -> list[Note]:
        notes = [
            Note("", NoteLevel.WARNING, f"domain {name} is disabled there: --context {name}=- leaves it out")
            for name in self._tables.disabled_domains()
        ]
        if lost := self._tables.count_messages_without(voicemails):
            notes.append(Note("", NoteLevel.LOSS, f"messages that belong to no mailbox of v_voicemails: {lost}"))
        return notes

    def _define(
        self, row: Mapping[str, Any], context: str, fullname: str, numbers: Mapping[str, tuple[str, str]]
    ) -> DefinedMailbox:
        number = column_text(row, "voicemail_id")
        name = fullname or column_text(row, "voicemail_description")
        uuid = row["voicemail_uuid"]
        copies, others = self._copies(row, numbers)
        of_voicemail, of_domain = (
            {**found[""], **found.get(str(row["domain_uuid"]), {})} for found in self._settings.values()
        )
        return DefinedMailbox(
            number=number,
            context=context,
            password=column_text(row, "voicemail_password"),
            fullname=name,
            emails=tuple(filter(None, re.split(r"[,;\s]+", column_text(row, "voicemail_mail_to")))),
            fields=map_settings(row, copies, of_voicemail),
            language=of_domain.get("language", ""),
            time_zone=of_domain.get("time_zone", ""),
            notes=(*describe_columns(row, fullname, copies), *describe_keys(self._tables.options(uuid)), *others),
        )


def _message_problem(row: Mapping[str, Any]) -> str:
    if column_text(row, "message_status") not in FOLDERS:
        return f"message_status {row['message_status']!r} is not known"
    return "" if _integer(row["created_epoch"]) > 0 else f"created_epoch {row['created_epoch']!r} is no time"


def _decode_text(text: str) -> DecodedAudio:
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidAudio("its column is not base64") from None
    known = sniff(content[:SNIFF_BYTES])
    if known is None:
        raise InvalidAudio("its column holds no audio")
    name = f"column{known.extension}"
    return DecodedAudio(telephony_formats.decode_content(content, name), name)


def _is_folder_name(text: str) -> bool:
    """Return whether a folder below another can have this name: a database may name those of other mailboxes."""
    return text not in ("", ".", "..") and not {"/", "\0"} & {*text}


def _integer(value: Any) -> int:
    text = "" if value is None else str(value).partition(".")[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else 0
