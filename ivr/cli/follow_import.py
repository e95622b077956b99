"""`ivr import app-voicemail --follow`: a line for each mailbox that changes, until the command is stopped."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence

from ivr.app import App
from ivr.cli.support import echo, format_time
from ivr.directory.models import Account
from ivr.import_services import build_follower
from ivr.imports.following import SpoolFollowing
from ivr.imports.importer import Importer
from ivr.imports.report import BoxReport
from ivr.imports.source import ImportOptions
from ivr.imports.system import VoicemailSystem


async def follow_spool(
    app: App,
    importer: Importer,
    system: VoicemailSystem,
    options: ImportOptions,
    accounts: Sequence[Account],
    *,
    interval_s: float,
    run_id: str,
) -> None:
    """Carry over changes of the spool until Ctrl-C or SIGTERM, which end the import as done."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)

    async def wait() -> bool:
        try:
            await asyncio.wait_for(stopped.wait(), interval_s)
        except TimeoutError:
            return True
        return False

    def print_change(change: BoxReport) -> None:
        counts = {"imported": change.imported, "moved": change.moved, "deleted": change.deleted}
        words = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        echo(f"{format_time(app.clock.now())} {change.box}: {words or 'created'}", err=True)
        for note in change.notes:
            echo(f"  {note.text}", err=True)

    def print_error(text: str) -> None:
        echo(f"{format_time(app.clock.now())} ivr: {text}; the command tries it again", err=True)

    echo("following the spool: Ctrl-C ends it", err=True)
    following = SpoolFollowing(
        importer=importer, follower=build_follower(app), wait=wait, on_change=print_change, on_error=print_error
    )
    try:
        await following.run(system, options, accounts, run_id)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
