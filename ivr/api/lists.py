"""Pages of boxes and messages, as answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from fastapi import Request
from starlette.responses import Response

from ivr.api import documents
from ivr.api.asker import Asker
from ivr.api.envelope import success
from ivr.api.query import UNPAGED, Query, shown_key
from ivr.errors import NoSuchPage, TooManyRows
from ivr.mailbox.listing import BoxesWanted, ListedBox, ListedMessage, MessagesWanted, Page
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Folder

AT_A_TIME = 500
"""Messages deleted together where all are to go."""

Fetch = Callable[[Any, int], Awaitable[Page[Any, Any]]]


async def boxes(request: Request, asker: Asker, query: Query) -> Response:
    """The boxes that the asker reaches."""

    def fits(box: ListedBox) -> bool:
        return (
            asker.reaches(box.settings)
            and query.created[0] <= box.created_at <= query.created[1]
            and query.fits({"id": box.row.id, **box.row.settings}, box.changed_at)
        )

    async def fetch(after: Any, limit: int) -> Page[ListedBox, Any]:
        wanted = BoxesWanted(limit, fits, after, query.ascending is not False)
        return await asker.rooms.lists.boxes(asker.account.id, wanted)

    return await _answer(request, query, str, fetch, documents.box_line)


async def messages(request: Request, asker: Asker, query: Query, mailbox: Mailbox | None) -> Response:
    """The messages of a box, or of all boxes that the asker reaches."""
    lists = asker.rooms.lists
    box_ids = [mailbox.id] if mailbox else None if asker.user_id is None else await asker.box_ids()

    async def fetch(after: Any, limit: int) -> Page[ListedMessage, Any]:
        wanted = wanted_of(asker, query, after, limit)
        if box_ids is None:
            return await lists.messages_of_account(asker.account.id, wanted)
        return await lists.messages_of_boxes(box_ids, wanted)

    def line(listed: ListedMessage) -> dict[str, Any]:
        shown = documents.message_line(listed.message)
        return shown if mailbox else {listed.message.box_id: shown}

    return await _answer(request, query, int, fetch, line)


async def page_to_delete(
    asker: Asker, query: Query, mailbox: Mailbox, folder: Folder | None, after: Any
) -> Page[ListedMessage, Any]:
    """Some of a box's messages: of one folder or all, as far as the filters of the query let them through."""
    wanted = wanted_of(asker, query, after, AT_A_TIME)
    if folder is not None:
        fits = wanted.fits
        wanted = replace(wanted, folder=folder, fits=lambda listed: listed.message.folder == folder and fits(listed))
    return await asker.rooms.lists.messages_of_boxes([mailbox.id], wanted)


def wanted_of(asker: Asker, query: Query, after: tuple[int, str] | None, limit: int) -> MessagesWanted:
    """The query as the store takes it."""
    return MessagesWanted(
        limit, lambda listed: query.fits(documents.message_line(listed.message), listed.changed_at), after,
        ascending=query.ascending is True, since=max(asker.not_before, query.created[0]), until=query.created[1],
        folder=query.folder, caller=query.caller,
    )  # fmt: skip


async def _answer(
    request: Request, query: Query, key_type: type, fetch: Fetch, line: Callable[[Any], dict[str, Any]]
) -> Response:
    if query.start_key and not isinstance(query.start_key[0], key_type):
        raise NoSuchPage("invalid start key: it is of another list")
    if not query.paginate:
        return success(request, [line(one) for one in await _all(fetch, query.start_key)])
    page = await fetch(query.start_key, query.page_size)
    found = [line(one) for one in page.found]
    paging: dict[str, Any] = {"page_size": len(found)}
    if query.start_key:
        paging["start_key"] = shown_key(query.start_key)
    if page.next:
        paging["next_start_key"] = shown_key(page.next)
    return success(request, found, **paging)


async def _all(fetch: Fetch, after: Any) -> list[Any]:
    found: list[Any] = []
    while True:
        page = await fetch(after, UNPAGED + 1 - len(found))
        found += page.found
        if len(found) > UNPAGED:
            raise TooManyRows(f"at most {UNPAGED} rows come without pages: leave paginate=false out")
        if (after := page.next) is None:
            return found
