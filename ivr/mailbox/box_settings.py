"""The settings document of a mailbox: the keys of Kazoo, SIP.IO and this service, with types, limits and defaults.

Unknown keys are stored and returned unchanged. `pin` is not a field: it is set through `Pins` and never returned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal, get_origin

from pydantic import (
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ivr.directory.settings import NotifySettings, SettingsDocument
from ivr.errors import NOT_ENUMERATED, TOO_FEW_ITEMS, BadInput, InvalidFields
from ivr.mailbox.pin_strength import MAX_PIN_LENGTH, MIN_PIN_LENGTH
from ivr.validation import names
from ivr.validation.fields import (
    FORMAT_ERROR,
    LIST_SEPARATORS,
    BoxAlias,
    BoxNumber,
    BoxTimeZone,
    DialplanContext,
    DistributionLists,
    Extension,
    LanguageCode,
    MailAddress,
    MailAddresses,
    MwiTarget,
    Pattern,
    UnixTime,
    checked,
    format_error,
    is_stored,
    split_items,
)
from ivr.validation.text import mail_template

ID_LENGTH = 32
Id32 = Annotated[str, StringConstraints(min_length=ID_LENGTH, max_length=ID_LENGTH)]
RecordingId = Annotated[Id32, checked(names.media_id)]
MailTemplate = Annotated[str, StringConstraints(min_length=1, max_length=10_000), checked(mail_template)]
LEGACY_ADDRESS_KEY = "notify_email_address"
"""Kazoo's old name of `notify_email_addresses`: one address, or a list."""


class MediaIds(SettingsDocument):
    """Ids of the recordings in use."""

    unavailable: RecordingId | None = None
    busy: RecordingId | None = None
    """Played where the dialplan says that the owner is on the phone; None: `unavailable`."""
    temporary_unavailable: RecordingId | None = None
    temporary_until: UnixTime | None = None
    """Unix seconds at which the temporary greeting expires; None: never."""
    name: RecordingId | None = None


