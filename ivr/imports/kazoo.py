"""Kazoo, over its REST API: the mailboxes of one account. Its settings have the names that they have here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ivr.audio import telephony_formats
from ivr.audio.formats import by_content_type
from ivr.errors import BadInput, InvalidAudio, NotFound
from ivr.imports.kazoo_client import KazooClient
from ivr.imports.message_fields import LATEST_TIME, further_fields, known_caller
from ivr.imports.system import DecodedAudio, DefinedMailbox, Note, NoteLevel, SourceMailbox, SystemBoxes
from ivr.storage.records import GREGORIAN_OFFSET_S, Caller, Folder
from ivr.validation.time_zones import INHERIT

KAZOO = "kazoo"
GREETINGS = {"unavailable": "unavail", "busy": "busy", "temporary_unavailable": "temp", "name": "greet"}
"""Names of greetings by their names in `media`."""
MEDIA_OF_CALLS = frozenset(
    {"audio", "video", "encryption", "bypass_media", "ignore_early_media", "progress_timeout", "fax_option"}
)
"""Members of `media` of a user that are about the codecs of calls."""
NOT_SETTINGS = frozenset(
    {
        *("id", "pin", "mailbox", "name", "owner_id", "media", "messages", "folders", "ui_metadata", "aliases"),
        *("greeting_media_id", "has_pin", "revision", "undelivered_mails"),
    }
)
"""Members of a mailbox document that are no settings, or are taken over in another way."""
MESSAGE_FIELDS = frozenset(
    {
        *("media_id", "folder", "timestamp", "caller_id_number", "caller_id_name", "urgent", "labels", "call_id"),
        *("transcription", "transcribed", "length", "from", "to", "id", "history", "interaction_id", "utc_seconds"),
        *("revision", "has_intro", "folder_before", "media_extension", "size"),
    }
)
"""Fields of a message that are taken over, or that its mailbox and its audio say (docs/moving-in.md)."""
ADDRESSES, OLD_ADDRESSES = "notify_email_addresses", "notify_email_address"
"""Kazoo reads the old name where the new one is missing; its value is one address, or several."""
FAST_FORWARD = "is_voicemail_ff_rw_enabled"
"""Off in Kazoo where a mailbox does not say it, and on here."""


@dataclass(frozen=True, slots=True)
class KazooMessage:
    """A message of Kazoo. `document`: its metadata."""

    client: KazooClient
    path: str
    key: str
    """`number@context` of its mailbox."""
    document: Mapping[str, Any]

    @property
    def source_id(self) -> str:
        return f"{self.key}/{self.document['media_id']}"

    @property
    def name(self) -> str:
        return f"{self.folder}/{self.document['media_id']}"

    @property
    def folder(self) -> str:
        return str(self.document.get("folder", Folder.NEW))

    @property
    def time(self) -> int:
        return int(self.document["timestamp"]) - GREGORIAN_OFFSET_S

    @property
    def modified_at(self) -> int:
        return self.time

    @property
    def caller(self) -> Caller:
        number, name = (str(self.document.get(key) or "") for key in ("caller_id_number", "caller_id_name"))
        return known_caller(number, name)

    @property
    def origin(self) -> str:
        """Kazoo does not say from which mailbox a message was forwarded."""
        return ""

    @property
    def is_urgent(self) -> bool:
        return self.document.get("urgent") is True

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(map(str, self.document.get("labels") or ()))

    @property
    def call_id(self) -> str:
        return str(self.document.get("call_id") or "")

    @property
    def transcription(self) -> str | None:
        transcription = self.document.get("transcription")
        return json.dumps(transcription) if isinstance(transcription, dict) and transcription.get("text") else None

    @property
    def expected_s(self) -> int:
        length = self.document.get("length")
        return length // 1000 if isinstance(length, int) else 0

    @property
    def warnings(self) -> tuple[str, ...]:
        return ()

    def read_audio(self) -> DecodedAudio:
        """Download it. Raises `InvalidAudio` if Kazoo has no audio of it."""
        try:
            return _download(self.client, f"{self.path}/raw")
        except NotFound as error:
            raise InvalidAudio(str(error)) from None

    def fingerprint(self) -> str:
        """Return a hash of what is known of it."""
        known = [self.document.get(key) for key in ("media_id", "timestamp", "caller_id_number", "length")]
        return hashlib.sha256(json.dumps(known).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class KazooGreeting:
    """A greeting of Kazoo: a media document."""

    client: KazooClient
    path: str
    name: str

    def read_audio(self) -> DecodedAudio | None:
        """Download it. Raises `InvalidAudio` if Kazoo has no audio of it."""
        try:
            return _download(self.client, f"{self.path}/raw")
        except NotFound as error:
            raise InvalidAudio(str(error)) from None


@dataclass
class KazooContent:
    """What a mailbox of Kazoo holds."""

    exists: bool = False
    messages: list[KazooMessage] = field(default_factory=list)
    greetings: dict[str, KazooGreeting] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Kazoo:
    """The `VoicemailSystem` of one account of a Kazoo, whose realm is the context of its mailboxes."""

    def __init__(self, client: KazooClient, account_id: str) -> None:
        self._client = client
        self._account = f"/accounts/{account_id}"
        self._account_id = account_id
        self._account_document: dict[str, Any] = {}
        self._boxes: dict[str, dict[str, Any]] = {}

    @property
    def name(self) -> str:
        return KAZOO

    @property
    def place(self) -> str:
        return f"{self._client.url}{self._account}"

    def read_boxes(self) -> SystemBoxes:
        """Read the documents of all mailboxes and of their owners."""
        self._account_document = self._read_account()
        context = str(self._account_document.get("realm") or self._account_id)
        mailboxes: dict[str, SourceMailbox | None] = {}
        self._boxes = {}
        for item in self._client.list(f"{self._account}/vmboxes"):
            if not _is_id(item.get("id")):
                raise BadInput(f"{self.place} has a mailbox without an id: {item.get('id')!r}")
            document = self._client.get(f"{self._account}/vmboxes/{item['id']}")
            mailbox = self._define(document, context)
            if mailbox.key in mailboxes:
                raise BadInput(f"{self.place} has two mailboxes {mailbox.number}: give one of them another number")
            mailboxes[mailbox.key] = mailbox
            self._boxes[mailbox.key] = document
        if not mailboxes:
            raise NotFound(f"{self.place} has no mailbox")
        return SystemBoxes(mailboxes, notes=_account_notes(self._account_document))

    def read_content(self, number: str, context: str) -> KazooContent:
        """Read what is known of the messages of a mailbox. Their audio is downloaded when it is asked for."""
        key = f"{number}@{context}"
        if not self._boxes:
            self.read_boxes()
        if key not in self._boxes:
            return KazooContent()
        document = self._boxes[key]
        path = f"{self._account}/vmboxes/{document['id']}/messages"
        content = KazooContent(exists=True)
        for item in self._client.list(path):
            self._add_message(content, path, key, item)
        content.notes.extend(further_fields((message.document for message in content.messages), MESSAGE_FIELDS))
        media = {**_members(self._read_owner(document), "media"), **_members(document, "media")}
        if document.get("greeting_media_id") and not media.get("unavailable"):
            media["unavailable"] = document["greeting_media_id"]
        for kind, media_id in media.items():
            name = GREETINGS.get(kind)
            if kind in MEDIA_OF_CALLS:
                continue
            if name is None or (media_id and not _is_id(media_id)):
                content.problems.append(f"media.{kind} {media_id!r}: it is no greeting that is known")
            elif media_id:
                content.greetings[name] = KazooGreeting(self._client, f"{self._account}/media/{media_id}", name)
        return content

    def _add_message(self, content: KazooContent, path: str, key: str, item: Mapping[str, Any]) -> None:
        message_id = item.get("media_id")
        time = item.get("timestamp")
        if not _is_id(message_id) or not isinstance(time, int) or not 0 < time - GREGORIAN_OFFSET_S < LATEST_TIME:
            content.problems.append(f"message {message_id}: it has no id or no time")
            return
        if item.get("folder", Folder.NEW) not in list(Folder):
            content.problems.append(f"message {message_id}: folder {item['folder']!r} is not known")
            return
        document = dict(item)
        if item.get("transcribed") and "transcription" not in item:
            document |= self._client.get(f"{path}/{message_id}")
        content.messages.append(KazooMessage(self._client, f"{path}/{message_id}", key, document))

    def _read_account(self) -> dict[str, Any]:
        """Return the document of the account; an empty one if Kazoo does not show it."""
        try:
            return self._client.get(self._account)
        except NotFound:
            return {}

    def _define(self, document: Mapping[str, Any], context: str) -> DefinedMailbox:
        number = str(document.get("mailbox") or "")
        owner = self._read_owner(document)
        fullname = " ".join(filter(None, (str(owner.get(key) or "") for key in ("first_name", "last_name"))))
        fields = _settings_of(document)
        fields.setdefault(FAST_FORWARD, False)
        fields["name"] = str(document.get("name") or fullname or number)
        notes = [(NoteLevel.WARNING, text) for text in _owner_notes(owner)]
        if document.get("owner_id") and not owner:
            notes.append(
                (NoteLevel.WARNING, f"its owner {document['owner_id']} is not in Kazoo: a user is made of its name")
            )
        return DefinedMailbox(
            number=number,
            context=context,
            password=str(document.get("pin") or ""),
            fullname=fullname or fields["name"],
            emails=(str(owner["email"]),) if owner.get("email") else (),
            time_zone=next(filter(None, map(_time_zone, (owner, self._account_document))), ""),
            is_mailed=owner.get("vm_to_email_enabled") is not False,
            fields=fields,
            language=str(owner.get("language") or self._account_document.get("language") or ""),
            aliases=tuple(map(str, document.get("aliases") or ())),
            notes=tuple(notes),
        )

    def _read_owner(self, document: Mapping[str, Any]) -> dict[str, Any]:
        owner_id = document.get("owner_id")
        if not _is_id(owner_id):
            return {}
        try:
            return self._client.get(f"{self._account}/users/{owner_id}")
        except NotFound:
            return {}


def _account_notes(account: Mapping[str, Any]) -> list[Note]:
    """Return notes on settings of voicemail of the account, which has its own settings here."""
    members = _members(account, "voicemail")
    texts = [f"voicemail.{name} of the account: set it with 'ivr account set'" for name in members]
    if account.get("enabled") is False:
        texts.append("the account is disabled in Kazoo, and its mailboxes are imported")
    return [Note("", NoteLevel.WARNING, text) for text in texts]


def _owner_notes(owner: Mapping[str, Any]) -> Iterator[str]:
    for name in _members(owner, "voicemail"):
        yield f"voicemail.{name} of its owner: set it with 'ivr user set'"
    if owner.get("enabled") is False:
        yield "its owner is disabled in Kazoo, and the user here is not"


def _settings_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a mailbox by the names that they have here."""
    fields = {key: value for key, value in document.items() if _is_setting(key)}
    old = fields.pop(OLD_ADDRESSES, None)
    if old and fields.get(ADDRESSES) is None:
        fields[ADDRESSES] = [old] if isinstance(old, str) else old
    return fields


def _time_zone(document: Mapping[str, Any]) -> str:
    zone = str(document.get("timezone") or "")
    return "" if zone == INHERIT else zone


def _is_setting(key: str) -> bool:
    return key not in NOT_SETTINGS and not key.startswith(("pvt_", "_"))


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9A-Za-z_-]+", value) is not None


def _members(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _download(client: KazooClient, path: str) -> DecodedAudio:
    content, content_type = client.get_audio(path)
    known = by_content_type(content_type)
    file_name = f"{path.split('/')[-2]}{known.extension if known else '.mp3'}"
    return DecodedAudio(telephony_formats.decode_content(content, file_name), file_name)
