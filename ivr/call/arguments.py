"""The dialplan contract: what stands behind `agi://HOST/check` and `/leave` (docs/dialplan.md).

One parser for every transport. Each argument is `name=value`; the names are those of Kazoo's voicemail action
(kazoo-behaviour §1.1) plus some of ours, most of them what app_voicemail's options say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

from ivr.call import app_voicemail_options
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


class Action(StrEnum):
    """What the call came for; Kazoo's names for the two are accepted as well (kazoo-behaviour §1.1)."""

    CHECK = "check"
    LEAVE = "leave"


ACTIONS_BY_PATH = {"check": Action.CHECK, "leave": Action.LEAVE, "compose": Action.LEAVE, "": Action.LEAVE}


@dataclass(frozen=True, slots=True)
class Recipient:
    """A box of a list. An empty `account` is the call's."""

    number: str
    account: str = ""


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one call, checked."""

    action: Action | None = Action.LEAVE
    """None: an action we do not have; the call passes us by."""
    account: str = ""
    """Id, name or realm of the account; empty: that of the calling device's user."""
    id: str = ""
    """Id of the box."""
    var: str = ""
    """Name of a channel variable that holds the id of the box; read before `id`."""
    number: str = ""
    """Number of the box, as captured by the dialplan's pattern. In the dialplan it may name an account behind `@`,
    and further boxes behind `&`, which are `copies` here."""
    copies: tuple[Recipient, ...] = ()
    """Boxes that get a copy of the message."""
    language: str = ""
    """Language of the prompts; empty: the owner's, else the account's."""
    reason: str = ""
    """Why the call came here: "noanswer", "busy", "unavailable", "ringgroup", …; empty: it was dialled directly."""
    interdigit_timeout: int | None = None
    """ms; a box's own setting wins."""
    max_message_length: int | None = None
    """s; wins over the box and the system."""
    single_mailbox_login: bool = False
    """An owner of exactly one box need not name it."""
    callerid_match_login: bool = False
    """An owner's box whose number is the caller-id number need not be named."""
    skip_module: bool = False
    """Do nothing at all."""
    options: str | None = None
    """Options of VoiceMail(); None where the call did not come by a line that was one."""
    greeting: GreetingChoice = GreetingChoice.UNAVAILABLE
    skip_instructions: InstructionsChoice = InstructionsChoice.PLAY
    urgent: bool = False
    """The message is marked urgent."""
    early_media: bool = False
    """Greet without answering; answer only to record."""
    gain_db: float = 0.0
    """How much louder the caller is recorded."""
    beep: str = ""
    """Name of a sound of Asterisk's to play instead of our beep; "none": nothing."""
    exit_context: str = ""
    """0 and * lead to the extensions o and a of this context, where it has them."""
    digits_context: str = ""
    """Any digit that is an extension of this context leads there; "exit": of `exit_context`."""
    watchdog: int | None = None
    """s without a sign of life after which the dialplan takes the call back (TIMEOUT(absolute))."""


ARGUMENT_NAMES = tuple(field.name for field in fields(Arguments) if field.name != "copies")


def parse(path: str, words: Iterable[str]) -> tuple[Arguments, list[str]]:
    """Read the path of the AGI URL ("check", "leave") and its `name=value` words.

    Gives the arguments, and a complaint in words for each that was not understood and left out: a dialplan with a
    slip in it still reaches the mailbox.
    """
    values: dict[str, Any] = {}
    complaints: list[str] = []
    name = path.strip("/").lower()
    if name not in ACTIONS_BY_PATH:
        complaints.append(f"unknown path {path!r}: use agi://HOST/check or agi://HOST/leave")
    values["action"] = ACTIONS_BY_PATH.get(name)
    for word in words:
        if word.strip():
            values |= _parse_word(word, values["action"], complaints)
    values |= _parse_recipients(values.get("number", ""), values.get("account", ""))
    if values.get("digits_context") == "exit":
        values["digits_context"] = values.get("exit_context", "")
    return replace(Arguments(), **values), complaints


def _parse_word(word: str, action: Action | None, warnings: list[str]) -> dict[str, Any]:
    """What one word says; complaints are added to the list."""
    try:
        name, value = _parse_argument(word)
    except BadArgument as complaint:
        warnings.append(str(complaint))
        return {}
    found: dict[str, Any] = {name: value}
    if name == "options" and action is Action.CHECK:
        warnings += [f"option {option!r} of VoiceMailMain() is not known here" for option in str(value).split()]
    elif name == "options":
        meant, unknown = app_voicemail_options.parse_options(str(value))
        warnings += [f"option {option!r} of VoiceMail() is not known here" for option in unknown]
        for argument in meant:
            found |= _parse_word(argument, action, warnings)
    return found


def _parse_recipients(number: str, account: str) -> dict[str, Any]:
    """`1000@acme&1001` is box 1000 of acme and a copy for 1001.

    What stands behind the @ is the account; but "default", which stands in most lines that were written for
    app_voicemail, is the account that the dialplan names anyway, where it names one.
    """
    first, *others = (_parse_recipient(part, account) for part in number.split("&"))
    return {
        "number": first.number,
        "account": first.account or account,
        "copies": tuple(other for other in others if other.number),
    }


def _parse_recipient(part: str, account: str) -> Recipient:
    number, _, context = (piece.strip() for piece in part.partition("@"))
    return Recipient(number, "" if context == "default" and account else context)


def _parse_argument(word: str) -> tuple[str, object]:
    name, equals, value = (part.strip() for part in word.partition("="))
    if not equals or name not in ARGUMENT_NAMES:
        raise BadArgument(f"unknown argument {word!r}: use name=value with a name of {', '.join(ARGUMENT_NAMES)}")
    if name == "action":
        return name, ACTIONS_BY_PATH.get(value.lower())
    return name, _parse_value(name, value)


def _parse_value(name: str, value: str) -> object:
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
