"""Maintenance without a running service: the outbox and the recovery of recordings, once. Used by AGI and from cron."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from ivr.ami.client import AmiClient
from ivr.app import App
from ivr.notifications.outbox_runner import OutboxRunner
from ivr.service.background import build_workers

AMI_CONNECT_TIMEOUT_S = 3.0
MAX_DURATION_S = 300.0
"""What is not done by then stays in the outbox until its lease ends."""

log = structlog.get_logger()


async def run_maintenance(app: App) -> None:
    """Process the outbox and recover recordings. What cannot be done now stays for the next run."""
    ami_task = asyncio.create_task(app.ami_client.run_forever()) if app.ami_client else None
    try:
        if app.ami_client:
            await _wait_for_ami(app.ami_client)
        outbox_runner = OutboxRunner(app.outbox, build_workers(app, app.ami_client, is_service_start=False))
        async with asyncio.timeout(MAX_DURATION_S):
            await outbox_runner.run_until_idle()
            await _recover_recordings(app)
            await outbox_runner.run_until_idle()
    except TimeoutError:
        log.warning("maintenance.unfinished", after_s=MAX_DURATION_S)
    finally:
        if ami_task:
            ami_task.cancel()
            await asyncio.gather(ami_task, return_exceptions=True)
        await app.stop_workers()


async def _wait_for_ami(ami_client: AmiClient) -> None:
    """Wait for the AMI connection, at most three seconds. Without it, lights and calls to owners stay in the outbox."""
    with suppress(TimeoutError):
        async with asyncio.timeout(AMI_CONNECT_TIMEOUT_S):
            while not ami_client.connection_id:
                await ami_client.wait_for_change()


async def _recover_recordings(app: App) -> None:
    """Repeat the recovery until nothing is left that could still be recovered in this run."""
    timing = app.recovery_timing
    for _ in range(round(timing.stable_after_s / timing.interval_s) + 2):  # Enough to see a file stop growing.
        await app.recording_recovery.run_once()
        if not await app.recording_recovery.has_pending():
            return
        await asyncio.sleep(timing.interval_s)
