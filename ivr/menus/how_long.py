"""How long a temporary greeting is used: the question, and how its end is spoken of (design)."""

from __future__ import annotations

from datetime import datetime, timedelta

from ivr.call.port import EntryEnd
from ivr.menus.menu import Menu
from ivr.prompts.language import Language
from ivr.prompts.voice import Meaning

TRIES = 3
MOST_DAYS = 365
NO_END = 0


class HowLong(Menu):
    """For how many days, today being the first."""

    async def run(self) -> int | None:
        """Days, or `NO_END`; None: no answer that makes sense."""
        for _ in range(TRIES):
            entry = await self.ask_digits("settings/how-many-days", len(str(MOST_DAYS)))
            if not entry.digits and entry.ended_by is EntryEnd.TERMINATOR:
                return NO_END
            if entry.digits.isdigit() and 1 <= int(entry.digits) <= MOST_DAYS:
                return int(entry.digits)
            await self.refuse("entry/invalid")
        return None


def temporary_in_use(rules: Language, ends: datetime | None, now: datetime) -> Meaning:
    """That the temporary greeting is in use, and through which day; both times on the owner's clock."""
    if ends is None:
        return "settings/temporary-in-use"
    last_day = (ends - timedelta(seconds=1)).date()
    return ("settings/temporary-in-use-through", *rules.day(last_day, now.date()))
