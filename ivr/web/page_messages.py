"""One message: its page, its audio and its waveform."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ivr.api.audio_headers import audio_response, best_format, max_content_bytes, message_filename, sends_audio
from ivr.audio.formats import WAV
from ivr.errors import NotFound, PastRetention
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import AuditAction, ChangeReason, Folder, Message
from ivr.web.live_updates import UNKNOWN
from ivr.web.message_views import view_message
from ivr.web.page_call_back import call_back, outcome_texts, phones_to_ring
from ivr.web.page_lists import count_folders, parse_search
from ivr.web.page_rendering import PageRenderer
from ivr.web.page_sessions import Attempts, PageSession, Visitor, require_form_token, require_session
from ivr.web.texts import Translator


class MessagePages:
    """Messages of mailboxes."""

    def __init__(self, renderer: PageRenderer) -> None:
        self._renderer = renderer
        self._calls = Attempts()

    async def show_message(self, request: Request) -> Response:
        """Show a message. Its folder stays as it is: looking is not hearing. `part`: "live": only what may change."""
        session = await require_session(request)
        changes = await session.services.live_updates.count_changes([request.path_params["box_id"]])
        session, mailbox, message = await require_message(request)
        notice, problem = outcome_texts(request, message, Translator(session.language))
        is_refresh = request.query_params.get("part") == "live"
        return await self.render_message(
            request, session, mailbox, message, notice=notice, problem=problem, changes=changes, is_refresh=is_refresh
        )

    async def render_message(
        self,
        request: Request,
        session: PageSession,
        mailbox: Mailbox,
        message: Message,
        *,
        notice: str = "",
        problem: str = "",
        status: int = 200,
        changes: int = UNKNOWN,
        is_refresh: bool = False,
    ) -> Response:
        """Show a message, with what has just been done. `changes`: of the mailbox, before the message was read.

        `is_refresh`: without the player. Chromium frees no page with one that a script has parsed.
        """
        translate = Translator(session.language)
        return await self._renderer.render(
            request,
            "message.html",
            status=status,
            box=mailbox,
            folder=message.folder,
            search=parse_search(request),
            counts=await count_folders(session, mailbox),
            message=view_message(message, mailbox, translate, session.services.api.clock.now(), with_words=True),
            link="",
            live=f"/page/box/{mailbox.id}/live",
            changes=changes,
            address=f"/page/box/{mailbox.id}/message/{message.id}",
            phones=await phones_to_ring(session, mailbox, message),
            notice=notice,
            problem=problem,
            forwarding=status != 200,
            is_refresh=is_refresh,
        )

    async def call_back(self, request: Request) -> Response:
        """Let a phone of the owner ring and call back who left the message."""
        return await call_back(request, self._calls, *await require_message(request))

    async def send_audio(self, request: Request) -> Response:
        """Send the audio to the player."""
        return await send_audio(request, *await require_message(request))

    async def download_audio(self, request: Request) -> Response:
        """Send the audio as a file."""
        return await download_audio(request, *await require_message(request))

    async def send_waveform(self, request: Request) -> Response:
        """Send the loudness along the message."""
        session, _, message = await require_message(request)
        return await send_waveform(session, message)

    async def mark_heard(self, request: Request) -> Response:
        """Save a new message that was played to its end."""
        session, mailbox, message = await require_message(request)
        require_form_token(request, session, {})
        return await mark_heard(request, session, mailbox, message)


async def require_message(request: Request) -> tuple[PageSession, Mailbox, Message]:
    """Return the session, mailbox and message of a request. Raises `Unauthorized`, `NotFound`."""
    session = await require_session(request)
    mailbox = await session.get_box(request.path_params["box_id"])
    message_id = request.path_params["message_id"]
    try:
        message = await session.services.api.mailbox.messages.get(
            mailbox.id, message_id, session.retention_cutoff(mailbox)
        )
    except PastRetention as error:
        raise NotFound(str(error), message_id) from error
    return session, mailbox, message


async def send_audio(request: Request, visitor: Visitor, mailbox: Mailbox, message: Message) -> Response:
    """Send the audio to the player, as a WAV: each browser plays it, and seeks in it exactly."""
    rendition = await visitor.services.api.audio.renditions.render(
        message, WAV, max_content_bytes=max_content_bytes(request)
    )
    response = await audio_response(request, rendition, message_filename(mailbox, message, WAV.extension))
    response.headers["Content-Disposition"] = "inline"
    _record_fetch(request, visitor, mailbox, message, response)
    return response


async def download_audio(request: Request, visitor: Visitor, mailbox: Mailbox, message: Message) -> Response:
    """Send the audio as a file, in the format of the mailbox."""
    renditions = visitor.services.api.audio.renditions
    available = renditions.formats_for(message, mailbox.settings.media_extension)
    rendition = await renditions.render(
        message, best_format("*/*", available), max_content_bytes=max_content_bytes(request)
    )
    filename = message_filename(mailbox, message, rendition.audio_format.extension)
    response = await audio_response(request, rendition, filename)
    _record_fetch(request, visitor, mailbox, message, response)
    return response


async def send_waveform(visitor: Visitor, message: Message) -> Response:
    """Send the loudness along the message, from 0 to 1, as JSON. Raises `NotFound` without audio."""
    if not message.has_audio:
        raise NotFound("the audio is missing", message.id)
    bars = await visitor.services.api.audio.renditions.waveform(message)
    return JSONResponse({"peaks": [round(bar / 255, 3) for bar in bars]}, headers={"Cache-Control": "no-store"})


async def mark_heard(request: Request, visitor: Visitor, mailbox: Mailbox, message: Message) -> Response:
    """Save a new message that was played to its end, as the phone does."""
    await visitor.services.api.mailbox.messages.move_to_folder(
        mailbox.id, message.id, Folder.SAVED, ChangeReason.PLAYED, required_folder=Folder.NEW
    )
    await visitor.record(request, AuditAction.HEARD, mailbox.id, message.id)
    return Response(status_code=204)


def _record_fetch(request: Request, visitor: Visitor, mailbox: Mailbox, message: Message, response: Response) -> None:
    if sends_audio(request, response):
        visitor.services.api.audit_log.record_soon(
            visitor.actor(request),
            AuditAction.FETCHED,
            account_id=mailbox.account_id,
            box_id=mailbox.id,
            subject=message.id,
        )
