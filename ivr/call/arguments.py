"""Dialplan arguments: the words that follow `agi://HOST/check`, `/leave` and the requests (docs/dialplan.md).

One parser for every transport. Each argument is `name=value`. The names are those of Kazoo's voicemail action, and some
of our own, most of them for the options of app_voicemail.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

from ivr import __version__
from ivr.errors import BadArgument, BadInput
from ivr.validation.numbers import dialplan_context

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off", ""})


class GreetingChoice(StrEnum):
    """The generic greeting that the caller hears."""

    UNAVAILABLE = "unavailable"
    BUSY = "busy"
    NONE = "none"


class InstructionsChoice(StrEnum):
    """Whether "leave your message after the tone" is skipped; the values are those of `skip_instructions`."""

    PLAY = "false"
    SKIP = "true"
    SKIP_IF_GREETING_RECORDED = "greeted"
    """Skip if the owner has recorded a greeting."""


class NameOrder(StrEnum):
    """By which names a caller searches the directory."""

    FIRST = "first"
    LAST = "last"
    BOTH = "both"


class Action(StrEnum):
    """What the caller wants: listen or leave a message; Kazoo's names of the two are accepted too. The others are what
    the dialplan itself asks for."""

    CHECK = "check"
    LEAVE = "leave"
    INFO = "info"
    """An attribute of a mailbox. The call is not answered and hears nothing."""
    AUTHENTICATE = "authenticate"
    SAY_NAME = "say-name"
    PLAY_MESSAGE = "play-message"
    PLAY_GREETING = "play-greeting"
    DIRECTORY = "directory"


DIALPLAN_REQUESTS = frozenset(Action) - {Action.CHECK, Action.LEAVE}
"""What only the dialplan of our own Asterisk may ask for."""
_REQUEST_PATHS = ", ".join(sorted(DIALPLAN_REQUESTS))
ACTIONS_BY_PATH: dict[str, Action] = {
    **{action.value: action for action in Action},
    "compose": Action.LEAVE,
    "": Action.LEAVE,
}


@dataclass(frozen=True, slots=True)
class Recipient:
    """A box of a list of recipients. An empty `account` means that of the call."""

    number: str
    account: str = ""


@dataclass(frozen=True, slots=True)
class Arguments:
    """The parsed arguments of one call."""

    action: Action | None = Action.LEAVE
    """None for an unknown action: the call is returned to the dialplan unanswered."""
    account: str = ""
    """Id, name or realm of the account. Empty: the account of the calling device's user."""
    id: str = ""
    """Id of the box."""
    var: str = ""
    """Name of a channel variable that holds the id of the box; takes precedence over `id`."""
    number: str = ""
    """Number of the box, as captured by a dialplan pattern. The dialplan may append an account behind `@`, and further
    boxes behind `&`, which become `copies`."""
    message: str = ""
    """Reference of a message that the owner hears first. For `play-message`: its id or its reference."""
    attribute: str = ""
    """What `info` returns."""
    name_order: NameOrder = NameOrder.BOTH
    """By which names `directory` searches."""
    say_extension: bool = False
    """Whether `directory` says the number behind each name."""
    copies: tuple[Recipient, ...] = ()
    """Boxes that receive a copy of the message."""
    language: str = ""
    """Language of the prompts. Empty: the owner's, else the account's."""
    reason: str = ""
    """Why the call came: "noanswer", "busy", "unavailable", "ringgroup", … Empty: the number was dialled directly."""
    interdigit_timeout: int | None = None
    """Milliseconds. The setting of the box takes precedence."""
    max_message_length: int | None = None
    """Seconds. Takes precedence over box and system."""
    single_mailbox_login: bool = False
    """An owner of exactly one box need not name it."""
    callerid_match_login: bool = False
    """An owner's box whose number is the caller-id number need not be named."""
    skip_module: bool = False
    """Return the call to the dialplan at once."""
    options: str | None = None
    """Options of VoiceMail(). None if the call did not come through [ivr-voicemail]."""
    greeting: GreetingChoice = GreetingChoice.UNAVAILABLE
    skip_instructions: InstructionsChoice = InstructionsChoice.PLAY
    urgent: bool = False
    """Mark the message urgent."""
    early_media: bool = False
    """Play the greeting before answering; answer only to record."""
    gain_db: float = 0.0
    """Decibels by which the caller's voice is amplified."""
    beep: str = ""
    """Name of an Asterisk sound to play instead of the beep; "none" plays none."""
    exit_context: str = ""
    """Context whose extensions o and a are reached by 0 and *, if they exist."""
    digits_context: str = ""
    """Context whose one-digit extensions are reached by their digit; "exit" means `exit_context`."""
    watchdog: int | None = None
    """Seconds after which the dialplan takes the call back from a service that hangs (TIMEOUT(absolute))."""
    dialplan: str = ""
    """Version of ivr that the dialplan belongs to. Empty: the dialplan does not name it."""

    @property
    def is_owner_busy(self) -> bool:
        """Whether the dialplan says that the owner is on the phone."""
        return self.greeting is GreetingChoice.BUSY


ARGUMENT_NAMES = tuple(field.name for field in fields(Arguments) if field.name != "copies")


