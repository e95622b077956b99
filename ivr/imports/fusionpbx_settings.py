"""What the columns of a mailbox of FusionPBX mean here, and what a report says about the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ivr.imports.system import NoteLevel

NO_GREETING = "0"
NOTIFY_BY = ("", "listen", "link", "attach")
"""Values of `voicemail_file`."""
ALTERNATE = "alternate_voicemail_"
"""How columns begin that have no place here."""
REMARKS = {
    "voicemail_sms_to": "no text messages are sent to phones; a webhook can (docs/notifications.md)",
    "voicemail_alternate_greet_id": "the greeting says the mailbox's own number",
}


def map_settings(row: Mapping[str, Any], copies: Iterable[str]) -> dict[str, Any]:
    """Return the settings here that the columns of a mailbox mean. `copies`: mailboxes that get its messages, too."""
    fields: dict[str, Any] = {}
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
    if column_is(row, "voicemail_local_after_forward", False):
        fields["after_forward_action"] = "delete"
    if column_is(row, "voicemail_enabled", False):
        fields["enabled"] = False
    if numbers := sorted(copies):
        fields["copy_to"] = numbers
    return fields


def describe_columns(row: Mapping[str, Any], fullname: str) -> Iterator[tuple[NoteLevel, str]]:
    """Yield what is to be said about columns that have no place here. `fullname`: the name of the extension."""
    for column, remark in REMARKS.items():
        if column_text(row, column):
            yield NoteLevel.WARNING, f"{column}={column_text(row, column)}: {remark}"
    if (notify_by := _notify_by(row)) not in NOTIFY_BY:
        yield NoteLevel.WARNING, f"voicemail_file={notify_by} is not known: mails are without audio"
    description = column_text(row, "voicemail_description")
    if fullname and description and description != fullname:
        yield NoteLevel.WARNING, f"voicemail_description={description}: the mailbox has the name of its extension"
    if others := [column for column in row if column.startswith(ALTERNATE) and column_text(row, column)]:
        yield NoteLevel.WARNING, f"{', '.join(others)}: has no equivalent"


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
