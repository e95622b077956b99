"""What may go into an action: a line break in a value would begin an action of somebody else's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ivr.errors import BadInput

Action = Mapping[str, str | Sequence[str]]

MAX_LINE_LENGTH = 1000
"""Asterisk reads lines of 1024 bytes at most."""
MAX_LINES = 120
"""And 128 of them."""
_HEADER_NAME = re.compile(r"[A-Za-z]+", re.ASCII)
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def validate_action(action: Action) -> dict[str, str | list[str]]:
    """The same action, fit to be sent. Raises `BadInput`, which does not repeat the value: it may be a secret."""
    result: dict[str, str | list[str]] = {}
    lines = 0
    for name, value in action.items():
        if not _HEADER_NAME.fullmatch(name):
            raise BadInput(f"an action has no header {name!r}")
        values = [value] if isinstance(value, str) else list(value)
        for one in values:
            if _CONTROL_CHARACTER.search(one):
                raise BadInput(f"{name}: a value with a control character in it is never sent to Asterisk")
            if len(name) + 2 + len(one.encode()) > MAX_LINE_LENGTH:
                raise BadInput(f"{name}: the value is too long for Asterisk's manager")
        lines += len(values)
        result[name] = value if isinstance(value, str) else values
    if lines > MAX_LINES:
        raise BadInput(f"an action of {lines} lines is too long for Asterisk's manager")
    return result
