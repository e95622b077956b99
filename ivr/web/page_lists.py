"""The list of a folder, and what is done to the messages that are selected in it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ivr.errors import BadInput, NotFound, PastRetention
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import AuditAction, ChangeReason, Folder, FolderCounts, Message, MessageQuery, MessageSummary
from ivr.web.message_views import view_message
from ivr.web.page_rendering import PageRenderer, first, flat, read_form
from ivr.web.page_sessions import PageSession, Visitor, require_form_token, require_session
from ivr.web.texts import Translator

SEE_OTHER = 303
MAX_SELECTED = 500
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
        """Show a part of a folder, newest message first. `after`: the end of the part before it."""
        session = await require_session(request)
        mailbox = await session.get_box(request.path_params["box_id"])
        folder = parse_folder(request.query_params.get("folder", "new"))
        after, size = request.query_params.get("after", ""), session.services.limits.page_size
        changes = await session.services.live_updates.count_changes([mailbox.id])  # Before what it is about.
        messages, next_key = await read_part(session, mailbox, folder, after, size)
        translate, now = Translator(mailbox.language), session.services.api.clock.now()
        return await self._renderer.render(
            request,
            "rows.html" if request.query_params.get("part") else "folder.html",
            language=mailbox.language,
            box=mailbox,
            folder=folder,
            counts=await count_folders(session, mailbox),
            messages=[view_message(message, mailbox, translate, now) for message in messages],
            next_key=next_key,
            live=f"/page/box/{mailbox.id}/live",
            changes=changes,
            notice=_parse_notice(request, translate),
            done=request.query_params.get("done", ""),
        )

    async def change_messages(self, request: Request) -> Response:
        """Change the selected messages, then show the folder again, with a button that undoes the change."""
        session = await require_session(request)
        form = await read_form(request)
        require_form_token(request, session, flat(form))
        mailbox = await session.get_box(request.path_params["box_id"])
        folder, action = parse_folder(first(form, "folder") or "new"), first(form, "action")
        ids = list(dict.fromkeys(form.get("id", [])))[:MAX_SELECTED]
        target: Mapping[str, str | list[str]] = {"folder": folder, "done": "nothing"}
        if ids:
            changed = await change_messages(request, session, mailbox, action, ids, first(form, "to"))
            target = {"folder": folder, "done": "undo"}
            if not first(form, "is_undo"):
                target = {"folder": folder, "done": action, "id": changed, "lost": str(len(ids) - len(changed))}
        return RedirectResponse(f"/page/box/{mailbox.id}?{urlencode(target, doseq=True)}", SEE_OTHER)


async def change_messages(
    request: Request, visitor: Visitor, mailbox: Mailbox, action: str, ids: Sequence[str], to: str = ""
) -> list[str]:
    """Apply an action to messages of a mailbox; return the ids of those that it applied to.

    Messages that are gone, past retention or of another mailbox are left out. `to`: folder of the action `move`.
    Raises `BadInput` for an unknown action, `StoreError`.
    """
    if action not in (*ACTIONS, "move"):
        raise BadInput("unknown action")
    destination = parse_folder(to) if action == "move" else None
    changed = []
    for message_id in ids:
        try:
            await visitor.services.api.mailbox.messages.get(mailbox.id, message_id, visitor.retention_cutoff(mailbox))
            await _change_message(visitor, mailbox, action, message_id, destination)
        except (NotFound, PastRetention):
            continue
        changed.append(message_id)
    if changed:
        audited = AuditAction.DELETED if destination is Folder.DELETED else AUDITED_ACTIONS[action]
        await visitor.record(request, audited, mailbox.id, *changed)
    return changed


async def _change_message(
    visitor: Visitor, mailbox: Mailbox, action: str, message_id: str, destination: Folder | None
) -> Message:
    messages = visitor.services.api.mailbox.messages
    reason = ChangeReason.API_REQUEST
    if action in ("urgent", "not_urgent"):
        return await messages.set_urgent(mailbox.id, message_id, action == "urgent")
    if action == "restore":
        return await messages.restore_from_deleted(mailbox.id, message_id, reason)
    folder = destination or {"save": Folder.SAVED, "delete": Folder.DELETED, "new": Folder.NEW}[action]
    return await messages.move_to_folder(mailbox.id, message_id, folder, reason)


async def count_folders(visitor: Visitor, mailbox: Mailbox) -> FolderCounts:
    """Return the number of messages in each folder, without those past retention."""
    messages = visitor.services.api.mailbox.messages
    return await messages.expire_and_count(mailbox.account_id, mailbox.id, visitor.retention_cutoff(mailbox))


def parse_folder(name: str) -> Folder:
    """Return the folder of this name. Raises `BadInput`."""
    try:
        return Folder(name)
    except ValueError as error:
        raise BadInput("unknown folder") from error


async def read_part(
    session: PageSession, mailbox: Mailbox, folder: Folder, after: str, size: int
) -> tuple[list[Message], str]:
    """Return a part of a folder, newest message first, and the key of the next one; "" after the last one.

    `after`: the key of this part; "": the first one. Raises `BadInput` for an unknown key.
    """
    query = MessageQuery(
        size,
        _has_audio,
        _decode_key(after),
        since=session.retention_cutoff(mailbox),
        folder=folder,
        matches_key="has audio",
    )
    page = await session.services.api.mailbox.lists.list_box_messages([mailbox.id], query)
    return [listed.message for listed in page.items], _encode_key(page.next_key) if page.next_key else ""


def _has_audio(listed: MessageSummary) -> bool:
    return listed.message.has_audio


def _encode_key(key: tuple[int, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _decode_key(text: str) -> tuple[int, str] | None:
    if not text:
        return None
    try:
        time, message_id = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, TypeError) as error:
        raise BadInput("unknown part of the list") from error
    if type(time) is not int or not isinstance(message_id, str) or abs(time) > 2**62:
        raise BadInput("unknown part of the list")
    return time, message_id


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
    if (lost := params.get("lost", "0")) not in ("", "0") and lost.isdigit():
        text += " " + translate("not_found_some", count=int(lost))
    return Notice(text, UNDO[done] if ids else "", params.get("folder", "new"), ids)
