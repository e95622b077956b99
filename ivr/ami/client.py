"""AMI client: keeps one connection open, reconnects with increasing delays, and gives every action a timeout.

panoramisk implements the protocol. Three of its habits are disabled here: it reconnects every 2 s for ever; after a
reconnect it repeats every action without a response, so an Originate would call twice; and it waits for a response
without a limit. Therefore each connection has its own panoramisk manager, which is discarded with the connection.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import panoramisk
import structlog
from panoramisk.ami_protocol import AMIProtocol

from ivr.ami.settings import AmiSettings
from ivr.errors import AmiActionRejected, AmiUnavailable, BadInput
from ivr.local_peer import PeerCheck, connect_checked

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AmiTiming:
    """Timeouts and intervals of an AMI connection, in seconds."""

    request_timeout_s: float = 5.0
    min_reconnect_delay_s: float = 0.5
    max_reconnect_delay_s: float = 10.0
    ping_interval_s: float = 10.0


DEFAULT_TIMING = AmiTiming()


class AmiClient:
    """One connection to Asterisk's manager interface.

    `on_change`: called with True when a connection is established and with False when it is lost. `check_peer`: raises
    OSError if a program that is not Asterisk is at the other end; called in a thread, before the login.
    """

    def __init__(
        self,
        settings: AmiSettings,
        on_change: Callable[[bool], None] = lambda _: None,
        *,
        timing: AmiTiming = DEFAULT_TIMING,
        check_peer: PeerCheck | None = None,
    ) -> None:
        self._check_peer = check_peer
        self._settings = settings
        self._on_change = on_change
        self._timing = timing
        self._session: _Session | None = None
        self._connection_count = 0
        self._supported_actions: frozenset[str] = frozenset()
        self._change_event = asyncio.Event()

    @property
    def connection_id(self) -> int:
        """Number of the current connection, counted from 1; 0 while disconnected."""
        return self._connection_count if self._session else 0

    async def wait_for_change(self) -> None:
        """Wait until a connection is established or lost."""
        await self._change_event.wait()

    def supports(self, action: str) -> bool:
        """Return whether this Asterisk has the action and our user may execute it."""
        return action.lower() in self._supported_actions

    async def run_forever(self) -> None:
        """Connect and reconnect until cancelled."""
        delay_s = self._timing.min_reconnect_delay_s
        while True:
            connected_at = math.inf
            try:
                await self._connect()
                connected_at = asyncio.get_running_loop().time()
                await self._wait_for_loss()
            except (AmiUnavailable, OSError) as error:
                log.warning("ami.unavailable", error=str(error), retry_in_s=delay_s)
            finally:
                self._disconnect()
            if asyncio.get_running_loop().time() - connected_at > self._timing.max_reconnect_delay_s:
                delay_s = self._timing.min_reconnect_delay_s  # The connection was stable.
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, self._timing.max_reconnect_delay_s)

    async def check_login(self) -> None:
        """Connect, log in, read the supported actions, and disconnect.

        Raises `AmiUnavailable`, `AmiActionRejected`, `BadInput`, `OSError`.
        """
        try:
            await self._connect()
        finally:
            self._disconnect()

    async def send(self, action: Action, timeout_s: float | None = None) -> list[dict[str, str]]:
        """Send an action once and return its response, followed by the events that belong to it.

        `timeout_s`: None means `AmiTiming.request_timeout_s`. Raises `AmiUnavailable` when no response arrived (the
        action may have been executed), `AmiActionRejected`, `BadInput`.
        """
        if self._session is None:
            raise AmiUnavailable("no connection to Asterisk's manager interface")
        return await self._session.request(
            validate_action(action), self._timing.request_timeout_s if timeout_s is None else timeout_s
        )

    # -- one connection ------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        timeout_s = self._timing.request_timeout_s
        session = _Session(loop)
        async with asyncio.timeout(timeout_s):
            host, port = self._settings.host, self._settings.port
            if self._check_peer:
                checked = await connect_checked(host, port, self._check_peer)
                transport, protocol = await loop.create_connection(AMIProtocol, sock=checked)
            else:
                transport, protocol = await loop.create_connection(AMIProtocol, host, port)
        try:
            await session.log_in(transport, protocol, self._settings, timeout_s)
            commands = (await session.request({"Action": "ListCommands"}, timeout_s))[0]
            self._supported_actions = frozenset(name.lower() for name in commands)
        except BaseException:
            session.close()
            raise
        self._session = session
        self._connection_count += 1
        log.info("ami.connected", host=self._settings.host, port=self._settings.port)
        self._notify(connected=True)

    async def _wait_for_loss(self) -> None:
        """Raise `AmiUnavailable` when the connection is lost or a ping is not answered."""
        session = self._session
        while session:
            await asyncio.wait({session.lost}, timeout=self._timing.ping_interval_s)
            if session.lost.done():
                raise AmiUnavailable("the connection was lost")
            await session.request({"Action": "Ping"}, self._timing.request_timeout_s)

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
    """panoramisk's manager, used for the lifetime of one connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop, ping_delay=10**6, log=logging.getLogger("panoramisk"))
        self.lost: asyncio.Future[None] = loop.create_future()

    async def log_in(self, transport: Any, protocol: AMIProtocol, settings: AmiSettings, timeout_s: float) -> None:
        """Log in. Raises `AmiUnavailable`, `AmiActionRejected`, `BadInput`."""
        connected: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        connected.set_result((transport, protocol))
        self.connection_made(connected)
        validate_action({"Username": settings.user, "Secret": settings.secret})
        challenge = await self.request({"Action": "Challenge", "AuthType": "MD5"}, timeout_s)
        # A program that listens at the port while Asterisk is away gets this hash, never the secret.
        key = hashlib.md5(f"{challenge[0].get('Challenge', '')}{settings.secret}".encode()).hexdigest()
        login = {"Action": "Login", "AuthType": "MD5", "Username": settings.user, "Key": key, "Events": "call"}
        await self.request(validate_action(login), timeout_s)

    async def request(self, action: dict[str, Any], timeout_s: float) -> list[dict[str, str]]:
        """Send an action and return its response and events. Raises `AmiUnavailable`, `AmiActionRejected`."""
        response = self.send_action(action)
        await asyncio.wait({response, self.lost}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if not response.done():
            response.cancel()
            for action_id in [key for key, sent in self.protocol.responses.items() if sent.future is response]:
                del self.protocol.responses[action_id]
            reason = "the connection was lost" if self.lost.done() else f"no answer within {timeout_s:g} s"
            raise AmiUnavailable(f"{action['Action']}: {reason}")
        result = response.result()
        replies = [dict(reply) for reply in (result if isinstance(result, list) else [result])]
        if replies[0].get("Response") != "Success":
            raise AmiActionRejected(f"{action['Action']}: {replies[0].get('Message') or 'rejected without a reason'}")
        return replies

    def connection_lost(self, exc: object) -> None:
        """Override panoramisk's reconnect and repetition of actions."""
        if not self.lost.done():
            self.lost.set_result(None)

    async def send_awaiting_actions(self, *_: object) -> None:
        self.awaiting_actions.clear()

    def close(self) -> None:
        super().close()
        self.connection_lost(None)


Action = Mapping[str, str | Sequence[str]]
"""Header names and values of one action. A sequence is sent as one header for each value."""

MAX_LINE_LENGTH = 1000
"""Bytes of one header. Asterisk reads lines of 1024 bytes at most."""
MAX_LINES = 120
"""Headers of one action. Asterisk reads 128 at most."""
_HEADER_NAME = re.compile(r"[A-Za-z]+", re.ASCII)
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def validate_action(action: Action) -> dict[str, str | list[str]]:
    """Return a copy of the action that is safe to send.

    Raises `BadInput`. The error text never contains the value, because it may be a secret.
    """
    result: dict[str, str | list[str]] = {}
    lines = 0
    for name, value in action.items():
        if not _HEADER_NAME.fullmatch(name):
            raise BadInput(f"invalid AMI header name {name!r}: only letters are allowed")
        values = [value] if isinstance(value, str) else list(value)
        for one in values:
            if _CONTROL_CHARACTER.search(one):
                raise BadInput(f"AMI header {name}: the value contains a control character and was not sent")
            if len(name) + 2 + len(one.encode()) > MAX_LINE_LENGTH:
                raise BadInput(f"AMI header {name}: the value is too long, at most {MAX_LINE_LENGTH} bytes a line")
        lines += len(values)
        result[name] = value if isinstance(value, str) else values
    if lines > MAX_LINES:
        raise BadInput(f"AMI action with {lines} headers is too long, at most {MAX_LINES}")
    return result
