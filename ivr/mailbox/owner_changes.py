"""What the owner of a mailbox may change in its settings: one row for each key.

An owner's changes must not harm other people. What reaches other people (their message lights, phones, mail addresses
and recordings) or more than the system allows is for an administrator, or bounded. The phone changes only what its
menus offer; commands and tokens for the whole account are an administrator's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ivr.errors import Forbidden, InvalidFields
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.protocols import MediaStore
from ivr.validation.addresses import to_smtp

MAX_CALLS = 10
"""Maximum number of calls in one series about new messages."""
MIN_CALL_INTERVAL_S = 60
MIN_RING_S, MAX_RING_S = 5, 120
EMPTY_VALUES: tuple[Any, ...] = (None, [], {}, False)

Violation = tuple[str, str, Any]
"""The name of a rule of JSON Schema, a sentence, and the limit."""
Bound = Callable[[Mailbox, Any], Violation | None]
"""Returns how a value, as in JSON, is out of bounds for the owner of a mailbox."""
ADMINISTRATOR = None
"""No value is an owner's: only an administrator changes the key."""


def _any_value(mailbox: Mailbox, value: Any) -> Violation | None:
    return None


def _at_most_recording_limit(mailbox: Mailbox, value: Any) -> Violation | None:
    limit = mailbox.voicemail_settings.max_message_length
    return ("maximum", f"At most {limit} s, the limit of the account", limit) if value and value > limit else None


def _recipients(mailbox: Mailbox, value: Any) -> Violation | None:
    limit, domains = mailbox.voicemail_settings.max_owner_addresses, mailbox.voicemail_settings.owner_mail_domains
    addresses = [value] if isinstance(value, str) else value or []
    if len(addresses) > limit:
        return "maxItems", f"At most {limit} addresses; an administrator may set more", limit
    if domains and any(to_smtp(address).rpartition("@")[2].lower() not in domains for address in addresses):
        return "pattern", f"Only addresses of {', '.join(domains)}; an administrator may set others", list(domains)
    return None


def _only_true(mailbox: Mailbox, value: Any) -> Violation | None:
    return None if value else ("const", "An owner sets it to true; only an administrator sets it to false", True)


def _call_schedule(mailbox: Mailbox, value: Any) -> Violation | None:
    if value and len(value) > MAX_CALLS:
        return "maxItems", f"At most {MAX_CALLS} calls", MAX_CALLS
    if value and min(value) < MIN_CALL_INTERVAL_S:
        return "minimum", f"At least {MIN_CALL_INTERVAL_S} s before each call", MIN_CALL_INTERVAL_S
    return None


def _between(minimum: int, maximum: int | None, unit: str) -> Bound:
    def is_within(mailbox: Mailbox, value: Any) -> Violation | None:
        if value is not None and value < minimum:
            return "minimum", f"At least {minimum}{unit}", minimum
        if value is not None and maximum is not None and value > maximum:
            return "maximum", f"At most {maximum}{unit}", maximum
        return None

    return is_within


