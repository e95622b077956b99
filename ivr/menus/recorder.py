"""Recording somebody: the take, the beep, the review, and what is kept when they hang up.

One way for a caller's message, for an intro, and for an owner's greetings and name.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from ivr.errors import BoxDeleted, HungUp
from ivr.mailbox.mailbox import Mailbox
from ivr.menus.menu import Menu
from ivr.menus.review import Review, ReviewChoice
from ivr.storage.records import Take


class Recorder(Menu):
    """A menu that records. `_begin` and `_keep` say what a take is for; hanging up keeps it."""

    async def record(self, mailbox: Mailbox) -> bool:
        """Record until something is kept, or chosen not to be; whether it was kept.

        `mailbox` is the box whose limits hold: longest recording, silence, shortest recording.
        """
        take, _ = await self._record_until_choice(mailbox)
        return await self._store_or_discard(take, mailbox)

    async def _record_until_choice(
        self, mailbox: Mailbox, existing_take: Take | None = None
    ) -> tuple[Take, ReviewChoice]:
        """Record, from the beep on, until something else than to record again is chosen.

        `found`: what was recorded in an earlier call, to begin with its review.
        """
        while True:
            take: Take = existing_take if existing_take else await self.call.run_while_listening(self._begin_take())
            choice = await self._record_once(take, mailbox, skip_recording=existing_take is not None)
            if choice is not ReviewChoice.RECORD_AGAIN:
                return take, choice
            await self.call.run_while_listening(self.services.takes.drop(take))
            existing_take = None

    @abstractmethod
    async def _begin_take(self) -> Take:
        """A new take: its row committed, its file not there yet."""

    @abstractmethod
    async def _store_take(self, take: Take) -> None:
        """The take becomes what it is for. Raises `IvrError`: then it stays a take, and the next start tries again."""

    async def _handle_short_take(self, take: Take) -> None:
        """What becomes of a take under the minimum length."""
        await self.services.takes.drop(take)

    async def _review_take(self, take: Take, mailbox: Mailbox, length_ms: int) -> ReviewChoice:
        """What the person wants done with it."""
        return await Review(self.call_context, mailbox.keys, take, length_ms).run()

    async def _record_once(self, take: Take, mailbox: Mailbox, *, skip_recording: bool) -> ReviewChoice:
        try:
            if not skip_recording:
                longest_ms = await self.call.run_while_listening(self._max_duration_ms(mailbox))
                await self.call.answer()
                await self._play_beep()
                silence_ms = self._max_silence_ms(mailbox)
                await self.call.record(Path(take.path), max_length_ms=longest_ms, silence_ms=silence_ms)
            length_ms = self.services.takes.length_ms(take)
            if length_ms < mailbox.system.min_message_size:
                return ReviewChoice.NONE
            return await self._review_take(take, mailbox, length_ms)
        except HungUp:
            await self._on_hangup(take, mailbox)
            raise

    async def _on_hangup(self, take: Take, mailbox: Mailbox) -> None:
        """What becomes of what was said until then."""
        await self._store_or_discard(take, mailbox)

    def _is_long_enough(self, take: Take, mailbox: Mailbox) -> bool:
        return self.services.takes.length_ms(take) >= mailbox.system.min_message_size

    async def _store_or_discard(self, take: Take, mailbox: Mailbox) -> bool:
        long_enough = self._is_long_enough(take, mailbox)
        try:
            await self.call.run_while_listening(
                self._store_take(take) if long_enough else self._handle_short_take(take)
            )
        except BoxDeleted:
            await self.services.takes.drop(take)  # No start can ever make a message of it.
            raise
        return long_enough

    async def _play_beep(self) -> None:
        """Keys in it mean nothing."""
        await self.call.play([await self.render("tone/beep")], keys="")

    async def _max_duration_ms(self, mailbox: Mailbox) -> int:
        """Node, then box, then system (kazoo-behaviour §1.1)."""
        asked = self.call.incoming.arguments.max_message_length
        return 1000 * (asked or mailbox.settings.max_message_length or mailbox.system.max_message_length)

    def _max_silence_ms(self, mailbox: Mailbox) -> int:
        """A silence hit is a second (kazoo-behaviour §1.3)."""
        own = mailbox.settings.silence_hits
        return 1000 * (mailbox.system.silence_hits if own is None else own)
