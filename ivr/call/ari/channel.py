"""One channel in Stasis, and the requests for it.

Every request reports in the same way that the service no longer has the channel: `HungUp` if it is gone (404), and
`ReclaimedByDialplan` if it has left Stasis (409, 412).
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import quote

from ivr.call.ari import protocol
from ivr.call.ari.protocol import Response
from ivr.errors import BadArgument, CallFailed, HungUp, ReclaimedByDialplan

PLAYBACK_ID_COUNT = 8
"""Playback ids of a channel. When an id is used again, the events of its former playback have arrived."""


MAX_STOP_ATTEMPTS, STOP_RETRY_DELAY_S = 100, 0.01

HANG_UP_GRACE_S, HANG_UP_CHECKS = 0.5, 5
"""Seconds that a channel may exist after a hang-up, in its extension h, and how often it is looked for meanwhile."""


class RequestFn(Protocol):
    """`ConnectionRegistry.request` for one application."""

    async def __call__(self, method: str, uri: str, *, at_most_once: bool = False) -> Response: ...


class Channel:
    """`id`: Asterisk's unique id; `application`: the Stasis application that owns the channel."""

    def __init__(self, id: str, application: str, send_request: RequestFn) -> None:
        self.id = id
        self.application = application
        self._send_request = send_request

    def playback_id(self, number: int, application: str = "") -> str:
        """Return the id of a playback. There are few, so that a service that resumes the call can stop all of them."""
        return f"{application or self.application}/{self.id}/{number % PLAYBACK_ID_COUNT}"

    async def stop_all_playbacks(self, application: str) -> None:
        """Stop the playbacks of a service that has died: its last silence would delay all others. Raises
        `ConnectionLost`."""
        await asyncio.gather(*(self.stop_playback(self.playback_id(n, application)) for n in range(PLAYBACK_ID_COUNT)))

    async def post(self, *path: str, at_most_once: bool = False, **values: str | int | None) -> Response:
        """Send a POST request for the channel. Raises `HungUp`, `ReclaimedByDialplan`, `CallFailed`."""
        return await self._request("POST", *path, at_most_once=at_most_once, **values)

    async def get_variable(self, name: str) -> str:
        """Return the value of a variable or function, "" if it has none. Raises `HungUp`, `CallFailed`."""
        uri = protocol.build_path("channels", self.id, "variable") + protocol.build_query(variable=name)
        response = await self._send_request("GET", uri)
        if response.ok:
            return protocol.get_text(response.body, "value")
        if response.status == 404 and "ariable" in response.message:
            return ""
        if response.status >= 500:  # A function that this Asterisk lacks, or that has no value.
            return ""
        raise self._error_for(response, "read a variable")

    async def subscribe(self) -> None:
        """Subscribe to events of the channel also while it is in the dialplan. Raises `HungUp`, `CallFailed`."""
        uri = protocol.build_path("applications", self.application, "subscription")
        response = await self._send_request("POST", uri + protocol.build_query(eventSource=f"channel:{self.id}"))
        if not response.ok:
            raise HungUp if response.status == 422 else self._error_for(response, "subscribe")

    async def hang_up(self) -> None:
        """Hang up the channel. Does nothing if it is gone already."""
        await self._send_request("DELETE", protocol.build_path("channels", self.id))

    async def stop_playback(self, playback_id: str) -> None:
        """Stop a playback. One that has ended is ignored; one that has just begun cannot be stopped yet (500):
        retry."""
        for _ in range(MAX_STOP_ATTEMPTS):
            response = await self._send_request("DELETE", protocol.build_path("playbacks", playback_id))
            if response.ok or response.status == 404:
                return
            await asyncio.sleep(STOP_RETRY_DELAY_S)

    async def play(self, playback_id: str, media_uri: str, start_ms: int = 0, *, at_most_once: bool = False) -> None:
        """Queue a playback behind the current one. Raises as `post`, with `at_most_once` also `ConnectionLost`."""
        await self.post("play", playback_id, at_most_once=at_most_once, media=media_uri, offsetms=start_ms or None)

    async def get_playing_media_uri(self, playback_id: str) -> str:
        """Return the media that a playback plays now; "" if Asterisk does not know the playback."""
        response = await self._send_request("GET", protocol.build_path("playbacks", playback_id))
        return protocol.get_text(response.body, "media_uri") if response.ok else ""

    async def continue_in_dialplan(self, action: DialplanAction) -> None:
        """Send the channel to a dialplan action. Raises as `post`."""
        await self.continue_at(DIALPLAN_CONTEXT, action.build_extension(self.application))

    async def continue_at(self, context: str, extension: str) -> None:
        """Let the dialplan continue at `context`, `extension`, 1. Raises as `post`."""
        await self.post("continue", context=context, extension=extension, priority=1)

    async def require_in_stasis(self) -> None:
        """Raise `HungUp` or `ReclaimedByDialplan` if the channel is not in Stasis."""
        if not await self.is_in_stasis():
            raise ReclaimedByDialplan("the dialplan has the call again")

    async def is_in_stasis(self) -> bool:
        """Return whether the channel is in Stasis. Raises `HungUp` if it is gone, `ConnectionLost`."""
        return protocol.stasis_arguments(await self.fetch()) is not None

    async def fetch(self) -> dict[str, Any]:
        """Return the channel's properties. Raises `HungUp` if it is gone, `CallFailed`."""
        response = await self._send_request("GET", protocol.build_path("channels", self.id))
        if not response.ok:
            raise self._error_for(response, "describe a channel")
        return response.body if isinstance(response.body, dict) else {}

    async def _request(self, method: str, *path: str, at_most_once: bool, **values: str | int | None) -> Response:
        uri = protocol.build_path("channels", self.id, *path) + protocol.build_query(**values)
        response = await self._send_request(method, uri, at_most_once=at_most_once)
        if response.ok:
            return response
        refused = self._error_for(response, "/".join(path[:1]))
        if isinstance(refused, ReclaimedByDialplan):
            await self._raise_if_hung_up()
        raise refused

    async def _raise_if_hung_up(self) -> None:
        """Raise `HungUp` if the channel disappears soon: after a hang-up it leaves Stasis first."""
        for _ in range(HANG_UP_CHECKS):
            await self.fetch()
            await asyncio.sleep(HANG_UP_GRACE_S / HANG_UP_CHECKS)

    @staticmethod
    def _error_for(response: Response, operation: str) -> Exception:
        if response.status == 404:
            return HungUp()
        if response.status in (409, 412):
            return ReclaimedByDialplan(f"the channel has left Stasis: {response.message}")
        return CallFailed(f"Asterisk refused to {operation}: {response.status} {response.message}")


