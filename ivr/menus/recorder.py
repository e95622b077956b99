"""Recording: the take, the beep, the review, and storing the take when the person hangs up.

The base of all menus that record: a caller's message, the intro of a forwarded message, an owner's greetings and name.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from ivr.errors import BoxDeleted, HungUp
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.recording_check import Shortfall
from ivr.menus.menu import Menu
from ivr.menus.review import Review, ReviewChoice
from ivr.storage.records import Take

SHORTFALL_PROMPTS = {Shortfall.TOO_SHORT: "greeting/too-short", Shortfall.NO_SPEECH: "greeting/no-speech"}


class Recorder(Menu):
    """A menu that records. `_begin_take` and `_store_take` define the purpose of a take; hanging up stores it.

    A take that is recorded again is kept until the new one is enough to be stored: a caller who hangs up in between
    loses neither.
    """

    _replaced_take: Take | None = None
    """The take that the current one replaces, until the current one is enough."""
    _shortfall_prompt = SHORTFALL_PROMPTS[Shortfall.TOO_SHORT]
    """Why the last take that was not enough was discarded."""

    async def record(self, mailbox: Mailbox) -> bool:
        """Record until a take is stored or discarded; return whether it was enough to be stored.

        `mailbox` sets the limits: longest recording, silence, shortest recording, speech.
        """
        take, _ = await self._record_until_choice(mailbox)
        return await self._store_or_discard(take, mailbox)

    async def _record_until_choice(
        self, mailbox: Mailbox, existing_take: Take | None = None
    ) -> tuple[Take, ReviewChoice]:
        """Record from the beep on, again and again until another choice than to record again is made.

        `existing_take`: a take of an earlier call; its review comes first.
        """
        while True:
            take: Take = existing_take if existing_take else await self.call.run_while_listening(self._begin())
            choice = await self._record_once(take, mailbox, skip_recording=existing_take is not None)
            if choice is ReviewChoice.RECORD_AGAIN:
                self._replaced_take, existing_take = take, None
            elif self._replaced_take:  # The new take is not enough, so the earlier one is reviewed again.
                await self.call.run_while_listening(self.services.takes.discard(take))
                existing_take, self._replaced_take = self._replaced_take, None
                await self._announce_shortfall(existing_take, mailbox)
            else:
                return take, choice

    async def _begin(self) -> Take:
        take = await self._begin_take()
        if self._replaced_take:
            await self.services.takes.mark_replacing(take, self._replaced_take)
        return take

    async def _announce_shortfall(self, earlier_take: Take, mailbox: Mailbox) -> None:
        try:
            await self.reject(self._shortfall_prompt)
        except HungUp:
            await self._store_or_discard(earlier_take, mailbox)
            raise

    @abstractmethod
    async def _begin_take(self) -> Take:
        """Return a new take: its row is committed, its file does not exist yet."""

    @abstractmethod
    async def _store_take(self, take: Take) -> None:
        """Turn the take into what it was recorded for.

        After an `IvrError` it remains a take, and the next start of the service recovers it.
        """

    async def _review_take(self, take: Take, mailbox: Mailbox, length_ms: int) -> ReviewChoice:
        """Return what is to become of the take."""
        return await Review(self.call_context, mailbox.key_map, take, length_ms).run()

    async def _record_once(self, take: Take, mailbox: Mailbox, *, skip_recording: bool) -> ReviewChoice:
        try:
            if not skip_recording:
                max_length_ms = await self.call.run_while_listening(self._max_duration_ms(mailbox))
                await self.call.answer()
                await self._play_beep()
                silence_ms = self._max_silence_ms(mailbox)
                await self.call.record(Path(take.path), max_length_ms=max_length_ms, silence_ms=silence_ms)
            if await self.call.run_while_listening(self._is_insufficient(take, mailbox)):
                return ReviewChoice.NONE
            await self.call.run_while_listening(self._discard_replaced_take())
            return await self._review_take(take, mailbox, self.services.takes.length_ms(take))
        except HungUp:
            if self._replaced_take and await self._is_insufficient(take, mailbox):
                await self.services.takes.discard(take)
                take, self._replaced_take = self._replaced_take, None
            await self._discard_replaced_take()
            await self._store_or_discard(take, mailbox)
            raise

    async def _discard_replaced_take(self) -> None:
        replaced, self._replaced_take = self._replaced_take, None
        if replaced:
            await self.services.takes.discard(replaced)

    async def _is_insufficient(self, take: Take, mailbox: Mailbox) -> bool:
        shortfall = await self.services.takes.find_shortfall(take, mailbox)
        if shortfall:
            self._shortfall_prompt = SHORTFALL_PROMPTS[shortfall]
            self.call.journal.note("recording discarded", reason=str(shortfall))
        return shortfall is not None

    async def _store_or_discard(self, take: Take, mailbox: Mailbox) -> bool:
        try:
            return await self.call.run_while_listening(self._store_if_sufficient(take, mailbox))
        except BoxDeleted:
            await self.services.takes.discard(take)  # Recovery could never deliver it.
            raise

    async def _store_if_sufficient(self, take: Take, mailbox: Mailbox) -> bool:
        if await self._is_insufficient(take, mailbox):
            await self.services.takes.discard(take)
            return False
        await self._store_take(take)
        return True

    async def _play_beep(self) -> None:
        """Play the beep. Keys during it are ignored."""
        await self.call.play([await self.render("tone/beep")], keys="")

    async def _max_duration_ms(self, mailbox: Mailbox) -> int:
        """Return the limit of the dialplan, else of the mailbox, else of the system."""
        argument_s = self.call.incoming.arguments.max_message_length
        return 1000 * argument_s if argument_s else mailbox.max_message_length_ms

    def _max_silence_ms(self, mailbox: Mailbox) -> int:
        """Return the silence that ends a recording. Kazoo counts it in hits; one hit is a second."""
        own_hits = mailbox.settings.silence_hits
        return 1000 * (mailbox.voicemail_settings.silence_hits if own_hits is None else own_hits)
