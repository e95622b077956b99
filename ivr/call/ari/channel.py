"""One channel in Stasis: requests about it, and what its events mean.

Every request takes the same two ways out where the call is no longer ours: the caller is gone (404), or the dialplan
has it again (409).
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from ivr.call.ari import protocol
from ivr.call.ari.errand import CONTEXT, Errand
from ivr.call.ari.protocol import Answer
from ivr.errors import CallFailed, HungUp, TakenBack

PLAYBACKS = 8
"""The events of one are no longer on their way when its id comes again."""


MOST_TRIES, AGAIN_S = 100, 0.01

GONE_WITHIN_S, LOOKS = 0.5, 5
"""How long a channel that was hung up may still be there, in its extension h, and how often it is looked for."""


class Ask(Protocol):
    """`Lines.ask`, for one application."""

    async def __call__(self, method: str, uri: str, *, once: bool = False) -> Answer: ...


class Channel:
    """`id` is Asterisk's unique id of it; `application`: whose it is in Stasis."""

    def __init__(self, id: str, application: str, ask: Ask) -> None:
        self.id = id
        self.application = application
        self._ask = ask

    def playback(self, n: int, application: str = "") -> str:
        """The id of a playback. There are few, so that whoever takes the call up can end what it finds playing."""
        return f"{application or self.application}/{self.id}/{n % PLAYBACKS}"

    async def end_what_plays(self, application: str) -> None:
        """Of a service that has gone: its last silence would hold everything back. Raises `LineLost`."""
        await asyncio.gather(*(self.stop_playback(self.playback(n, application)) for n in range(PLAYBACKS)))

    async def post(self, *what: str, once: bool = False, **values: str | int | None) -> Answer:
        """Have something done. Raises `HungUp`, `TakenBack`, `CallFailed`."""
        return await self._request("POST", *what, once=once, **values)

    async def variable(self, name: str) -> str:
        """The value of a variable or function, "" where there is none. Raises `HungUp`, `CallFailed`."""
        uri = protocol.path("channels", self.id, "variable") + protocol.query(variable=name)
        answer = await self._ask("GET", uri)
        if answer.ok:
            return protocol.text(answer.body, "value")
        if answer.status == 404 and "ariable" in answer.message:
            return ""
        if answer.status >= 500:  # A function that this Asterisk has not, or that has nothing to say.
            return ""
        raise self._refused(answer, "read a variable")

    async def subscribe(self) -> None:
        """Its events are to come also while the dialplan has it. Raises `HungUp`, `CallFailed`."""
        uri = protocol.path("applications", self.application, "subscription")
        answer = await self._ask("POST", uri + protocol.query(eventSource=f"channel:{self.id}"))
        if not answer.ok:
            raise HungUp if answer.status == 422 else self._refused(answer, "subscribe")

    async def hang_up(self) -> None:
        """One that is gone already is fine."""
        await self._ask("DELETE", protocol.path("channels", self.id))

    async def stop_playback(self, playback: str) -> None:
        """One that has just ended is fine. One that has just begun is not ready to be ended (500): ask again."""
        for _ in range(MOST_TRIES):
            answer = await self._ask("DELETE", protocol.path("playbacks", playback))
            if answer.ok or answer.status == 404:
                return
            await asyncio.sleep(AGAIN_S)

    async def play(self, playback: str, media: str, start_ms: int = 0, *, once: bool = False) -> None:
        """Behind what plays now. Raises as `post`; `once`: `LineLost`, too."""
        await self.post("play", playback, once=once, media=media, offsetms=start_ms or None)

    async def playing(self, playback: str) -> str:
        """What of that playback Asterisk plays, still or by now; "" where it does not know it."""
        answer = await self._ask("GET", protocol.path("playbacks", playback))
        return protocol.text(answer.body, "media_uri") if answer.ok else ""

    async def go_on(self, errand: Errand) -> None:
        """To the dialplan. Raises as `post`."""
        await self.go_to(CONTEXT, errand.extension(self.application))

    async def go_to(self, context: str, extension: str) -> None:
        """The dialplan goes on there. Raises as `post`."""
        await self.post("continue", context=context, extension=extension, priority=1)

    async def must_be_ours(self) -> None:
        """Raises `HungUp`, `TakenBack` where the call is not in Stasis."""
        if not await self.is_ours():
            raise TakenBack("the dialplan has the call again")

    async def is_ours(self) -> bool:
        """Whether it is in Stasis. Raises `HungUp` where there is no such channel, `LineLost`."""
        return protocol.stasis_words(await self.described()) is not None

    async def described(self) -> dict[str, Any]:
        """What Asterisk knows of it. Raises `HungUp` where there is no such channel, `CallFailed`."""
        answer = await self._ask("GET", protocol.path("channels", self.id))
        if not answer.ok:
            raise self._refused(answer, "describe a channel")
        return answer.body if isinstance(answer.body, dict) else {}

    async def _request(self, method: str, *what: str, once: bool, **values: str | int | None) -> Answer:
        uri = protocol.path("channels", self.id, *what) + protocol.query(**values)
        answer = await self._ask(method, uri, once=once)
        if answer.ok:
            return answer
        refused = self._refused(answer, "/".join(what[:1]))
        if isinstance(refused, TakenBack):
            await self._may_have_hung_up()
        raise refused

    async def _may_have_hung_up(self) -> None:
        """Whoever hangs up has left us first, and is gone a moment later. Raises `HungUp`."""
        for _ in range(LOOKS):
            await self.described()
            await asyncio.sleep(GONE_WITHIN_S / LOOKS)

    @staticmethod
    def _refused(answer: Answer, what: str) -> Exception:
        if answer.status == 404:
            return HungUp()
        if answer.status in (409, 412):
            return TakenBack(f"the channel has left us: {answer.message}")
        return CallFailed(f"Asterisk refused to {what}: {answer.status} {answer.message}")