def parse(path: str, words: Iterable[str]) -> tuple[Arguments, list[str]]:
    """Parse the path of the AGI URL ("check", "leave", …) and its `name=value` words.

    Returns the arguments, and a warning for each word that is invalid. Such words are ignored, so that a dialplan with
    a mistake in it still reaches the mailbox.
    """
    values: dict[str, Any] = {}
    complaints: list[str] = []
    name = path.strip("/").lower()
    if name not in ACTIONS_BY_PATH:
        complaints.append(f"unknown path {path!r}: use agi://HOST/check or agi://HOST/leave, or {_REQUEST_PATHS}")
    values["action"] = ACTIONS_BY_PATH.get(name)
    for word in words:
        if word.strip():
            values |= _parse_word(word, values["action"], complaints)
    values |= _parse_recipients(values.get("number", ""), values.get("account", ""))
    if (version := values.get("dialplan")) and version != __version__:
        complaints.append(
            f"the dialplan is of ivr {version}, the service of {__version__}: run 'ivr install' and"
            " asterisk -rx 'dialplan reload', then restart the service"
        )
    if values.get("digits_context") == "exit":
        values["digits_context"] = values.get("exit_context", "")
    return replace(Arguments(), **values), complaints


def _parse_word(word: str, action: Action | None, warnings: list[str]) -> dict[str, Any]:
    """Parse one word; append its problems to `warnings`."""
    try:
        name, value = _parse_argument(word)
    except BadArgument as error:
        warnings.append(str(error))
        return {}
    found: dict[str, Any] = {name: value}
    if name == "options" and action is Action.CHECK:
        warnings += [f"option {option!r} of VoiceMailMain() is not supported" for option in str(value).split()]
    elif name == "options":
        translated, unknown = parse_options(str(value))
        warnings += [f"option {option!r} of VoiceMail() is not supported" for option in unknown]
        for argument in translated:
            found |= _parse_word(argument, action, warnings)
    return found


def _parse_recipients(number: str, account: str) -> dict[str, Any]:
    """Parse `1000@acme&1001`: box 1000 of the account acme, and a copy for box 1001.

    The part behind @ is the account. "default", which most dialplans for app_voicemail contain, means the account that
    the dialplan gives, if it gives one.
    """
    named = [recipient for part in number.split("&") if (recipient := _parse_recipient(part, account)).number]
    first, *others = named or [_parse_recipient(number.partition("&")[0], account)]
    return {"number": first.number, "account": first.account or account, "copies": tuple(others)}


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
    """Convert the value of the argument `name` to its type. Raises `BadArgument`."""
    match name:
        case "interdigit_timeout" | "max_message_length" | "watchdog":
            return _parse_positive_int(name, value)
        case "single_mailbox_login" | "callerid_match_login" | "skip_module":
            return _parse_boolean(name, value)
        case "urgent" | "early_media" | "say_extension":
            return _parse_boolean(name, value)
        case "name_order":
            return NameOrder(_parse_choice(name, value, list(NameOrder)))
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
        raise BadArgument(f"{name}={value!r}: must be a whole number above 0")
    return int(value)


def _parse_boolean(name: str, value: str) -> bool:
    if value.lower() not in TRUE_WORDS | FALSE_WORDS:
        raise BadArgument(f"{name}={value!r}: must be true or false")
    return value.lower() in TRUE_WORDS


def _parse_choice(name: str, value: str, choices: Sequence[str]) -> str:
    if value.lower() not in choices:
        raise BadArgument(f"{name}={value!r}: must be one of {', '.join(choices)}")
    return value.lower()


def _parse_context(name: str, value: str) -> str:
    """Accept only plain names: the value becomes part of a dialplan expression."""
    try:
        return dialplan_context(value)
    except BadInput as error:
        raise BadArgument(f"{name}={value!r}: {error}") from error


def _parse_decibels(name: str, value: str) -> float:
    """Accept -30 to 30 dB: beyond that, only noise is left."""
    if not re.fullmatch(r"[+-]?\d{1,2}(\.\d{1,3})?", value, re.ASCII) or not -30 <= float(value) <= 30:
        raise BadArgument(f"{name}={value!r}: must be decibels from -30 to 30")
    return float(value)


_OPTION = re.compile(r"(?P<letter>[^()\s])(?:\((?P<value>[^()]*)\))?")

FLAG_OPTIONS: dict[str, tuple[str, str]] = {
    "u": ("greeting", "unavailable"),
    "b": ("greeting", "busy"),
    "s": ("skip_instructions", "true"),
    "S": ("skip_instructions", "greeted"),
    "e": ("early_media", "true"),
    "U": ("urgent", "true"),
    "P": ("urgent", "true"),
}
"""Letters without a value, and the argument and value of each. `P` and `U` both mark a message urgent."""

VALUE_OPTIONS: dict[str, tuple[str, str]] = {
    "d": ("digits_context", "exit"),
    "g": ("gain_db", "0"),
    "t": ("beep", "none"),
}
"""Letters with a value in parentheses, the argument of each, and its value without parentheses."""


def parse_options(options: str) -> tuple[list[str], list[str]]:
    """Return the arguments ("name=value") that `options` stand for, and the unsupported options.

    Without `u` and `b` no greeting is played, as in app_voicemail; `b` takes precedence over `u`.
    """
    found: dict[str, str] = {"greeting": "none"}
    unknown: list[str] = []
    end = 0
    for option in _OPTION.finditer(options):
        unknown += _unsupported(options[end : option.start()])
        end = option.end()
        letter, value = option["letter"], option["value"]
        if letter in VALUE_OPTIONS:
            name, default = VALUE_OPTIONS[letter]
            found[name] = value or default
        elif letter not in FLAG_OPTIONS or value is not None:
            unknown.append(option[0])
        elif found.get(FLAG_OPTIONS[letter][0]) != "busy":
            name, flag_value = FLAG_OPTIONS[letter]
            found[name] = flag_value
    unknown += _unsupported(options[end:])
    return [f"{name}={value}" for name, value in found.items()], unknown


def _unsupported(text: str) -> list[str]:
    return [text.strip()] if text.strip() else []
