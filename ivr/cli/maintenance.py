"""`ivr maintain`, `ivr purge`, `ivr migrate` and `ivr pepper`."""

from __future__ import annotations

from collections import Counter
from typing import Any

import typer

from ivr import logging_setup, settings
from ivr.app import App
from ivr.cli.audit import command_actor, record_afterwards, record_for_all_accounts
from ivr.cli.support import (
    JsonOption,
    YesOption,
    confirm,
    echo,
    exit_on_error,
    format_time,
    print_document,
    print_table,
    require_database,
    with_app,
)
from ivr.directory.peppers import PepperUsage
from ivr.retention.consistency_check import ORPHAN_FILE
from ivr.storage.records import MEGABYTE, AuditAction, AuditEntry, DueItem, MigrationPlan, RetentionRule
from ivr.stores import Stores

MAX_CALL_S = 6 * 3600
"""A call over classic AGI that began longer ago is recorded as ended: its process has died."""


@with_app
async def maintain(app: App) -> None:
    """Run maintenance once, from cron.

    For calls over classic AGI without a running service: sends mail, sets message lights, recovers recordings that a
    crash left behind, and applies retention. A running service does so by itself. It prints only what fails, because
    cron mails what a command prints.
    """
    from ivr.service.background import run_maintenance

    await run_maintenance(app)
    now = int(app.clock.now())
    await app.call_store.close_unfinished(now, now - MAX_CALL_S)
    while await app.retention_worker.run_unless_done_by_another():
        pass


COLUMNS = ["what", "since", "account", "box", "id"]
DRY_RUN_LIMIT = 1000
"""How many items of one kind a dry run prints."""


@with_app
async def purge(
    app: App,
    dry_run: bool = typer.Option(
        False,
        "--dry-run",
        help="Print what would be hidden or removed, at most 1000 items of each kind; change nothing.",
    ),
    confirm_clock: bool = typer.Option(
        False, "--confirm-clock", help="The clock is right, although days have passed without a run."
    ),
    yes: bool = YesOption,
    as_json: bool = JsonOption,
) -> None:
    """Apply retention now.

    Hides and removes what is past its retention, in all accounts: docs/settings.md, section [retention].
    A running service does so by itself, little by little.
    """
    if dry_run:
        print_table(await _due_rows(app), COLUMNS, as_json)
        return
    confirm("Hide and remove what is past its retention ('ivr purge --dry-run' lists it)?", assume_yes=yes)
    if confirm_clock:
        await app.retention_worker.confirm_clock()
    counts: Counter[str] = Counter({rule.value: 0 for rule in RetentionRule})
    while await app.retention_worker.run_once(counts):
        pass
    if counts.total() or confirm_clock:
        await record_for_all_accounts(
            app, AuditAction.MAINTAINED, "purge: the clock is right" if confirm_clock else "purge"
        )
    print_document(dict(counts), as_json)


async def _due_rows(app: App) -> list[dict[str, Any]]:
    rows = [_due_row(item) for item in await app.retention_worker.preview(DRY_RUN_LIMIT)]
    for path in await app.consistency_check.orphans():
        rows.append({**dict.fromkeys(COLUMNS, ""), "what": ORPHAN_FILE, "id": str(path)})
    return rows


def _due_row(item: DueItem) -> dict[str, Any]:
    return {
        "what": item.rule.value,
        "since": format_time(item.since),
        "account": item.account_id,
        "box": item.box_id,
        "id": item.id,
    }


