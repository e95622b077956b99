"""What owners set for their mailbox on the page: greetings, PIN, and the settings that the rules leave to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from babel.dates import format_date, format_datetime
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ivr.api.audio_headers import audio_response
from ivr.api.request_body import read_upload
from ivr.audio.formats import WAV
from ivr.directory.models import User
from ivr.errors import (
    BadInput,
    BoxFull,
    Forbidden,
    InvalidAudio,
    InvalidFields,
    NotFound,
    TooMuchWork,
    UnsupportedMediaType,
)
from ivr.mailbox.greetings import end_of_day, greeting_setting
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import AuditAction, MediaKind
from ivr.validation.fields import MAX_RECIPIENTS
from ivr.web.message_views import format_length
from ivr.web.page_rendering import PageRenderer, explain, flat, read_form
from ivr.web.page_sessions import PageSession, require_form_token, require_session, set_session_cookie
from ivr.web.page_sign_in import begin_pin_session
from ivr.web.settings_form import (
    CHOICES,
    SHOWN_LANGUAGE,
    SWITCHES,
    changed_elsewhere,
    field_labels,
    form_values,
    language_name,
    shown_values,
    store_changes,
    time_zones,
    typed_values,
)
from ivr.web.texts import Translator

SEE_OTHER = 303
NOTICES = ("saved", "unchanged", "pin_set", "greeting_set", "greeting_removed")
MAX_DAYS = 366


@dataclass(frozen=True, slots=True)
class EarlierView:
    """A recording that was in use before and is still stored."""

    id: str
    recorded: str
    length: str


@dataclass(frozen=True, slots=True)
class GreetingView:
    """A greeting as the page shows it. `length`: "" if callers hear the generic one. `until`: its last day."""

    kind: MediaKind
    length: str
    until: str = ""
    is_over: bool = False
    earlier: tuple[EarlierView, ...] = ()


class SettingsPages:
    """The settings of mailboxes."""

    def __init__(self, renderer: PageRenderer) -> None:
        self._renderer = renderer

    async def show(self, request: Request) -> Response:
        """Show the settings that the owner may change."""
        session, mailbox = await _require_settings(request)
        done = request.query_params.get("done", "")
        return await self._render(request, session, mailbox, notice=done if done in NOTICES else "")

    async def change(self, request: Request) -> Response:
        """Change the settings of a sent form, by the rule that REST applies to owners."""
        session, mailbox = await _require_settings(request)
        form = flat(await read_form(request))
        require_form_token(request, session, form)
        user, translate = await _find_person(session, mailbox), Translator(session.language)
        current = _language(mailbox, user)
        shown, language = form.get(SHOWN_LANGUAGE, current), form.get("language", current)
        has_new_language = language not in (shown, current) and language in ("", *session.services.languages)
        changed = ["language"] if has_new_language and shown != current else []
        try:
            document = {} if changed else await store_changes(session.services.api.mailbox, mailbox, form)
        except InvalidFields as error:
            return await self._render(request, session, mailbox, problem=explain(error, translate), form=form)
        if document is None or changed:
            mailbox = await session.services.api.mailbox.boxes.get(mailbox.id)
            names = field_labels([*changed_elsewhere(mailbox, form), *changed], translate)
            problem = translate("changed_elsewhere", names=names)
            return await self._render(request, session, mailbox, problem=problem, form=form)
        if not document and not has_new_language:
            return _done(mailbox, "unchanged")
        if has_new_language:
            await _set_language(session, mailbox, user, language or None)
            document["language"] = language
        await session.record(request, AuditAction.SETTINGS_CHANGED, mailbox.id, ", ".join(sorted(document)))
        return _done(mailbox, "saved")

    async def set_pin(self, request: Request) -> Response:
        """Set a new PIN. A session that the earlier PIN has opened goes on with the new one."""
        session, mailbox = await _require_settings(request)
        form = flat(await read_form(request))
        require_form_token(request, session, form)
        pin, translate = form.get("pin", "").strip(), Translator(session.language)
        if problem := await _pin_problem(session, mailbox, pin, form.get("again", "").strip()):
            return await self._render(request, session, mailbox, problem=translate(problem))
        services = session.services
        await services.pins.set_by_owner(mailbox, pin)
        if mailbox.settings.pin_must_change:
            await services.api.mailbox.boxes.patch(mailbox, {"pin_must_change": None})
        await session.record(request, AuditAction.PIN_SET, mailbox.id)
        response = _done(mailbox, "pin_set")
        if session.is_by_pin:
            text, _ = await begin_pin_session(services, mailbox)
            await services.api.auth.tokens.end_session(session.token)
            set_session_cookie(request, response, text)
        return response

    async def send_greeting(self, request: Request) -> Response:
        """Send a greeting to the player."""
        session, mailbox = await _require_settings(request)
        kind, greetings = _kind(request), session.services.api.audio.greeting_uploads
        earlier_id = request.query_params.get("earlier")
        found = await (
            greetings.find_earlier(mailbox, kind, earlier_id) if earlier_id else greetings.find(mailbox, kind)
        )
        uploaded_type = found.media.content_type if found.upload else None
        rendition = await session.services.api.audio.renditions.render_recording(
            mailbox.account_id, found.recording, found.upload, uploaded_type, WAV
        )
        response = await audio_response(request, rendition, f"{kind}.wav")
        response.headers["Content-Disposition"] = "inline"
        return response

    async def put_greeting(self, request: Request) -> Response:
        """Use the audio of the body as a greeting. `until`: the last day of a temporary one."""
        session, mailbox = await _require_settings(request)
        require_form_token(request, session, {})
        kind, translate = _kind(request), Translator(session.language)
        audio = session.services.api.audio
        try:
            until = (
                _parse_until(request.query_params.get("until", ""), session, mailbox)
                if kind is MediaKind.TEMPORARY
                else None
            )
            with audio.uploads.new_draft() as draft:
                if not (await read_upload(request, draft, session.services.api.limits)).has_audio:
                    raise InvalidAudio(translate("greeting_empty"))
                converted = await audio.uploads.convert(mailbox.account_id, draft)
                await audio.greeting_uploads.activate(mailbox, kind, converted)
        except (BadInput, BoxFull, TooMuchWork, UnsupportedMediaType) as error:
            problem = translate("not_saved", reason=explain(error, translate))
            return await self._render(request, session, mailbox, problem=problem)
        if until is not None:
            current = await session.services.api.mailbox.boxes.get(mailbox.id)
            await session.services.api.mailbox.boxes.patch(current, {"media": {"temporary_until": until}})
        await session.record(request, AuditAction.SETTINGS_CHANGED, mailbox.id, greeting_setting(kind))
        return _done(mailbox, "greeting_set")

    async def use_earlier_greeting(self, request: Request) -> Response:
        """Use a recording again that was in use before. `until`: the last day of a temporary one."""
        session, mailbox = await _require_settings(request)
        form = flat(await read_form(request))
        require_form_token(request, session, form)
        kind, translate = _kind(request), Translator(session.language)
        greetings = session.services.api.audio.greeting_uploads
        try:
            until = _parse_until(form.get("until", ""), session, mailbox) if kind is MediaKind.TEMPORARY else None
            await greetings.use_earlier(mailbox, kind, form.get("earlier", ""), expires_at=until)
        except (BadInput, BoxFull, NotFound) as error:
            problem = translate("not_saved", reason=explain(error, translate))
            return await self._render(request, session, mailbox, problem=problem)
        await session.record(request, AuditAction.SETTINGS_CHANGED, mailbox.id, greeting_setting(kind))
        return _done(mailbox, "greeting_set")

    async def remove_greeting(self, request: Request) -> Response:
        """Return to the generic greeting."""
        session, mailbox = await _require_settings(request)
        form = await read_form(request)
        require_form_token(request, session, flat(form))
        kind = _kind(request)
        await session.services.api.audio.greeting_uploads.deactivate(mailbox, kind)
        await session.record(request, AuditAction.SETTINGS_CHANGED, mailbox.id, greeting_setting(kind))
        return _done(mailbox, "greeting_removed")

    async def _render(
        self,
        request: Request,
        session: PageSession,
        mailbox: Mailbox,
        *,
        notice: str = "",
        problem: str = "",
        form: Mapping[str, str] | None = None,
    ) -> Response:
        """Show the page; after a problem with what was sent, so that nothing has to be typed again."""
        stored = form_values(mailbox)
        values = stored if form is None else typed_values(mailbox, form)
        language = _language(mailbox, await _find_person(session, mailbox))
        typed_language = "" if form is None else form.get("language", "")
        is_language_typed = form is not None and typed_language != form.get(SHOWN_LANGUAGE)
        lengths, now = mailbox.pin_lengths, session.services.api.clock.now()
        return await self._renderer.render(
            request,
            "settings.html",
            status=400 if problem else 200,
            box=mailbox,
            notice=notice,
            problem=problem,
            values=values,
            shown=shown_values(stored),
            shown_language=language,
            unknown_members=await _find_unknown_members(session, mailbox),
            language_chosen=typed_language if is_language_typed else language,
            languages={code: language_name(code) for code in session.services.languages},
            switches=SWITCHES,
            choices=CHOICES,
            zones=time_zones(),
            zone=str(mailbox.zone_info),
            greetings=[await _view_greeting(session, mailbox, kind, now) for kind in MediaKind],
            pin_lengths=(lengths.start, lengths.stop - 1),
            today=mailbox.local_time(now).date().isoformat(),
        )


async def _find_unknown_members(session: PageSession, mailbox: Mailbox) -> list[str]:
    """Return numbers in the owner's lists that no mailbox has (yet). Messages do not reach them."""
    boxes, lists = session.services.api.mailbox.boxes, mailbox.settings.distribution_lists
    numbers = list(dict.fromkeys(member for members in lists.values() for member in members))[:MAX_RECIPIENTS]
    return [number for number in numbers if await boxes.find_by_number(mailbox.account_id, number) is None]


