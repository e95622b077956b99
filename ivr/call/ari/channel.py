"""One channel in Stasis: requests about it, and what its events mean.

Every request takes the same two ways out where the call is no longer ours: the caller is gone (404), or the dialplan
has it again (409).
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from ivr.call.ari import protocol
from ivr.call.ari.dialplan_action import DIALPLAN_CONTEXT, DialplanAction
from ivr.call.ari.protocol import Response
from ivr.errors import CallFailed, HungUp, ReclaimedByDialplan

PLAYBACK_ID_COUNT = 8
"""The events of one are no longer on their way when its id comes again."""


MAX_STOP_ATTEMPTS, STOP_RETRY_DELAY_S = 100, 0.01

HANG_UP_GRACE_S, HANG_UP_CHECKS = 0.5, 5
"""How long a channel that was hung up may still be there, in its extension h, and how often it is looked for."""


class RequestFn(Protocol):
    """`ConnectionRegistry.ask`, for one application."""

    async def __call__(self, method: str, uri: str, *, at_most_once: bool = False) -> Response: ...


class Channel:
    """`id` is Asterisk's unique id of it; `application`: whose it is in Stasis."""

    def __init__(self, id: str, application: str, send_request: RequestFn) -> None:
        self.id = id
        self.application = application
        self._send_request = send_request

    def playback_id(self, number: int, application: str = "") -> str:
        """The id of a playback. There are few, so that whoever takes the call up can end what it finds playing."""
        return f"{application or self.application}/{self.id}/{number % PLAYBACK_ID_COUNT}"

    async def stop_all_playbacks(self, application: str) -> None:
        """Of a service that has gone: its last silence would hold everything back. Raises `ConnectionLost`."""
        await asyncio.gather(*(self.stop_playback(self.playback_id(n, application)) for n in range(PLAYBACK_ID_COUNT)))

    async def post(self, *path: str, at_most_once: bool = False, **values: str | int | None) -> Response:
        """Have something done. Raises `HungUp`, `ReclaimedByDialplan`, `CallFailed`."""
        return await self._request("POST", *path, at_most_once=at_most_once, **values)

    async def get_variable(self, name: str) -> str:
        """The value of a variable or function, "" where there is none. Raises `HungUp`, `CallFailed`."""
        uri = protocol.build_path("channels", self.id, "variable") + protocol.build_query(variable=name)
        answer = await self._send_request("GET", uri)
        if answer.ok:
            return protocol.get_text(answer.body, "value")
        if answer.status == 404 and "ariable" in answer.message:
            return ""
        if answer.status >= 500:  # A function that this Asterisk has not, or that has nothing to say.
            return ""
        raise self._error_for(answer, "read a variable")

    async def subscribe(self) -> None:
        """Its events are to come also while the dialplan has it. Raises `HungUp`, `CallFailed`."""
        uri = protocol.build_path("applications", self.application, "subscription")
        answer = await self._send_request("POST", uri + protocol.build_query(eventSource=f"channel:{self.id}"))
        if not answer.ok:
            raise HungUp if answer.status == 422 else self._error_for(answer, "subscribe")

    async def hang_up(self) -> None:
        """One that is gone already is fine."""
        await self._send_request("DELETE", protocol.build_path("channels", self.id))

    async def stop_playback(self, playback_id: str) -> None:
        """One that has just ended is fine. One that has just begun is not ready to be ended (500): ask again."""
        for _ in range(MAX_STOP_ATTEMPTS):
            answer = await self._send_request("DELETE", protocol.build_path("playbacks", playback_id))
            if answer.ok or answer.status == 404:
                return
            await asyncio.sleep(STOP_RETRY_DELAY_S)

    async def play(self, playback_id: str, media_uri: str, start_ms: int = 0, *, at_most_once: bool = False) -> None:
        """Behind what plays now. Raises as `post`; `once`: `ConnectionLost`, too."""
        await self.post("play", playback_id, at_most_once=at_most_once, media=media_uri, offsetms=start_ms or None)

    async def get_playing_media_uri(self, playback_id: str) -> str:
        """What of that playback Asterisk plays, still or by now; "" where it does not know it."""
        answer = await self._send_request("GET", protocol.build_path("playbacks", playback_id))
        return protocol.get_text(answer.body, "media_uri") if answer.ok else ""

    async def continue_in_dialplan(self, action: DialplanAction) -> None:
        """To the dialplan. Raises as `post`."""
        await self.continue_at(DIALPLAN_CONTEXT, action.build_extension(self.application))

    async def continue_at(self, context: str, extension: str) -> None:
        """The dialplan goes on there. Raises as `post`."""
        await self.post("continue", context=context, extension=extension, priority=1)

    async def require_in_stasis(self) -> None:
        """Raises `HungUp`, `ReclaimedByDialplan` where the call is not in Stasis."""
        if not await self.is_in_stasis():
            raise ReclaimedByDialplan("the dialplan has the call again")

    async def is_in_stasis(self) -> bool:
        """Whether it is in Stasis. Raises `HungUp` where there is no such channel, `ConnectionLost`."""
        return protocol.stasis_arguments(await self.fetch()) is not None

    async def fetch(self) -> dict[str, Any]:
        """What Asterisk knows of it. Raises `HungUp` where there is no such channel, `CallFailed`."""
        answer = await self._send_request("GET", protocol.build_path("channels", self.id))
        if not answer.ok:
            raise self._error_for(answer, "describe a channel")
        return answer.body if isinstance(answer.body, dict) else {}

    async def _request(self, method: str, *path: str, at_most_once: bool, **values: str | int | None) -> Response:
        uri = protocol.build_path("channels", self.id, *path) + protocol.build_query(**values)
        answer = await self._send_request(method, uri, at_most_once=at_most_once)
        if answer.ok:
            return answer
        refused = self._error_for(answer, "/".join(path[:1]))
        if isinstance(refused, ReclaimedByDialplan):
            await self._raise_if_hung_up()
        raise refused

    async def _raise_if_hung_up(self) -> None:
        """Whoever hangs up has left us first, and is gone a moment later. Raises `HungUp`."""
        for _ in range(HANG_UP_CHECKS):
            await self.fetch()
            await asyncio.sleep(HANG_UP_GRACE_S / HANG_UP_CHECKS)

    @staticmethod
    def _error_for(response: Response, operation: str) -> Exception:
        if response.status == 404:
            return HungUp()
        if response.status in (409, 412):
            return ReclaimedByDialplan(f"the channel has left us: {response.message}")
        return CallFailed(f"Asterisk refused to {operation}: {response.status} {response.message}")