@exit_on_error
def migrate(
    dry_run: bool = typer.Option(False, "--dry-run", help="Print what would be done; change nothing."),
    back: bool = typer.Option(
        False, "--back", help="Restore the copy made before the newest migration; what came since is put aside."
    ),
    yes: bool = YesOption,
    as_json: bool = JsonOption,
) -> None:
    """Convert the data folder of an earlier version.

    Stop the service first. The database is copied before it is migrated. The service does the same when it starts.
    """
    loaded = settings.load()
    logging_setup.configure_logging(loaded.log.model_copy(update={"level": "warning"}))
    require_database(loaded)
    stores = Stores(loaded)
    plan = stores.migration.plan()
    if dry_run:
        print_document(_migration_document(plan, back), as_json)
    elif back:
        confirm(f"Put {plan.earlier_copy} in the place of {plan.database}?", assume_yes=yes or not plan.earlier_copy)
        copy, newer = stores.migration.go_back()
        now = int(stores.clock.now())
        entry = AuditEntry(now, "", None, AuditAction.MAINTAINED, "database: back before a migration", command_actor())
        stores.database_files.record_for_all_accounts(stores.migration.database, entry)
        echo(f"{stores.migration.database} is {copy} again; the newer database is {newer}")
        echo("now install the version that wrote it: this version would migrate it again")
    elif done := stores.migrate():
        record_afterwards(AuditAction.MAINTAINED, f"database: schema {done.version} to {done.program_version}")
        echo(f"{done.database} is migrated from schema {done.version} to {done.program_version}")
        if copy_of_it := done.copy or done.earlier_copy:
            echo(f"the earlier database is {copy_of_it}; 'ivr migrate --back' restores it")
    else:
        echo(f"{plan.database} has schema {plan.version}: there is nothing to migrate")


def _migration_document(plan: MigrationPlan, back: bool) -> dict[str, Any]:
    """Return what a migration, or the way back, would do."""
    document: dict[str, Any] = {
        "database": str(plan.database),
        "schema": plan.version,
        "schema_of_this_version": plan.program_version,
        "in_use": plan.is_in_use,
        "size_mb": round(plan.size_bytes / MEGABYTE, 1),
        "free_mb": round(plan.free_bytes / MEGABYTE, 1),
    }
    if back:
        return document | {"restores": plan.earlier_copy and str(plan.earlier_copy)}
    return document | {"copy": plan.copy and str(plan.copy), "migrations": list(plan.pending)}


command = typer.Typer(no_args_is_help=True)


@command.command("accept")
@with_app
async def accept(app: App, yes: bool = YesOption) -> None:
    """Accept a new pepper.

    Only if the file pepper is lost and no backup has it: every PIN and password must then be set anew.
    """
    confirm("Every PIN and password that was set with another pepper becomes invalid. Continue?", assume_yes=yes)
    await app.secret_store.accept_pepper()
    await record_for_all_accounts(app, AuditAction.SECRET_REPLACED, "pepper, accepted as it is")
    echo("the pepper is accepted: set PINs with 'ivr box pin NUMBER', passwords with 'ivr user set NAME'")


PEPPER_BYTES = 32
PEPPER_COLUMNS = ["pepper", "state", "hashes"]


@command.command("rotate")
@with_app
async def rotate(app: App) -> None:
    """Replace the pepper.

    PINs and passwords stay valid: each is hashed again when it is entered the next time. The former pepper is kept
    until no hash needs it. A running service need not be restarted.
    """
    await app.secret_store.rotate_pepper(app.random_bytes(PEPPER_BYTES).hex().encode())
    await record_for_all_accounts(app, AuditAction.SECRET_REPLACED, "pepper")
    echo("the pepper is replaced; 'ivr pepper list' shows how many PINs and passwords need the former one")


@command.command("list")
@with_app
async def list_peppers(app: App, as_json: bool = JsonOption) -> None:
    """List the peppers, and how many PINs and passwords need each."""
    rows = [
        {"pepper": usage.id, "state": _state_of(usage), "hashes": usage.hash_count}
        for usage in await app.secret_store.pepper_usage()
    ]
    print_table(rows, PEPPER_COLUMNS, as_json)


def _state_of(usage: PepperUsage) -> str:
    return "current" if usage.is_current else "lost" if usage.is_lost else "earlier"
