"""`ivr apply`: accounts, users, endpoints, mailboxes and PINs from one file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from ivr.app import App
from ivr.cli.audit import command_actor, user_subject
from ivr.cli.support import (
    AccountOption,
    ForceOption,
    JsonOption,
    echo,
    exit_on_error,
    print_table,
    run_with_app,
    show_progress,
)
from ivr.directory.audit_log import AuditedChange
from ivr.errors import BadInput
from ivr.provisioning.people import PeopleFile, RowError
from ivr.provisioning.people_plan import Change, ChangeAction, Plan
from ivr.provisioning.planner import PlanOptions
from ivr.provisioning.provisioning import GeneratedPin, read_people_file
from ivr.storage.records import AuditAction
from ivr.validation.public_addresses import AllowedAddresses

COLUMNS = ["line", "action", "kind", "name", "details"]


@exit_on_error
def apply(
    file: Path = typer.Argument(help="File .csv, .yaml or .yml (docs/commands.md); CSV of FreePBX's bulk handler too."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print what would change, and change nothing."),
    skip_errors: bool = typer.Option(False, "--continue", help="Apply the lines without an error all the same."),
    reset_pins: bool = typer.Option(False, "--reset-pins", help="Set the PINs of boxes that have another one, too."),
    force: bool = ForceOption,
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """Apply a file of accounts, users, phones, boxes and PINs.

    Applying a file again changes nothing. What the file does not name stays as it is. If a line has an error, nothing
    is changed, unless --continue is given.
    """
    try:
        people = read_people_file(file, allow_unknown_keys=force)
    except BadInput as error:
        raise BadInput(f"{file}: {error}") from None

    async def apply_people(app: App) -> None:
        addresses = AllowedAddresses(app.settings.notifications.webhook_networks)
        options = PlanOptions(app.settings.asterisk.system_name, account, reset_pins, addresses)
        with show_progress("checked") as on_progress:
            plan = await app.provisioning.plan(people, options, on_progress)
        applies = not dry_run and (skip_errors or not plan.errors)
        generated: list[GeneratedPin] = []
        if applies:
            with show_progress("PINs") as on_progress:
                generated = await app.provisioning.apply(plan, on_progress)
            await app.audit_log.record_all(command_actor(), list(_audited_changes(plan)))
        _print_result(plan, generated, applied=applies, as_json=as_json)
        _print_notes(file, plan)
        if plan.errors:
            raise BadInput(_error_summary(len(plan.errors), applies=applies, dry_run=dry_run))

    run_with_app(apply_people, create_database=_may_create_database(people, dry_run=dry_run))


def _audited_changes(plan: Plan) -> Iterator[AuditedChange]:
    """Yield what the audit log shows of a file that was applied: names of settings, no values."""

    def keys(id: str) -> str:
        return ", ".join(sorted(plan.set_keys.get(id, ()))) or "created"

    for account in (*plan.new_accounts.values(), *plan.changed_accounts.values()):
        yield AuditedChange(AuditAction.SETTINGS_CHANGED, account.id, None, keys(account.id))
    for user in (*plan.new_users.values(), *plan.changed_users.values()):
        subject = user_subject(user.id, plan.set_keys.get(user.id) or ["created"])
        yield AuditedChange(AuditAction.SETTINGS_CHANGED, user.account_id, None, subject)
    owners = {(one.account_id, one.user_id) for one in (*plan.new_endpoints.values(), *plan.removed_endpoints.values())}
    for account_id, user_id in sorted(owners):
        yield AuditedChange(AuditAction.SETTINGS_CHANGED, account_id, None, user_subject(user_id, ["phones"]))
    for box in (*plan.new_boxes.values(), *plan.changed_boxes.values()):
        yield AuditedChange(AuditAction.SETTINGS_CHANGED, box.account_id, box.id, keys(box.id))
    for new_pin in plan.new_pins:
        yield AuditedChange(AuditAction.PIN_SET, new_pin.mailbox.account_id, new_pin.mailbox.id, "")


def _may_create_database(people: PeopleFile, *, dry_run: bool) -> bool:
    """A file with accounts can set up a new installation, as 'ivr account create' does."""
    return bool(people.accounts) and not people.errors and not dry_run


def _print_result(plan: Plan, generated: list[GeneratedPin], *, applied: bool, as_json: bool) -> None:
    pins = [{"mailbox": one.mailbox.number, "account": one.mailbox.account.name, "pin": one.pin} for one in generated]
    if as_json:
        result: dict[str, Any] = {
            "applied": applied,
            "changes": [asdict(change) for change in plan.changes],
            "unchanged": plan.unchanged,
            "generated_pins": pins,
            "warnings": [asdict(warning) for warning in plan.warnings],
            "errors": [asdict(error) for error in plan.errors],
        }
        echo(json.dumps(result, indent=2))
        return
    if plan.changes:
        print_table([asdict(change) for change in plan.changes], COLUMNS, False)
    echo(_summary(plan.changes, plan.unchanged, applied=applied))
    for one in pins:
        echo(f"the PIN of box {one['mailbox']} is {one['pin']}")


def _summary(changes: list[Change], unchanged: int, *, applied: bool) -> str:
    """Return `created: user 2, box 2; changed: box 1; unchanged: 4`."""
    verbs = {ChangeAction.CREATE: ("created", "would create"), ChangeAction.CHANGE: ("changed", "would change")}
    parts = []
    for action, (past, conditional) in verbs.items():
        counts = Counter(change.kind for change in changes if change.action is action)
        if counts:
            parts.append(f"{past if applied else conditional}: {_join_counts(counts)}")
    return "; ".join([*parts, f"unchanged: {unchanged}"])


def _join_counts(counts: Counter[str]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in counts.items())


def _print_notes(file: Path, plan: Plan) -> None:
    for kind, notes in (("warning: ", plan.warnings), ("", plan.errors)):
        for note in notes:
            echo(_format_note(file, note, kind), err=True)


def _format_note(file: Path, note: RowError, kind: str) -> str:
    return f"{kind}{file}:{note.line}: {note.message}"


def _error_summary(count: int, *, applies: bool, dry_run: bool) -> str:
    lines = "1 line has an error" if count == 1 else f"{count} lines have errors"
    if dry_run:
        return lines
    return f"{lines}: the others are applied" if applies else f"{lines}, so nothing is changed: correct the file"
