"""All calls over ARI: each channel that enters Stasis for us becomes a call, and gets the events that are its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import structlog

from ivr.audio.sound import Sound
from ivr.call import arguments, identity
from ivr.call.ari import protocol
from ivr.call.ari.call import AriCall
from ivr.call.ari.channel import Channel
from ivr.call.ari.lines import Lines
from ivr.call.ari.protocol import Event
from ivr.call.arrival import Arrival
from ivr.call.journal import Journal
from ivr.call.typeahead import Typeahead
from ivr.errors import CallFailed, HungUp, LeftAlone, LineLost, TakenBack

ERRAND_S = 0.2
"""In which a call that was sent on an errand has gone."""
A_CALL_S, SLOWEST_S = 0.001, 0.1
"""How much later a service claims a call for each that it has, and at most."""

log = structlog.get_logger()


class AriService:
    """`answer(call)` runs one call to its end; `monotonic` gives seconds."""

    def __init__(
        self, lines: Lines, answer: Callable[[AriCall], Awaitable[None]], silence: Sound, secret: str,
        monotonic: Callable[[], float], most_calls: int = 500,
    ) -> None:  # fmt: skip
        self._lines = lines
        self._answer = answer
        self._silence = silence
        self._secret = secret
        self._monotonic = monotonic
        self._most_calls = most_calls
        self._calls: dict[str, AriCall] = {}
        self._early: dict[str, list[Event]] = {}
        self._serving: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        lines.heard = self._heard
        lines.came = self._came

    @property
    def calls_in_progress(self) -> int:
        return len(self._calls) + len(self._early)

    async def stop(self, calls_end_within_s: float = 5.0) -> None:
        """Take no more. Those in progress stay in Stasis, to be taken up."""
        self._lines.heard = lambda application, event: None
        self._lines.came = lambda application: None
        for call in self._calls.values():
            call.lost(LeftAlone("the service is stopping"))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=calls_end_within_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- events --------------------------------------------------------------------------------------------------------

    def _heard(self, application: str, event: Event) -> None:
        channel_id = _channel_of(event)
        call = self._calls.get(channel_id)
        if event.get("type") == "CallBroadcast" and channel_id:
            self._start(self._claim(application, channel_id))
        elif event.get("type") == "StasisStart" and channel_id and not (call and call.is_away):
            if call:  # It had left and come again, and nobody told us.
                call.lost(TakenBack("the dialplan had the call again"))
            self._begin(application, channel_id, event)
        elif call:
            call.hear(event)
            if event.get("type") == "StasisEnd" and not call.is_away:
                self._start(self._why_ended(application, channel_id, call))
        elif channel_id in self._early:
            self._early[channel_id].append(event)

    async def _claim(self, application: str, channel_id: str) -> None:
        """A call looks for a service. Who has more calls is slower to say that it wants it."""
        if len(self._calls) >= self._most_calls:
            return
        await asyncio.sleep(min(len(self._calls) * A_CALL_S, SLOWEST_S))
        uri = protocol.path("events", "claim") + protocol.query(channelId=channel_id, application=application)
        with suppress(LineLost):
            await self._lines.ask(application, "POST", uri, once=True)  # Where another was faster, it is theirs.

    def _begin(self, application: str, channel_id: str, event: Event) -> None:
        if channel_id in self._early:
            return
        self._early[channel_id] = []
        before = self._serving.get(channel_id)
        self._serving[channel_id] = self._start(self._serve(application, channel_id, event, before))

    def _came(self, application: str) -> None:
        """A connection is there again. What happened meanwhile nobody tells: each call looks."""
        for channel_id, call in self._calls.items():
            self._start(self._look_at(application, channel_id, call))
        self._start(self._take_up(application))

    async def _why_ended(self, application: str, channel_id: str, call: AriCall) -> None:
        """It has left Stasis, and not at our wish."""
        try:
            await self._channel(application, channel_id).described()
            call.lost(TakenBack("the dialplan has the call again"))
        except HungUp:
            call.hear({"type": "ChannelDestroyed"})
        except CallFailed as failure:
            call.lost(failure)

    async def _look_at(self, application: str, channel_id: str, call: AriCall) -> None:
        """Tell a call what it may have missed."""
        channel, waiting = self._channel(application, channel_id), call.waits_for
        try:
            ours = await channel.is_ours()
            if waiting and ours and await channel.playing(waiting.playback) != waiting.media:
                waiting.end_was_missed = True
                waiting.is_over(None)
            if ours and call.is_away:
                await self._is_back(channel, call)
            if not ours and not call.is_away:
                call.lost(TakenBack("the dialplan has the call again"))
        except HungUp:
            call.hear({"type": "ChannelDestroyed"})
        except LineLost:
            pass  # The next connection asks again.

    @staticmethod
    async def _is_back(channel: Channel, call: AriCall) -> None:
        """From an errand, unless it has not gone yet."""
        await asyncio.sleep(ERRAND_S)
        if call.is_away and await channel.is_ours():
            call.hear({"type": "StasisStart"})

    # -- calls that were somebody else's -------------------------------------------------------------------------------

    async def _take_up(self, application: str) -> None:
        """What an earlier run left in Stasis, or what came while there was no connection."""
        try:
            answer = await self._lines.ask(application, "GET", protocol.path("applications", application))
        except LineLost:
            return
        ids = protocol.texts(answer.body, "channel_ids")
        await asyncio.gather(*(self._take_up_one(application, channel_id) for channel_id in ids))

    async def _take_up_one(self, application: str, channel_id: str) -> None:
        if channel_id in self._serving:
            return
        try:
            described = await self._channel(application, channel_id).described()
        except (HungUp, CallFailed):
            return
        says = protocol.stasis_words(described)
        with suppress(LineLost):
            await self._channel(application, channel_id).end_what_plays(application)
        if says is not None and channel_id not in self._serving:
            self._begin(application, channel_id, {"type": "StasisStart", "channel": described, "args": says})

    async def take_from(self, other: str, application: str, channel_id: str) -> None:
        """Have a channel that the `other` service left in Stasis moved to `application`. Raises nothing."""
        try:
            channel = self._channel(application, channel_id)
            says = protocol.stasis_words(await channel.described())
            if says is not None:
                await channel.end_what_plays(other)
                await channel.post("move", app=application, appArgs=",".join(says))
                log.info("call.moved", channel=channel_id)
        except (HungUp, CallFailed) as failure:
            log.info("call.not_moved", channel=channel_id, reason=repr(failure))

    # -- calls ---------------------------------------------------------------------------------------------------------

    async def _serve(self, application: str, channel_id: str, event: Event, before: asyncio.Task[None] | None) -> None:
        """One call, behind what was made of its channel `before`."""
        channel, call = self._channel(application, channel_id), None
        try:
            if len(self._calls) >= self._most_calls:
                log.warning("call.refused", reason="too many calls", limit=self._most_calls)
                await channel.post("continue")
                return
            if before:
                await asyncio.wait({before})
            call = await self._arrived(channel, event)
            await self._answer(call)
        except HungUp:
            log.info("call.gone", reason="hung up before it began")
        except CallFailed as failure:
            log.warning("call.failed", reason=str(failure))
        finally:
            self._early.pop(channel_id, None)
            if call:
                del self._calls[channel_id]
            if self._serving.get(channel_id) is asyncio.current_task():
                del self._serving[channel_id]

    async def _arrived(self, channel: Channel, event: Event) -> AriCall:
        """The call, which hears all that happened since it came."""
        words = protocol.texts(event, "args")
        asked, complaints = arguments.parse(words[0] if words else "", words[1:])
        name = protocol.text(event, "channel", "name")
        for complaint in complaints:
            log.warning("dialplan.argument", complaint=complaint, channel=name)
        endpoint, forwarded = await self._prove(channel, name)
        arrival = Arrival(
            channel=name,
            uniqueid=channel.id,
            arguments=asked,
            caller_number=protocol.text(event, "channel", "caller", "number"),
            caller_name=protocol.text(event, "channel", "caller", "name"),
            language=protocol.text(event, "channel", "language") or "en",
            endpoint=endpoint,
            forwarded=forwarded,
        )
        await channel.subscribe()
        call = AriCall(
            channel,
            self._silence,
            arrival,
            Journal(self._monotonic),
            Typeahead(self._monotonic),
            watched=bool(asked.watchdog),
        )
        self._calls[channel.id] = call
        for early in self._early.pop(channel.id, ()):
            call.hear(early)
        return call

    async def _prove(self, channel: Channel, name: str) -> tuple[str | None, bool]:
        """Whose device it is, and whether the call was forwarded."""
        endpoint = identity.endpoint_of(name)
        if not endpoint or not self._secret:
            return None, False
        answers: Sequence[str] = await asyncio.gather(*map(channel.variable, identity.questions(endpoint)))
        return identity.verdict(endpoint, answers, self._secret)

    def _channel(self, application: str, channel_id: str) -> Channel:
        return Channel(channel_id, application, partial(self._lines.ask, application))

    def _start(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _channel_of(event: Event) -> str:
    """The id of the channel that an event is about, "" where it is about none."""
    target = protocol.text(event, "playback", "target_uri")
    return target.removeprefix("channel:") if target else protocol.text(event, "channel", "id")
