"""`ivr purge`: what has had its time goes now; the service does the same by itself, turn by turn."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import typer

from ivr.app import App
from ivr.cli.edge import JsonOption, show, show_all, told, with_app
from ivr.mailbox.sweeping.inspection import STRAY
from ivr.mailbox.sweeping.rules import Due, Rule

COLUMNS = ["what", "since", "account", "box", "id"]
LIMIT = 1000
"""Lines of one kind that a dry run prints."""


@told
def purge(
    dry_run: bool = typer.Option(False, "--dry-run", help="Only print what would go, 1000 of each kind at most."),
    json: bool = JsonOption,
) -> None:
    """Hide and remove what has had its time, in all accounts (docs/settings.md, [sweeping])."""

    async def rehearse(app: App) -> None:
        rows = [_shown(due) for due in await app.sweeper.due(LIMIT)]
        rows += [
            {**dict.fromkeys(COLUMNS, ""), "what": STRAY, "id": str(path)} for path in await app.inspection.strays()
        ]
        show_all(rows, COLUMNS, json)

    async def do(app: App) -> None:
        done: Counter[str] = Counter({rule.value: 0 for rule in Rule})
        while await app.sweeper.turn(done):
            pass
        show(dict(done), json)

    with_app(rehearse if dry_run else do)


def _shown(due: Due) -> dict[str, Any]:
    since = f"{datetime.fromtimestamp(due.since, UTC):%Y-%m-%d %H:%M}"
    return {"what": due.rule.value, "since": since, "account": due.account_id, "box": due.box_id, "id": due.id}
