"""What a dialled number means: the lines of `asterisk-conf/extensions.conf`, for a phone without Asterisk."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ivr.errors import BadArgument


@dataclass(frozen=True, slots=True)
class Route:
    """Where a number leads: the path of the AGI URL and its arguments."""

    path: str
    arguments: tuple[str, ...]


ROUTES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (r"\*97", "check", ("single_mailbox_login=true",)),
    (r"\*98", "check", ()),
    (r"\*98(?P<number>\d+)", "check", ("number={number}",)),
    (r"(?P<number>\d+)", "leave", ("number={number}",)),
)


def find_route(number: str, account_id: str) -> Route:
    """Where `number` leads in `account`. Raises `BadArgument` for a number that leads nowhere."""
    for pattern, path, arguments in ROUTES:
        if matched := re.fullmatch(pattern, number):
            filled = tuple(argument.format(**matched.groupdict()) for argument in arguments)
            return Route(path, (f"account={account_id}", *filled))
    raise BadArgument(
        f"{number!r} leads nowhere: dial *97 (your mailbox), *98 (any mailbox), *98 and its number, or a number"
    )