async def _require_settings(request: Request) -> tuple[PageSession, Mailbox]:
    """Return the session, and the mailbox whose settings it may change.

    Raises `Unauthorized`, `NotFound`, `Forbidden`.
    """
    session = await require_session(request)
    mailbox = await session.get_box(request.path_params["box_id"])
    if mailbox.settings.not_configurable:
        raise Forbidden("only an administrator changes the settings of this mailbox")
    return session, mailbox


async def _find_person(session: PageSession, mailbox: Mailbox) -> User | None:
    """Return who is signed in: the user of a password, or the only one who has the PIN of a mailbox."""
    user_id = session.token.user_id or (mailbox.named_user.id if mailbox.named_user else None)
    return await session.services.api.auth.directory.user(user_id) if user_id else None


def _language(mailbox: Mailbox, user: User | None) -> str:
    return (user.language if user else mailbox.settings.language) or ""


async def _set_language(session: PageSession, mailbox: Mailbox, user: User | None, language: str | None) -> None:
    """Store the language of the person, as key 8 does at the phone; that of the mailbox if it has no owner."""
    if user is not None:
        await session.services.api.auth.directory.update_user(user.model_copy(update={"language": language}))
    else:
        await session.services.api.mailbox.boxes.patch_from_phone(mailbox.id, {"language": language})


