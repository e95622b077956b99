"""The form of a mailbox's settings: which ones it shows, and what a sent form changes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlencode

from babel import Locale, UnknownLocaleError

from ivr.api.dependencies import MailboxServices
from ivr.errors import Conflict
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.mailbox import Mailbox
from ivr.validation.time_zones import known_time_zones

SWITCHES = (
    "new_messages_at_once",
    "announcement_only",
    "include_message_on_notify",
    "include_transcription_on_notify",
)
CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "oldest_message_first": ("", "false", "true"),
        "play_envelope_action": ("play_after", "play_before", "skip"),
        "clock": ("", "12h", "24h"),
        "after_mail": ("keep", "save", "delete"),
    }
)
"""Settings with a few values; "": that of the account. `after_mail`: what becomes of a message that was mailed."""
LABELS: Mapping[str, str] = MappingProxyType(
    {"addresses": "mail_addresses", "lists": "distribution_lists", "timezone": "time_zone_name"}
)
"""Keys of the texts before fields that have another name."""
MAX_TRIES = 5
"""Of a change, while other changes come first."""
SHOWN = "shown"
"""Field of the form: digests of the values that it showed, so that what was changed elsewhere since is told apart."""
SHOWN_LANGUAGE = "shown_language"
"""The same of the language, which is a setting of the person."""
CALLS = "calls"
"""The switch of calls about new messages. It is shown if an administrator has set the number to call."""


def form_values(mailbox: Mailbox) -> dict[str, str]:
    """Return what the form shows; a switch that is on has the value "on"."""
    settings = mailbox.settings
    values = {name: "on" if getattr(settings, name) else "" for name in SWITCHES}
    after_mail = "delete" if settings.delete_after_notify else "save" if settings.save_after_notify else "keep"
    oldest_first = settings.oldest_message_first
    values |= {
        "addresses": ", ".join(settings.notify_email_addresses),
        "timezone": settings.timezone if settings.timezone and settings.timezone != "inherit" else "",
        "clock": settings.clock or "",
        "oldest_message_first": "" if oldest_first is None else str(oldest_first).lower(),
        "play_envelope_action": settings.envelope_placement,
        "after_mail": after_mail,
        "lists": _list_lines(settings.distribution_lists),
    }
    if (calls := _calls(mailbox)) is not None:
        values[CALLS] = "" if calls.get("disabled") else "on"
    return values


def shown_values(values: Mapping[str, str]) -> str:
    """Return the field `SHOWN` for these values."""
    return urlencode({name: _digest(value) for name, value in values.items()})


def changed_elsewhere(mailbox: Mailbox, form: Mapping[str, str]) -> list[str]:
    """Return the fields that a sent form changes and that were changed elsewhere since it was shown."""
    stored, shown = form_values(mailbox), _read_shown(form)
    changed = [name for name in _changed_fields(mailbox, form) if name in shown]
    return [name for name in changed if shown[name] != _digest(stored[name])]


def typed_values(mailbox: Mailbox, form: Mapping[str, str]) -> dict[str, str]:
    """Return what a form shows again after it was refused: what was typed, else what is stored by now."""
    stored, typed = form_values(mailbox), _changed_fields(mailbox, form)
    return {name: form.get(name, "") if name in typed else value for name, value in stored.items()}


def field_labels(fields: Iterable[str], translate: Callable[[str], str]) -> str:
    """Return the names of fields as the form calls them, without its explanations."""
    return ", ".join(re.split(r" ?[:(]", translate(LABELS.get(name, name)))[0] for name in fields)


def _digest(value: str) -> str:
    return hashlib.sha256("\n".join(value.strip().splitlines()).encode(errors="replace")).hexdigest()[:12]


def _read_shown(form: Mapping[str, str]) -> dict[str, str]:
    return dict(parse_qsl(form.get(SHOWN, "")))


def _changed_fields(mailbox: Mailbox, form: Mapping[str, str]) -> dict[str, str]:
    """Return the values sent that are not the stored ones, without those that were not touched in the form."""
    stored, shown = form_values(mailbox), _read_shown(form)
    sent = {name: "\n".join(form.get(name, "").strip().splitlines()) for name in stored}
    return {
        name: sent[name] for name in stored if sent[name] != stored[name] and shown.get(name) != _digest(sent[name])
    }


def changed_settings(mailbox: Mailbox, form: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that a sent form changes, as a merge patch. A value that is no choice is passed on."""
    document: dict[str, Any] = {}
    for name, value in _changed_fields(mailbox, form).items():
        if name in SWITCHES:
            document[name] = value == "on"
        elif name == "addresses":
            document["notify_email_addresses"] = value
        elif name == "after_mail":
            document |= {"delete_after_notify": value == "delete", "save_after_notify": value == "save"}
        elif name == "oldest_message_first":
            document[name] = {"": None, "true": True, "false": False}.get(value, value)
        elif name == "play_envelope_action":
            document |= {name: value, "skip_envelope": False}
        elif name == "lists":
            removed = dict.fromkeys(mailbox.settings.distribution_lists)
            document["distribution_lists"] = {**removed, **_read_lists(value)}
        elif name == CALLS:
            document["notify"] = {"callback": {"disabled": value != "on"}}
        else:
            document[name] = value or None
    return document


async def store_changes(services: MailboxServices, mailbox: Mailbox, form: Mapping[str, str]) -> dict[str, Any] | None:
    """Store what a sent form changes, and return it; None if some of that was changed elsewhere: nothing is stored.

    Raises `InvalidFields`; `Conflict` if other changes come first each time.
    """

    async def check(mailbox: Mailbox, settings: BoxSettings) -> None:
        await services.owner_changes.check(mailbox, settings)

    for tries_left in reversed(range(MAX_TRIES)):
        if changed_elsewhere(mailbox, form):
            return None
        document = changed_settings(mailbox, form)
        try:
            if document:
                await services.boxes.patch(mailbox, document, check)
        except Conflict:
            if not tries_left:
                raise
            mailbox = await services.boxes.get(mailbox.id)
        else:
            break
    return document


def time_zones() -> list[str]:
    """Return the time zones that the form proposes, by name."""
    return sorted(zone for zone in known_time_zones() if "/" in zone and not zone.startswith("Etc/"))


def language_name(code: str) -> str:
    """Return the name of a language in itself, as `español`; its code if it is unknown."""
    try:
        return Locale.parse(code.replace("-", "_")).get_display_name() or code
    except (UnknownLocaleError, ValueError):
        return code


def _list_lines(lists: Mapping[str, list[str]]) -> str:
    """Return lists of mailboxes, a line each, as `801: 1001, 1002`."""
    return "\n".join(f"{number}: {', '.join(members)}" for number, members in lists.items())


def _read_lists(text: str) -> dict[str, list[str]]:
    """Return the lists of such lines; lines of the same number are one list.

    What is no number is passed on, so that it is named where it is refused: also blanks in the number before a colon.
    """
    lists: dict[str, list[str]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        number, colon, rest = line.partition(":")
        number, members = (number.strip(), rest) if colon else (re.split(r"[,;\s]+", f"{line} ", maxsplit=1))
        lists.setdefault(number, []).extend(part for part in re.split(r"[:,;\s]+", members) if part)
    return lists


def _calls(mailbox: Mailbox) -> dict[str, Any] | None:
    notify = mailbox.settings.notify
    document = notify.model_dump(mode="json") if notify else {}
    calls = document.get("callback") or {}
    return calls if calls.get("number") else None
