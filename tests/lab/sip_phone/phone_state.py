"""What the calls of one phone share, and how they wait for something to have changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.sip_phone.clip_recognition import Vocabulary
from tests.lab.sip_phone.dialog import SipCredentials
from tests.lab.sip_phone.transactions import SipTransactionLayer

if TYPE_CHECKING:
    from tests.lab.sip_phone.call import PhoneCall


class ChangeSignal:
    """Wakes all who wait, whenever it is fired."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def notify_all(self) -> None:
        """Something has changed."""
        waiting, self._waiting = self._waiting, set()
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, at_most_s: float) -> None:
        """Returns at the next change, or when the time is over."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                await waiter
        self._waiting.discard(waiter)

    async def wait_for(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Waits for a condition, looked at on each change; whether it came true in time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while not condition():
            if loop.time() >= deadline:
                return False
            await self.wait(deadline - loop.time())
        return True


@dataclass(frozen=True)
class PhoneState:
    """One phone's port, user, vocabulary, and calls by their Call-ID."""

    agent: SipTransactionLayer
    account: SipCredentials
    vocabulary: Vocabulary
    changes: ChangeSignal
    calls: dict[str, PhoneCall]
