"""`ivr purge`: what has had its time goes now; the service does the same by itself, turn by turn."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import typer

from ivr.app import App
from ivr.cli.support import JsonOption, exit_on_error, print_document, print_table, run_with_app
from ivr.retention.consistency_check import ORPHAN_FILE
from ivr.storage.records import DueItem, RetentionRule

COLUMNS = ["what", "since", "account", "box", "id"]
DRY_RUN_LIMIT = 1000
"""Lines of one kind that a dry run prints."""


@exit_on_error
def purge(
    dry_run: bool = typer.Option(False, "--dry-run", help="Only print what would go, 1000 of each kind at most."),
    as_json: bool = JsonOption,
) -> None:
    """Hide and remove what has had its time, in all accounts (docs/settings.md, [retention])."""

    async def rehearse(app: App) -> None:
        rows = [_purge_row(due) for due in await app.retention_worker.preview(DRY_RUN_LIMIT)]
        rows += [
            {**dict.fromkeys(COLUMNS, ""), "what": ORPHAN_FILE, "id": str(path)}
            for path in await app.consistency_check.orphans()
        ]
        print_table(rows, COLUMNS, as_json)

    async def do(app: App) -> None:
        done: Counter[str] = Counter({rule.value: 0 for rule in RetentionRule})
        while await app.retention_worker.run_once(done):
            pass
        print_document(dict(done), as_json)

    run_with_app(rehearse if dry_run else do)


def _purge_row(due: DueItem) -> dict[str, Any]:
    since = f"{datetime.fromtimestamp(due.since, UTC):%Y-%m-%d %H:%M}"
    return {"what": due.rule.value, "since": since, "account": due.account_id, "box": due.box_id, "id": due.id}
