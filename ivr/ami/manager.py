"""The connection to Asterisk's manager: kept up, with growing pauses; every action is guarded and has a time-out.

panoramisk speaks the protocol. Three things of its own are switched off here: it would reconnect every 2 s for ever,
send again after a reconnect whatever had no answer (an Originate would call twice), and wait for an answer without end.
So each connection has a panoramisk manager of its own, which dies with it.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Any

import panoramisk
import structlog
from panoramisk.ami_protocol import AMIProtocol

from ivr.ami.guard import Action, checked
from ivr.ami.settings import AmiSettings
from ivr.errors import ActionRefused, AsteriskAway

WITHIN_S = 5.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
PING_EVERY_S = 10.0

log = structlog.get_logger()


class Manager:
    """`ask` sends one action. `connection` is 0 while there is none, and another number for each one after that."""

    def __init__(self, settings: AmiSettings, told: Callable[[bool], None] = lambda _: None) -> None:
        self._settings = settings
        self._told = told
        self._wire: _Wire | None = None
        self._connections = 0
        self._known: frozenset[str] = frozenset()
        self._changed = asyncio.Event()

    @property
    def connection(self) -> int:
        return self._connections if self._wire else 0

    async def changed(self) -> None:
        """Wait until a connection has come or gone."""
        await self._changed.wait()

    def has(self, action: str) -> bool:
        """Whether this Asterisk has that action, and lets us use it."""
        return action.lower() in self._known

    async def run(self) -> None:
        """Keep connected until cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            connected_at = math.inf
            try:
                await self._connect()
                connected_at = asyncio.get_running_loop().time()
                await self._stay()
            except (AsteriskAway, OSError) as error:
                log.warning("ami.away", error=str(error), again_in_s=pause_s)
            finally:
                self._hang_up()
            if asyncio.get_running_loop().time() - connected_at > LONGEST_PAUSE_S:
                pause_s = FIRST_PAUSE_S  # It had held.
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def log_in_once(self) -> None:
        """Connect, learn what we may do, and hang up: whether it could be done.

        Raises `AsteriskAway`, `ActionRefused`, `BadInput`, `OSError`.
        """
        try:
            await self._connect()
        finally:
            self._hang_up()

    async def ask(self, action: Action, within_s: float = WITHIN_S) -> list[dict[str, str]]:
        """Send an action, once; gives its reply and the events that belong to it.

        Raises `AsteriskAway` where no answer came (the action may have been done), `ActionRefused`, `BadInput`.
        """
        if self._wire is None:
            raise AsteriskAway("there is no connection to Asterisk's manager")
        return await self._wire.ask(checked(action), within_s)

    # -- one connection ------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        wire = _Wire(loop)
        async with asyncio.timeout(WITHIN_S):
            transport, protocol = await loop.create_connection(AMIProtocol, self._settings.host, self._settings.port)
        try:
            await wire.log_in(transport, protocol, self._settings)
            self._known = frozenset(name.lower() for name in (await wire.ask({"Action": "ListCommands"}, WITHIN_S))[0])
        except BaseException:
            wire.close()
            raise
        self._wire = wire
        self._connections += 1
        log.info("ami.connected", host=self._settings.host, port=self._settings.port)
        self._announce(up=True)

    async def _stay(self) -> None:
        """Until the connection is lost, or a ping gets no answer."""
        wire = self._wire
        while wire:
            await asyncio.wait({wire.lost}, timeout=PING_EVERY_S)
            if wire.lost.done():
                raise AsteriskAway("the connection was lost")
            await wire.ask({"Action": "Ping"}, WITHIN_S)

    def _hang_up(self) -> None:
        if self._wire:
            self._wire.close()
            self._wire = None
            self._announce(up=False)

    def _announce(self, *, up: bool) -> None:
        self._told(up)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class _Wire(panoramisk.Manager):  # type: ignore[misc]
    """panoramisk's manager for the length of one connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop, ping_delay=10**6, log=logging.getLogger("panoramisk"))
        self.lost: asyncio.Future[None] = loop.create_future()

    async def log_in(self, transport: Any, protocol: AMIProtocol, settings: AmiSettings) -> None:
        """Raises `AsteriskAway`, `ActionRefused`."""
        made: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        made.set_result((transport, protocol))
        self.connection_made(made)
        login = {"Action": "Login", "Username": settings.user, "Secret": settings.secret, "Events": "call"}
        await self.ask(checked(login), WITHIN_S)

    async def ask(self, action: dict[str, Any], within_s: float) -> list[dict[str, str]]:
        answer = self.send_action(action)
        await asyncio.wait({answer, self.lost}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            for name in [name for name, asked in self.protocol.responses.items() if asked.future is answer]:
                del self.protocol.responses[name]
            what = "the connection was lost" if self.lost.done() else f"no answer within {within_s:g} s"
            raise AsteriskAway(f"{action['Action']}: {what}")
        result = answer.result()
        replies = [dict(reply) for reply in (result if isinstance(result, list) else [result])]
        if replies[0].get("Response") != "Success":
            raise ActionRefused(f"{action['Action']}: {replies[0].get('Message') or 'refused'}")
        return replies

    def connection_lost(self, exc: object) -> None:
        """Instead of panoramisk's own: nothing is sent again, nobody reconnects."""
        if not self.lost.done():
            self.lost.set_result(None)

    async def send_awaiting_actions(self, *_: object) -> None:
        self.awaiting_actions.clear()

    def close(self) -> None:
        super().close()
        self.connection_lost(None)
