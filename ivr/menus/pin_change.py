"""Choosing a new PIN. Its digits appear in no journal and no log."""

from __future__ import annotations

from ivr.menus.menu import OwnerMenu

MAX_TRIES = 3


class PinChange(OwnerMenu):
    """Asks for the new PIN twice. The old PIN is not asked for: the call is signed in already."""

    async def run(self) -> bool:
        """Return whether a new PIN was set. A rejected PIN is followed by the reason."""
        for _ in range(MAX_TRIES):
            pin = await self._ask_pin("pin/enter-new")
            if weakness := self.services.pins.find_weakness(self.mailbox, pin):
                await self.reject(f"pin/{weakness}")
            elif await self._ask_pin("pin/enter-again") != pin:
                await self.reject("pin/mismatch")
            else:
                await self.call.run_while_listening(self.services.pins.set_by_owner(self.mailbox, pin))
                self.call.journal.note("pin changed")
                await self.say("done/pin-set")
                return True
        return False

    async def _ask_pin(self, prompt: str) -> str:
        return (await self.ask_digits(prompt, self.mailbox.voicemail_settings.max_pin_length, secret=True)).digits
