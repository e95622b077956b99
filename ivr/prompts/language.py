"""What a language must know to say: one module of these functions for each (see `english`)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Protocol

Clips = tuple[str, ...]
"""Keys of the catalogue, in the order they are said."""


class Language(Protocol):
    """The meanings that menus speak in."""

    def message_counts(self, new: int, saved: int, urgent: int = 0) -> Clips:
        """How many messages there are; `urgent` of the new ones are urgent."""

    def message_number(self, n: int, *, urgent: bool = False, folder: str | None = None) -> Clips:
        """Which message this is; `folder`: what became of it in this call."""

    def day(self, of: date, today: date) -> Clips:
        """Which day, seen from `today`."""

    def received(self, of: datetime, now: datetime) -> Clips:
        """When it was left, both times on the owner's clock."""

    def call_from(self, caller: str, of: datetime, now: datetime) -> Clips:
        """Who called, and when."""

    def who(self, caller: str) -> Clips:
        """A caller's number."""

    def length(self, ms: int) -> Clips:
        """How long something is."""

    def spelled(self, text: str) -> Clips:
        """Sign by sign."""

    def choice(self, action: str, key: str, *, short: bool = False) -> Clips:
        """One line of a menu; `action` is a key of the tables `to` and `short`."""
