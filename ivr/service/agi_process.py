"""The process of one call over classic AGI; after the call it does the maintenance, unless another process does it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from ivr import logging_setup, settings
from ivr.app import App
from ivr.call.agi.session import run_call
from ivr.call.agi.stdio_transport import read_agi_header
from ivr.errors import IvrError
from ivr.menus import menu
from ivr.menus.call_handler import CallHandler
from ivr.prompts.prompt_cache import PersistentPromptCache
from ivr.service.syslog_stream import SYSLOG_SOCKET, open_log_stream

UMASK = 0o027
SERVICE_GRACE_S = 1.0
"""A running service has claimed what the call left in the outbox by then."""
CLAIM_RETRY_S = 5.0
CLAIM_ATTEMPTS = 24
"""How often a process checks whether another one has finished the maintenance."""
FALLBACK_RECORDING_MAX_AGE_S = 600
MAINTENANCE_LOCK = "maintenance"
NICENESS = 10

log = structlog.get_logger()


def run(arguments: Sequence[str], syslog: Path = SYSLOG_SOCKET) -> int:
    """Serve the call on standard input and output, and return the exit code.

    `arguments`: "check" or "leave", then the arguments of docs/dialplan.md.
    `syslog`: takes the log where Asterisk has no standard error.
    """
    os.umask(UMASK)
    log_stream = open_log_stream(syslog)
    try:
        agi = read_agi_header()
        site_settings = settings.load()
        logging_setup.configure_logging(site_settings.log, log_stream)
        app = App(site_settings, count_metrics=False).open()
    except (IvrError, OSError) as error:
        print(f"ivr-agi: {error}", file=log_stream)
        return 1
    try:
        must_run_maintenance = asyncio.run(_serve_call(agi, app, arguments))
    except (IvrError, OSError) as error:
        log.error("call.failed", error=str(error), kind=type(error).__name__)
        return 1
    finally:
        app.database.close()  # The locks stay: the process holds the maintenance lock until it ends.
    if must_run_maintenance:
        _run_maintenance(site_settings)
    return 0


async def _serve_call(agi: Any, app: App, arguments: Sequence[str]) -> bool:
    """Run the call, and return whether this process has to do the maintenance."""
    prompt_cache = PersistentPromptCache(
        app.settings.node_folder / "prompt-cache-agi",
        app.catalogues,
        app.clock.monotonic,
        app.settings.sounds.prompt_cache_size,
    )
    handler = CallHandler(app.voicemail_services, prompt_cache, app.call_store)
    arguments = [os.fsencode(argument).decode("utf-8", "replace") for argument in arguments]
    await run_call(agi, arguments, handler.handle, prompt_cache.render_silence(), app.owner_proof, app.clock.monotonic)
    os.nice(NICENESS)
    await asyncio.to_thread(_maintain_prompt_cache, prompt_cache)
    await asyncio.sleep(SERVICE_GRACE_S)
    return await _claim_maintenance(app)


def _maintain_prompt_cache(prompt_cache: PersistentPromptCache) -> None:
    """Trim the cache, and render the error prompts ahead: on a full disk they could no longer be rendered."""
    for language in prompt_cache.languages:
        for prompt in menu.ERROR_PROMPTS:
            if not prompt_cache.find_cached(language, (prompt,)):
                prompt_cache.render(language, (prompt,))
    prompt_cache.trim(time.time())


async def _claim_maintenance(app: App) -> bool:
    """Take the maintenance lock if work is pending; False if there is none, or another process does it.

    Many calls may end at the same time: one process does the maintenance for all of them.
    """
    for _ in range(CLAIM_ATTEMPTS):
        if not await _has_pending_work(app):
            return False
        if app.process_locks.acquire(MAINTENANCE_LOCK):
            return True
        await asyncio.sleep(CLAIM_RETRY_S)
    return False


async def _has_pending_work(app: App) -> bool:
    """Whether outbox rows are due or recordings wait for recovery.

    A fallback recording counts for ten minutes only: one whose name matches no mailbox stays in the folder for good.
    """
    from ivr.recovery.fallback_recordings import FILE_PREFIX, parse_file_name

    if await app.outbox.due_kinds():
        return True
    takes, now = await app.takes.list_unfinished(), app.clock.now()
    recordings = [parse_file_name(Path(path)) for path in app.recordings.take_file_sizes(FILE_PREFIX)]
    return not all(map(app.takes.is_in_progress, takes)) or any(
        recording and abs(now - recording.recorded_at) < FALLBACK_RECORDING_MAX_AGE_S for recording in recordings
    )


def _run_maintenance(site_settings: settings.Settings) -> None:
    """Do the maintenance in this process. The caller has hung up, so the time of the imports is not noticed."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # Asterisk sends it for the call, which is over.
    from ivr.service.background import run_maintenance

    app = App(site_settings).open()
    try:
        asyncio.run(run_maintenance(app))
    finally:
        app.close()
