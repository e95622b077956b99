"""Gives places of work to accounts in turn, so that no account waits behind all the work of another."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ivr.errors import TooMuchWork


@dataclass(eq=False, slots=True)
class _Waiter:
    account_id: str
    is_refusable: bool
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class FairQueue:
    """At most `places` pieces of work run at a time; the others wait.

    A free place goes to the account with the fewest pieces that run; among these, to the one that got a place the
    longest time ago. Within an account, work that cannot be refused goes first: it is short, and mails wait for it.
    `max_waiting`: pieces of one account that can be refused.
    """

    def __init__(self, places: int, max_waiting: int) -> None:
        self._free_places = places
        self._max_waiting = max_waiting
        self._running: Counter[str] = Counter()
        self._waiters: list[_Waiter] = []
        """Those of longest waiting first."""
        self._last_turns: dict[str, int] = {}
        """When each account last got a place, for those that have or want one."""
        self._turns = 0

    @property
    def running(self) -> int:
        """Pieces of work that have a place."""
        return self._running.total()

    @property
    def waiting(self) -> int:
        """Pieces of work that have none yet."""
        return len(self._waiters)

    @asynccontextmanager
    async def place(self, account_id: str, *, is_refusable: bool) -> AsyncIterator[None]:
        """Context that has a place. Raises `TooMuchWork` if the account has too many pieces that wait."""
        if is_refusable:
            self._verify_room(account_id)
        waiter = _Waiter(account_id, is_refusable)
        self._waiters.append(waiter)
        self._give_places()
        try:
            await waiter.turn
            yield
        finally:
            if waiter in self._waiters:  # Cancelled while it waited.
                self._waiters.remove(waiter)
            else:
                self._running[account_id] -= 1
                self._free_places += 1
                self._give_places()
            self._forget_if_idle(account_id)

    def _verify_room(self, account_id: str) -> None:
        waiting = sum(waiter.is_refusable for waiter in self._waiters if waiter.account_id == account_id)
        if waiting >= self._max_waiting:
            raise TooMuchWork(f"{waiting} uploads of this account wait to be converted: try again later")

    def _give_places(self) -> None:
        while self._free_places and self._waiters:
            chosen = min(self._waiters, key=self._rank)
            self._waiters.remove(chosen)
            self._running[chosen.account_id] += 1
            self._turns += 1
            self._last_turns[chosen.account_id] = self._turns
            self._free_places -= 1
            if not chosen.turn.done():  # Else its task was cancelled, and gives the place back.
                chosen.turn.set_result(None)

    def _rank(self, waiter: _Waiter) -> tuple[int, int, bool]:
        """The lowest is next; of equal ones, the one that has waited for longest."""
        return self._running[waiter.account_id], self._last_turns.get(waiter.account_id, 0), waiter.is_refusable

    def _forget_if_idle(self, account_id: str) -> None:
        if not self._running[account_id]:
            del self._running[account_id]
            if all(waiter.account_id != account_id for waiter in self._waiters):
                self._last_turns.pop(account_id, None)
