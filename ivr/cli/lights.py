"""`ivr light`: the message lights of a mailbox."""

from __future__ import annotations

import json
from typing import Any

import typer

from ivr.app import App
from ivr.cli.boxes import NumberArgument, resolve_box
from ivr.cli.support import AccountOption, JsonOption, echo, format_time, print_document, print_table, with_app
from ivr.directory.models import User
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import BoxUsage, Folder, TaskKind

command = typer.Typer(no_args_is_help=True)
LIGHT_COLUMNS = ["light", "of", "state", "new", "saved", "why"]
PENDING_COLUMNS = ["id", "kind", "target", "since", "attempts", "error"]
MAX_TASKS = 100_000
"""Tasks of the outbox that are searched for updates of lights."""


@command.command("show")
@with_app
async def show(
    app: App, number: str = NumberArgument, account: str | None = AccountOption, as_json: bool = JsonOption
) -> None:
    """Show the message lights of a box, and why they are on.

    A light is a mailbox of Asterisk, such as 1000@ivr, that phones subscribe to. A phone has one for the sum of all
    boxes that its user owns or shares. last_set: when the service last published the lights of the box. Pending
    updates are those that Asterisk has not accepted yet.
    """
    box = await resolve_box(app, account, number)
    usage = await app.box_usage.usage_by_account(box.account_id)
    published_at = usage[box.id].light_published_at
    facts = {"mailbox": box.number, "last_set": format_time(published_at) if published_at else None}
    lights = [*await _box_lights(app, box, usage[box.id]), *await _phone_lights(app, box, usage)]
    pending = await _pending_updates(app, box)
    if as_json:
        echo(json.dumps({**facts, "lights": lights, "pending": pending}, indent=2))
        return
    print_document({**facts, "last_set": facts["last_set"] or "never"}, False)
    echo("")
    print_table(lights, LIGHT_COLUMNS, False)
    echo("\npending updates" if pending else "\nno pending updates")
    if pending:
        print_table(pending, PENDING_COLUMNS, False)


async def _box_lights(app: App, box: Mailbox, usage: BoxUsage) -> list[dict[str, Any]]:
    not_before = box.voicemail_settings.retention_cutoff(app.clock.now())
    newest = await app.messages.list_page(box.id, Folder.NEW, not_before, None, 1)
    why = f"{usage.counts.new} new"
    if newest:
        why += f", the newest from {newest[0].caller.number or 'an unknown caller'} at {format_time(newest[0].time)}"
    [mwi] = await app.mwi_targets.for_boxes([box.id])
    return [_light_row(state.mailbox, f"box {box.number}", state.new, state.old, why) for state in mwi.states]


async def _phone_lights(app: App, box: Mailbox, usage: dict[str, BoxUsage]) -> list[dict[str, Any]]:
    boxes = await app.boxes.list_by_account(box.account_id)
    rows: list[dict[str, Any]] = []
    for user in await _users(app, box):
        why = ", ".join(
            f"{one.number}: {usage[one.id].counts.new} new"
            for one in boxes
            if one.settings.enabled and one.settings.has_owner_rights(user.id) and one.id in usage
        )
        rows += [
            _light_row(state.mailbox, f"phone of {user.name}", state.new, state.old, why)
            for lights in await app.mwi_targets.for_users([user.id])
            for state in lights.states
        ]
    return rows


async def _users(app: App, box: Mailbox) -> list[User]:
    """Return the owner of a mailbox and its members."""
    return [user for user in await app.directory.users(box.account_id) if box.settings.has_owner_rights(user.id)]


def _light_row(name: str, subject: str, new: int, saved: int, why: str) -> dict[str, Any]:
    state = "on" if new else "off"
    return {"light": name, "of": subject, "state": state, "new": new, "saved": saved, "why": why if new else ""}


async def _pending_updates(app: App, box: Mailbox) -> list[dict[str, Any]]:
    endpoints = await app.directory.endpoints(box.account_id)
    phones = {endpoint.name for endpoint in endpoints if box.settings.has_owner_rights(endpoint.user_id)}
    return [
        {
            "id": task.id,
            "kind": task.kind,
            "target": task.target or f"box {box.number}",
            "since": format_time(task.created_at),
            "attempts": task.attempts,
            "error": task.error,
        }
        for task in await app.outbox.list_tasks(MAX_TASKS)
        if (task.kind is TaskKind.MWI and task.box_id == box.id)
        or (task.kind is TaskKind.PHONE_MWI and task.target in phones)
    ]