DIALPLAN_CONTEXT = "ivr-ari"
MAX_EXTENSION_BYTES = 79
"""The longest extension that Asterisk accepts."""


class Verb(StrEnum):
    """The extensions of the context. They contain no n, x or z: those are wildcards of a pattern."""

    REMEMBER_APP = "app"
    SET_TIMEOUT = "limit"
    SET_VARIABLE = "set"
    ADD_TO_VARIABLE = "add"
    RECORD = "record"
    STATUS = "status"
    CONTINUE = "goto"


VERBS_WITH_APP = {Verb.REMEMBER_APP, Verb.SET_TIMEOUT, Verb.CONTINUE}
"""Verbs that carry the application to return to. The dialplan remembers it: the others have no space for a long
name."""


def split_value(name: str, value: str) -> list[str]:
    """Return a value in pieces that fit into one action each; the first sets the variable, the others add to it."""
    pieces = [""]
    space = MAX_EXTENSION_BYTES - len(f"{Verb.SET_VARIABLE}~{name}~")
    for character in value:
        if len(_encode(pieces[-1] + character)) > space:
            pieces.append("")
        pieces[-1] += character
    return pieces


def _encode(argument: str) -> str:
    return quote(argument, safe="").replace("~", "%7E")


class DialplanAction:
    """One action with its arguments; `returned` is done when the channel is back in Stasis."""

    def __init__(self, verb: Verb, *arguments: str) -> None:
        self.verb = verb
        self.is_recording = verb is Verb.RECORD
        self.carries_app = verb in VERBS_WITH_APP
        self.returned: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arguments = arguments

    def build_extension(self, application: str) -> str:
        """Return the extension of this action, returning to `application`. Raises `BadArgument` if it is too long."""
        encoded = (_encode(argument) for argument in self._arguments)
        names = (application,) if self.carries_app else ()
        extension = "~".join((self.verb, *names, *encoded)).rstrip("~")
        if len(extension) > MAX_EXTENSION_BYTES:
            raise BadArgument(
                f"a dialplan action over ARI has {len(extension)} characters, at most {MAX_EXTENSION_BYTES} fit"
            )
        return extension if "~" in extension else f"{extension}~~"  # The pattern needs one more character.

    def mark_returned(self) -> None:
        if not self.returned.done():
            self.returned.set_result(None)