def _done(mailbox: Mailbox, notice: str) -> RedirectResponse:
    return RedirectResponse(f"/page/box/{mailbox.id}/settings?done={notice}", SEE_OTHER)


def _kind(request: Request) -> MediaKind:
    try:
        return MediaKind(request.path_params["kind"])
    except ValueError as error:
        raise NotFound("unknown greeting") from error


async def _pin_problem(session: PageSession, mailbox: Mailbox, pin: str, again: str) -> str:
    """Return why a new PIN is not set, in the words of the phone menu; "" if it may be."""
    if not mailbox.settings.pin_changeable:
        raise Forbidden("only an administrator changes the PIN of this mailbox")
    if weakness := session.services.pins.find_weakness(mailbox, pin):
        return f"pin_{weakness}"
    if pin != again:
        return "pin_mismatch"
    if mailbox.settings.pin_must_change and await session.services.pins.is_set_to(mailbox, pin):
        return "pin_in_use"
    return ""


def _parse_until(text: str, session: PageSession, mailbox: Mailbox) -> int | None:
    """Return when a temporary greeting ends, in Unix seconds; None: when it is removed. Raises `BadInput`."""
    if not text:
        return None
    translate, now = Translator(session.language), mailbox.local_time(session.services.api.clock.now())
    try:
        days = (date.fromisoformat(text) - now.date()).days + 1
    except ValueError as error:
        raise BadInput(translate("until_unknown")) from error
    if not 1 <= days <= MAX_DAYS:
        raise BadInput(translate("until_past"))
    return end_of_day(days, now)


async def _view_greeting(session: PageSession, mailbox: Mailbox, kind: MediaKind, now: float) -> GreetingView:
    greetings, locale = session.services.api.audio.greeting_uploads, Translator(session.language).locale
    earlier = tuple(
        EarlierView(
            files.media.id,
            format_datetime(mailbox.local_time(files.media.created_at), "short", locale=locale),
            format_length(files.media.length_ms),
        )
        for files in await greetings.list_earlier(mailbox, kind)
    )
    try:
        media = (await greetings.find(mailbox, kind)).media
    except NotFound:
        return GreetingView(kind, "", earlier=earlier)
    end = mailbox.settings.media.temporary_until if kind is MediaKind.TEMPORARY else None
    last_day = format_date(mailbox.local_time(end - 1), "long", locale=locale) if end is not None else ""
    return GreetingView(kind, format_length(media.length_ms), last_day, end is not None and end <= now, earlier)
