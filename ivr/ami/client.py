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

from ivr.ami.action_validation import Action, validate_action
from ivr.ami.settings import AmiSettings
from ivr.errors import AmiActionRejected, AmiUnavailable

REQUEST_TIMEOUT_S = 5.0
MIN_RECONNECT_DELAY_S = 0.5
MAX_RECONNECT_DELAY_S = 10.0
PING_INTERVAL_S = 10.0

log = structlog.get_logger()


class AmiClient:
    """`ask` sends one action. `connection` is 0 while there is none, and another number for each one after that."""

    def __init__(self, settings: AmiSettings, on_change: Callable[[bool], None] = lambda _: None) -> None:
        self._settings = settings
        self._on_change = on_change
        self._session: _Session | None = None
        self._connection_count = 0
        self._supported_actions: frozenset[str] = frozenset()
        self._change_event = asyncio.Event()

    @property
    def connection_id(self) -> int:
        return self._connection_count if self._session else 0

    async def wait_for_change(self) -> None:
        """Wait until a connection has come or gone."""
        await self._change_event.wait()

    def supports(self, action: str) -> bool:
        """Whether this Asterisk has that action, and lets us use it."""
        return action.lower() in self._supported_actions

    async def run_forever(self) -> None:
        """Keep connected until cancelled."""
        pause_s = MIN_RECONNECT_DELAY_S
        while True:
            connected_at = math.inf
            try:
                await self._connect()
                connected_at = asyncio.get_running_loop().time()
                await self._wait_for_loss()
            except (AmiUnavailable, OSError) as error:
                log.warning("ami.away", error=str(error), again_in_s=pause_s)
            finally:
                self._disconnect()
            if asyncio.get_running_loop().time() - connected_at > MAX_RECONNECT_DELAY_S:
                pause_s = MIN_RECONNECT_DELAY_S  # It had held.
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, MAX_RECONNECT_DELAY_S)

    async def check_login(self) -> None:
        """Connect, learn what we may do, and hang up: whether it could be done.

        Raises `AmiUnavailable`, `AmiActionRejected`, `BadInput`, `OSError`.
        """
        try:
            await self._connect()
        finally:
            self._disconnect()

    async def send(self, action: Action, timeout_s: float = REQUEST_TIMEOUT_S) -> list[dict[str, str]]:
        """Send an action, once; gives its reply and the events that belong to it.

        Raises `AmiUnavailable` where no answer came (the action may have been done), `AmiActionRejected`, `BadInput`.
        """
        if self._session is None:
            raise AmiUnavailable("there is no connection to Asterisk's manager")
        return await self._session.request(validate_action(action), timeout_s)

    # -- one connection ------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        wire = _Session(loop)
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            transport, protocol = await loop.create_connection(AMIProtocol, self._settings.host, self._settings.port)
        try:
            await wire.log_in(transport, protocol, self._settings)
            self._supported_actions = frozenset(
                name.lower() for name in (await wire.request({"Action": "ListCommands"}, REQUEST_TIMEOUT_S))[0]
            )
        except BaseException:
            wire.close()
            raise
        self._session = wire
        self._connection_count += 1
        log.info("ami.connected", host=self._settings.host, port=self._settings.port)
        self._notify(connected=True)

    async def _wait_for_loss(self) -> None:
        """Until the connection is lost, or a ping gets no answer."""
        wire = self._session
        while wire:
            await asyncio.wait({wire.lost}, timeout=PING_INTERVAL_S)
            if wire.lost.done():
                raise AmiUnavailable("the connection was lost")
            await wire.request({"Action": "Ping"}, REQUEST_TIMEOUT_S)

    def _disconnect(self) -> None:
        if self._session:
            self._session.close()
            self._session = None
            self._notify(connected=False)

    def _notify(self, *, connected: bool) -> None:
        self._on_change(connected)
        changed, self._change_event = self._change_event, asyncio.Event()
        changed.set()


class _Session(panoramisk.Manager):  # type: ignore[misc]
    """panoramisk's manager for the length of one connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop, ping_delay=10**6, log=logging.getLogger("panoramisk"))
        self.lost: asyncio.Future[None] = loop.create_future()

    async def log_in(self, transport: Any, protocol: AMIProtocol, settings: AmiSettings) -> None:
        """Raises `AmiUnavailable`, `AmiActionRejected`."""
        made: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        made.set_result((transport, protocol))
        self.connection_made(made)
        login = {"Action": "Login", "Username": settings.user, "Secret": settings.secret, "Events": "call"}
        await self.request(validate_action(login), REQUEST_TIMEOUT_S)

    async def request(self, action: dict[str, Any], timeout_s: float) -> list[dict[str, str]]:
        answer = self.send_action(action)
        await asyncio.wait({answer, self.lost}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            for name in [name for name, asked in self.protocol.responses.items() if asked.future is answer]:
                del self.protocol.responses[name]
            what = "the connection was lost" if self.lost.done() else f"no answer within {timeout_s:g} s"
            raise AmiUnavailable(f"{action['Action']}: {what}")
        result = answer.result()
        replies = [dict(reply) for reply in (result if isinstance(result, list) else [result])]
        if replies[0].get("Response") != "Success":
            raise AmiActionRejected(f"{action['Action']}: {replies[0].get('Message') or 'refused'}")
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
