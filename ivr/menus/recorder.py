"""Recording somebody: the take, the beep, the review, and what is kept when they hang up.

One way for a caller's message, for an intro, and for an owner's greetings and name.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from ivr.errors import BoxGone, HungUp
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.store import Take
from ivr.menus.menu import Menu
from ivr.menus.review import Choice, Review


class Recorder(Menu):
    """A menu that records. `_begin` and `_keep` say what a take is for; hanging up keeps it."""

    async def record(self, mailbox: Mailbox) -> bool:
        """Record until something is kept, or chosen not to be; whether it was kept.

        `mailbox` is the box whose limits hold: longest recording, silence, shortest recording.
        """
        take, _ = await self._until_chosen(mailbox)
        return await self._settle(take, mailbox)

    async def _until_chosen(self, mailbox: Mailbox, found: Take | None = None) -> tuple[Take, Choice]:
        """Record, from the beep on, until something else than to record again is chosen.

        `found`: what was recorded in an earlier call, to begin with its review.
        """
        while True:
            take: Take = found if found else await self.call.work(self._begin())
            choice = await self._one_take(take, mailbox, recorded=found is not None)
            if choice is not Choice.AGAIN:
                return take, choice
            await self.call.work(self.mailroom.takes.drop(take))
            found = None

    @abstractmethod
    async def _begin(self) -> Take:
        """A new take: its row committed, its file not there yet."""

    @abstractmethod
    async def _keep(self, take: Take) -> None:
        """The take becomes what it is for. Raises `IvrError`: then it stays a take, and the next start tries again."""

    async def _too_short(self, take: Take) -> None:
        """What becomes of a take under the minimum length."""
        await self.mailroom.takes.drop(take)

    async def _review(self, take: Take, mailbox: Mailbox, length_ms: int) -> Choice:
        """What the person wants done with it."""
        return await Review(self.visit, mailbox.keys, take, length_ms).run()

    async def _one_take(self, take: Take, mailbox: Mailbox, *, recorded: bool) -> Choice:
        try:
            if not recorded:
                longest_ms = await self.call.work(self._longest_ms(mailbox))
                await self.call.answer()
                await self._beep()
                silence_ms = self._silence_ms(mailbox)
                await self.call.record(Path(take.path), longest_ms=longest_ms, silence_ms=silence_ms)
            length_ms = self.mailroom.takes.length_ms(take)
            if length_ms < mailbox.system.min_message_size:
                return Choice.NONE
            return await self._review(take, mailbox, length_ms)
        except HungUp:
            await self._hung_up(take, mailbox)
            raise

    async def _hung_up(self, take: Take, mailbox: Mailbox) -> None:
        """What becomes of what was said until then."""
        await self._settle(take, mailbox)

    def _is_long_enough(self, take: Take, mailbox: Mailbox) -> bool:
        return self.mailroom.takes.length_ms(take) >= mailbox.system.min_message_size

    async def _settle(self, take: Take, mailbox: Mailbox) -> bool:
        long_enough = self._is_long_enough(take, mailbox)
        try:
            await self.call.work(self._keep(take) if long_enough else self._too_short(take))
        except BoxGone:
            await self.mailroom.takes.drop(take)  # No start can ever make a message of it.
            raise
        return long_enough

    async def _beep(self) -> None:
        """Keys in it mean nothing."""
        await self.call.play([await self.sound("tone/beep")], keys="")

    async def _longest_ms(self, mailbox: Mailbox) -> int:
        """Node, then box, then system (kazoo-behaviour §1.1)."""
        asked = self.call.arrival.arguments.max_message_length
        return 1000 * (asked or mailbox.settings.max_message_length or mailbox.system.max_message_length)

    def _silence_ms(self, mailbox: Mailbox) -> int:
        """A silence hit is a second (kazoo-behaviour §1.3)."""
        own = mailbox.settings.silence_hits
        return 1000 * (mailbox.system.silence_hits if own is None else own)
