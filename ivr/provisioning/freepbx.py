"""Columns of the bulk handler of FreePBX, as it exports and imports extensions. Other columns are ignored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ivr.mailbox.text_values import split_list
from ivr.provisioning.people import BoxEntry, PeopleRow, UserEntry
from ivr.validation import names

NO_VOICEMAIL = "novm"
PJSIP = "pjsip"
VMX_OFF = ("", "no", "disabled", "blocked")
YES = frozenset({"yes", "true", "y", "t", "1", "on"})
"""Words that Asterisk takes for yes."""
OPTIONS_WITHOUT_EFFECT = frozenset({"context", "nextaftercmd", "sayduration", "saydurationm"})
SWITCHES: dict[str, tuple[str, Any, Any]] = {
    "attach": ("include_message_on_notify", True, False),
    "delete": ("delete_after_notify", True, False),
    "review": ("review", True, False),
    "leaveurgent": ("callers_may_mark_urgent", True, False),
    "moveheard": ("after_heard", "save", "keep"),
    "sendvoicemail": ("may_send_messages", True, False),
    "hidefromdir": ("in_directory", False, True),
}
"""Option: the key of the mailbox, and its values for yes and no."""
SAID_TOGETHER = "saycid without envelope: the time is said with the caller"
KNOWN_COLUMNS = frozenset(
    {
        *("voicemail", "voicemail_enable", "voicemail_vmpwd", "voicemail_email", "voicemail_pager"),
        *("voicemail_options", "voicemail_same_exten", "disable_star_voicemail"),
    }
)


def is_header(columns: Collection[str]) -> bool:
    """Return whether these are the columns of the bulk handler."""
    return "extension" in columns and any(column.startswith("voicemail") for column in columns)


def parse_row(line: int, cells: Mapping[str, str]) -> tuple[PeopleRow, list[str]]:
    """Return the user and the mailbox of an extension, and notes about values without an equivalent.

    The user is the owner of the mailbox, where it exists; so a changed name renames the user. A mailbox whose
    extension has no voicemail is not deleted.
    """
    extension, notes = cells.get("extension", ""), list[str]()
    emails = split_list(cells.get("voicemail_email", "").replace("|", " "))
    name = names.to_user_name(cells.get("name", ""), extension)
    is_pjsip = cells.get("tech", PJSIP).lower() in ("", PJSIP)
    if not is_pjsip:
        notes.append(f"tech {cells['tech']}: the phone is not assigned, only PJSIP endpoints prove their owner")
    user_fields: dict[str, Any] = {"email": emails[0]} if emails else {}
    if first_name := names.to_person_name(cells.get("name", "")):
        user_fields["settings"] = {"first_name": first_name}
    user = UserEntry(
        name,
        user_fields,
        endpoints=(extension,) if is_pjsip and extension else (),
        owner_of=extension,
    )
    if not _has_voicemail(cells):
        notes.append("no voicemail: only the user and the phone are applied")
        return PeopleRow(line, None, user), notes
    fields: dict[str, Any] = _box_fields(cells, notes)
    if len(emails) > 1:
        fields["notify_email_addresses"] = emails[1:]
    return PeopleRow(line, None, user, BoxEntry(extension, name, fields, cells.get("voicemail_vmpwd") or None)), notes


def _has_voicemail(cells: Mapping[str, str]) -> bool:
    if cells.get("voicemail", "").lower() == NO_VOICEMAIL:
        return False
    return cells.get("voicemail_enable", "yes").lower() == "yes"


def _box_fields(cells: Mapping[str, str], notes: list[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if cells.get("name"):
        fields["name"] = cells["name"]
    if "voicemail_same_exten" in cells:
        fields["require_pin"] = cells["voicemail_same_exten"].lower() == "yes"
    if cells.get("disable_star_voicemail", "").lower() == "yes":
        fields["keys"] = {"login": ""}
    if pager := cells.get("voicemail_pager"):
        if "@" in pager:
            fields["short_mail_addresses"] = [pager]
        else:
            notes.append(f"voicemail_pager {pager}: short mails go to mail addresses only")
    vmx = [column for column, cell in cells.items() if column.startswith("vmx_") and cell.lower() not in VMX_OFF]
    if vmx:
        notes.append(f"{', '.join(vmx)}: the VmX Locater stays in Asterisk's database (docs/moving-in.md)")
    for column, cell in cells.items():
        if cell and "voicemail" in column and column not in KNOWN_COLUMNS:
            notes.append(f"{column} {cell}: has no equivalent")
    spoken = dict[str, bool]()
    for option in filter(None, cells.get("voicemail_options", "").split("|")):
        name, _, value = (part.strip().lower() for part in option.partition("="))
        if name in ("saycid", "envelope") and value:
            spoken[name] = value in YES
        elif name in SWITCHES and value:
            key, when_on, when_off = SWITCHES[name]
            fields[key] = when_on if value in YES else when_off
        elif value and name not in OPTIONS_WITHOUT_EFFECT:
            notes.append(f"voicemail_options {option.strip()}: is not taken from this file; 'ivr import freepbx' may")
    if spoken:
        fields |= envelope_fields(spoken.get("saycid", False), spoken.get("envelope", True), notes.append)
    return fields


def envelope_fields(says_caller: bool, says_time: bool, warn: Callable[[str], None]) -> dict[str, Any]:
    """Return what a mailbox says of who called and when, by the options saycid and envelope of app_voicemail.

    app_voicemail says each by itself; here the caller is said with the time.
    """
    if says_caller and not says_time:
        warn(SAID_TOGETHER)
    return {
        "envelope_type": "caller_and_time" if says_caller else "default",
        "skip_envelope": not (says_caller or says_time),
    }
