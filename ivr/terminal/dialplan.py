"""Routing of dialled numbers, as in `asterisk-conf/extensions.conf`, for a phone without Asterisk."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ivr.errors import BadArgument


@dataclass(frozen=True, slots=True)
class Route:
    """The path of the AGI URL for a number, and its arguments."""

    path: str
    arguments: tuple[str, ...]


ROUTES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (r"\*97", "check", ("single_mailbox_login=true",)),
    (r"\*98", "check", ()),
    (r"\*98(?P<number>\d+)", "check", ("number={number}",)),
    (r"(?P<number>\d+)", "leave", ("number={number}",)),
)


def find_route(number: str, account_id: str) -> Route:
    """Return the route of a dialled number. Raises `BadArgument` if the dialplan has no extension for it."""
    for pattern, path, arguments in ROUTES:
        if match := re.fullmatch(pattern, number):
            words = tuple(argument.format(**match.groupdict()) for argument in arguments)
            return Route(path, (f"account={account_id}", *words))
    raise BadArgument(
        f"no extension {number!r}: dial *97 (your mailbox), *98 (any mailbox), *98 and a number, or a number"
    )
