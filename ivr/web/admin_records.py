"""The administrator's page: calls afterwards, tasks that wait, and what the doctor finds."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ivr.errors import BadInput, NotFound
from ivr.mailbox.voicemail_settings import DAY_S
from ivr.storage.records import AuditAction, CallQuery, CallRecord, OutboxTask
from ivr.web.admin_pages import MAX_TASKS, AdminForms, AdminView, Row, Table, render_admin, require_admin
from ivr.web.page_rendering import PageRenderer, flat, parse_count, read_form
from ivr.web.page_sessions import require_form_token

SEE_OTHER = 303
MAX_CALLS = 100
MAX_SHOWN_TASKS = 500


class AdminRecords:
    """Calls, tasks and findings."""

    def __init__(self, renderer: PageRenderer, forms: AdminForms) -> None:
        self._renderer = renderer
        self._forms = forms

    async def list_calls(self, request: Request) -> Response:
        """Show the latest calls, as `ivr calls list` does; of one mailbox with `box`, from one number with `caller`."""
        view = await require_admin(request)
        caller, box_id = (request.query_params.get(name, "").strip() for name in ("caller", "box"))
        query = CallQuery(since=_cutoff(view), account_id=view.account.id, box_id=box_id or None, caller_suffix=caller)
        calls = await view.session.services.admin.calls.recent_calls(query, MAX_CALLS)
        rows = [Row(await _call_cells(view, call), f"{view.path}/call/{call.id}") for call in calls]
        return await render_admin(
            self._renderer,
            request,
            view,
            "admin_calls.html",
            "admin_calls",
            table=Table(("time", "caller", "action", "box", "status", "seconds"), rows),
            caller=caller,
            box_id=box_id,
        )

    async def show_call(self, request: Request) -> Response:
        """Show a call step by step, as `ivr calls show` does."""
        view = await require_admin(request)
        try:
            call = await view.session.services.admin.calls.get(request.path_params["call_id"], _cutoff(view))
        except BadInput as error:
            raise NotFound("there is no such call") from error
        if call.account_id != view.account.id:
            raise NotFound("there is no such call")
        names = ("time", "caller", "action", "box", "status", "seconds", "channel")
        return await render_admin(
            self._renderer,
            request,
            view,
            "admin_call.html",
            "",
            facts=dict(zip(names, (*await _call_cells(view, call), call.channel), strict=True)),
            steps=list(call.format_steps(view.translate.translate)),
        )

    async def list_tasks(self, request: Request) -> Response:
        """Show the tasks of the account that wait or were given up, as `ivr outbox list` does."""
        view = await require_admin(request)
        done = request.query_params.get("done", "")
        return await render_admin(
            self._renderer,
            request,
            view,
            "admin_outbox.html",
            "admin_outbox",
            table=Table(
                ("kind", "target", "due", "attempts", "error", "box"),
                [Row(await _task_cells(view, task), id=str(task.id)) for task in await _tasks(view)],
            ),
            notice=view.translate("admin_retried", count=parse_count(done)) if done else "",
        )

    async def retry_tasks(self, request: Request) -> Response:
        """Make the selected tasks of the account due now, as `ivr outbox retry` does."""
        view = await require_admin(request)
        form = await read_form(request)
        require_form_token(request, view.session, flat(form))

        async def retry() -> str:
            own = {str(task.id): task.id for task in await _tasks(view)}
            ids = sorted({own[name] for name in form.get("id", []) if name in own})
            if ids:
                services = view.session.services
                await services.admin.outbox.retry(ids)
                subject = f"tasks retried: {', '.join(map(str, ids))}"
                await services.api.audit_log.record(
                    view.session.actor(request), AuditAction.MAINTAINED, account_id=view.account.id, subjects=(subject,)
                )
            return str(len(ids))

        done = await self._forms.do_once(request, view, {**flat(form), "id": " ".join(form.get("id", []))}, retry)
        return RedirectResponse(f"{view.path}/outbox?{urlencode({'done': done})}", SEE_OTHER)

    async def show_findings(self, request: Request) -> Response:
        """Show what `ivr doctor` finds; the findings that ask for something come first.

        The view comes at once. The checks take seconds on a busy machine: a script asks for them by `run`, or a person.
        """
        view = await require_admin(request, needs_system=True)
        if not request.query_params.get("run"):
            return await self._render_findings(request, view, table=None)
        findings = await view.session.services.admin.find_findings()
        t = view.translate
        order = {"problem": 0, "warning": 1, "ok": 2}
        rows = [
            Row((t(f"admin_level_{found.level}"), found.check, found.what, found.command or found.remedy))
            for found in sorted(findings or (), key=lambda found: order[found.level])
        ]
        return await self._render_findings(
            request,
            view,
            table=Table(("level", "check", "what", "remedy"), rows),
            problem="" if findings is not None else t("admin_findings_failed"),
        )

    async def _render_findings(self, request: Request, view: AdminView, **values: Any) -> Response:
        return await render_admin(self._renderer, request, view, "admin_findings.html", "admin_findings", **values)


def _cutoff(view: AdminView) -> int:
    """Caller numbers are personal data: records that are due for removal are not shown."""
    services = view.session.services
    return int(services.api.clock.now()) - services.admin.call_record_days * DAY_S


async def _box_number(view: AdminView, box_id: str | None) -> str:
    if not box_id:
        return ""
    try:
        return (await view.session.services.api.mailbox.boxes.get(box_id)).number
    except NotFound:
        return ""


async def _call_cells(view: AdminView, call: CallRecord) -> tuple[Any, ...]:
    number = await _box_number(view, call.box_id)
    seconds = view.translate.number(call.ended_at - call.began_at)
    return view.time(call.began_at), call.caller_number, call.action, number, call.status, seconds


async def _tasks(view: AdminView) -> list[OutboxTask]:
    tasks = await view.session.services.admin.outbox.list_tasks(MAX_TASKS)
    return [task for task in tasks if task.account_id == view.account.id][:MAX_SHOWN_TASKS]


async def _task_cells(view: AdminView, task: OutboxTask) -> tuple[Any, ...]:
    due = view.translate("admin_given_up") if task.is_given_up else view.time(task.due_at)
    number = await _box_number(view, task.box_id)
    return task.kind, task.target, due, task.attempts, task.error or "", number
