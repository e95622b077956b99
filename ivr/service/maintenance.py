"""What a running service does by itself, done once: after a call where no service runs, and from cron."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from ivr.ami.client import AmiClient
from ivr.app import App
from ivr.notifications.outbox_runner import OutboxRunner
from ivr.recovery.recording_recovery import EVERY_S, QUIET_S
from ivr.service.background import build_workers

AMI_CONNECT_TIMEOUT_S = 3.0
MAX_DURATION_S = 300.0
"""What is not done by then stays in the outbox, and its lease ends by itself."""
RECOVERY_PASSES = round(QUIET_S / EVERY_S) + 2
"""So many looks tell whether a file grows."""

log = structlog.get_logger()


async def run_maintenance(app: App) -> None:
    """Do what the outbox asks for, and keep what was left behind; what cannot be done now stays for the next time."""
    connecting = asyncio.create_task(app.ami_client.run_forever()) if app.ami_client else None
    try:
        if app.ami_client:
            await _wait_for_ami(app.ami_client)
        notifier = OutboxRunner(app.outbox, build_workers(app, app.ami_client, is_service_start=False))
        async with asyncio.timeout(MAX_DURATION_S):
            await notifier.run_until_idle()
            await _recover_recordings(app)
            await notifier.run_until_idle()
    except TimeoutError:
        log.warning("tend.unfinished", after_s=MAX_DURATION_S)
    finally:
        if connecting:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
        await app.conversion_pool.close()


async def _wait_for_ami(ami_client: AmiClient) -> None:
    """Wait for the manager, but not for long: what needs it waits in the outbox."""
    with suppress(TimeoutError):
        async with asyncio.timeout(AMI_CONNECT_TIMEOUT_S):
            while not ami_client.connection_id:
                await ami_client.wait_for_change()


async def _recover_recordings(app: App) -> None:
    for _ in range(RECOVERY_PASSES):
        await app.recording_recovery.turn()
        if not await app.recording_recovery.is_anything_left():
            return
        await asyncio.sleep(EVERY_S)
