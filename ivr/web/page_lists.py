"""The list of a folder, and what is done to the messages that are selected in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from ivr.errors import BadInput, NotFound, StoreError
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import (
    MAX_SEARCH_LENGTH,
    AuditAction,
    ChangeReason,
    Folder,
    FolderCounts,
    Message,
    MessageQuery,
    MessageSummary,
)
from ivr.web.message_views import view_message
from ivr.web.page_rendering import PageRenderer, first, flat, parse_count, read_form
from ivr.web.page_sessions import PageSession, Visitor, require_form_token, require_session
from ivr.web.texts import Translator

SEE_OTHER = 303
MAX_SELECTED = 500
"""Messages that one request changes."""
LOST = ("not_found", "prior_to_retention_duration")
"""Why a message cannot be changed, for reasons that remain."""
ACTIONS = ("save", "delete", "restore", "new", "urgent", "not_urgent")
AUDITED_ACTIONS = {
    "save": AuditAction.MOVED,
    "delete": AuditAction.DELETED,
    "restore": AuditAction.RESTORED,
    "new": AuditAction.MOVED,
    "urgent": AuditAction.CHANGED,
    "not_urgent": AuditAction.CHANGED,
    "move": AuditAction.MOVED,
}
UNDO = {
    "save": "move",
    "delete": "restore",
    "restore": "delete",
    "new": "move",
    "urgent": "not_urgent",
    "not_urgent": "urgent",
}
"""What the button `Undo` does after an action; `move`: back to the folder that the messages came from."""
_KEY = re.compile(r"(-?[0-9]{1,18})\.([0-9a-z-]{1,64})")
PREVIOUS = "previous"
"""Destination of a move: the folder that each message was in before. The messages of a search come from several."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What has just been done, and how it is undone."""

    text: str
    undo_action: str
    folder: str
    ids: tuple[str, ...]


class ListPages:
    """Folders of mailboxes."""

    def __init__(self, renderer: PageRenderer) -> None:
        self._renderer = renderer

    async def show_folder(self, request: Request) -> Response:
        """Show a part of a folder, newest message first. `after`: the end of the part before it.

        `part`: "1": the rows alone; "ids": the ids of `MAX_SELECTED` messages, for what is done to a whole folder.
        """
        return await self._show(request, parse_folder(request.query_params.get("folder", "new")), "")

    async def search(self, request: Request) -> Response:
        """Show a part of the messages of all folders that have the words `q`, newest first; without words, `new`."""
        if not (search := parse_search(request)):
            mailbox = await (await require_session(request)).get_box(request.path_params["box_id"])
            return RedirectResponse(f"/page/box/{mailbox.id}", SEE_OTHER)
        return await self._show(request, None, search)

    async def _show(self, request: Request, folder: Folder | None, search: str) -> Response:
        session = await require_session(request)
        mailbox = await session.get_box(request.path_params["box_id"])
        after, part = request.query_params.get("after", ""), request.query_params.get("part", "")
        if part == "ids":
            messages, next_key = await read_part(session, mailbox, folder, after, MAX_SELECTED, search)
            ids = {"ids": [message.id for message in messages], "next": next_key}
            return JSONResponse(ids, headers={"Cache-Control": "no-store"})
        size = session.services.limits.page_size
        changes = await session.services.live_updates.count_changes([mailbox.id])  # Before what it is about.
        messages, next_key = await read_part(session, mailbox, folder, after, size, search)
        translate, now = Translator(session.language), session.services.api.clock.now()
        return await self._renderer.render(
            request,
            "rows.html" if part else "folder.html",
            box=mailbox,
            folder=folder,
            search=search,
            parameters=urlencode({"q": search} if search else {"folder": folder}),
            counts=await count_folders(session, mailbox),
            messages=[view_message(message, mailbox, translate, now) for message in messages],
            next_key=next_key,
            live=f"/page/box/{mailbox.id}/live",
            changes=changes,
            notice=_parse_notice(request, translate),
            undo=UNDO,
        )

    async def change_messages(self, request: Request) -> Response:
        """Change the selected messages, then show the folder again, with a button that undoes the change.

        With the field `part`, the answer is what became of them: scripts send many messages in parts.
        """
        session = await require_session(request)
        form = await read_form(request)
        require_form_token(request, session, flat(form))
        mailbox = await session.get_box(request.path_params["box_id"])
        search, action = first(form, "q")[:MAX_SEARCH_LENGTH], first(form, "action")
        shown = {"q": search} if search else {"folder": parse_folder(first(form, "folder") or "new")}
        ids = list(dict.fromkeys(form.get("id", [])))
        if len(ids) > MAX_SELECTED:
            raise BadInput(f"more than {MAX_SELECTED} messages at a time")
        done: Mapping[str, str | list[str]] = {"done": "nothing"}
        if ids:
            changed, lost = await change_messages(request, session, mailbox, action, ids, first(form, "to"))
            if first(form, "part"):
                return JSONResponse({"changed": changed, "lost": lost})
            is_undo = first(form, "is_undo")
            done = {"done": "undo"} if is_undo else {"done": action, "id": changed, "lost": str(len(lost))}
        path = f"/page/box/{mailbox.id}{'/search' if search else ''}"
        return RedirectResponse(f"{path}?{urlencode({**shown, **done}, doseq=True)}", SEE_OTHER)


