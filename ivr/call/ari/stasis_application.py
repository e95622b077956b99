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
from ivr.call.ari.connection import ConnectionRegistry
from ivr.call.ari.protocol import Event
from ivr.call.incoming import IncomingCall
from ivr.call.journal import Journal
from ivr.call.typeahead import Typeahead
from ivr.errors import CallFailed, ConnectionLost, HungUp, ReclaimedByDialplan, ServiceStopping

DIALPLAN_ACTION_GRACE_S = 0.2
"""In which a call that was sent on an errand has gone."""
CLAIM_DELAY_PER_CALL_S, MAX_CLAIM_DELAY_S = 0.001, 0.1
"""How much later a service claims a call for each that it has, and at most."""

log = structlog.get_logger()


class StasisApplication:
    """`answer(call)` runs one call to its end; `monotonic` gives seconds."""

    def __init__(
        self,
        connections: ConnectionRegistry,
        handle_call: Callable[[AriCall], Awaitable[None]],
        silence: Sound,
        secret: str,
        monotonic: Callable[[], float],
        max_calls: int = 500,
    ) -> None:
        self._connections = connections
        self._handle_call = handle_call
        self._silence = silence
        self._secret = secret
        self._monotonic = monotonic
        self._max_calls = max_calls
        self._calls: dict[str, AriCall] = {}
        self._early_events: dict[str, list[Event]] = {}
        self._serve_tasks: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        connections.on_event = self._on_event
        connections.on_connected = self._on_connected

    @property
    def calls_in_progress(self) -> int:
        return len(self._calls) + len(self._early_events)

    async def stop(self, grace_period_s: float = 5.0) -> None:
        """Take no more. Those in progress stay in Stasis, to be taken up."""
        self._connections.on_event = lambda application, event: None
        self._connections.on_connected = lambda application: None
        for call in self._calls.values():
            call.fail(ServiceStopping("the service is stopping"))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_period_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- events --------------------------------------------------------------------------------------------------------

    def _on_event(self, application: str, event: Event) -> None:
        channel_id = _channel_id_of(event)
        call = self._calls.get(channel_id)
        if event.get("type") == "CallBroadcast" and channel_id:
            self._start_task(self._claim(application, channel_id))
        elif event.get("type") == "StasisStart" and channel_id and not (call and call.is_in_dialplan):
            if call:  # It had left and come again, and nobody told us.
                call.fail(ReclaimedByDialplan("the dialplan had the call again"))
            self._start_call(application, channel_id, event)
        elif call:
            call.on_event(event)
            if event.get("type") == "StasisEnd" and not call.is_in_dialplan:
                self._start_task(self._on_unexpected_stasis_end(application, channel_id, call))
        elif channel_id in self._early_events:
            self._early_events[channel_id].append(event)

    async def _claim(self, application: str, channel_id: str) -> None:
        """A call looks for a service. Who has more calls is slower to say that it wants it."""
        if len(self._calls) >= self._max_calls:
            return
        await asyncio.sleep(min(len(self._calls) * CLAIM_DELAY_PER_CALL_S, MAX_CLAIM_DELAY_S))
        uri = protocol.build_path("events", "claim") + protocol.build_query(
            channelId=channel_id, application=application
        )
        with suppress(ConnectionLost):
            await self._connections.request(
                application, "POST", uri, at_most_once=True
            )  # Where another was faster, it is theirs.

    def _start_call(self, application: str, channel_id: str, event: Event) -> None:
        if channel_id in self._early_events:
            return
        self._early_events[channel_id] = []
        before = self._serve_tasks.get(channel_id)
        self._serve_tasks[channel_id] = self._start_task(self._serve(application, channel_id, event, before))

    def _on_connected(self, application: str) -> None:
        """A connection is there again. What happened meanwhile nobody tells: each call looks."""
        for channel_id, call in self._calls.items():
            self._start_task(self._inspect_channel(application, channel_id, call))
        self._start_task(self._resume_orphans(application))

    async def _on_unexpected_stasis_end(self, application: str, channel_id: str, call: AriCall) -> None:
        """It has left Stasis, and not at our wish."""
        try:
            await self._channel(application, channel_id).fetch()
            call.fail(ReclaimedByDialplan("the dialplan has the call again"))
        except HungUp:
            call.on_event({"type": "ChannelDestroyed"})
        except CallFailed as failure:
            call.fail(failure)

    async def _inspect_channel(self, application: str, channel_id: str, call: AriCall) -> None:
        """Tell a call what it may have missed."""
        channel, waiting = self._channel(application, channel_id), call.current_playback
        try:
            ours = await channel.is_in_stasis()
            if waiting and ours and await channel.get_playing_media_uri(waiting.playback_id) != waiting.media_uri:
                waiting.end_event_missed = True
                waiting.mark_finished(None)
            if ours and call.is_in_dialplan:
                await self._resume_if_returned(channel, call)
            if not ours and not call.is_in_dialplan:
                call.fail(ReclaimedByDialplan("the dialplan has the call again"))
        except HungUp:
            call.on_event({"type": "ChannelDestroyed"})
        except ConnectionLost:
            pass  # The next connection asks again.

    @staticmethod
    async def _resume_if_returned(channel: Channel, call: AriCall) -> None:
        """From an errand, unless it has not gone yet."""
        await asyncio.sleep(DIALPLAN_ACTION_GRACE_S)
        if call.is_in_dialplan and await channel.is_in_stasis():
            call.on_event({"type": "StasisStart"})

    # -- calls that were somebody else's -------------------------------------------------------------------------------

    async def _resume_orphans(self, application: str) -> None:
        """What an earlier run left in Stasis, or what came while there was no connection."""
        try:
            answer = await self._connections.request(
                application, "GET", protocol.build_path("applications", application)
            )
        except ConnectionLost:
            return
        ids = protocol.get_text_list(answer.body, "channel_ids")
        await asyncio.gather(*(self._resume_orphan(application, channel_id) for channel_id in ids))

    async def _resume_orphan(self, application: str, channel_id: str) -> None:
        if channel_id in self._serve_tasks:
            return
        try:
            described = await self._channel(application, channel_id).fetch()
        except (HungUp, CallFailed):
            return
        says = protocol.stasis_arguments(described)
        with suppress(ConnectionLost):
            await self._channel(application, channel_id).stop_all_playbacks(application)
        if says is not None and channel_id not in self._serve_tasks:
            self._start_call(application, channel_id, {"type": "StasisStart", "channel": described, "args": says})

    async def take_over_channel(self, former_application: str, application: str, channel_id: str) -> None:
        """Have a channel that the `other` service left in Stasis moved to `application`. Raises nothing."""
        try:
            channel = self._channel(application, channel_id)
            says = protocol.stasis_arguments(await channel.fetch())
            if says is not None:
                await channel.stop_all_playbacks(former_application)
                await channel.post("move", app=application, appArgs=",".join(says))
                log.info("call.moved", channel=channel_id)
        except (HungUp, CallFailed) as failure:
            log.info("call.not_moved", channel=channel_id, reason=repr(failure))

    # -- calls ---------------------------------------------------------------------------------------------------------

    async def _serve(
        self, application: str, channel_id: str, event: Event, previous_task: asyncio.Task[None] | None
    ) -> None:
        """One call, behind what was made of its channel `before`."""
        channel, call = self._channel(application, channel_id), None
        try:
            if len(self._calls) >= self._max_calls:
                log.warning("call.refused", reason="too many calls", limit=self._max_calls)
                await channel.post("continue")
                return
            if previous_task:
                await asyncio.wait({previous_task})
            call = await self._build_call(channel, event)
            await self._handle_call(call)
        except HungUp:
            log.info("call.gone", reason="hung up before it began")
        except CallFailed as failure:
            log.warning("call.failed", reason=str(failure))
        finally:
            self._early_events.pop(channel_id, None)
            if call:
                del self._calls[channel_id]
            if self._serve_tasks.get(channel_id) is asyncio.current_task():
                del self._serve_tasks[channel_id]

    async def _build_call(self, channel: Channel, event: Event) -> AriCall:
        """The call, which hears all that happened since it came."""
        words = protocol.get_text_list(event, "args")
        asked, complaints = arguments.parse(words[0] if words else "", words[1:])
        name = protocol.get_text(event, "channel", "name")
        for complaint in complaints:
            log.warning("dialplan.argument", complaint=complaint, channel=name)
        endpoint, forwarded = await self._verify_identity(channel, name)
        arrival = IncomingCall(
            channel=name,
            uniqueid=channel.id,
            arguments=asked,
            caller_number=protocol.get_text(event, "channel", "caller", "number"),
            caller_name=protocol.get_text(event, "channel", "caller", "name"),
            language=protocol.get_text(event, "channel", "language") or "en",
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
            has_watchdog=bool(asked.watchdog),
        )
        self._calls[channel.id] = call
        for early in self._early_events.pop(channel.id, ()):
            call.on_event(early)
        return call

    async def _verify_identity(self, channel: Channel, name: str) -> tuple[str | None, bool]:
        """Whose device it is, and whether the call was forwarded."""
        endpoint = identity.endpoint_of(name)
        if not endpoint or not self._secret:
            return None, False
        answers: Sequence[str] = await asyncio.gather(*map(channel.get_variable, identity.variables_to_read(endpoint)))
        return identity.verify(endpoint, answers, self._secret)

    def _channel(self, application: str, channel_id: str) -> Channel:
        return Channel(channel_id, application, partial(self._connections.request, application))

    def _start_task(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _channel_id_of(event: Event) -> str:
    """The id of the channel that an event is about, "" where it is about none."""
    target = protocol.get_text(event, "playback", "target_uri")
    return target.removeprefix("channel:") if target else protocol.get_text(event, "channel", "id")
