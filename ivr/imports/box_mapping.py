"""What a mailbox of another system becomes: a user and a mailbox here, and notes about what has no place here."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from ivr.errors import BadInput
from ivr.imports.option_notes import WAV_FORMATS, describe_combinations, describe_option
from ivr.imports.pin_mapping import FIXED_PASSWORD, PinRules, map_pin
from ivr.imports.system import DefinedMailbox, Note, NoteLevel, SourceMailbox
from ivr.imports.voicemail_conf import ConfMailbox, VoicemailConf
from ivr.mailbox.box_settings import leave_out_invalid
from ivr.provisioning.freepbx import envelope_fields
from ivr.provisioning.people import GENERATE_PIN, BoxEntry, PeopleRow, UserEntry
from ivr.validation import addresses, names, numbers
from ivr.validation.time_zones import time_zone

MAX_MESSAGE_COUNT = 10**6
"""The largest limit that a mailbox can have here."""
MAX_LENGTH = 3600
"""Seconds of a message or greeting where app_voicemail has no limit."""
DEFAULTS = {"maxmsg": 100, "maxsecs": 0, "maxgreet": 0, "maxsilence": 0, "skipms": 3000}
"""Limits of app_voicemail where voicemail.conf says none. 0: no limit; for `maxmsg` no messages at all."""
MAIL_VARIABLES = {
    "VM_NAME": "{{ owner.first_name }}",
    "VM_DUR": "{{ voicemail.length }}",
    "VM_MSGNUM": "{{ voicemail.message_count }}",
    "VM_MAILBOX": "{{ voicemail.vmbox_number }}",
    "VM_CALLERID": "{{ caller_id.name_number }}",
    "VM_CIDNUM": "{{ caller_id.number }}",
    "VM_CIDNAME": "{{ caller_id.name }}",
    "VM_DATE": "{{ date_called.local }}",
}
"""What stands in our templates for a variable of app_voicemail's."""
CLOCK_LETTERS = {"12h": frozenset("IlpP"), "24h": frozenset("HkRT")}
"""What in the format of [zonemessages] says the hour."""


@dataclass
class MappedBox:
    """A mailbox as it is created here. `clear_pin`: its password at the source, if it is the PIN here."""

    row: PeopleRow
    notes: list[Note] = field(default_factory=list)
    clear_pin: str | None = None
    generates_pin: bool = False


def map_box(
    box: SourceMailbox, conf: VoicemailConf, account: str, rules: PinRules, stored_messages: int = 0
) -> MappedBox:
    """Return what a mailbox becomes, which holds `stored_messages` at its source.

    Raises `BadInput` if its number cannot be one here.
    """
    number = numbers.box_number(box.number)
    notes: list[Note] = []

    def note(level: NoteLevel, text: str) -> None:
        notes.append(Note(box.key, level, text))

    def warn(text: str) -> None:
        note(NoteLevel.WARNING, text)

    if isinstance(box, DefinedMailbox):
        fields: dict[str, Any] = {"name": names.to_box_name(box.fullname, number), "is_setup": True, **box.fields}
        fields["aliases"] = [alias for alias in box.aliases if alias != number]
        for level, text in box.notes:
            note(level, text)
        language = box.language
    else:
        fields = _box_fields(box, conf, stored_messages, warn)
        fields |= {**box.fields, "keys": {**fields["keys"], **box.fields.get("keys", {})}}
        fields["aliases"] = _aliases(box, conf, warn)
        if pagers := _valid_addresses([box.pager] if box.pager else [], warn):
            fields["short_mail_addresses"] = pagers
        for text in box.remarks:
            warn(text)
        language = box.options.get("language", "")
    fields["name"] = names.to_box_name(str(fields["name"]), number)
    fields, problems = leave_out_invalid(fields)
    for problem in problems:
        warn(f"{problem}: it is left out")
    emails = _valid_addresses(box.emails, warn)
    if len(emails) > 1:
        fields["notify_email_addresses"] = emails[1:]
    pin = map_pin(box, rules, fields, warn)
    user_fields = _user_fields(box.fullname, language, emails, warn)
    if isinstance(box, DefinedMailbox):
        _add_owner_settings(box, user_fields, warn)
    user = UserEntry(names.to_user_name(box.fullname, number), user_fields)
    entry = BoxEntry(number, user.name, fields, pin)
    generates = pin == GENERATE_PIN
    return MappedBox(PeopleRow(0, account, user, entry), notes, None if generates else pin, generates)


def _user_fields(fullname: str, language: str, emails: list[str], warn: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"email": emails[0]} if emails else {}
    if name := names.to_person_name(fullname):
        fields["settings"] = {"first_name": name}
    if language:
        try:
            fields["language"] = names.language_code(language)
        except BadInput as error:
            warn(f"language: {error}")
    return fields


def _add_owner_settings(box: DefinedMailbox, user_fields: dict[str, Any], warn: Any) -> None:
    if not box.is_mailed:
        user_fields["settings"] = {**user_fields.get("settings", {}), "vm_to_email_enabled": False}
    if box.time_zone:
        try:
            user_fields["timezone"] = time_zone(box.time_zone)
        except BadInput as error:
            warn(f"time zone of its owner: {error}")


