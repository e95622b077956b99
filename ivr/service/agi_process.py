"""One call over classic AGI, from the first line of this process to its last; then, where no service does it, what
follows the call."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from ivr import logging_setup, settings
from ivr.call.agi.session import run_call
from ivr.call.agi.startup import read_agi_header
from ivr.core import Core, build_core
from ivr.errors import IvrError
from ivr.menus import error_prompts
from ivr.menus.call_handler import CallHandler
from ivr.paths import load_asterisk_secret, sounds_folder
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.persistent_prompt_cache import PersistentPromptCache
from ivr.prompts.voice import LANGUAGES

UMASK = 0o027
SERVICE_GRACE_S = 1.0
"""A running service takes up by then what the call has left to do."""
CLAIM_RETRY_S = 5.0
CLAIM_ATTEMPTS = 24
"""So often it is looked whether the process that does it for all has done it."""
FALLBACK_RECORDING_MAX_AGE_S = 600
MAINTENANCE_LOCK = "tending"
NICENESS = 10

log = structlog.get_logger()


def run(arguments: Sequence[str]) -> int:
    """The exit code; `words`: "check" or "leave", and the arguments of docs/dialplan.md."""
    os.umask(UMASK)
    try:
        agi = read_agi_header()
        loaded = settings.load()
        logging_setup.configure_logging(loaded.log)
        core = build_core(loaded)
    except (IvrError, OSError) as error:
        print(f"ivr-agi: {error}", file=sys.stderr)
        return 1
    try:
        has_more_to_do = asyncio.run(_serve_call(agi, core, arguments))
    except (IvrError, OSError) as error:
        log.error("call.failed", error=str(error), kind=type(error).__name__)
        return 1
    finally:
        core.database.close()
    if has_more_to_do:
        _run_maintenance(loaded)
    return 0


async def _serve_call(agi: Any, core: Core, arguments: Sequence[str]) -> bool:
    """The call; then, whether there is something left to do."""
    catalogues = {name: Catalogue.load(sounds_folder(core.settings) / name) for name in LANGUAGES}
    sentences = PersistentPromptCache(
        core.settings.data.folder / "sentences-agi", catalogues, core.clock.monotonic, core.settings.sounds.sentences
    )
    reception = CallHandler(core.voicemail_services, sentences, core.call_store)
    secret = load_asterisk_secret(core.settings)
    arguments = [os.fsencode(word).decode("utf-8", "replace") for word in arguments]
    await run_call(agi, arguments, reception.handle, sentences.render_silence(), secret, core.clock.monotonic)
    os.nice(NICENESS)
    await asyncio.to_thread(_maintain_prompt_cache, sentences)
    await asyncio.sleep(SERVICE_GRACE_S)
    return await _claim_maintenance(core)


def _maintain_prompt_cache(sentences: PersistentPromptCache) -> None:
    """What is said when the disk is full must lie there before it is full."""
    for language in LANGUAGES:
        for prompt in error_prompts.ERROR_PROMPTS:
            if not sentences.find_cached(language, (prompt,)):
                sentences.render(language, (prompt,))
    sentences.trim(time.time())


async def _claim_maintenance(core: Core) -> bool:
    """Whether something is left that nobody does. Many calls may end at once: one process does it for all of them."""
    for _ in range(CLAIM_ATTEMPTS):
        if not await _has_pending_work(core):
            return False
        if core.process_locks.hold(MAINTENANCE_LOCK):
            return True
        await asyncio.sleep(CLAIM_RETRY_S)
    return False


async def _has_pending_work(core: Core) -> bool:
    """What the dialplan recorded by itself counts for a while: a file that leads to no box stays there for good."""
    from ivr.recovery.fallback_recordings import PREFIX, named
    from ivr.storage.sqlite.outbox import Outbox

    if await Outbox(core.database, core.clock, "", core.process_locks).due_kinds():
        return True
    takes, now = await core.takes.left_behind(), core.clock.now()
    alone = [named(Path(path), now) for path in core.recordings.sizes_of_takes(PREFIX)]
    return not all(map(core.takes.is_attended, takes)) or any(
        recorded and now - recorded.recorded_at < FALLBACK_RECORDING_MAX_AGE_S for recorded in alone
    )


def _run_maintenance(site_settings: settings.Settings) -> None:
    """It takes much that no call needs; nobody waits for it any more."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # The call is over; what is said to it now is nothing to us.
    from ivr.app import build_app
    from ivr.service.maintenance import run_maintenance

    app = build_app(site_settings)
    try:
        asyncio.run(run_maintenance(app))
    finally:
        app.close()
