"""How many mailboxes are full or nearly full, counted a page at a time, so that 100,000 of them delay no call."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ivr.clock import Clock
from ivr.mailbox.mailbox import Occupancy
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.storage.protocols import StatisticsStore
from ivr.storage.records import BoxContent

NEARLY_FULL_PERCENT = 80
PAGE_SIZE = 1000
"""Mailboxes of one page: about 30 ms of a reader of the database."""


class Fill(StrEnum):
    """How full a mailbox is."""

    NORMAL = "normal"
    NEARLY_FULL = "nearly_full"
    FULL = "full"
    """Callers are rejected."""


@dataclass(frozen=True, slots=True)
class FillCount:
    """The number of mailboxes of each fill level, and when the last of them was counted (Unix s)."""

    boxes: Mapping[Fill, int]
    counted_at: int


class FillCounter:
    """Counts the mailboxes of an installation by their fill level."""

    def __init__(
        self,
        store: StatisticsStore,
        voicemail_settings: VoicemailSettings,
        clock: Clock,
        *,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._store = store
        self._default_max_messages = voicemail_settings.max_message_count
        self._clock = clock
        self._page_size = page_size
        self._after = ""
        self._counted: Counter[Fill] = Counter()
        self._complete: FillCount | None = None
        self._lock = asyncio.Lock()
        """Two clients that ask at the same time count two pages, not one page twice."""

    async def advance(self) -> FillCount | None:
        """Count the next page, and return the last complete count; None before there is one. Raises `StoreError`."""
        async with self._lock:
            page = await self._store.box_content_page(self._after, self._page_size)
            self._counted.update(map(self._fill_of, page))
            if len(page) == self._page_size:
                self._after = page[-1].box_id
            else:
                boxes = {fill: self._counted[fill] for fill in Fill}
                self._complete = FillCount(boxes, int(self._clock.now()))
                self._after, self._counted = "", Counter()
            return self._complete

    def _fill_of(self, box: BoxContent) -> Fill:
        max_messages = self._default_max_messages if box.max_messages is None else box.max_messages
        occupancy = Occupancy(
            messages=box.messages,
            new_messages=0,
            max_messages=max_messages,
            size_bytes=box.used_bytes,
            quota_bytes=box.quota_bytes,
        )
        if occupancy.is_full:
            return Fill.FULL
        return Fill.NEARLY_FULL if occupancy.percent >= NEARLY_FULL_PERCENT else Fill.NORMAL
