"""Pages of boxes and messages, as answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from fastapi import Request
from starlette.responses import Response

from ivr.api import serializers
from ivr.api.auth import Principal
from ivr.api.envelope import success
from ivr.api.query import MAX_UNPAGED_ROWS, ListQuery, encode_page_key
from ivr.errors import InvalidPage, PageRequired
from ivr.mailbox.listing import BoxQuery, BoxSummary, MessageQuery, MessageSummary, Page
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Folder

DELETE_BATCH_SIZE = 500
"""Messages deleted together where all are to go."""

FetchPage = Callable[[Any, int], Awaitable[Page[Any, Any]]]


async def boxes_response(request: Request, principal: Principal, query: ListQuery) -> Response:
    """The boxes that the asker reaches."""

    def fits(box: BoxSummary) -> bool:
        return (
            principal.can_access(box.settings)
            and query.created_range[0] <= box.created_at <= query.created_range[1]
            and query.matches({"id": box.record.id, **box.record.settings}, box.modified_at)
        )

    async def fetch(after: Any, limit: int) -> Page[BoxSummary, Any]:
        wanted = BoxQuery(limit, fits, after, query.ascending is not False)
        return await principal.services.lists.list_boxes(principal.account.id, wanted)

    return await _page_response(request, query, str, fetch, serializers.box_summary)


async def messages_response(
    request: Request, principal: Principal, query: ListQuery, mailbox: Mailbox | None
) -> Response:
    """The messages of a box, or of all boxes that the asker reaches."""
    lists = principal.services.lists
    box_ids = [mailbox.id] if mailbox else None if principal.user_id is None else await principal.accessible_box_ids()

    async def fetch(after: Any, limit: int) -> Page[MessageSummary, Any]:
        wanted = build_message_query(principal, query, after, limit)
        if box_ids is None:
            return await lists.list_account_messages(principal.account.id, wanted)
        return await lists.list_box_messages(box_ids, wanted)

    def line(listed: MessageSummary) -> dict[str, Any]:
        shown = serializers.message_summary(listed.message)
        return shown if mailbox else {listed.message.box_id: shown}

    return await _page_response(request, query, int, fetch, line)


async def fetch_page_to_delete(
    principal: Principal, query: ListQuery, mailbox: Mailbox, folder: Folder | None, after: Any
) -> Page[MessageSummary, Any]:
    """Some of a box's messages: of one folder or all, as far as the filters of the query let them through."""
    wanted = build_message_query(principal, query, after, DELETE_BATCH_SIZE)
    if folder is not None:
        fits = wanted.matches
        wanted = replace(wanted, folder=folder, matches=lambda listed: listed.message.folder == folder and fits(listed))
    return await principal.services.lists.list_box_messages([mailbox.id], wanted)


def build_message_query(
    principal: Principal, query: ListQuery, after: tuple[int, str] | None, limit: int
) -> MessageQuery:
    """The query as the store takes it."""
    return MessageQuery(
        limit,
        lambda listed: query.matches(serializers.message_summary(listed.message), listed.folder_changed_at),
        after,
        ascending=query.ascending is True,
        since=max(principal.retention_cutoff, query.created_range[0]),
        until=query.created_range[1],
        folder=query.folder,
        caller_number=query.caller_number,
    )


async def _page_response(
    request: Request, query: ListQuery, key_type: type, fetch: FetchPage, serialize: Callable[[Any], dict[str, Any]]
) -> Response:
    if query.start_key and not isinstance(query.start_key[0], key_type):
        raise InvalidPage("invalid start key: it is of another list")
    if not query.paginate:
        return success(request, [serialize(one) for one in await _fetch_all(fetch, query.start_key)])
    page = await fetch(query.start_key, query.page_size)
    found = [serialize(one) for one in page.items]
    paging: dict[str, Any] = {"page_size": len(found)}
    if query.start_key:
        paging["start_key"] = encode_page_key(query.start_key)
    if page.next_key:
        paging["next_start_key"] = encode_page_key(page.next_key)
    return success(request, found, **paging)


async def _fetch_all(fetch: FetchPage, after: Any) -> list[Any]:
    found: list[Any] = []
    while True:
        page = await fetch(after, MAX_UNPAGED_ROWS + 1 - len(found))
        found += page.items
        if len(found) > MAX_UNPAGED_ROWS:
            raise PageRequired(f"at most {MAX_UNPAGED_ROWS} rows come without pages: leave paginate=false out")
        if (after := page.next_key) is None:
            return found
