"""When tokens were last used: noted in memory by each request, stored together a little later."""

from __future__ import annotations

import structlog

from ivr.clock import Clock
from ivr.errors import IvrError
from ivr.storage.delayed_commit import DelayedCommit
from ivr.storage.protocols import TokenRecordStore
from ivr.storage.records import Token

PRECISION_S = 60
"""The use of a token is stored once within this time, however many requests it authenticates."""
DELAY_S = 10.0

log = structlog.get_logger()


class TokenUse:
    """Records uses of tokens. `delay_s`: seconds within which they are stored, in one transaction."""

    def __init__(self, store: TokenRecordStore, clock: Clock, *, delay_s: float = DELAY_S) -> None:
        self._store = store
        self._clock = clock
        self._noted: dict[str, int] = {}
        self._pending: dict[str, int] = {}
        self._delayed_commit = DelayedCommit(self._flush, delay_s=delay_s)

    def note(self, token: Token) -> None:
        """Note that a request was authenticated by a token. Needs a running event loop."""
        now = int(self._clock.now())
        if now - self._noted.get(token.hash, token.last_used_at or 0) < PRECISION_S:
            return
        self._noted[token.hash] = self._pending[token.hash] = now
        self._delayed_commit.request()

    async def close(self) -> None:
        """Store what is not stored yet, before the database is closed."""
        await self._delayed_commit.close()

    async def _flush(self) -> None:
        uses, self._pending = self._pending, {}
        oldest = int(self._clock.now()) - PRECISION_S
        self._noted = {hash: used_at for hash, used_at in self._noted.items() if used_at > oldest}
        try:
            await self._store.record_uses(uses)
        except IvrError as error:  # It is noted again by the next request after `PRECISION_S`.
            log.warning("token.use_not_stored", tokens=len(uses), error=str(error))
