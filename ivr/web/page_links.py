"""One message, opened by a link from a mail: no sign-in, and no other message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ivr.api.audio_links import EXPIRY_PARAMETER, SIGNATURE_PARAMETER, message_page_path
from ivr.errors import BadInput, NotFound, PastRetention, Unauthorized
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Actor, AuditAction, Door, Message
from ivr.web import page_messages
from ivr.web.message_views import view_message
from ivr.web.page_lists import ACTIONS, change_messages
from ivr.web.page_rendering import PageRenderer, first, read_form
from ivr.web.page_sessions import Visitor, client_address, get_page_services, require_same_origin
from ivr.web.texts import Translator

SEE_OTHER = 303
LINK_PROOF = "link"


@dataclass(frozen=True, kw_only=True)
class LinkVisitor(Visitor):
    """The holder of a link to one message."""

    def actor(self, request: Request) -> Actor:
        return Actor(Door.PAGE, "", client_address(request), LINK_PROOF)


@dataclass(frozen=True, slots=True)
class LinkedMessage:
    """The message that a link opens. `query`: the signature, as it stands in each address below the link."""

    visitor: LinkVisitor
    mailbox: Mailbox
    message: Message
    path: str
    query: str


class LinkPages:
    """The page of a link. Opening it changes nothing: mail programs and virus scanners open links, too."""

    def __init__(self, renderer: PageRenderer) -> None:
        self._renderer = renderer

    async def show_message(self, request: Request) -> Response:
        """Show the message."""
        return await self._answer(request, self._show)

    async def send_audio(self, request: Request) -> Response:
        """Send the audio to the player."""
        return await self._answer(request, _send_audio)

    async def download_audio(self, request: Request) -> Response:
        """Send the audio as a file."""
        return await self._answer(request, _download_audio)

    async def send_waveform(self, request: Request) -> Response:
        """Send the loudness along the message."""
        return await self._answer(request, _send_waveform)

    async def mark_heard(self, request: Request) -> Response:
        """Save a new message that was played to its end."""
        require_same_origin(request)
        return await self._answer(request, _mark_heard)

    async def change_message(self, request: Request) -> Response:
        """Save, delete or restore the message, or mark it."""
        require_same_origin(request)
        return await self._answer(request, _change)

    async def _answer(
        self, request: Request, answer: Callable[[Request, LinkedMessage], Awaitable[Response]]
    ) -> Response:
        """Verify the link and answer; an invalid one is explained."""
        try:
            linked = await _open_link(request)
        except Unauthorized:
            return await self._renderer.render(request, "error.html", status=403, key="link_expired")
        return await answer(request, linked)

    async def _show(self, request: Request, linked: LinkedMessage) -> Response:
        translate = Translator(linked.visitor.language)
        done = request.query_params.get("done", "")
        return await self._renderer.render(
            request,
            "message.html",
            language=linked.visitor.language,
            box=linked.mailbox,
            folder=linked.message.folder,
            message=view_message(
                linked.message, linked.mailbox, translate, linked.visitor.services.api.clock.now(), with_words=True
            ),
            link=f"?{linked.query}",
            address=linked.path,
            notice=translate(f"done_{done}", count=1) if done in ACTIONS else "",
            problem="",
            is_refresh=False,
        )


async def _open_link(request: Request) -> LinkedMessage:
    """Return the message of a link. Raises `Unauthorized` for a link that is invalid or expired, `NotFound`."""
    services = get_page_services(request)
    box_id, message_id = request.path_params["box_id"], request.path_params["message_id"]
    path, params = message_page_path(box_id, message_id), request.query_params
    services.api.audio.links.verify(path, params)
    mailbox = await services.api.mailbox.boxes.get(box_id)
    if not mailbox.settings.enabled:
        raise NotFound("the mailbox is disabled")
    visitor = LinkVisitor(services=services, account_id=mailbox.account_id, language=mailbox.language)
    try:
        message = await services.api.mailbox.messages.get(box_id, message_id, visitor.retention_cutoff(mailbox))
    except PastRetention as error:
        raise NotFound(str(error), message_id) from error
    log = services.api.audit_log
    if log.is_new_visit(LINK_PROOF, message.id, client_address(request)):
        log.record_soon(
            visitor.actor(request),
            AuditAction.SIGNED_IN,
            account_id=mailbox.account_id,
            box_id=mailbox.id,
            subject=message.id,
        )
    query = "&".join(f"{name}={params[name]}" for name in (EXPIRY_PARAMETER, SIGNATURE_PARAMETER))
    return LinkedMessage(visitor, mailbox, message, path, query)


async def _send_audio(request: Request, linked: LinkedMessage) -> Response:
    return await page_messages.send_audio(request, linked.visitor, linked.mailbox, linked.message)


async def _download_audio(request: Request, linked: LinkedMessage) -> Response:
    return await page_messages.download_audio(request, linked.visitor, linked.mailbox, linked.message)


async def _send_waveform(request: Request, linked: LinkedMessage) -> Response:
    return await page_messages.send_waveform(linked.visitor, linked.message)


async def _mark_heard(request: Request, linked: LinkedMessage) -> Response:
    return await page_messages.mark_heard(request, linked.visitor, linked.mailbox, linked.message)


async def _change(request: Request, linked: LinkedMessage) -> Response:
    action = first(await read_form(request), "action")
    if action not in ACTIONS:
        raise BadInput("unknown action")
    _, lost = await change_messages(request, linked.visitor, linked.mailbox, action, [linked.message.id])
    if lost:
        raise NotFound("the message cannot be changed so", linked.message.id)
    return RedirectResponse(f"{linked.path}?{linked.query}&done={action}", SEE_OTHER)
