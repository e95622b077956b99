"""What a language must know to say: one module of these functions for each (see `english`)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Protocol

ClipKeys = tuple[str, ...]
"""Keys of the catalogue, in the order they are said."""


class Language(Protocol):
    """The meanings that menus speak in."""

    def message_counts(self, new: int, saved: int, urgent: int = 0) -> ClipKeys:
        """How many messages there are; `urgent` of the new ones are urgent."""

    def message_number(self, n: int, *, urgent: bool = False, folder: str | None = None) -> ClipKeys:
        """Which message this is; `folder`: what became of it in this call."""

    def day(self, local_date: date, today: date) -> ClipKeys:
        """Which day, seen from `today`."""

    def received_time(self, received_at: datetime, now: datetime) -> ClipKeys:
        """When it was left, both times on the owner's clock."""

    def caller_and_time(self, caller_number: str, received_at: datetime, now: datetime) -> ClipKeys:
        """Who called, and when."""

    def caller_id(self, caller_number: str) -> ClipKeys:
        """A caller's number."""

    def length(self, ms: int) -> ClipKeys:
        """How long something is."""

    def spell(self, text: str) -> ClipKeys:
        """Sign by sign."""

    def menu_option(self, action: str, key: str, *, short: bool = False) -> ClipKeys:
        """One line of a menu; `action` is a key of the tables `to` and `short`."""