def _box_fields(box: ConfMailbox, conf: VoicemailConf, stored_messages: int, warn: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": names.to_box_name(box.fullname, box.number), "is_setup": True}
    if box.password.lstrip(FIXED_PASSWORD) == box.number and (box.is_on("forcename") or box.is_on("forcegreetings")):
        fields["is_setup"] = False
    fields["oldest_message_first"] = True
    fields["hunt"] = False
    fields["play_envelope_action"] = "play_before"
    fields["include_message_on_notify"] = box.is_on("attach", default=True)
    fields |= envelope_fields(box.is_on("saycid"), box.is_on("envelope", default=True), warn)
    has_operator = box.is_on("operator") or box.fields.get("operator_number")
    fields["keys"] = {} if has_operator else {"operator": ""}
    if box.is_on("delete"):
        fields["delete_after_notify"] = True
        warn("delete: mailed messages are in the folder deleted for days, and not gone at once")
    if not box.is_on("leaveurgent", default=True):
        fields["callers_may_mark_urgent"] = False
    if not box.is_on("review"):
        fields["review"] = False
    if box.is_on("hidefromdir"):
        fields["in_directory"] = False
    if not box.is_on("sendvoicemail", default=True):
        fields["may_send_messages"] = False
    if not box.is_on("moveheard", default=True):
        fields["after_heard"] = "keep"
    _add_numbers(box, fields, stored_messages, warn)
    _add_contexts(box, fields, warn)
    _add_mail_templates(box, fields, warn)
    if zone := box.options.get("tz"):
        _add_time_zone(zone, conf, fields, warn)
    if attached := box.options.get("attachfmt", "").strip():
        fields["media_extension"] = "wav" if attached.lower() in WAV_FORMATS else "mp3"
    for option, value in box.own_options.items():
        if text := describe_option(option, value, in_mailbox=True):
            warn(text)
    for text in describe_combinations(box.options, box.own_options):
        warn(text)
    return fields


def _add_numbers(box: ConfMailbox, fields: dict[str, Any], stored_messages: int, warn: Any) -> None:
    """Add the limits that are numbers.

    app_voicemail limits each folder, ivr the new and saved messages together: a mailbox that has moved is not full.
    """
    limits = {name: _number(box, name, default, warn) for name, default in DEFAULTS.items()}
    if limits["maxmsg"] == 0:
        fields["announcement_only"] = True
    else:
        count = max(2 * limits["maxmsg"], stored_messages + limits["maxmsg"])
        fields["max_message_count"] = min(count, MAX_MESSAGE_COUNT)
    fields["max_message_length"] = limits["maxsecs"] or MAX_LENGTH
    fields["max_greeting_length"] = min(limits["maxgreet"] or MAX_LENGTH, MAX_LENGTH)
    fields["silence_hits"] = min(limits["maxsilence"], 1000)
    fields["seek_duration_ms"] = limits["skipms"]


def _add_contexts(box: ConfMailbox, fields: dict[str, Any], warn: Any) -> None:
    for option, key in (("exitcontext", "exit_context"), ("callback", "callback_context")):
        if context := box.options.get(option, "").strip():
            try:
                fields[key] = numbers.dialplan_context(context)
            except BadInput as error:
                warn(f"{option}: {error}")
    if "callback_context" in fields:
        warn("callback: the context may have exact extensions and bounded patterns only (docs/dialplan.md)")


def _add_mail_templates(box: ConfMailbox, fields: dict[str, Any], warn: Any) -> None:
    """Translate subject and text of mails. What has no translation would be in the mail as it is, so it is left out."""
    for option, key in (("emailsubject", "mail_subject"), ("emailbody", "mail_text")):
        text = box.options.get(option, "")
        if not text:
            continue
        text = re.sub(r"([{#%])(?=[{#%])", r"\1 ", text).replace("\\n", "\n").replace("\\t", "\t")
        translated = re.sub(r"\$\{(\w+)\}", lambda found: MAIL_VARIABLES.get(found[1], found[0]), text)
        if "${" in translated:
            name = translated.partition("${")[2].partition("}")[0]
            warn(f"{option}: {name!r} has no equivalent, so the usual mail is sent")
        else:
            fields[key] = translated


def _number(box: ConfMailbox, option: str, default: int, warn: Any) -> int:
    text = box.options.get(option, "").strip()
    if not text:
        return default
    if re.fullmatch(r"[0-9]{1,6}", text):
        return int(text)
    warn(f"{option}={text} is no number of at most six digits: the default of app_voicemail, {default}, is used")
    return default


def _add_time_zone(zone: str, conf: VoicemailConf, fields: dict[str, Any], warn: Any) -> None:
    name = conf.zones.get(zone)
    if name is None:
        warn(f"tz={zone} is not in [zonemessages]: the time zone of the account is used")
        return
    try:
        fields["timezone"] = time_zone(name)
    except BadInput as error:
        warn(f"tz={zone}: {error}")
    hours = set(re.sub(r"'[^']*'", "", conf.zone_formats.get(zone, "")))
    for clock, letters in CLOCK_LETTERS.items():
        if hours & letters:
            fields["clock"] = clock


def _aliases(box: ConfMailbox, conf: VoicemailConf, warn: Any) -> list[str]:
    found: list[str] = []
    for alias in conf.aliases.get(box.key, ()):
        try:
            number = numbers.box_alias(alias.partition("@")[0])
        except BadInput as error:
            warn(f"alias {alias}: {error}")
            continue
        if number != box.number and f"{number}@{box.context}" in conf.mailboxes:
            warn(f"alias {alias}: it is a mailbox of its own")
        elif number != box.number and number not in found:
            found.append(number)
    return found


def _valid_addresses(emails: Collection[str], warn: Any) -> list[str]:
    valid: list[str] = []
    for email in emails:
        try:
            valid.append(addresses.mail_address(email))
        except BadInput as error:
            warn(f"mail address: {error}")
    return valid