class BoxSettings(SettingsDocument):
    """The public settings of a mailbox. `keys` and the last group exist in this service only."""

    # Identity and owner
    name: Annotated[str, StringConstraints(min_length=1, max_length=names.MAX_NAME_LENGTH), checked(names.box_name)]
    mailbox: BoxNumber
    aliases: list[BoxAlias] = Field(default_factory=list)
    owner_id: Id32 | None = None
    flags: list[str] = Field(default_factory=list)
    numbers: list[MwiTarget] = Field(default_factory=list)
    """Further targets of the message light (MWI)."""
    shared_vmbox: bool = False
    members: list[Any] = Field(default_factory=list)
    """User ids, or {"id", "type"}. With `shared_vmbox`, each of these users has the owner's rights at the phone."""
    timezone: BoxTimeZone | None = None
    """None or "inherit": the time zone of the owner, else of the account."""

    enabled: bool = True
    """False: to callers and at the phone there is no such mailbox, and no light counts it; its messages stay."""
    in_directory: bool = True
    """Whether callers find the owner when they dial by name."""

    # Signing in
    require_pin: bool = False
    check_if_owner: bool | None = True
    """Whether the owner's own phone is recognised. None: depends on what the call did before."""
    is_setup: bool = False
    pin_must_change: bool = False
    """Ask for a new PIN at the next sign-in by phone."""
    pin_changeable: bool = True
    """Whether the owner may change the PIN; false: only an administrator."""
    not_configurable: bool = False
    pin_secret_ref: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    """Reference of the stored PIN hash; None: a reference of this mailbox."""
    min_pin_length: Annotated[int, Field(ge=MIN_PIN_LENGTH, le=MAX_PIN_LENGTH)] | None = None
    """Minimum number of digits of a new PIN; None: the setting of the account, else of the system."""

    # Callers
    announcement_only: bool = False
    skip_greeting: bool = False
    skip_instructions: bool = False
    play_greeting_intro: bool = False
    review: bool = True
    """Whether callers are offered to listen to their message and to record it again."""
    use_person_not_available: bool = False
    operator_number: Annotated[int, Field(strict=True, ge=0, lt=10**36)] | Extension | None = None
    operator_context: DialplanContext | None = None
    """None: the setting of the account, else of the system; "": none. The same holds for the other contexts."""
    hunt_context: DialplanContext | None = None
    callback_context: DialplanContext | None = None
    exit_context: DialplanContext | None = None
    """Context of the extensions o and a, where the dialplan names none."""
    hunt: bool = True
    hunt_allow: Pattern | None = None
    hunt_deny: Pattern | None = None
    media: MediaIds = Field(default_factory=MediaIds)
    greeting_media_id: RecordingId | None = None
    """The name of `media.unavailable` in SIP.IO."""
    max_message_count: Annotated[int, Field(ge=0, le=10**6)] | None = None
    """Maximum number of new and saved messages; 0: no limit, None: the setting of the account, else of the system."""
    max_message_length: Annotated[int, Field(ge=1, le=10**6)] | None = None
    """Seconds; None: the setting of the system."""
    max_greeting_length: Annotated[int, Field(ge=1, le=3600)] | None = None
    """Seconds; None: the setting of the account, else of the system."""
    copy_to: list[BoxNumber] = Field(default_factory=list)
    """Numbers of mailboxes of the account that get a copy of each message a caller leaves."""
    interdigit_timeout: Annotated[int, Field(ge=100, le=60_000)] | None = None
    """Milliseconds; None: the value of the dialplan, else 2000."""
    silence_hits: Annotated[int, Field(ge=0, le=1000)] | None = None
    silence_threshold: Annotated[int, Field(ge=0, le=32_767)] | None = None
    min_speech_ms: Annotated[int, Field(ge=0, le=60_000)] | None = None
    """Minimum duration of speech in a message; 0: none; None: the setting of the account, else of the system."""
    quota_mb: Annotated[int, Field(ge=0, le=10**6)] | None = None
    """Maximum size of all stored audio in MB; None or 0: no quota."""
    media_extension: Literal["mp3", "mp4", "wav"] = "mp3"

    # Listening
    oldest_message_first: bool | None = None
    """None: the setting of the account, else of the system."""
    skip_envelope: bool = False
    play_envelope_action: Literal["play_after", "play_before", "skip"] = "play_after"
    envelope_type: Literal["default", "caller_and_time"] = "default"
    is_voicemail_ff_rw_enabled: bool = True
    seek_duration_ms: Annotated[int, Field(ge=0, le=10**8)] = 10_000
    vm_message_forward_type: Literal["only_forward", "prepend_forward"] = "only_forward"
    after_forward_action: Literal["prompt", "save", "delete"] = "save"
    may_send_messages: bool = True
    """Whether the owner may record messages for other mailboxes by phone."""
    distribution_lists: DistributionLists = Field(default_factory=dict)
    """The owner's own lists: numbers that stand for several mailboxes. They take precedence over the account's."""
    after_heard: Literal["save", "keep"] = "save"
    """Whether a new message that was played to its end is saved, or stays new until its owner decides."""

    # Notifications
    notify_email_addresses: MailAddresses = Field(default_factory=list)
    notify_email: MailAddress | None = None
    short_mail_addresses: MailAddresses = Field(default_factory=list)
    """Addresses that get a short text about each new message, without audio, as for a pager."""
    mail_subject: MailTemplate | None = None
    """Template of the subject of mails about new messages; None: that of the system. The same holds for the text."""
    mail_text: MailTemplate | None = None
    include_message_on_notify: bool = True
    mail_audio: Literal["attachment", "link"] | None = None
    """How a mail carries the message; None: the setting of the account, else of the system."""
    include_transcription_on_notify: bool = True
    delete_after_notify: bool = False
    save_after_notify: bool = False
    shared_vmbox_notify_owner_email: bool = False
    transcribe: bool = False
    notify: NotifySettings | None = None

    # Settings of this service
    callers_may_mark_urgent: bool = True
    press_key_to_record: bool | None = None
    """Callers must press a key before the beep; None: the setting of the account, else of the system."""
    clock: Literal["12h", "24h"] | None = None
    """How times are said; None: the setting of the account, else of the system."""
    language: LanguageCode | None = None
    """What callers hear, and the owner who has no language of their own; None: that of owner and account."""
    new_messages_at_once: bool = True
    """Play new messages right after their number is announced, when the owner calls from their own phone."""
    key_map: Literal["standard", "classic"] | None = None
    """A predefined key map; None: the one of the account, else of the system."""
    keys: dict[str, str] = Field(default_factory=dict)
    """Changes to the key map: action → key."""

    @model_validator(mode="before")
    @classmethod
    def _rename_legacy_keys(cls, document: Any) -> Any:
        """Move the addresses under Kazoo's old key to the list that replaced it, as Kazoo does."""
        if not isinstance(document, dict) or not document.get(LEGACY_ADDRESS_KEY):
            return document
        old, listed = document[LEGACY_ADDRESS_KEY], document.get("notify_email_addresses") or []
        merged = [one for value in (listed, old) for one in (value if isinstance(value, list) else [value])]
        return {**document, "notify_email_addresses": merged, LEGACY_ADDRESS_KEY: None}

    @field_validator("aliases", "numbers", "flags", "copy_to", mode="before")
    @classmethod
    def _null_to_empty_list(cls, value: object) -> object:
        return [] if value is None else value

    @field_validator("members")
    @classmethod
    def _require_user_ids(cls, members: list[Any], info: ValidationInfo) -> list[Any]:
        for member in () if is_stored(info) else members:
            user_id = member.get("id") if isinstance(member, dict) else member
            if not isinstance(user_id, str) or len(user_id) != ID_LENGTH:
                raise format_error(BadInput(f"{user_id!r} is not the id of a user: 'ivr user list' shows the ids"))
        return members

    @field_validator("aliases", "numbers", "copy_to", "members", "flags", mode="before")
    @classmethod
    def _split_text(cls, value: object, info: ValidationInfo) -> object:
        return split_items(value, info)

    @field_validator("aliases", "numbers", "copy_to")
    @classmethod
    def _keep_each_number_once(cls, numbers: list[str]) -> list[str]:
        return list(dict.fromkeys(numbers))

    @property
    def envelope_placement(self) -> Literal["play_after", "play_before", "skip"]:
        """When the envelope is played; `skip_envelope` takes precedence over `play_envelope_action`."""
        return "skip" if self.skip_envelope else self.play_envelope_action

    @property
    def member_ids(self) -> frozenset[str]:
        """Ids of the users that share the mailbox; empty unless it is shared."""
        if not self.shared_vmbox:
            return frozenset()
        return frozenset(
            str(member["id"]) if isinstance(member, dict) and "id" in member else str(member) for member in self.members
        )

    @property
    def user_ids(self) -> frozenset[str]:
        """Ids of the owner and of the users that share the mailbox."""
        return self.member_ids | ({self.owner_id} if self.owner_id else set())

    def has_owner_rights(self, user_id: str | None) -> bool:
        """Whether the user has the owner's rights."""
        return user_id is not None and (user_id == self.owner_id or user_id in self.member_ids)


