"""What an owner records of their own: greeting, temporary greeting, name (kazoo-behaviour §2.5).

Nothing is in use before they said so. One whose call ends before that is asked at the next one (design).
"""

from __future__ import annotations

from enum import Enum, auto

import structlog

from ivr.errors import BoxFull, HungUp, InvalidAudio, IvrError, NotFound
from ivr.mailbox.greetings import end_of_day
from ivr.mailbox.mailbox import Mailbox
from ivr.menus.context import OwnerSession
from ivr.menus.greeting_duration import GreetingDuration, temporary_greeting_prompt
from ivr.menus.recorder import Recorder
from ivr.menus.review import Review, ReviewChoice
from ivr.prompts.voice import Prompt
from ivr.storage.records import RecordingPurpose, Take

MAX_DURATION_MS = 300_000
"""Of a greeting or a name (kazoo-behaviour §1.10)."""

RECORD_PROMPTS = {
    RecordingPurpose.GREETING: "settings/record-greeting",
    RecordingPurpose.TEMPORARY: "settings/record-temporary",
    RecordingPurpose.NAME: "settings/record-name",
}
RECOVERED_PROMPTS = {
    RecordingPurpose.GREETING: "settings/found-greeting",
    RecordingPurpose.TEMPORARY: "settings/found-temporary",
    RecordingPurpose.NAME: "settings/found-name",
}
"""How a recording of an earlier call is spoken of."""

REVIEW_OPTIONS = {"save": "use-recording", "listen": "listen", "record": "record-again", "discard": "discard"}

log = structlog.get_logger()


class RecordingOutcome(Enum):
    USED = auto()
    DISCARDED = auto()
    """Its owner does not want it."""
    TOO_SHORT = auto()
    UNDECIDED = auto()
    """Its owner is asked again at the next call."""


class RecordGreeting(Recorder):
    """One recording for one purpose: from its beep, or from where an earlier call left it, to its use."""

    def __init__(self, session: OwnerSession, purpose: RecordingPurpose) -> None:
        super().__init__(session.call_context)
        self._mailbox = session.mailbox
        self._purpose = purpose

    async def run(self) -> RecordingOutcome:
        """What an earlier call left is offered before anything new is recorded."""
        aside = await self.call.run_while_listening(self.services.takes.aside(self._mailbox.id))
        found = next((take for take in aside if take.purpose is self._purpose), None)
        if found:
            await self.say(RECOVERED_PROMPTS[self._purpose])
        else:
            await self.call.play(
                [await self.render(RECORD_PROMPTS[self._purpose])]
            )  # Any key goes to the beep at once.
        return await self.complete_recording(found)

    async def complete_recording(self, existing_take: Take | None = None) -> RecordingOutcome:
        """Record, or go on with what was `found`, until its owner decided."""
        take, choice = await self._record_until_choice(self._mailbox, existing_take)
        if not self._is_long_enough(take, self._mailbox):
            await self.call.run_while_listening(self.services.takes.drop(take))
            if (
                existing_take and take.id == existing_take.id
            ):  # Its file has gone: another call of the same box was faster.
                await self.reject("settings/not-kept")
                return RecordingOutcome.DISCARDED
            await self.reject("greeting/too-short")
            return RecordingOutcome.TOO_SHORT
        if choice is ReviewChoice.SAVE:
            return await self._activate(take)
        if choice is ReviewChoice.DISCARD:
            await self.call.run_while_listening(self.services.takes.drop(take))
            await self.say("settings/not-kept")
            return RecordingOutcome.DISCARDED
        return await self._suspend_undecided(take)

    async def _activate(self, take: Take) -> RecordingOutcome:
        days = None
        if self._purpose is RecordingPurpose.TEMPORARY:
            days = await self._ask_days(take)
            if days is None:
                return await self._suspend_undecided(take)
        try:
            media = await self.call.run_while_listening(
                self.services.greetings.use(take, self._mailbox, days=days or None)
            )
        except NotFound:  # The same.
            await self.reject("settings/not-kept")
            return RecordingOutcome.DISCARDED
        except IvrError as error:
            log.error("recording.not_used", take=take.id, reason=str(error))
            await self.reject("settings/no-room" if isinstance(error, BoxFull) else "problem/not-done")
            return await self._suspend_undecided(take)
        self.call.journal.note("in use", media=media.id, kind=media.kind)
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
        now = self._mailbox.local(self.services.clock.now())
        ends = self._mailbox.local(end_of_day(days, now)) if days else None
        return (temporary_greeting_prompt(self.language, ends, now),)

    async def _suspend_undecided(self, take: Take) -> RecordingOutcome:
        await self.call.run_while_listening(self._suspend(take))
        await self.reject("settings/not-in-use")
        return RecordingOutcome.UNDECIDED

    async def _suspend(self, take: Take) -> None:
        try:
            await self.services.takes.put_aside(take)
        except (NotFound, InvalidAudio) as reason:
            log.warning("take.dropped", take=take.id, reason=str(reason))
            await self.services.takes.drop(take)

    async def _begin_take(self) -> Take:
        return await self.services.takes.begin(
            self._mailbox.account_id, self._mailbox.id, self._purpose, self.call_context.recording_source
        )

    async def _store_take(self, take: Take) -> None:
        await self._suspend(take)

    async def _review_take(self, take: Take, mailbox: Mailbox, length_ms: int) -> ReviewChoice:
        return await Review(self.call_context, mailbox.keys, take, length_ms, REVIEW_OPTIONS).run()

    async def _max_duration_ms(self, mailbox: Mailbox) -> int:
        return MAX_DURATION_MS
