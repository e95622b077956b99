"""The form of a mailbox's settings: which ones it shows, and what a sent form changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from babel import Locale, UnknownLocaleError

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


def changed_settings(mailbox: Mailbox, form: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that a sent form changes, as a merge patch. A value that is no choice is passed on."""
    document: dict[str, Any] = {}
    shown = form_values(mailbox)
    sent = {name: "\n".join(form.get(name, "").strip().splitlines()) for name in shown}
    for name in (name for name in shown if sent[name] != shown[name]):
        value = sent[name]
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
    """Return the lists of such lines. What is no number is passed on, so that it is named where it is refused."""
    lines = [[part for part in re.split(r"[:,;\s]+", line) if part] for line in text.splitlines()]
    return {number: members for number, *members in filter(None, lines)}


def _calls(mailbox: Mailbox) -> dict[str, Any] | None:
    notify = mailbox.settings.notify
    document = notify.model_dump(mode="json") if notify else {}
    calls = document.get("callback") or {}
    return calls if calls.get("number") else None
