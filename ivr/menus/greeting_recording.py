"""Recording an owner's greeting, temporary greeting or name.

A recording comes into use only after the owner has confirmed it. If the call ends before that, the owner is asked again
at the next sign-in.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum, auto

import structlog

from ivr.call.base import DigitsEndReason
from ivr.errors import BoxFull, HungUp, InvalidAudio, IvrError, NotFound
from ivr.mailbox.greetings import end_of_day, greeting_setting
from ivr.mailbox.mailbox import Mailbox
from ivr.menus.context import OwnerSession
from ivr.menus.menu import Menu, prompt_for
from ivr.menus.recorder import Recorder
from ivr.menus.review import Review, ReviewChoice
from ivr.prompts.language import Language
from ivr.prompts.voice import Prompt
from ivr.storage.records import AuditAction, RecordingPurpose, Take

MAX_DURATION_TRIES = 3
MAX_DAYS = 365
NO_EXPIRY = 0

RECORD_PROMPTS = {
    RecordingPurpose.GREETING: "settings/record-greeting",
    RecordingPurpose.BUSY_GREETING: "settings/record-busy",
    RecordingPurpose.TEMPORARY_GREETING: "settings/record-temporary",
    RecordingPurpose.NAME: "settings/record-name",
}
RECOVERED_PROMPTS = {
    RecordingPurpose.GREETING: "settings/found-greeting",
    RecordingPurpose.BUSY_GREETING: "settings/found-busy",
    RecordingPurpose.TEMPORARY_GREETING: "settings/found-temporary",
    RecordingPurpose.NAME: "settings/found-name",
}
"""The announcement of a recording that an earlier call left unconfirmed."""

REVIEW_OPTIONS = {"save": "use-recording", "listen": "listen", "record": "record-again", "discard": "discard"}

log = structlog.get_logger()


class RecordingOutcome(Enum):
    USED = auto()
    DISCARDED = auto()
    """The owner discarded it."""
    TOO_SHORT = auto()
    UNDECIDED = auto()
    """The owner is asked again at the next sign-in."""


class RecordGreeting(Recorder):
    """One recording for one purpose: from the beep, or from the take of an earlier call, to its activation."""

    def __init__(self, session: OwnerSession, purpose: RecordingPurpose) -> None:
        super().__init__(session.call_context)
        self._session = session
        self._mailbox = session.mailbox
        self._purpose = purpose

    async def run(self) -> RecordingOutcome:
        """Complete the take of an earlier call, if there is one; otherwise record a new one."""
        suspended = await self.call.run_while_listening(self.services.takes.list_awaiting_owner(self._mailbox.id))
        existing_take = next((take for take in suspended if take.purpose is self._purpose), None)
        if existing_take:
            await self.say(RECOVERED_PROMPTS[self._purpose])
        else:  # Any key goes to the beep at once, so it is not pushed back.
            await self.call.play([await self.render(RECORD_PROMPTS[self._purpose])])
        return await self.complete_recording(existing_take)

    async def complete_recording(self, existing_take: Take | None = None) -> RecordingOutcome:
        """Record, or review `existing_take`, until the owner has decided."""
        take, choice = await self._record_until_choice(self._mailbox, existing_take)
        if await self.call.run_while_listening(self._is_insufficient(take, self._mailbox)):
            await self.call.run_while_listening(self.services.takes.discard(take))
            if existing_take and take.id == existing_take.id:
                # Its file is gone: another call to the same mailbox has completed it.
                await self.reject("settings/not-kept")
                return RecordingOutcome.DISCARDED
            await self.reject(self._shortfall_prompt)
            return RecordingOutcome.TOO_SHORT
        if choice is ReviewChoice.SAVE:
            return await self._activate(take)
        if choice is ReviewChoice.DISCARD:
            await self.call.run_while_listening(self.services.takes.discard(take))
            await self.say("settings/not-kept")
            return RecordingOutcome.DISCARDED
        return await self._suspend_undecided(take)

    async def _activate(self, take: Take) -> RecordingOutcome:
        days = None
        if self._purpose is RecordingPurpose.TEMPORARY_GREETING:
            days = await self._ask_days(take)
            if days is None:
                return await self._suspend_undecided(take)
        try:
            media = await self.call.run_while_listening(
                self.services.greetings.activate(take, self._mailbox, days=days or None)
            )
        except NotFound:  # Another call to the same mailbox has completed it.
            await self.reject("settings/not-kept")
            return RecordingOutcome.DISCARDED
        except IvrError as error:
            log.error("recording.activation_failed", take=take.id, error=str(error))
            await self.reject("settings/no-room" if isinstance(error, BoxFull) else prompt_for(error))
            return await self._suspend_undecided(take)
        self.call.journal.note("in use", media=media.id, kind=media.kind)
        self._session.record(AuditAction.SETTINGS_CHANGED, [greeting_setting(media.kind)])
        await self.say("done/saved", *self._expiry_prompts(days))
        return RecordingOutcome.USED

    async def _ask_days(self, take: Take) -> int | None:
        try:
            return await GreetingDuration(self.call_context).run()
        except HungUp:
            await self._suspend(take)
            raise

    def _expiry_prompts(self, days: int | None) -> tuple[Prompt, ...]:
        if days is None:
            return ()
        now = self._mailbox.local_time(self.services.clock.now())
        expires_at = self._mailbox.local_time(end_of_day(days, now)) if days else None
        return (temporary_greeting_prompt(self.language, expires_at, now),)

    async def _suspend_undecided(self, take: Take) -> RecordingOutcome:
        await self.call.run_while_listening(self._suspend(take))
        await self.reject("settings/not-in-use")
        return RecordingOutcome.UNDECIDED

    async def _suspend(self, take: Take) -> None:
        try:
            await self.services.takes.mark_awaiting_owner(take)
        except (NotFound, InvalidAudio) as error:
            log.warning("take.discarded", take=take.id, reason=str(error))
            await self.services.takes.discard(take)

    async def _begin_take(self) -> Take:
        return await self.services.takes.begin(
            self._mailbox.account_id, self._mailbox.id, self._purpose, self.call_context.recording_source
        )

    async def _store_take(self, take: Take) -> None:
        await self._suspend(take)

    async def _review_take(self, take: Take, mailbox: Mailbox, length_ms: int) -> ReviewChoice:
        return await Review(self.call_context, mailbox.key_map, take, length_ms, REVIEW_OPTIONS).run()

    async def _max_duration_ms(self, mailbox: Mailbox) -> int:
        return mailbox.max_greeting_length_ms


class GreetingDuration(Menu):
    """Asks for how many days a temporary greeting is used; today is the first."""

    async def run(self) -> int | None:
        """Return the number of days, or `NO_EXPIRY` for `#` alone; None after `*` and after three invalid entries."""
        for _ in range(MAX_DURATION_TRIES):
            entry = await self.ask_digits("settings/how-many-days", "entry/cancel", max_digits=len(str(MAX_DAYS)))
            if entry.is_cancelled:
                return None
            if not entry.digits and entry.end_reason is DigitsEndReason.TERMINATOR:
                return NO_EXPIRY
            if entry.digits.isdigit() and 1 <= int(entry.digits) <= MAX_DAYS:
                return int(entry.digits)
            await self.reject("entry/invalid")
        return None


def temporary_greeting_prompt(language: Language, expires_at: datetime | None, now: datetime) -> Prompt:
    """Return the notice that the temporary greeting is in use, with its last day if it expires.

    Both times are in the owner's time zone.
    """
    if expires_at is None:
        return "settings/temporary-in-use"
    last_day = (expires_at - timedelta(seconds=1)).date()
    return ("settings/temporary-in-use-through", *language.day(last_day, now.date()))