LIST_KEYS = frozenset(name for name, field in BoxSettings.model_fields.items() if get_origin(field.annotation) is list)
"""Keys of a mailbox whose value is a list."""


@contextmanager
def report_violations() -> Iterator[None]:
    """Context in which pydantic's `ValidationError` is raised as `InvalidFields`."""
    try:
        yield
    except ValidationError as error:
        raise kazoo_violations(error) from error


def leave_out_invalid(fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the settings of another system that can be stored here, and what is wrong with each of the others.

    Of a list the other items stay, and of an object the other members.
    """
    if not _violations_of(fields):
        return dict(fields), []
    usable: dict[str, Any] = {}
    problems: list[str] = []
    for key, value in fields.items():
        is_list = key in LIST_KEYS or key == LEGACY_ADDRESS_KEY
        items = LIST_SEPARATORS.split(value) if is_list and isinstance(value, str) else value
        if isinstance(items, list):
            found = [(item, _violations_of({key: [item]})) for item in items if item != ""]
            usable[key] = [item for item, violations in found if not violations]
        elif isinstance(items, dict):
            found = [(member, _violations_of({key: {member: inner}})) for member, inner in items.items()]
            usable[key] = {member: items[member] for member, violations in found if not violations}
        else:
            found = [(value, _violations_of({key: value}))]
            if not found[0][1]:
                usable[key] = value
        problems += [violations for _, violations in found if violations]
    return usable, problems


def _violations_of(fields: Mapping[str, Any]) -> str:
    """Return what is wrong with settings of a mailbox; "" if nothing."""
    try:
        with report_violations():
            BoxSettings.model_validate({"name": "-", "mailbox": "0", **fields})
    except InvalidFields as error:
        return str(error)
    return ""


def kazoo_violations(error: ValidationError) -> InvalidFields:
    """Convert a `ValidationError`. Names of nested fields are joined by "."; of a field the last error counts."""
    violations: dict[str, dict[str, dict[str, object]]] = {}
    for item in error.errors(include_url=False, include_context=True):
        field = ".".join(str(part) for part in item["loc"] if not _is_added_by_pydantic(part)) or "data"
        rule, message = _violation(item["type"], item.get("ctx", {}), item["msg"])
        violations[field] = {rule: message}
    return InvalidFields(violations)


def _is_added_by_pydantic(part: object) -> bool:
    """Whether a part of the path is the member of a union, or says that a key is wrong: clients do not expect it."""
    return part in ("int", "str", "constrained-str", "constrained-int", "[key]") or str(part).startswith("function-")


def _violation(error_type: str, context: dict[str, Any], default_message: str) -> tuple[str, dict[str, object]]:
    match error_type:
        case "missing":
            return "required", {"message": "Field is required but missing"}
        case "string_too_short":
            n = context["min_length"]
            return "minLength", {"message": f"String must be at least {n} characters", "target": n}
        case "string_too_long":
            n = context["max_length"]
            return "maxLength", {"message": f"String must not be more than {n} characters", "target": n}
        case "literal_error" | "enum":
            return "enum", {"message": NOT_ENUMERATED, "target": context.get("expected")}
        case "greater_than_equal":
            return "minimum", {"message": f"Value must be at least {context['ge']}", "target": context["ge"]}
        case "less_than_equal":
            return "maximum", {"message": f"Value must be at most {context['le']}", "target": context["le"]}
        case str(rule) if rule == FORMAT_ERROR:
            return FORMAT_ERROR, {"message": default_message}
        case "model_type" | "dict_type":
            return "type", {"message": 'Value must be an object: write its keys, as in {"key": "value"}'}
        case "list_type" | "tuple_type":
            return "type", {"message": "Value must be a list: write its items with commas between them, as in a,b"}
        case "too_short":
            return "minItems", {"message": TOO_FEW_ITEMS, "target": context["min_length"]}
        case "int_parsing" | "int_type" | "int_from_float":
            return "type", {"message": "Value must be an integer: write its digits alone, as in 10"}
        case "int_parsing_size":
            return "type", {"message": "Value must be an integer of fewer digits"}
        case "bool_parsing" | "bool_type":
            return "type", {"message": "Value must be true or false"}
        case "string_type":
            return "type", {"message": "Value must be text"}
        case _:
            return "type", {"message": default_message.removeprefix("Value error, ")}
