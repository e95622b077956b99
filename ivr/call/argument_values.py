"""The values of the arguments that are more than words: whole numbers, truths, choices, decibels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from ivr.errors import BadArgument

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off", ""})


class GreetingChoice(StrEnum):
    """Which greeting the caller is to hear."""

    UNAVAILABLE = "unavailable"
    BUSY = "busy"
    NONE = "none"


class InstructionsChoice(StrEnum):
    """Whether "leave your message after the tone" is left out; the values are those of `skip_instructions`."""

    PLAY = "false"
    SKIP = "true"
    SKIP_IF_GREETING_RECORDED = "greeted"
    """Where the owner has recorded a greeting."""


def parse_value(name: str, value: str) -> object:
    """What `value` of the argument `name` says. Raises `BadArgument`."""
    match name:
        case "interdigit_timeout" | "max_message_length" | "watchdog":
            return _parse_positive_int(name, value)
        case "single_mailbox_login" | "callerid_match_login" | "skip_module" | "urgent" | "early_media":
            return _parse_boolean(name, value)
        case "greeting":
            return GreetingChoice(_parse_choice(name, value, list(GreetingChoice)))
        case "skip_instructions" if value.lower() == InstructionsChoice.SKIP_IF_GREETING_RECORDED:
            return InstructionsChoice.SKIP_IF_GREETING_RECORDED
        case "skip_instructions":
            return InstructionsChoice.SKIP if _parse_boolean(name, value) else InstructionsChoice.PLAY
        case "gain_db":
            return _parse_decibels(name, value)
        case "exit_context" | "digits_context":
            return _parse_context(name, value)
        case _:
            return value


def _parse_positive_int(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value) > 0):
        raise BadArgument(f"{name}={value!r}: a whole number above 0 is needed")
    return int(value)


def _parse_boolean(name: str, value: str) -> bool:
    if value.lower() not in TRUE_WORDS | FALSE_WORDS:
        raise BadArgument(f"{name}={value!r}: true or false is needed")
    return value.lower() in TRUE_WORDS


def _parse_choice(name: str, value: str, choices: Sequence[str]) -> str:
    if value.lower() not in choices:
        raise BadArgument(f"{name}={value!r}: one of {', '.join(choices)} is needed")
    return value.lower()


def _parse_context(name: str, value: str) -> str:
    """It goes into a dialplan expression, so it is a plain name."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]{0,79}", value):
        raise BadArgument(f"{name}={value!r}: the name of a dialplan context is needed")
    return value


def _parse_decibels(name: str, value: str) -> float:
    """Beyond 30 dB nothing but noise is to be expected."""
    if not re.fullmatch(r"[+-]?\d{1,2}(\.\d{1,3})?", value, re.ASCII) or not -30 <= float(value) <= 30:
        raise BadArgument(f"{name}={value!r}: decibels from -30 to 30 are needed")
    return float(value)
