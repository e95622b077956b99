"""The stream of server-sent events that keeps an open page up to date."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ivr.api.http_protocol import HOLDS_PAGE
from ivr.errors import NotFound
from ivr.web.live_updates import LiveUpdates
from ivr.web.page_sessions import PageSession, read_session, require_session

RECONNECT_MS = 1000
"""A browser connects again this long after a stream has ended, as when the service is restarted."""
HEARTBEAT_S = 20.0
"""A line is sent at least this often, so that proxies keep the stream, and that it ends soon after its session."""
BEAT = "event: beat\ndata:\n\n"
"""The line: browsers notice by it that a connection is dead."""
RETRY_AFTER_S = 30
MAX_CONCURRENT_CHECKS = 4
"""Sessions that are looked up at a time: all at once would make calls wait."""


class LiveStreams:
    """Streams of events: each has the number of changes of the mailboxes that a page shows."""

    def __init__(self, updates: LiveUpdates, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._updates = updates
        self._heartbeat_s = heartbeat_s
        self._places = asyncio.Semaphore(MAX_CONCURRENT_CHECKS)
        self._checks: dict[tuple[str, tuple[str, ...]], asyncio.Task[bool]] = {}

    async def follow_box(self, request: Request) -> Response:
        """Follow one mailbox."""
        session = await require_session(request)
        mailbox = await session.get_box(request.path_params["box_id"])
        return self._stream(request, session, [mailbox.id])

    async def follow_boxes(self, request: Request) -> Response:
        """Follow all mailboxes of the session."""
        session = await require_session(request)
        return self._stream(request, session, [box.record.id for box in await session.list_boxes()])

    def _stream(self, request: Request, session: PageSession, box_ids: Collection[str]) -> Response:
        owner = session.token.box_id or session.token.user_id or ""
        if not self._updates.has_place(owner):
            return Response("too many open pages", 503, {"Retry-After": str(RETRY_AFTER_S)}, "text/plain")
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        if request.method == "HEAD":  # Without a body, what has no end would keep the connection and a place.
            return Response(None, 200, headers, "text/event-stream")
        return StreamingResponse(self._events(request, session.text, box_ids, owner), 200, headers, "text/event-stream")

    async def _events(self, request: Request, text: str, box_ids: Collection[str], owner: str) -> AsyncIterator[str]:
        yield f"retry: {RECONNECT_MS}\n\n"
        if not self._updates.has_place(owner):
            return  # Streams that were opened at the same moment have taken the last place.
        with self._updates.watch(box_ids, owner) as watcher:
            if hold := request.scope.get("extensions", {}).get(HOLDS_PAGE):
                hold()
            while not watcher.is_closed:
                changes = await watcher.next_change(self._heartbeat_s)
                if watcher.is_closed or not await self._is_allowed(request, text, tuple(box_ids)):
                    return
                yield BEAT if changes is None else f"data: {changes}\n\n"

    async def _is_allowed(self, request: Request, text: str, box_ids: tuple[str, ...]) -> bool:
        """Return whether the session still exists and reaches the mailboxes: signing out ends the stream.

        The pages of a session that show the same mailboxes share one look at it, since a change
        reaches all of them at once.
        """
        key = (text, box_ids)
        if key not in self._checks:
            self._checks[key] = asyncio.create_task(self._check(request, box_ids))
            self._checks[key].add_done_callback(lambda _: self._checks.pop(key))
        return await asyncio.shield(self._checks[key])

    async def _check(self, request: Request, box_ids: tuple[str, ...]) -> bool:
        async with self._places:
            return await _is_allowed(request, box_ids)


async def _is_allowed(request: Request, box_ids: Collection[str]) -> bool:
    session = await read_session(request)
    if session is None:
        return False
    try:
        for box_id in box_ids:
            await session.get_box(box_id)
    except NotFound:
        return False
    return True
