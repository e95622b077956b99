"""The administrator's page: mailboxes and users of an account. What it changes, it changes as the commands do."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import partial
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from babel.numbers import format_decimal, format_percent
from starlette.requests import Request
from starlette.responses import Response

from ivr.directory.models import Account, User
from ivr.errors import Conflict, InvalidFields, NotFound
from ivr.mailbox.box_settings import report_violations
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.pins import generate_pin
from ivr.storage.records import MEGABYTE, AuditAction, BoxQuery, BoxUsage, OutboxTask, TaskKind
from ivr.validation import names, text
from ivr.web.page_rendering import PageRenderer, explain, flat, read_form
from ivr.web.page_sessions import CSRF_FIELD, Attempts, PageSession, require_form_token, require_session
from ivr.web.texts import Translator

ACCOUNT, SYSTEM = "account", "system"
ATTEMPT_FIELD = "attempt"
"""Names one sending of a form: a form that is sent again, since its answer was lost, changes nothing a second time."""
PAGE_SIZE = 100
BOX_COLUMNS = ("number", "name", "owner", "new", "saved", "size", "quota", "last_sign_in", "light", "enabled", "locked")
MAX_TASKS = 10_000
"""Tasks of the outbox that are looked at for one page."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table. `url`: what its first cell opens. `id`: what a checkbox of the row sends."""

    cells: Sequence[object]
    url: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `columns` are keys of texts."""

    columns: Sequence[str]
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class AdminView:
    """Who administers which account, and how texts and times are written for them."""

    session: PageSession
    account: Account
    translate: Translator

    @property
    def path(self) -> str:
        return f"/page/admin/{self.account.id}"

    def time(self, at: float | None) -> str:
        """Return a Unix time in the time zone of the account; "" for none."""
        if not at:
            return ""
        try:
            zone: tzinfo = ZoneInfo(self.account.timezone)
        except (KeyError, ValueError):
            zone = UTC
        return format_datetime(at, "short", tzinfo=zone, locale=self.translate.locale)


async def require_admin(request: Request, *, needs_system: bool = False) -> AdminView:
    """Return the administrator of a request and the account of its path, by default the own one.

    Raises `Unauthorized`; `NotFound` for who may not administer it, so that the page cannot be found by trying.
    """
    session = await require_session(request)
    account_id = request.path_params.get("account_id", session.account.id)
    is_allowed = session.administers == SYSTEM or (
        session.administers == ACCOUNT and account_id == session.account.id and not needs_system
    )
    if not is_allowed:
        raise NotFound("there is no such page")
    account = await session.services.api.auth.directory.account(account_id)
    return AdminView(session, account, Translator(session.language))


async def render_admin(
    renderer: PageRenderer, request: Request, view: AdminView, template: str, here: str, **values: Any
) -> Response:
    """Return a view of the administrator's page. `here`: the text of its entry in the navigation."""
    accounts = []
    if view.session.administers == SYSTEM:
        accounts = [a for a in await view.session.services.api.auth.directory.accounts() if a.id != view.account.id]
    return await renderer.render(
        request,
        template,
        attempt=view.session.services.admin.random_bytes(16).hex(),
        **{"view": view, "here": here, "accounts": accounts, "notice": "", "problem": "", "form": {}, **values},
    )


class AdminForms:
    """Forms of administrators. The next try after a lost answer gets that answer, with the PIN that was set."""

    def __init__(self) -> None:
        self._attempts = Attempts(is_done=bool)

    async def do_once(
        self,
        request: Request,
        view: AdminView,
        form: Mapping[str, str],
        act: Callable[[], Coroutine[Any, Any, str]],
        still_holds: Callable[[str], Awaitable[bool]] | None = None,
    ) -> str:
        """Return what `act` returns, which must not be "". `form`: with other fields it is another attempt."""
        fields = sorted((name, value) for name, value in form.items() if name not in (CSRF_FIELD, ATTEMPT_FIELD))
        subjects = (request.url.path, hashlib.sha256(repr(fields).encode(errors="replace")).hexdigest())
        name = form.get(ATTEMPT_FIELD, "")
        return await self._attempts.once(request, view.session, subjects, act, name=name, still_holds=still_holds)


