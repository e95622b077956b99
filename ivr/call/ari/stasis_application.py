"""The Stasis application: each channel that enters it becomes a call and gets the events of its channel."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

import structlog

from ivr.audio.formats import Sound
from ivr.call import arguments, incoming
from ivr.call.arguments import Action
from ivr.call.ari import protocol
from ivr.call.ari.call import AriCall
from ivr.call.ari.channel import Channel
from ivr.call.ari.connection import ConnectionRegistry
from ivr.call.ari.protocol import Event
from ivr.call.incoming import PRESENTATION_VARIABLE, IncomingCall, present_caller
from ivr.call.journal import Journal
from ivr.call.owner_proof import NOTHING_PROVEN, OwnerProof, Proof
from ivr.call.typeahead import Typeahead
from ivr.errors import CallFailed, ConnectionLost, HungUp, ReclaimedByDialplan, ServiceStopping

DIALPLAN_ACTION_GRACE_S = 0.2
"""Seconds within which a channel that was sent to a dialplan action has left Stasis."""
CLAIM_DELAY_PER_CALL_S, MAX_CLAIM_DELAY_S = 0.001, 0.1
"""Seconds by which a service delays a claim for each call it has, and at most."""

log = structlog.get_logger()


class StasisApplication:
    """`handle_call(call)` runs one call to its end; `monotonic` returns seconds.

    `owner_proof`: how a call proves that it is of our own Asterisk.
    """

    def __init__(
        self,
        connections: ConnectionRegistry,
        handle_call: Callable[[AriCall], Awaitable[None]],
        silence: Sound,
        owner_proof: OwnerProof,
        monotonic: Callable[[], float],
        max_calls: int = 500,
    ) -> None:
        self._connections = connections
        self._handle_call = handle_call
        self._silence = silence
        self._owner_proof = owner_proof
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
        """Accept no more calls. Those in progress stay in Stasis, where another service or the next start resumes
        them."""
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
            if call:  # It has left Stasis and entered it again; the event of leaving was lost.
                call.fail(ReclaimedByDialplan("the dialplan had the call again"))
            self._start_call(application, channel_id, event)
        elif call:
            call.on_event(event)
            if event.get("type") == "StasisEnd" and not call.is_in_dialplan:
                self._start_task(self._on_unexpected_stasis_end(application, channel_id, call))
        elif channel_id in self._early_events:
            self._early_events[channel_id].append(event)

    async def _claim(self, application: str, channel_id: str) -> None:
        """Claim a call that was broadcast to all services. A service with more calls waits longer."""
        if len(self._calls) >= self._max_calls:
            return
        await asyncio.sleep(min(len(self._calls) * CLAIM_DELAY_PER_CALL_S, MAX_CLAIM_DELAY_S))
        uri = protocol.build_path("events", "claim") + protocol.build_query(
            channelId=channel_id, application=application
        )
        with suppress(ConnectionLost):
            await self._connections.request(application, "POST", uri, at_most_once=True)  # Fails if another was faster.

    def _start_call(self, application: str, channel_id: str, event: Event) -> None:
        if channel_id in self._early_events:
            return
        self._early_events[channel_id] = []
        previous_task = self._serve_tasks.get(channel_id)
        self._serve_tasks[channel_id] = self._start_task(self._serve(application, channel_id, event, previous_task))

    def _on_connected(self, application: str) -> None:
        """Inspect all channels after a reconnection: events that happened meanwhile are lost."""
        for channel_id, call in self._calls.items():
            self._start_task(self._inspect_channel(application, channel_id, call))
        self._start_task(self._resume_orphans(application))

    async def _on_unexpected_stasis_end(self, application: str, channel_id: str, call: AriCall) -> None:
        """End a call whose channel has left Stasis without a request of the service."""
        try:
            await self._channel(application, channel_id).fetch()
            call.fail(ReclaimedByDialplan("the dialplan has the call again"))
        except HungUp:
            call.on_event({"type": "ChannelDestroyed"})
        except CallFailed as failure:
            call.fail(failure)

    async def _inspect_channel(self, application: str, channel_id: str, call: AriCall) -> None:
        """Find out which events a call has missed, and pass them to it."""
        channel, waiter = self._channel(application, channel_id), call.current_playback
        try:
            in_stasis = await channel.is_in_stasis()
            if waiter and in_stasis and await channel.get_playing_media_uri(waiter.playback_id) != waiter.media_uri:
                waiter.end_event_missed = True
                waiter.mark_finished(None)
            if in_stasis and call.is_in_dialplan:
                await self._resume_if_returned(channel, call)
            if not in_stasis and not call.is_in_dialplan:
                call.fail(ReclaimedByDialplan("the dialplan has the call again"))
        except HungUp:
            call.on_event({"type": "ChannelDestroyed"})
        except ConnectionLost:
            pass  # The channel is inspected again after the next connection.

    @staticmethod
    async def _resume_if_returned(channel: Channel, call: AriCall) -> None:
        """Note the return from a dialplan action, unless the channel has not left for it yet."""
        await asyncio.sleep(DIALPLAN_ACTION_GRACE_S)
        if call.is_in_dialplan and await channel.is_in_stasis():
            call.on_event({"type": "StasisStart"})

    # -- calls of other services and earlier runs ---------------------------------------------------------------------

    async def _resume_orphans(self, application: str) -> None:
        """Resume the calls that an earlier run left in Stasis, or that came while there was no connection."""
        try:
            response = await self._connections.request(
                application, "GET", protocol.build_path("applications", application)
            )
        except ConnectionLost:
            return
        ids = protocol.get_text_list(response.body, "channel_ids")
        await asyncio.gather(*(self._resume_orphan(application, channel_id) for channel_id in ids))

    async def _resume_orphan(self, application: str, channel_id: str) -> None:
        if channel_id in self._serve_tasks:
            return
        try:
            properties = await self._channel(application, channel_id).fetch()
        except (HungUp, CallFailed):
            return
        stasis_arguments = protocol.stasis_arguments(properties)
        with suppress(ConnectionLost):
            await self._channel(application, channel_id).stop_all_playbacks(application)
        if stasis_arguments is not None and channel_id not in self._serve_tasks:
            event = {"type": "StasisStart", "channel": properties, "args": stasis_arguments}
            self._start_call(application, channel_id, event)

    async def take_over_channel(self, former_application: str, application: str, channel_id: str) -> None:
        """Move a channel that a dead service left in Stasis to `application`. Raises nothing."""
        try:
            channel = self._channel(application, channel_id)
            stasis_arguments = protocol.stasis_arguments(await channel.fetch())
            if stasis_arguments is not None:
                await channel.stop_all_playbacks(former_application)
                await channel.post("move", app=application, appArgs=",".join(stasis_arguments))
                log.info("call.moved", channel=channel_id)
        except (HungUp, CallFailed) as failure:
            log.info("call.not_moved", channel=channel_id, reason=repr(failure))

    # -- calls ---------------------------------------------------------------------------------------------------------

    async def _serve(
        self, application: str, channel_id: str, event: Event, previous_task: asyncio.Task[None] | None
    ) -> None:
        """Run one call, after `previous_task`, the former call of the same channel, has ended."""
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
        """Build the call and pass it the events since its channel entered Stasis."""
        words = protocol.get_text_list(event, "args")
        parsed, warnings = arguments.parse(words[0] if words else "", words[1:])
        name = protocol.get_text(event, "channel", "name")
        for warning in warnings:
            log.warning("dialplan.argument", warning=warning, channel=name)
        proof = await self._verify_identity(channel, name, parsed.action)
        caller_number, caller_name = present_caller(
            protocol.get_text(event, "channel", "caller", "number"),
            protocol.get_text(event, "channel", "caller", "name"),
            await channel.get_variable(PRESENTATION_VARIABLE),
        )
        incoming = IncomingCall(
            channel=name,
            uniqueid=channel.id,
            arguments=parsed,
            caller_number=caller_number,
            caller_name=caller_name,
            language=protocol.get_text(event, "channel", "language") or "en",
            endpoint=proof.endpoint,
            forwarded=proof.is_forwarded,
            is_proven=proof.is_own_asterisk,
        )
        await channel.subscribe()
        call = AriCall(
            channel,
            self._silence,
            incoming,
            Journal(self._monotonic),
            Typeahead(self._monotonic),
            has_watchdog=bool(parsed.watchdog),
        )
        self._calls[channel.id] = call
        for early in self._early_events.pop(channel.id, ()):
            call.on_event(early)
        return call

    async def _verify_identity(self, channel: Channel, name: str, action: Action | None) -> Proof:
        """Return what is proven of the call."""
        request = self._owner_proof.request(incoming.endpoint_of(name), action)
        if request is None:
            return NOTHING_PROVEN
        # ARI reads one function, and does not substitute what is in its arguments: EVAL() does.
        own_asterisk, *others = request.expressions
        names = (f"EVAL(${{{own_asterisk}}})", *others)
        return request.verify(await asyncio.gather(*map(channel.get_variable, names)))

    def _channel(self, application: str, channel_id: str) -> Channel:
        return Channel(channel_id, application, partial(self._connections.request, application))

    def _start_task(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _channel_id_of(event: Event) -> str:
    """Return the id of the channel that an event concerns, "" if none."""
    target = protocol.get_text(event, "playback", "target_uri")
    return target.removeprefix("channel:") if target else protocol.get_text(event, "channel", "id")
