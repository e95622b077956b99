"""What the columns of a mailbox of FusionPBX mean here, and what a report says about the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ivr.imports.system import Note, NoteLevel

NO_GREETING = "0"
NOTIFY_BY = ("", "listen", "link", "attach")
"""Values of `voicemail_file`."""
ROW_COLUMNS = frozenset(
    {*("domain_uuid", "voicemail_uuid", "voicemail_id"), *("insert_date", "insert_user", "update_date", "update_user")}
)
"""Columns that identify a row, or say who wrote it."""
BOX_COLUMNS = ROW_COLUMNS | {
    *("voicemail_password", "greeting_id", "voicemail_mail_to", "voicemail_attach_file", "voicemail_file"),
    *("voicemail_local_after_email", "voicemail_local_after_forward", "voicemail_transcription_enabled"),
    *("voicemail_tutorial", "voicemail_enabled", "voicemail_recording_instructions", "voicemail_recording_options"),
    *("voicemail_description", "voicemail_name_base64", "alternate_voicemail_enabled"),
    "alternate_voicemail_destination",
}
"""Columns of a mailbox that are taken over."""
MESSAGE_COLUMNS = ROW_COLUMNS | {
    *("voicemail_message_uuid", "created_epoch", "read_epoch", "caller_id_name", "caller_id_number"),
    *("message_length", "message_status", "message_priority", "message_transcription"),
}
"""Columns of a message that are taken over."""
CALL_SETTINGS = {
    "message_max_length": "max_message_length",
    "greeting_max_length": "max_greeting_length",
    "message_silence_seconds": "silence_hits",
}
"""Settings of the category voicemail that are numbers, and their names here."""
ENVELOPE_SETTINGS = ("message_caller_id_number", "message_date_time")
"""Settings of the category voicemail that say when the number and the time are said."""
TAKEN_SETTINGS = frozenset(
    {*CALL_SETTINGS, *ENVELOPE_SETTINGS}
    | {"message_order", "remote_access", "storage_type", "enabled_default", "voicemail_file"}
)
"""Settings of the category voicemail that are taken over, or that its mailboxes have anyway."""
CALL_DEFAULTS: dict[str, Any] = {
    "max_message_length": 300,
    "max_greeting_length": 90,
    "silence_hits": 3,
    "play_envelope_action": "play_before",
    "envelope_type": "caller_and_time",
    "seek_duration_ms": 5000,
    "hunt": False,
    "vm_message_forward_type": "prepend_forward",
    "after_forward_action": "prompt",
}
"""What its mailboxes do where no setting says another thing, and mailboxes here do not by default.

Source: the voicemail scripts of FusionPBX (August 2026), whose own defaults count where a setting is switched off.
"""
_ENVELOPE_TIMES = {
    **dict.fromkeys(("before", "true"), "play_before"),
    **dict.fromkeys(("after", "last"), "play_after"),
}
REMARKS = {
    "voicemail_sms_to": "no text messages are sent to phones; a webhook can (docs/notifications.md)",
    "voicemail_alternate_greet_id": "the greeting says the mailbox's own number",
}


def map_settings(row: Mapping[str, Any], copies: Iterable[str], settings: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings here that the columns of a mailbox mean.

    `copies`: mailboxes that get its messages, too; `settings`: of the category voicemail of its domain.
    """
    limits = {name: settings[key] for key, name in CALL_SETTINGS.items() if settings.get(key)}
    fields: dict[str, Any] = {name: int(text) if text.isdecimal() else text for name, text in limits.items()}
    fields = {**CALL_DEFAULTS, **fields, **_envelope(settings)}
    fields["oldest_message_first"] = settings.get("message_order", "").lower() != "desc"
    fields["keys"] = {} if settings.get("remote_access", "").lower() == "true" else {"login": ""}
    notify_by = _notify_by(row)
    fields["include_message_on_notify"] = notify_by in ("attach", "link")
    if notify_by == "link":
        fields["mail_audio"] = "link"
    if column_is(row, "voicemail_local_after_email", False):
        fields["delete_after_notify"] = True
    if column_is(row, "voicemail_transcription_enabled", True):
        fields["transcribe"] = True
    if column_is(row, "voicemail_tutorial", True):
        fields["is_setup"] = False
    if column_is(row, "voicemail_recording_instructions", False):
        fields["skip_instructions"] = True
    if column_text(row, "greeting_id") == NO_GREETING:
        fields["skip_greeting"] = True
    if column_is(row, "voicemail_recording_options", False):
        fields["review"] = False
    if column_is(row, "voicemail_enabled", False):
        fields["enabled"] = False
    if numbers := sorted(copies):
        fields["copy_to"] = numbers
    return fields


