"""`ivr tend`: what a running service does by itself, once; for cron, where none runs."""

from __future__ import annotations

from ivr.app import App
from ivr.cli.edge import told, with_app

LONGEST_CALL_S = 6 * 3600
"""A call over classic AGI whose process died is told apart from one that goes on by its age."""


@told
def tend() -> None:
    """Mail, lights, what a crash left behind, what has had its time: once, where no service runs."""
    from ivr.serving.tending import tend as once

    async def job(app: App) -> None:
        await once(app)
        now = int(app.mailroom.clock.now())
        await app.calls.close_left_behind(now, now - LONGEST_CALL_S)
        while await app.sweeper.turn():
            pass

    with_app(job)
