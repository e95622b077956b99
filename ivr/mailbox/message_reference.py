"""References of messages: digits that a phone dials, in place of an id with letters.

A reference is the month of the id and its first 32 random bits as ten digits: `202611` and `0305419896` for the id
`202611-12345678…`. It is looked up in one mailbox only.
"""

from __future__ import annotations

import re

_MESSAGE_ID = re.compile(r"(?P<month>[0-9]{6})-(?P<random>[0-9a-f]{8})[0-9a-f]{24}")
_REFERENCE = re.compile(r"(?P<month>[0-9]{6})(?P<random>[0-9]{10})")


def message_reference(message_id: str) -> str:
    """Return the reference of a message; "" for an id of another form."""
    found = _MESSAGE_ID.fullmatch(message_id)
    return f"{found['month']}{int(found['random'], 16):010}" if found else ""


def id_prefix(reference: str) -> str | None:
    """Return how the id of a message begins; None if no message has this reference."""
    found = _REFERENCE.fullmatch(reference)
    if found is None or (random := int(found["random"])) >= 2**32:
        return None
    return f"{found['month']}-{random:08x}"