class AdminPages:
    """Mailboxes and users."""

    def __init__(self, renderer: PageRenderer, forms: AdminForms) -> None:
        self._renderer = renderer
        self._forms = forms
        self._pin_changes = asyncio.Lock()

    async def list_boxes(self, request: Request) -> Response:
        """Show the mailboxes of an account. `after`: the number and id of the last one of the page before."""
        return await self._show_boxes(request, await require_admin(request))

    async def create_box(self, request: Request) -> Response:
        """Create a mailbox with a PIN that its owner has to change."""
        view, form = await _require_form(request)
        services = view.session.services
        number, owner = form.get("number", "").strip(), form.get("owner", "").strip()
        name = form.get("name", "").strip() or owner or names.to_box_name(number, text.UNNAMED)
        document: dict[str, Any] = {"mailbox": number, "name": name, "pin_must_change": True}

        async def create() -> str:
            if owner:
                user = await services.api.auth.directory.find_user_by_name(view.account.id, owner)
                document["owner_id"] = user.id
            box = await services.api.mailbox.boxes.create(view.account, document)
            await _record(request, view, AuditAction.SETTINGS_CHANGED, box.id, ", ".join(sorted(document)))
            return f"{box.id} {await _set_new_pin(request, view, box)}"

        async def has_pin(created: str) -> bool:
            box_id, pin = created.split()
            try:
                return await services.pins.is_set_to(await services.api.mailbox.boxes.get(box_id), pin)
            except NotFound:  # It was deleted since.
                return False

        try:
            pin = (await self._forms.do_once(request, view, form, create, has_pin)).split()[1]
        except (InvalidFields, NotFound, Conflict) as error:
            translate, is_unknown_owner = view.translate, isinstance(error, NotFound)
            reason = translate("admin_unknown_owner", name=owner) if is_unknown_owner else explain(error, translate)
            problem = translate("admin_not_done", reason=reason)
            return await self._show_boxes(request, view, problem=problem, form=form)
        notice = view.translate("admin_box_created", number=number, pin=pin)
        return await self._show_boxes(request, view, notice=notice)

    async def show_box(self, request: Request) -> Response:
        """Show a mailbox."""
        view = await require_admin(request)
        return await self._show_box(request, view, await _require_box(request, view))

    async def reset_pin(self, request: Request) -> Response:
        """Give a mailbox a PIN that its owner has to change, and show it once; `seen`: the state of the one it had."""
        view, form = await _require_form(request)
        box, pins = await _require_box(request, view), view.session.services.pins

        async def reset() -> str:
            async with self._pin_changes:
                if form.get("seen") not in (None, await pins.state(box)):
                    raise Conflict("the PIN was changed meanwhile")
                boxes = view.session.services.api.mailbox.boxes
                await boxes.patch(await boxes.get(box.id), {"pin_must_change": True})
                return await _set_new_pin(request, view, box)

        try:
            pin = await self._forms.do_once(request, view, form, reset, partial(pins.is_set_to, box))
        except Conflict:
            problem = view.translate("admin_pin_changed", number=box.number)
            return await self._show_box(request, view, box, problem=problem)
        notice = view.translate("admin_pin_reset", number=box.number, pin=pin)
        return await self._show_box(request, view, box, notice=notice)

    async def unlock(self, request: Request) -> Response:
        """End the lock of a mailbox."""
        view, _ = await _require_form(request)
        box = await _require_box(request, view)
        await view.session.services.admin.pin_lockout.reset(box.account_id, box.id)
        await _record(request, view, AuditAction.UNLOCKED, box.id)
        return await self._show_box(request, view, box, notice=view.translate("admin_unlocked", number=box.number))

    async def list_users(self, request: Request) -> Response:
        """Show the users of an account."""
        return await self._show_users(request, await require_admin(request))

    async def create_user(self, request: Request) -> Response:
        """Create a user, without rights and without a password."""
        view, form = await _require_form(request)
        name, email = form.get("name", "").strip(), form.get("email", "").strip()

        async def create() -> str:
            with report_violations():
                user = User(name=name, email=email or None, account_id=view.account.id)
            created = await view.session.services.api.auth.directory.create_user(user)
            await _record(request, view, AuditAction.SETTINGS_CHANGED, None, f"user {created.id}: created")
            return created.name

        try:
            created_name = await self._forms.do_once(request, view, form, create)
        except (InvalidFields, Conflict) as error:
            problem = view.translate("admin_not_done", reason=explain(error, view.translate))
            return await self._show_users(request, view, problem=problem, form=form)
        return await self._show_users(request, view, notice=view.translate("admin_user_created", name=created_name))

    async def _show_boxes(self, request: Request, view: AdminView, **values: Any) -> Response:
        services, after = view.session.services, request.query_params.get("after", "")
        key = (after, "~") if after else None
        page = await services.api.mailbox.lists.list_boxes(view.account.id, BoxQuery(PAGE_SIZE, lambda _: True, key))
        usage = await services.admin.box_usage.usage_by_account(view.account.id)
        boxes = [await services.api.mailbox.boxes.get(listed.record.id) for listed in page.items]
        rows = [await _box_row(view, box, usage[box.id]) for box in boxes if box.id in usage]
        following = f"{view.path}?{urlencode({'after': page.next_key[0]})}" if page.next_key else ""
        return await render_admin(
            self._renderer,
            request,
            view,
            "admin_boxes.html",
            "admin_boxes",
            table=Table(BOX_COLUMNS, rows),
            following=following,
            status=400 if values.get("problem") else 200,
            **values,
        )

    async def _show_box(self, request: Request, view: AdminView, box: Mailbox, **values: Any) -> Response:
        services, t = view.session.services, view.translate
        usage = (await services.admin.box_usage.usage_by_account(view.account.id))[box.id]
        pending = [task for task in await services.admin.outbox.list_tasks(MAX_TASKS) if _is_light(task, box)]
        has_pin = await services.pins.has_pin(box)
        facts = dict(zip(BOX_COLUMNS, (await _box_row(view, box, usage)).cells, strict=True))
        facts |= {
            "deleted": t.number(usage.counts.deleted),
            "has_pin": t("admin_pin_is_set" if has_pin else "admin_pin_is_missing"),
            "light_set": view.time(usage.light_published_at),
        }
        return await render_admin(
            self._renderer,
            request,
            view,
            "admin_box.html",
            "",
            box=box,
            facts=facts,
            pending=len(pending),
            seen=await services.pins.state(box),
            status=409 if values.get("problem") else 200,
            **values,
        )

    async def _show_users(self, request: Request, view: AdminView, **values: Any) -> Response:
        users = await view.session.services.api.auth.directory.users(view.account.id)
        rows = [Row((user.name, user.email or "", _rights(view, user))) for user in users]
        return await render_admin(
            self._renderer,
            request,
            view,
            "admin_users.html",
            "admin_users",
            table=Table(("name", "email", "rights"), rows),
            status=400 if values.get("problem") else 200,
            **values,
        )


