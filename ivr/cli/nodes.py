"""`ivr node`: the nodes that share the rows of an installation."""

from __future__ import annotations

import typer

from ivr.app import App
from ivr.cli.audit import record_for_all_accounts
from ivr.cli.support import JsonOption, YesOption, confirm, echo, print_table, with_app
from ivr.doctor.nodes import describe_state
from ivr.storage.records import AuditAction

COLUMNS = ["node", "asterisk", "state", "seen_s_ago", "calls", "recordings", "folder"]

command = typer.Typer(no_args_is_help=True)


@command.command("list")
@with_app
async def list_(app: App, as_json: bool = JsonOption) -> None:
    """List the nodes, with their calls and the recordings in their folders."""
    rows = [
        {
            "node": status.node.name,
            "asterisk": status.node.asterisk,
            "state": describe_state(status),
            "seen_s_ago": status.silent_s,
            "calls": status.calls,
            "recordings": status.takes,
            "folder": status.node.location,
        }
        for status in await app.node_store.list_nodes()
    ]
    print_table(rows, COLUMNS, as_json)


@command.command("remove")
@with_app
async def remove(app: App, name: str = typer.Argument(help="Name of the node."), yes: bool = YesOption) -> None:
    """Forget a node that does not exist any more.

    A node that starts again is listed again. Recordings in its folder are delivered by the node that has the folder.
    """
    confirm(f"Forget node {name}?", assume_yes=yes)
    await app.node_store.remove(name)
    await record_for_all_accounts(app, AuditAction.MAINTAINED, f"node {name}: removed")
    echo(f"node {name} is removed")
