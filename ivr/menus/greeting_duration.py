"""How long a temporary greeting is used: the question, and how its end is spoken of (design)."""

from __future__ import annotations

from datetime import datetime, timedelta

from ivr.call.base import DigitsEndReason
from ivr.menus.menu import Menu
from ivr.prompts.language import Language
from ivr.prompts.voice import Prompt

MAX_TRIES = 3
MAX_DAYS = 365
NO_EXPIRY = 0


class GreetingDuration(Menu):
    """For how many days, today being the first."""

    async def run(self) -> int | None:
        """Days, or `NO_END`; None: no answer that makes sense."""
        for _ in range(MAX_TRIES):
            entry = await self.ask_digits("settings/how-many-days", len(str(MAX_DAYS)))
            if not entry.digits and entry.end_reason is DigitsEndReason.TERMINATOR:
                return NO_EXPIRY
            if entry.digits.isdigit() and 1 <= int(entry.digits) <= MAX_DAYS:
                return int(entry.digits)
            await self.reject("entry/invalid")
        return None


def temporary_greeting_prompt(language: Language, expires_at: datetime | None, now: datetime) -> Prompt:
    """That the temporary greeting is in use, and through which day; both times on the owner's clock."""
    if expires_at is None:
        return "settings/temporary-in-use"
    last_day = (expires_at - timedelta(seconds=1)).date()
    return ("settings/temporary-in-use-through", *language.day(last_day, now.date()))