async def _require_form(request: Request) -> tuple[AdminView, dict[str, str]]:
    """Return the administrator and the fields of a form. Raises what `require_admin` raises, and `Forbidden`."""
    view = await require_admin(request)
    form = flat(await read_form(request))
    require_form_token(request, view.session, form)
    return view, form


async def _require_box(request: Request, view: AdminView) -> Mailbox:
    box = await view.session.services.api.mailbox.boxes.get(request.path_params["box_id"])
    if box.account_id != view.account.id:
        raise NotFound("there is no such mailbox")
    return box


async def _set_new_pin(request: Request, view: AdminView, box: Mailbox) -> str:
    pin = generate_pin(box, view.session.services.admin.random_bytes)
    await view.session.services.pins.set_by_administrator(box, pin)
    await _record(request, view, AuditAction.PIN_SET, box.id)
    return pin


async def _record(
    request: Request, view: AdminView, action: AuditAction, box_id: str | None = None, subject: str = ""
) -> None:
    """Record what an administrator has done, in the account where it was done."""
    await view.session.services.api.audit_log.record(
        view.session.actor(request), action, account_id=view.account.id, box_id=box_id, subjects=(subject,)
    )


async def _box_row(view: AdminView, box: Mailbox, usage: BoxUsage) -> Row:
    t = view.translate
    locked_until = await view.session.services.admin.pin_lockout.locked_until(box.account_id, box.id)
    cells = (
        box.number,
        box.settings.name,
        box.owner.name if box.owner else "",
        t.number(usage.counts.new),
        t.number(usage.counts.saved),
        f"{format_decimal(usage.size_bytes / MEGABYTE, '#,##0.0', locale=t.locale)} MB",
        format_percent(usage.size_bytes / box.quota_bytes, locale=t.locale) if box.quota_bytes else "",
        view.time(usage.last_sign_in_at),
        t("admin_light_on" if usage.counts.new and box.settings.enabled else "admin_light_off"),
        t("admin_yes" if box.settings.enabled else "admin_no"),
        t("admin_locked_until", time=view.time(locked_until)) if locked_until else "",
    )
    return Row(cells, f"{view.path}/box/{box.id}")


def _is_light(task: OutboxTask, box: Mailbox) -> bool:
    return task.kind is TaskKind.MWI and task.box_id == box.id


def _rights(view: AdminView, user: User) -> str:
    scope = user.settings.get("administrator")
    return view.translate(f"admin_rights_{scope}") if scope in (ACCOUNT, SYSTEM) else ""
