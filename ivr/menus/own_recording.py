"""What an owner records of their own: greeting, temporary greeting, name (kazoo-behaviour §2.5).

Nothing is in use before they said so. One whose call ends before that is asked at the next one (design).
"""

from __future__ import annotations

from enum import Enum, auto

import structlog

from ivr.errors import AudioRefused, BoxFull, HungUp, IvrError, NotFound
from ivr.mailbox.greetings import end_of_day
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.store import Purpose, Take
from ivr.menus.how_long import HowLong, temporary_in_use
from ivr.menus.recorder import Recorder
from ivr.menus.review import Choice, Review
from ivr.menus.visit import Session
from ivr.prompts.voice import Meaning

LONGEST_MS = 300_000
"""Of a greeting or a name (kazoo-behaviour §1.10)."""

ASKS = {
    Purpose.GREETING: "settings/record-greeting",
    Purpose.TEMPORARY: "settings/record-temporary",
    Purpose.NAME: "settings/record-name",
}
FOUND = {
    Purpose.GREETING: "settings/found-greeting",
    Purpose.TEMPORARY: "settings/found-temporary",
    Purpose.NAME: "settings/found-name",
}
"""How a recording of an earlier call is spoken of."""

OFFERS = {"save": "use-recording", "listen": "listen", "record": "record-again", "discard": "discard"}

log = structlog.get_logger()


class Outcome(Enum):
    USED = auto()
    DISCARDED = auto()
    """Its owner does not want it."""
    TOO_SHORT = auto()
    UNDECIDED = auto()
    """Its owner is asked again at the next call."""


class OwnRecording(Recorder):
    """One recording for one purpose: from its beep, or from where an earlier call left it, to its use."""

    def __init__(self, session: Session, purpose: Purpose) -> None:
        super().__init__(session.visit)
        self._mailbox = session.mailbox
        self._purpose = purpose

    async def run(self) -> Outcome:
        """What an earlier call left is offered before anything new is recorded."""
        aside = await self.call.work(self.mailroom.takes.aside(self._mailbox.id))
        found = next((take for take in aside if take.purpose is self._purpose), None)
        if found:
            await self.say(FOUND[self._purpose])
        else:
            await self.call.play([await self.sound(ASKS[self._purpose])])  # Any key goes to the beep at once.
        return await self.decide(found)

    async def decide(self, found: Take | None = None) -> Outcome:
        """Record, or go on with what was `found`, until its owner decided."""
        take, choice = await self._until_chosen(self._mailbox, found)
        if not self._is_long_enough(take, self._mailbox):
            await self.call.work(self.mailroom.takes.drop(take))
            if found and take.id == found.id:  # Its file has gone: another call of the same box was faster.
                await self.refuse("settings/not-kept")
                return Outcome.DISCARDED
            await self.refuse("greeting/too-short")
            return Outcome.TOO_SHORT
        if choice is Choice.SAVE:
            return await self._use(take)
        if choice is Choice.DISCARD:
            await self.call.work(self.mailroom.takes.drop(take))
            await self.say("settings/not-kept")
            return Outcome.DISCARDED
        return await self._leave_undecided(take)

    async def _use(self, take: Take) -> Outcome:
        days = None
        if self._purpose is Purpose.TEMPORARY:
            days = await self._ask_days(take)
            if days is None:
                return await self._leave_undecided(take)
        try:
            media = await self.call.work(self.mailroom.greetings.use(take, self._mailbox, days=days or None))
        except NotFound:  # The same.
            await self.refuse("settings/not-kept")
            return Outcome.DISCARDED
        except IvrError as error:
            log.error("recording.not_used", take=take.id, reason=str(error))
            await self.refuse("settings/no-room" if isinstance(error, BoxFull) else "problem/not-done")
            return await self._leave_undecided(take)
        self.call.journal.note("in use", media=media.id, kind=media.kind)
        await self.say("done/saved", *self._until_when(days))
        return Outcome.USED

    async def _ask_days(self, take: Take) -> int | None:
        try:
            return await HowLong(self.visit).run()
        except HungUp:
            await self._put_aside(take)
            raise

    def _until_when(self, days: int | None) -> tuple[Meaning, ...]:
        if days is None:
            return ()
        now = self._mailbox.local(self.mailroom.clock.now())
        ends = self._mailbox.local(end_of_day(days, now)) if days else None
        return (temporary_in_use(self.rules, ends, now),)

    async def _leave_undecided(self, take: Take) -> Outcome:
        await self.call.work(self._put_aside(take))
        await self.refuse("settings/not-in-use")
        return Outcome.UNDECIDED

    async def _put_aside(self, take: Take) -> None:
        try:
            await self.mailroom.takes.put_aside(take)
        except (NotFound, AudioRefused) as reason:
            log.warning("take.dropped", take=take.id, reason=str(reason))
            await self.mailroom.takes.drop(take)

    async def _begin(self) -> Take:
        return await self.mailroom.takes.begin(
            self._mailbox.account_id, self._mailbox.id, self._purpose, self.visit.source
        )

    async def _keep(self, take: Take) -> None:
        await self._put_aside(take)

    async def _review(self, take: Take, mailbox: Mailbox, length_ms: int) -> Choice:
        return await Review(self.visit, mailbox.keys, take, length_ms, OFFERS).run()

    async def _longest_ms(self, mailbox: Mailbox) -> int:
        return LONGEST_MS
