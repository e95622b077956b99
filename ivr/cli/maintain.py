"""`ivr maintain`: what a running service does by itself, once; for cron, where none runs."""

from __future__ import annotations

from ivr.app import App
from ivr.cli.support import exit_on_error, run_with_app

MAX_CALL_S = 6 * 3600
"""A call over classic AGI whose process died is told apart from one that goes on by its age."""


@exit_on_error
def maintain() -> None:
    """Mail, lights, what a crash left behind, what has had its time: once, where no service runs."""
    from ivr.service.background import run_maintenance as once

    async def job(app: App) -> None:
        await once(app)
        now = int(app.clock.now())
        await app.call_store.close_unfinished(now, now - MAX_CALL_S)
        while await app.retention_worker.run_once():
            pass

    run_with_app(job)
