"""Documents and pages of documents as JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fastapi import Request
from starlette.responses import Response

from ivr.api.audio_links import MEDIA_LINK_LIFETIME_S, audio_path, media_path
from ivr.api.auth import Principal
from ivr.api.envelope import RenderedData, join_lists, render_data, success
from ivr.api.filters import no_array, unknown_key, value_at_path
from ivr.api.query import MAX_PAGE_SIZE, ListQuery, encode_page_key
from ivr.directory.models import Account, User
from ivr.errors import InvalidPage, PageRequired
from ivr.mailbox.box_settings import LIST_KEYS, BoxSettings
from ivr.mailbox.boxes import settings_from_record, to_document
from ivr.mailbox.bulk import BulkResult
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.text_values import is_setting
from ivr.storage.records import (
    GREGORIAN_OFFSET_S,
    BoxQuery,
    BoxSummary,
    Folder,
    Message,
    MessageQuery,
    MessageSummary,
    OutboxTask,
    Page,
)


def box_document(mailbox: Mailbox) -> dict[str, Any]:
    """Return all settings of a box."""
    return {"id": mailbox.id, **to_document(mailbox.settings)}


def undelivered_mail_document(mails: Sequence[OutboxTask]) -> dict[str, Any]:
    """Return what the box cannot change of itself: the mails about it that were given up."""
    return {
        "undelivered_mails": [
            {"address": mail.target, "error": mail.error or "", "timestamp": mail.created_at + GREGORIAN_OFFSET_S}
            for mail in mails
        ]
    }


def box_summary(summary: BoxSummary) -> dict[str, Any]:
    """Return a box as an item of a list."""
    settings, counts = settings_from_record(summary.record), summary.counts
    document: dict[str, Any] = {"id": summary.record.id, "name": settings.name, "mailbox": settings.mailbox}
    if settings.owner_id:
        document["owner_id"] = settings.owner_id
    if settings.flags:
        document["flags"] = settings.flags
    document["messages"] = counts.new + counts.saved
    if document["messages"]:
        document["folders"] = {"new": counts.new, "saved": counts.saved}
    return document


def box_user(summary: BoxSummary, account: Account, users: Mapping[str, User]) -> dict[str, Any]:
    """Return a box with its owner and all counts. `users`: those of the account, by id."""
    settings, counts = settings_from_record(summary.record), summary.counts
    owner = users.get(settings.owner_id or "")
    zones = (settings.timezone, owner.timezone if owner else None, account.timezone)
    document: dict[str, Any] = {
        "id": summary.record.id,
        "mailbox": settings.mailbox,
        "name": settings.name,
        "enabled": settings.enabled,
        "timezone": next((zone for zone in zones if zone and zone != "inherit"), "UTC"),
        "language": (owner.language if owner else None) or settings.language or account.language,
        "messages": {
            "new": counts.new,
            "urgent": counts.urgent_new,
            "saved": summary.counts.saved,
            "deleted": counts.deleted,
        },
    }
    if owner:
        document["owner"] = {"id": owner.id, "name": owner.name, **({"email": owner.email} if owner.email else {})}
    return document


def message_summary(message: Message) -> dict[str, Any]:
    """Return a message as an item of a list."""
    document = {
        "timestamp": message.gregorian,
        "from": message.from_uri,
        "to": message.to_uri,
        "caller_id_number": message.caller.number,
        "caller_id_name": message.caller.name,
        "call_id": message.call_id,
        "folder": message.folder,
        "length": message.length_ms,
        "media_id": message.id,
    }
    if message.urgent:
        document["urgent"] = True
    if message.transcription is not None:
        document["transcribed"] = True
    if message.labels:
        document["labels"] = list(message.labels)
    return document


def message_document(message: Message) -> dict[str, Any]:
    """Return a message by itself, with its transcript if it has one."""
    document = message_summary(message)
    if message.transcription is not None:
        document["transcription"] = _transcription_document(message.transcription)
        del document["transcribed"]
    return document


def audio_links(principal: Principal) -> Callable[[Message], dict[str, Any]]:
    """Return a function that makes the links of a message."""

    def links(message: Message) -> dict[str, Any]:
        path = audio_path(principal.account.id, message.box_id, message.id)
        link, expires_at = principal.services.audio.links.create(path)
        links = {"raw": link, "expires_at": expires_at}
        if principal.services.media.clients:
            path = media_path(principal.account.id, message.id)
            links["media"], _ = principal.services.audio.links.create(path, MEDIA_LINK_LIFETIME_S)
        return links

    return links


MESSAGE_KEYS = (
    *("call_id", "caller_id_name", "caller_id_number", "folder", "from", "labels", "length", "media_id"),
    *("timestamp", "to", "transcribed", "urgent"),
)
"""Keys by which messages can be filtered: those of `message_summary`."""
MESSAGE_ARRAY_KEYS = ("labels",)
BOX_KEYS = ("id", *BoxSettings.model_fields)
"""Keys by which boxes can be filtered, besides those that clients store in them."""


async def outcome_response(request: Request, outcome: BulkResult) -> Response:
    """Build the response to a bulk request. Both members are always present; `failed` lists one-key objects.

    Ten thousand results are made into a document, into JSON and into a response in steps of their own: calls go first.
    """
    await asyncio.sleep(0)
    failed = [{message_id: reason} for message_id, reason in outcome.failed]
    await asyncio.sleep(0)
    rendered = render_data({"succeeded": outcome.succeeded, "failed": failed})
    await asyncio.sleep(0)
    return success(request, rendered)


def _transcription_document(stored_text: str) -> Any:
    try:
        document = json.loads(stored_text)
    except ValueError:
        document = None
    return document if isinstance(document, dict) else {"result": "success", "text": stored_text}


FetchPage = Callable[[Any, int], Awaitable[Page[Any, Any]]]
"""Fetches the page after a key, of at most so many rows."""


MAX_REUSED_PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class _RowSource:
    """How the rows of one list are fetched and serialized."""

    fetch: FetchPage
    serialize: Callable[[Any], dict[str, Any]]
    key_type: type
    """Type of the first member of a page key: a box number or the time of a message."""
    reuse_key: tuple[Hashable, ...] | None = None
    """Until a commit, pages of this key and of the same parameters are the same; None: they are not reused."""


async def boxes_response(request: Request, principal: Principal, query: ListQuery) -> Response:
    """List the boxes that the principal may access."""
    return await _boxes_response(request, principal, query, box_summary)


async def box_users_response(request: Request, principal: Principal, query: ListQuery) -> Response:
    """List the boxes that the principal may access, with their owners and all counts."""
    users = {user.id: user for user in await principal.services.auth.directory.users(principal.account.id)}
    serialize = partial(box_user, account=principal.account, users=users)
    return await _boxes_response(request, principal, query, serialize)


async def _boxes_response(
    request: Request, principal: Principal, query: ListQuery, serialize: Callable[[BoxSummary], dict[str, Any]]
) -> Response:
    def matches(box: BoxSummary) -> bool:
        return (
            (principal.user_id is None or principal.can_access(settings_from_record(box.record)))
            and query.created_range[0] <= box.created_at <= query.created_range[1]
            and query.matches({"id": box.record.id, **box.record.settings}, box.modified_at)
        )

    async def fetch(after: Any, limit: int) -> Page[BoxSummary, Any]:
        box_query = BoxQuery(limit, matches, after, query.ascending is not False)
        return await principal.services.mailbox.lists.list_boxes(principal.account.id, box_query)

    await _reject_unknown_box_keys(principal, query)
    return await _page_response(request, principal, query, _RowSource(fetch, serialize, str))


async def _reject_unknown_box_keys(principal: Principal, query: ListQuery) -> None:
    """Raise `InvalidFields` for a filter whose key is no setting and no key that a client stored in a box."""
    for found in query.filters:
        if is_setting(found.key) or found.key == "id":
            if found.requires_array and found.key not in LIST_KEYS:
                raise no_array(found)
            continue
        with_key = BoxQuery(1, partial(_has_setting, found.key))
        page = await principal.services.mailbox.lists.list_boxes(principal.account.id, with_key)
        if not page.items and page.next_key is None:
            raise unknown_key(found, BOX_KEYS)


def _has_setting(key: str, box: BoxSummary) -> bool:
    return value_at_path(box.record.settings, key) is not None


async def messages_response(
    request: Request, principal: Principal, query: ListQuery, mailbox: Mailbox | None
) -> Response:
    """List the messages of a box; without `mailbox`, those of all accessible boxes."""
    lists = principal.services.mailbox.lists
    box_ids = [mailbox.id] if mailbox else None if principal.user_id is None else await principal.accessible_box_ids()

    async def fetch(after: Any, limit: int) -> Page[MessageSummary, Any]:
        message_query = build_message_query(principal, query, after, limit)
        if box_ids is None:
            return await lists.list_account_messages(principal.account.id, message_query)
        return await lists.list_box_messages(box_ids, message_query)

    links = audio_links(principal) if query.wants_links else None

    def serialize(listed: MessageSummary) -> dict[str, Any]:
        summary = message_summary(listed.message)
        if links:
            summary["links"] = links(listed.message)
        return summary if mailbox else {listed.message.box_id: summary}

    # Within one second, only a commit changes a page of a box.
    reuse_key = ("messages", mailbox.id, principal.retention_cutoff) if mailbox and not links else None
    return await _page_response(request, principal, query, _RowSource(fetch, serialize, int, reuse_key))


async def fetch_page_to_delete(
    principal: Principal, query: ListQuery, mailbox: Mailbox, folder: Folder | None, after: Any
) -> Page[MessageSummary, Any]:
    """Fetch the next messages of a box that match the filters, of one folder or of all."""
    message_query = build_message_query(principal, query, after, principal.services.limits.delete_batch_size)
    if folder is not None:
        matches = message_query.matches
        message_query = replace(
            message_query,
            folder=folder,
            matches=lambda listed: listed.message.folder == folder and matches(listed),
        )
    return await principal.services.mailbox.lists.list_box_messages([mailbox.id], message_query)


def build_message_query(
    principal: Principal, query: ListQuery, after: tuple[int, str] | None, limit: int
) -> MessageQuery:
    """Translate the parameters of a request into a query of the store. Raises `InvalidFields` for an unknown key."""
    for found in query.filters:
        if found.key not in MESSAGE_KEYS:
            raise unknown_key(found, MESSAGE_KEYS)
        if found.requires_array and found.key not in MESSAGE_ARRAY_KEYS:
            raise no_array(found)
    return MessageQuery(
        limit,
        lambda listed: query.matches(message_summary(listed.message), listed.folder_changed_at),
        after,
        ascending=query.ascending is True,
        since=query.created_range[0],
        not_before=principal.retention_cutoff,
        until=query.created_range[1],
        folder=query.folder,
        caller_number=query.caller_number,
        search=query.search,
        matches_key=query.text,
    )


async def _page_response(request: Request, principal: Principal, query: ListQuery, source: _RowSource) -> Response:
    if query.start_key and not isinstance(query.start_key[0], source.key_type):
        raise InvalidPage("invalid start key: it belongs to another list")
    if not query.paginate:
        rows = await _fetch_all(source.fetch, query.start_key, principal.services.limits.max_unpaged_rows)
        parts: list[RenderedData] = []
        for start in range(0, len(rows), MAX_PAGE_SIZE):
            parts.append(render_data([source.serialize(row) for row in rows[start : start + MAX_PAGE_SIZE]]))
            await asyncio.sleep(0)  # Calls go first.
        return success(request, join_lists(parts), is_cacheable=not query.wants_links)

    async def render_page() -> tuple[RenderedData, dict[str, Any]]:
        page = await source.fetch(query.start_key, query.page_size)
        documents = [source.serialize(row) for row in page.items]
        paging: dict[str, Any] = {"page_size": len(documents)}
        if query.start_key:
            paging["start_key"] = encode_page_key(query.start_key)
        if page.next_key:
            paging["next_start_key"] = encode_page_key(page.next_key)
        return render_data(documents), paging

    if source.reuse_key is None or query.page_size > MAX_REUSED_PAGE_SIZE:
        data, paging = await render_page()
    else:
        data, paging = await principal.services.rendered_pages.get((*source.reuse_key, query.text), render_page)
    return success(request, data, is_cacheable=not query.wants_links, **paging)


async def _fetch_all(fetch: FetchPage, after: Any, max_rows: int) -> list[Any]:
    rows: list[Any] = []
    while True:
        page = await fetch(after, max_rows + 1 - len(rows))
        rows += page.items
        if len(rows) > max_rows:
            raise PageRequired(f"list has more than {max_rows} rows: omit paginate=false")
        if (after := page.next_key) is None:
            return rows