def _envelope(settings: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that say what is said of a message, and when: the number and the time, unless they say so."""
    number, time = (settings.get(name, "before").lower() for name in ENVELOPE_SETTINGS)
    times = [_ENVELOPE_TIMES.get(value, "skip") for value in (number, time)]
    found: dict[str, Any] = {"play_envelope_action": min(times, key=("play_before", "play_after", "skip").index)}
    if times[0] == "skip":
        found["envelope_type"] = "default"
    return found


def describe_columns(row: Mapping[str, Any], fullname: str, copies: Iterable[str]) -> Iterator[tuple[NoteLevel, str]]:
    """Yield what is to be said about columns that have no place here.

    `fullname`: the name of the extension; `copies`: mailboxes that get its messages, too.
    """
    is_only_copied = column_is(row, "voicemail_local_after_forward", False) and any(copies)
    if is_only_copied and not column_text(row, "voicemail_mail_to"):
        text = (
            "voicemail_local_after_forward=false: only the mailboxes that get copies keep its messages there; here it"
        )
        yield NoteLevel.WARNING, f"{text} keeps them too"
    if column_is(row, "alternate_voicemail_enabled", True):
        target = column_text(row, "alternate_voicemail_destination")
        text = f"alternate_voicemail_destination={target}: callers are transferred to it there, and leave messages here"
        yield NoteLevel.WARNING, f"{text}: transfer them in the dialplan"
    for column, remark in REMARKS.items():
        if column_text(row, column):
            yield NoteLevel.WARNING, f"{column}={column_text(row, column)}: {remark}"
    if (notify_by := _notify_by(row)) not in NOTIFY_BY:
        yield NoteLevel.WARNING, f"voicemail_file={notify_by} is not known: mails are without audio"
    description = column_text(row, "voicemail_description")
    if fullname and description and description != fullname:
        yield NoteLevel.WARNING, f"voicemail_description={description}: the mailbox has the name of its extension"
    others = [column for column in row if column not in BOX_COLUMNS and column not in REMARKS]
    if others := [column for column in others if column_text(row, column).lower() not in ("", "false")]:
        yield NoteLevel.WARNING, f"{', '.join(others)}: has no equivalent"


def describe_settings(settings: Mapping[str, Mapping[str, str]], domains: Mapping[str, str]) -> Iterator[Note]:
    """Yield what is to be said about settings of the category voicemail: of a domain, or of the system."""
    for domain, values in settings.items():
        others = [f"{name}={value}" for name, value in sorted(values.items()) if name not in TAKEN_SETTINGS]
        if others:
            place = f"domain {domains.get(domain, domain)}" if domain else "the system"
            text = f"settings of voicemail of {place} that have no place in a mailbox: {', '.join(others)}"
            yield Note("", NoteLevel.WARNING if domain else NoteLevel.INFO, text)


def describe_keys(options: Iterable[Mapping[str, Any]]) -> Iterator[tuple[NoteLevel, str]]:
    """Yield what is to be said about the keys of a greeting."""
    for option in options:
        digits, target = column_text(option, "voicemail_option_digits"), column_text(option, "voicemail_option_param")
        yield NoteLevel.LOSS, f"key {digits} of the greeting leads to {target}: set exit keys in the dialplan"


def _notify_by(row: Mapping[str, Any]) -> str:
    """Return `voicemail_file`, or what older versions have in its place."""
    if row.get("voicemail_file") is None and column_is(row, "voicemail_attach_file", True):
        return "attach"
    return column_text(row, "voicemail_file").lower()


def column_text(row: Mapping[str, Any], column: str) -> str:
    """Return what a column says; "" for null."""
    value = row.get(column)
    return "" if value is None else str(value).strip()


def column_is(row: Mapping[str, Any], column: str, expected: bool) -> bool:
    """Return whether a column says so: it is text, `true` or `false`, in older versions, and boolean in newer ones."""
    return column_text(row, column).lower() == str(expected).lower()
