"""The dialplan contract: what stands behind `agi://HOST/check` and `/leave` (docs/dialplan.md).

One parser for every transport. Each argument is `name=value`; the names are those of Kazoo's voicemail action
(kazoo-behaviour §1.1) plus four of ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

from ivr.errors import BadArgument

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off", ""})


class Action(StrEnum):
    """What the call came for; Kazoo's names for the two are accepted as well (kazoo-behaviour §1.1)."""

    CHECK = "check"
    LEAVE = "leave"


ACTIONS = {"check": Action.CHECK, "leave": Action.LEAVE, "compose": Action.LEAVE, "": Action.LEAVE}


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
    """Number of the box, as captured by the dialplan's pattern."""
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


NAMES = tuple(field.name for field in fields(Arguments))


def parse(path: str, words: Iterable[str]) -> tuple[Arguments, list[str]]:
    """Read the path of the AGI URL ("check", "leave") and its `name=value` words.

    Gives the arguments, and a complaint in words for each that was not understood and left out: a dialplan with a
    slip in it still reaches the mailbox.
    """
    values: dict[str, Any] = {}
    complaints: list[str] = []
    name = path.strip("/").lower()
    if name not in ACTIONS:
        complaints.append(f"unknown path {path!r}: use agi://HOST/check or agi://HOST/leave")
    values["action"] = ACTIONS.get(name)
    for word in words:
        if not word.strip():
            continue
        try:
            key, value = _read(word)
            values[key] = value
        except BadArgument as complaint:
            complaints.append(str(complaint))
    return replace(Arguments(), **values), complaints


def _read(word: str) -> tuple[str, object]:
    name, equals, value = (part.strip() for part in word.partition("="))
    if not equals or name not in NAMES:
        raise BadArgument(f"unknown argument {word!r}: use name=value with a name of {', '.join(NAMES)}")
    match name:
        case "action":
            return name, ACTIONS.get(value.lower())
        case "interdigit_timeout" | "max_message_length":
            return name, _positive(name, value)
        case "single_mailbox_login" | "callerid_match_login" | "skip_module":
            return name, _truth(name, value)
        case _:
            return name, value


def _positive(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value) > 0):
        raise BadArgument(f"{name}={value!r}: a whole number above 0 is needed")
    return int(value)


def _truth(name: str, value: str) -> bool:
    if value.lower() not in TRUE_WORDS | FALSE_WORDS:
        raise BadArgument(f"{name}={value!r}: true or false is needed")
    return value.lower() in TRUE_WORDS
