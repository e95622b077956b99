"""Validation of AMI actions: rejects control characters, because a line break in a value would start another header."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ivr.errors import BadInput

Action = Mapping[str, str | Sequence[str]]
"""Header names and values of one action. A sequence is sent as one header for each value."""

MAX_LINE_LENGTH = 1000
"""Bytes of one header. Asterisk reads lines of 1024 bytes at most."""
MAX_LINES = 120
"""Headers of one action. Asterisk reads 128 at most."""
_HEADER_NAME = re.compile(r"[A-Za-z]+", re.ASCII)
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def validate_action(action: Action) -> dict[str, str | list[str]]:
    """Return a copy of the action that is safe to send.

    Raises `BadInput`. The error text never contains the value, because it may be a secret.
    """
    result: dict[str, str | list[str]] = {}
    lines = 0
    for name, value in action.items():
        if not _HEADER_NAME.fullmatch(name):
            raise BadInput(f"invalid AMI header name {name!r}: only letters are allowed")
        values = [value] if isinstance(value, str) else list(value)
        for one in values:
            if _CONTROL_CHARACTER.search(one):
                raise BadInput(f"AMI header {name}: the value contains a control character and was not sent")
            if len(name) + 2 + len(one.encode()) > MAX_LINE_LENGTH:
                raise BadInput(f"AMI header {name}: the value is too long, at most {MAX_LINE_LENGTH} bytes a line")
        lines += len(values)
        result[name] = value if isinstance(value, str) else values
    if lines > MAX_LINES:
        raise BadInput(f"AMI action with {lines} headers is too long, at most {MAX_LINES}")
    return result
