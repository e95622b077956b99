"""Random ids. They are never sequence numbers, so nothing is ever renumbered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC

from ivr.clock import date_of

REQUEST_IDS = 64
"""Ids of requests for which random bytes are drawn at once."""


class IdGenerator:
    """Generates ids from `random_bytes(n)`, which returns n random bytes."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._bytes_for_requests = b""

    def new_document_id(self) -> str:
        """Return 32 hex digits: the id of an account, user, box, media file, take or call."""
        return self._random_bytes(16).hex()

    def new_request_id(self) -> str:
        """Return 32 hex digits. Bytes for many are drawn at once: the system call would let another thread run."""
        if not self._bytes_for_requests:
            self._bytes_for_requests = self._random_bytes(16 * REQUEST_IDS)
        taken, self._bytes_for_requests = self._bytes_for_requests[:16], self._bytes_for_requests[16:]
        return taken.hex()

    def new_message_id(self, time: float) -> str:
        """Return `YYYYMM-` and 32 hex digits, as Kazoo does. The month is that of `time` (Unix seconds) in UTC."""
        return f"{date_of(time, UTC):%Y%m}-{self.new_document_id()}"
