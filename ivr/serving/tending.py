"""What a running service does by itself, done once: after a call where no service runs, and from cron."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from ivr.ami.manager import Manager
from ivr.app import App
from ivr.mailbox.adoption import EVERY_S, QUIET_S
from ivr.notify.notifier import Notifier
from ivr.serving.following import lanes

MANAGER_WITHIN_S = 3.0
LONGEST_S = 300.0
"""What is not done by then stays in the outbox, and its lease ends by itself."""
TURNS = round(QUIET_S / EVERY_S) + 2
"""So many looks tell whether a file grows."""

log = structlog.get_logger()


async def tend(app: App) -> None:
    """Do what the outbox asks for, and keep what was left behind; what cannot be done now stays for the next time."""
    connecting = asyncio.create_task(app.manager.run()) if app.manager else None
    try:
        if app.manager:
            await _connected(app.manager)
        notifier = Notifier(app.outbox, lanes(app, app.manager, at_start=False))
        async with asyncio.timeout(LONGEST_S):
            await notifier.settle()
            await _adopt(app)
            await notifier.settle()
    except TimeoutError:
        log.warning("tend.unfinished", after_s=LONGEST_S)
    finally:
        if connecting:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
        await app.workshop.close()


async def _connected(manager: Manager) -> None:
    """Wait for the manager, but not for long: what needs it waits in the outbox."""
    with suppress(TimeoutError):
        async with asyncio.timeout(MANAGER_WITHIN_S):
            while not manager.connection:
                await manager.changed()


async def _adopt(app: App) -> None:
    for _ in range(TURNS):
        await app.adoption.turn()
        if not await app.adoption.is_anything_left():
            return
        await asyncio.sleep(EVERY_S)
