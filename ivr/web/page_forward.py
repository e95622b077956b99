"""Forwarding a message from the page, with or without a note in front."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from ivr.api.request_body import read_upload
from ivr.errors import InvalidAudio, TooMuchWork, UnsupportedMediaType
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.takes import TakeSource
from ivr.storage.records import AuditAction, Caller, Message, RecordingPurpose
from ivr.validation.fields import MAX_RECIPIENTS
from ivr.web.page_messages import MessagePages, require_message
from ivr.web.page_rendering import explain, first, flat, read_form
from ivr.web.page_sessions import Attempts, PageSession, require_form_token
from ivr.web.texts import Translator

FORM_TYPE = "application/x-www-form-urlencoded"


class ForwardForm:
    """The form that sends a message to other mailboxes of the account, as key 2 does at the phone."""

    def __init__(self, messages: MessagePages) -> None:
        self._messages = messages
        self._attempts = Attempts()

    async def forward(self, request: Request) -> Response:
        """Forward a message. A form has its recipients in `to`; a request with the audio of a note, in the query."""
        session, mailbox, message = await require_message(request)
        translate = Translator(session.language)
        if request.headers.get("content-type", "").startswith(FORM_TYPE):
            form = await read_form(request)
            require_form_token(request, session, flat(form))
            return await self._forward(request, first(form, "to"), None, translate)
        require_form_token(request, session, {})
        uploads = session.services.api.audio.uploads
        with uploads.new_draft() as draft:
            try:
                upload = await read_upload(request, draft, session.services.api.limits)
                note = (await uploads.convert(mailbox.account_id, draft)).recording_path if upload.has_audio else None
            except (InvalidAudio, TooMuchWork, UnsupportedMediaType) as error:
                problem = translate("not_sent", reason=explain(error, translate))
                return await self._messages.render_message(
                    request, session, mailbox, message, problem=problem, status=400
                )
            return await self._forward(request, request.query_params.get("to", ""), note, translate)

    async def _forward(self, request: Request, to: str, note: Path | None, translate: Translator) -> Response:
        session, mailbox, message = await require_message(request)
        recipients = await _find_recipients(session, mailbox, message, to, note, translate)
        problem, notice = recipients.problem, ""
        if not problem:
            await self._send_once(request, session, mailbox, message, recipients.mailboxes, note)
            sent = translate("done_forward", count=len(recipients.mailboxes))
            notice = " ".join(filter(None, (sent, _left_out(recipients.left_out, translate))))
        return await self._messages.render_message(
            request,
            session,
            mailbox,
            message,
            notice=notice,
            problem=problem and translate("not_sent", reason=problem),
            status=400 if problem else 200,
        )

    async def _send_once(
        self,
        request: Request,
        session: PageSession,
        mailbox: Mailbox,
        message: Message,
        recipients: Sequence[Mailbox],
        note: Path | None,
    ) -> None:
        """Send the copies, but none again where the browser repeats an attempt whose answer it has not received."""
        sent: list[str] = []

        async def send_to(recipient: Mailbox) -> str:
            await _forward_to(session, mailbox, message, recipient, note)
            if not sent:
                await session.record(request, AuditAction.FORWARDED, mailbox.id, message.id)
            sent.append(recipient.id)
            return ""

        for recipient in recipients:
            await self._attempts.once(request, session, (message.id, recipient.id), partial(send_to, recipient))


@dataclass(frozen=True, slots=True)
class _Recipients:
    """The mailboxes that numbers name. `left_out`: members of lists that can take nothing; `problem`: why none can."""

    mailboxes: Sequence[Mailbox] = ()
    left_out: Sequence[str] = ()
    problem: str = ""


async def _find_recipients(
    session: PageSession, mailbox: Mailbox, message: Message, to: str, note: Path | None, translate: Translator
) -> _Recipients:
    """Return the mailboxes that numbers name, and why the message cannot go to all of them.

    The number of a distribution list names its members, apart from the mailbox itself. As by phone, members that are
    gone, disabled or full are left out; a number that was entered has to take the message.
    """
    boxes = session.services.api.mailbox.boxes
    lists = mailbox.distribution_lists
    entered = list(dict.fromkeys(filter(None, re.split(r"[\s,;]+", to))))
    limit = session.services.limits.max_recipients
    if not entered:
        return _Recipients(problem=translate("no_recipients"))
    if len(entered) > limit:
        return _Recipients(problem=translate("too_many_recipients", count=limit))
    size_bytes = message.bytes + (await asyncio.to_thread(_size, note) if note else 0)

    async def find(number: str) -> tuple[Mailbox | None, str]:
        recipient = await boxes.find_by_number(mailbox.account_id, number)
        if recipient is None or not recipient.settings.enabled:
            return None, translate("unknown_mailbox", number=number)
        if recipient.id == mailbox.id:
            return None, translate("own_mailbox", number=number)
        is_full = await session.services.capacity.cannot_take(recipient, size_bytes)
        return recipient, translate("mailbox_full", number=number) if is_full else ""

    found: dict[str, Mailbox] = {}
    left_out: list[str] = []
    for number in entered:
        is_list = number in lists and await boxes.find_by_number(mailbox.account_id, number) is None
        members = [member for member in lists[number] if member != mailbox.number] if is_list else [number]
        if len(found) + len(members) > MAX_RECIPIENTS:
            return _Recipients(problem=translate("too_many_recipients", count=MAX_RECIPIENTS))
        for member in members:
            recipient, problem = await find(member)
            if recipient and not problem:
                found[recipient.id] = recipient
            elif is_list:
                left_out.append(member)
            else:
                return _Recipients(problem=problem)
    if not found:
        return _Recipients(problem=_left_out(left_out, translate) or translate("no_recipients"))
    return _Recipients(list(found.values()), left_out)


def _left_out(numbers: Sequence[str], translate: Translator) -> str:
    return translate("left_out", numbers=", ".join(dict.fromkeys(numbers))) if numbers else ""


def _size(path: Path) -> int:
    return path.stat().st_size


async def _forward_to(
    session: PageSession, mailbox: Mailbox, message: Message, recipient: Mailbox, note: Path | None
) -> None:
    """Send a copy. A note becomes a take first, so that a crash loses nothing, as with a note recorded by phone."""
    delivery = session.services.api.mailbox.delivery
    if note is None:
        await delivery.forward(message, recipient, sender=mailbox)
        return
    takes = session.services.takes
    source = TakeSource("page", session.services.api.ids.new_document_id(), Caller(mailbox.number))
    payload = {"original": message.id, "destination": recipient.id}
    take = await takes.begin(mailbox.account_id, mailbox.id, RecordingPurpose.INTRO, source, payload)
    try:
        await asyncio.to_thread(shutil.copyfile, note, take.path)
        await delivery.forward(message, recipient, take, sender=mailbox)
    finally:
        takes.release(source.channel, source.call_id)