OWNER_BOUNDS: Mapping[str, Bound | None] = {
    "name": _any_value,
    "mailbox": ADMINISTRATOR,
    "aliases": ADMINISTRATOR,
    "owner_id": ADMINISTRATOR,
    "flags": _any_value,
    "numbers": ADMINISTRATOR,  # Message lights of other mailboxes.
    "shared_vmbox": ADMINISTRATOR,
    "members": ADMINISTRATOR,  # Phones of other users.
    "enabled": ADMINISTRATOR,
    "in_directory": _any_value,
    "timezone": _any_value,
    "require_pin": _any_value,
    "check_if_owner": _any_value,
    "is_setup": _only_true,  # A mailbox that is not set up accepts an easy PIN.
    "pin_must_change": _any_value,
    "pin_changeable": ADMINISTRATOR,
    "not_configurable": ADMINISTRATOR,
    "pin_secret_ref": ADMINISTRATOR,
    "min_pin_length": ADMINISTRATOR,
    "announcement_only": _any_value,
    "skip_greeting": _any_value,
    "skip_instructions": _any_value,
    "play_greeting_intro": _any_value,
    "review": _any_value,
    "use_person_not_available": _any_value,
    "operator_number": _any_value,  # Dialled in `operator_context` only.
    "operator_context": ADMINISTRATOR,  # What the dialplan of the site can dial.
    "hunt_context": ADMINISTRATOR,
    "callback_context": ADMINISTRATOR,
    "exit_context": ADMINISTRATOR,
    "hunt": _any_value,
    "hunt_allow": _any_value,
    "hunt_deny": _any_value,
    "media.unavailable": _any_value,  # Recordings of this mailbox only: see `OwnerChanges`.
    "media.busy": _any_value,
    "media.temporary_unavailable": _any_value,
    "media.temporary_until": _any_value,
    "media.name": _any_value,
    "greeting_media_id": _any_value,
    "max_message_count": ADMINISTRATOR,
    "max_message_length": _at_most_recording_limit,
    "max_greeting_length": ADMINISTRATOR,
    "copy_to": ADMINISTRATOR,  # Mailboxes of other people.
    "interdigit_timeout": _any_value,
    "silence_hits": _any_value,
    "silence_threshold": _any_value,
    "min_speech_ms": _any_value,
    "quota_mb": ADMINISTRATOR,
    "media_extension": _any_value,
    "oldest_message_first": _any_value,
    "skip_envelope": _any_value,
    "play_envelope_action": _any_value,
    "envelope_type": _any_value,
    "is_voicemail_ff_rw_enabled": _any_value,
    "seek_duration_ms": _any_value,
    "vm_message_forward_type": _any_value,
    "after_forward_action": _any_value,
    "may_send_messages": ADMINISTRATOR,
    "distribution_lists": _any_value,  # Who may send at all is an administrator's: `may_send_messages`.
    "after_heard": _any_value,
    "notify_email_addresses": _recipients,
    "notify_email": _recipients,
    "short_mail_addresses": _recipients,
    "mail_subject": ADMINISTRATOR,  # A template runs in the service.
    "mail_text": ADMINISTRATOR,
    "include_message_on_notify": _any_value,
    "mail_audio": _any_value,
    "include_transcription_on_notify": _any_value,
    "delete_after_notify": _any_value,
    "save_after_notify": _any_value,
    "shared_vmbox_notify_owner_email": _any_value,
    "transcribe": _any_value,
    "notify.callback.number": ADMINISTRATOR,  # The phone of another person.
    "notify.callback.disabled": _any_value,
    "notify.callback.schedule": _call_schedule,
    "notify.callback.attempts": _between(0, MAX_CALLS, " calls"),
    "notify.callback.interval_s": _between(MIN_CALL_INTERVAL_S, None, " s"),
    "notify.callback.timeout_s": _between(MIN_RING_S, MAX_RING_S, " s"),
    "callers_may_mark_urgent": _any_value,
    "press_key_to_record": _any_value,
    "clock": _any_value,
    "language": _any_value,
    "new_messages_at_once": _any_value,
    "key_map": _any_value,
    "keys": _any_value,
}
"""Keys of `BoxSettings`, those of inner objects with a dot. Keys that the service does not know are free."""
RECORDING_KEYS = ("media.unavailable", "media.busy", "media.temporary_unavailable", "media.name", "greeting_media_id")


class OwnerChanges:
    """Checks the changes of owners."""

    def __init__(self, media: MediaStore) -> None:
        self._media = media

    async def check(self, mailbox: Mailbox, settings: BoxSettings) -> None:
        """Check the settings that the owner of a mailbox wants it to have. Values that stay are not checked.

        Raises `Forbidden` for what is an administrator's; `InvalidFields` for a value out of bounds, or a recording of
        another mailbox.
        """
        before, after = (document.model_dump(mode="json") for document in (mailbox.settings, settings))
        violations: dict[str, dict[str, dict[str, object]]] = {}
        for key, bound in OWNER_BOUNDS.items():
            previous, value = _value_at(before, key), _value_at(after, key)
            if value == previous or (value in EMPTY_VALUES and previous in EMPTY_VALUES and bound is ADMINISTRATOR):
                continue  # An empty value in place of another one changes nothing.
            if bound is ADMINISTRATOR:
                raise Forbidden(f"changing {key} needs a token for the whole account")
            violation = bound(mailbox, value)
            if violation is None and key in RECORDING_KEYS and not await self._is_own_recording(mailbox, value):
                violation = ("invalid", "Not a recording of this mailbox: upload the greeting", value)
            if violation:
                rule, message, limit = violation
                violations[key] = {rule: {"message": message, "target": limit}}
        if violations:
            raise InvalidFields(violations)

    async def _is_own_recording(self, mailbox: Mailbox, media_id: str | None) -> bool:
        if not media_id:
            return True
        media = await self._media.get(mailbox.account_id, media_id)
        return media is not None and media.box_id == mailbox.id


def _value_at(document: Any, key: str) -> Any:
    for name in key.split("."):
        document = document.get(name) if isinstance(document, Mapping) else None
    return document
