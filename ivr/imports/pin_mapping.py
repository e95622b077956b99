"""What the password of a mailbox of another system becomes: its PIN here, another PIN, or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from ivr.imports.system import SourceMailbox
from ivr.mailbox.pin_strength import MAX_PIN_LENGTH, find_weakness
from ivr.provisioning.people import GENERATE_PIN

FIXED_PASSWORD = "-"
"""In front of a password that its owner may not change."""
Warn = Callable[[str], None]
_WHOLE_NUMBER = TypeAdapter(int)


@dataclass(frozen=True, slots=True)
class PinRules:
    """What becomes of passwords that cannot be taken over as they are.

    `short`: "new" generates another, "none" leaves the mailbox without one. `weak`: "keep", "must-change" or "new".
    """

    short: str
    weak: str
    min_length: int
    max_length: int
    """Digits of the longest new PIN. An import permits the account the longer ones that its mailboxes have."""


def map_pin(box: SourceMailbox, rules: PinRules, fields: dict[str, Any], warn: Warn) -> str | None:
    """Return the PIN, `GENERATE_PIN` for another one, or None for a mailbox without a PIN.

    `fields`: the settings of the mailbox. What cannot be kept of those of its PIN is left out.
    """
    _leave_out_min_pin_length(fields, max(rules.max_length, len(_digits_of(box.password))), warn)
    pin = _pin(box, rules, fields, warn)
    if pin in (None, GENERATE_PIN):
        _leave_out_min_pin_length(fields, rules.max_length, warn)
    return pin


def _pin(box: SourceMailbox, rules: PinRules, fields: dict[str, Any], warn: Warn) -> str | None:
    password = box.password
    if password.startswith(FIXED_PASSWORD):
        password = password[1:]
        fields["pin_changeable"] = False
    if not password:
        warn("it has no password: there it may be open to everybody, here only its owner's own phone opens it")
        fields.pop("pin_changeable", None)
        return None
    shortest = _min_pin_length(fields) or rules.min_length
    if len(_digits_of(password)) < shortest:
        fields.pop("pin_changeable", None)
        if rules.short == "none":
            warn("its password cannot be a PIN: the mailbox has none, so only its owner's own phone opens it")
            return None
        warn("its password cannot be a PIN: another one is generated")
        fields["pin_must_change"] = True
        return GENERATE_PIN
    lengths = range(shortest, MAX_PIN_LENGTH + 1)
    if weakness := find_weakness(password, [box.number, *fields["aliases"]], lengths):
        return _map_weak_pin(password, str(weakness), rules, fields, warn)
    return password


def _leave_out_min_pin_length(fields: dict[str, Any], longest: int, warn: Warn) -> None:
    shortest = _min_pin_length(fields)
    if shortest > longest:
        warn(f"min_pin_length {shortest} exceeds max_pin_length {longest} of the account: it is left out")
        del fields["min_pin_length"]


def _min_pin_length(fields: Mapping[str, Any]) -> int:
    """Return the setting as it will be stored, from a number or any text that is accepted for one; 0: none."""
    return _WHOLE_NUMBER.validate_python(fields.get("min_pin_length") or 0)


def _digits_of(password: str) -> str:
    """Return a password that can be a PIN; "" if it cannot."""
    digits = password.removeprefix(FIXED_PASSWORD)
    return digits if digits.isascii() and digits.isdigit() and len(digits) <= MAX_PIN_LENGTH else ""


def _map_weak_pin(password: str, weakness: str, rules: PinRules, fields: dict[str, Any], warn: Warn) -> str:
    if rules.weak == "new":
        warn(f"its password is easy to guess ({weakness}): another one is generated")
        fields["pin_must_change"] = True
        return GENERATE_PIN
    if rules.weak == "must-change" and fields.get("pin_changeable", True):
        warn(f"its password is easy to guess ({weakness}): its owner is asked for another at the next sign-in")
        fields["pin_must_change"] = True
    else:
        warn(f"its password is easy to guess ({weakness})")
    return password
