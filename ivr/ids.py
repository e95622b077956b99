"""Identities: random, never a sequence number, so nothing is ever renumbered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime


class IdGenerator:
    """`random_bytes(n)` gives n random bytes."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes

    def new_document_id(self) -> str:
        """32 hex digits: an account, a user, a box, a media file, a take."""
        return self._random_bytes(16).hex()

    def new_message_id(self, time: float) -> str:
        """`YYYYMM-` and 32 hex digits, the month being that of the message in UTC (kazoo-behaviour §3.2)."""
        return f"{datetime.fromtimestamp(time, UTC):%Y%m}-{self.new_document_id()}"
