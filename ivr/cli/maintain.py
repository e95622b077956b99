"""`ivr maintain`: maintenance for installations without a running service, from cron."""

from __future__ import annotations

from ivr.app import App
from ivr.cli.support import with_app

MAX_CALL_S = 6 * 3600
"""A call over classic AGI that began longer ago is recorded as ended: its process has died."""


@with_app
async def maintain(app: App) -> None:
    """Run maintenance once, from cron.

    For calls over classic AGI without a running service: sends mail, sets message lights, recovers recordings that a
    crash left behind, and applies retention. A running service does so by itself.
    """
    from ivr.service.background import run_maintenance

    await run_maintenance(app)
    now = int(app.clock.now())
    await app.call_store.close_unfinished(now, now - MAX_CALL_S)
    while await app.retention_worker.run_once():
        pass
