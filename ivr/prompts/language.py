"""The interface of a language. Each language is one module of these functions, such as `english`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Protocol

ClipKeys = tuple[str, ...]
"""Keys of the catalogue, in the order in which they are played."""


class Language(Protocol):
    """The sentences that menus put together, as clips of one language."""

    def message_counts(self, new: int, saved: int, urgent: int = 0) -> ClipKeys:
        """How many messages there are. `urgent`: how many of the new ones are urgent."""

    def message_number(self, n: int, *, urgent: bool = False, folder: str | None = None) -> ClipKeys:
        """The number of a message. `folder`: the folder that this call has moved it to."""

    def day(self, local_date: date, today: date) -> ClipKeys:
        """A day, relative to `today`."""

    def received_time(self, received_at: datetime, now: datetime, *, hours_24: bool = False) -> ClipKeys:
        """When a message was left. Both times are in the owner's time zone. `hours_24`: use the 24-hour clock."""

    def caller_and_time(
        self, caller: ClipKeys, received_at: datetime, now: datetime, *, hours_24: bool = False
    ) -> ClipKeys:
        """Who left a message, and when. `caller`: from `caller_id`; the rest as for `received_time`."""

    def forwarded_by(self, sender: ClipKeys) -> ClipKeys:
        """Who forwarded a message."""

    def caller_id(self, caller_number: str) -> ClipKeys:
        """A caller's number, or that it is unknown."""

    def length(self, ms: int) -> ClipKeys:
        """A duration in milliseconds."""

    def spell(self, text: str) -> ClipKeys:
        """A text, character by character."""

    def pin_length(self, shortest: int, longest: int) -> ClipKeys:
        """How many digits a PIN has."""

    def menu_option(self, action: str, key: str, *, short: bool = False) -> ClipKeys:
        """One option of a menu. `action`: a key of the tables `to` and `short`; `short`: use the short form."""