async def change_messages(
    request: Request, visitor: Visitor, mailbox: Mailbox, action: str, ids: Sequence[str], to: str = ""
) -> tuple[list[str], list[str]]:
    """Apply an action to messages of a mailbox; return the ids of those that it changed, and of those that are lost.

    Lost are messages that are gone, past retention or of another mailbox, and deleted ones that an old page marks.
    `to`: folder of the action `move`, or `PREVIOUS`. Raises `BadInput` for an unknown action, `StoreError` if some
    could not be changed.
    """
    if action not in (*ACTIONS, "move"):
        raise BadInput("unknown action")
    destination = parse_folder(to) if action == "move" and to != PREVIOUS else None

    async def change(before: Message) -> bool:
        after = await _change_message(visitor, before, action, destination)
        return (before.folder, before.urgent) != (after.folder, after.urgent)

    bulk, cutoff = visitor.services.api.mailbox.bulk, visitor.retention_cutoff(mailbox)
    result = await bulk.change(mailbox, ids, cutoff, change)
    if result.succeeded:
        audited = AuditAction.DELETED if destination is Folder.DELETED else AUDITED_ACTIONS[action]
        await visitor.record(request, audited, mailbox.id, *result.succeeded)
    lost = [message_id for message_id, reason in result.failed if reason in LOST]
    if len(lost) < len(result.failed):
        raise StoreError(f"{len(result.failed) - len(lost)} messages could not be changed")
    return result.succeeded, lost


async def _change_message(visitor: Visitor, message: Message, action: str, destination: Folder | None) -> Message:
    messages, reason = visitor.services.api.mailbox.messages, ChangeReason.API_REQUEST
    if action in ("urgent", "not_urgent"):
        if message.folder is Folder.DELETED:
            raise NotFound("a deleted message can only be restored", message.id)
        return await messages.set_marks(message.box_id, message.id, urgent=action == "urgent")
    if action == "restore":
        return await messages.restore_from_deleted(message.box_id, message.id, reason)
    named = {"save": Folder.SAVED, "delete": Folder.DELETED, "new": Folder.NEW}
    folder = named.get(action) or destination or message.folder_before or message.folder
    return await messages.move_to_folder(message.box_id, message.id, folder, reason)


async def count_folders(visitor: Visitor, mailbox: Mailbox) -> FolderCounts:
    """Return the number of messages in each folder, without those past retention."""
    messages = visitor.services.api.mailbox.messages
    return await messages.expire_and_count(mailbox.account_id, mailbox.id, visitor.retention_cutoff(mailbox))


def parse_search(request: Request) -> str:
    """Return the words that a request searches for; "": none."""
    return request.query_params.get("q", "")[:MAX_SEARCH_LENGTH].strip()


def parse_folder(name: str) -> Folder:
    """Return the folder of this name. Raises `BadInput`."""
    try:
        return Folder(name)
    except ValueError as error:
        raise BadInput("unknown folder") from error


async def read_part(
    session: PageSession, mailbox: Mailbox, folder: Folder | None, after: str, size: int, search: str = ""
) -> tuple[list[Message], str]:
    """Return a part of a folder or of a search, newest message first, and the key of the next one; "" after the last.

    `folder`: None: all folders. `after`: the key of this part; "": the first one. Raises `BadInput` for an unknown key.
    """
    query = MessageQuery(
        size,
        _has_audio,
        _decode_key(after),
        since=session.retention_cutoff(mailbox),
        folder=folder,
        search=search,
        matches_key="has audio",
    )
    page = await session.services.api.mailbox.lists.list_box_messages([mailbox.id], query)
    return [listed.message for listed in page.items], _encode_key(page.next_key) if page.next_key else ""


def _has_audio(listed: MessageSummary) -> bool:
    return listed.message.has_audio


def _encode_key(key: tuple[int, str]) -> str:
    """Return the key of a part as it stands in an address. Short: a Cisco phone reads 256 characters of an address."""
    time, message_id = key
    return f"{time}.{message_id}"


def _decode_key(text: str) -> tuple[int, str] | None:
    """Return the key of a part; None: the first one. Raises `BadInput`."""
    if not text:
        return None
    if not (found := _KEY.fullmatch(text)):
        raise BadInput("unknown part of the list")
    return int(found[1]), found[2]


def _parse_notice(request: Request, translate: Translator) -> Notice | None:
    """Return the notice that the address of the page stands for. Its ids are checked when the button is used."""
    params = request.query_params
    done = params.get("done", "")
    if done == "nothing":
        return Notice(translate("nothing_selected"), "", "", ())
    if done == "undo":
        return Notice(translate("done_undo"), "", "", ())
    if done not in ACTIONS:
        return None
    ids = tuple(params.getlist("id")[:MAX_SELECTED])
    text = translate(f"done_{done}", count=len(ids))
    if lost := parse_count(params.get("lost", "")):
        text += " " + translate("not_found_some", count=lost)
    folder = PREVIOUS if params.get("q") else params.get("folder", "new")
    return Notice(text, UNDO[done] if ids else "", folder, ids)
