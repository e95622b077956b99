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

from ivr import logs, settings
from ivr.call.agi.conversation import converse
from ivr.call.agi.opening import open_call
from ivr.core import Core, build_core
from ivr.errors import IvrError
from ivr.menus import apology
from ivr.menus.reception import Reception
from ivr.places import asterisk_secret, sounds_folder
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.lasting import LastingSentences
from ivr.prompts.voice import LANGUAGES

UMASK = 0o027
LOOK_AFTER_S = 1.0
"""A running service takes up by then what the call has left to do."""
LOOK_AGAIN_S = 5.0
TURNS = 24
"""So often it is looked whether the process that does it for all has done it."""
FRESH_S = 600
TENDING = "tending"
NICER = 10

log = structlog.get_logger()


def run(words: Sequence[str]) -> int:
    """The exit code; `words`: "check" or "leave", and the arguments of docs/dialplan.md."""
    os.umask(UMASK)
    try:
        agi = open_call()
        loaded = settings.load()
        logs.configure(loaded.log)
        core = build_core(loaded)
    except (IvrError, OSError) as error:
        print(f"ivr-agi: {error}", file=sys.stderr)
        return 1
    try:
        has_more_to_do = asyncio.run(_attend(agi, core, words))
    except (IvrError, OSError) as error:
        log.error("call.failed", error=str(error), kind=type(error).__name__)
        return 1
    finally:
        core.database.close()
    if has_more_to_do:
        _tend(loaded)
    return 0


async def _attend(agi: Any, core: Core, words: Sequence[str]) -> bool:
    """The call; then, whether there is something left to do."""
    catalogues = {name: Catalogue.load(sounds_folder(core.settings) / name) for name in LANGUAGES}
    sentences = LastingSentences(
        core.settings.data.folder / "sentences-agi", catalogues, core.clock.monotonic, core.settings.sounds.sentences
    )
    reception = Reception(core.mailroom, sentences, core.calls)
    secret = asterisk_secret(core.settings)
    words = [os.fsencode(word).decode("utf-8", "replace") for word in words]
    await converse(agi, words, reception.receive, sentences.silence(), secret, core.clock.monotonic)
    os.nice(NICER)
    await asyncio.to_thread(_look_after, sentences)
    await asyncio.sleep(LOOK_AFTER_S)
    return await _is_ours_to_do(core)


def _look_after(sentences: LastingSentences) -> None:
    """What is said when the disk is full must lie there before it is full."""
    for language in LANGUAGES:
        for prompt in apology.ALL:
            if not sentences.known(language, (prompt,)):
                sentences.joined(language, (prompt,))
    sentences.trim(time.time())


async def _is_ours_to_do(core: Core) -> bool:
    """Whether something is left that nobody does. Many calls may end at once: one process does it for all of them."""
    for _ in range(TURNS):
        if not await _is_anything_left(core):
            return False
        if core.attendance.hold(TENDING):
            return True
        await asyncio.sleep(LOOK_AGAIN_S)
    return False


async def _is_anything_left(core: Core) -> bool:
    """What the dialplan recorded by itself counts for a while: a file that leads to no box stays there for good."""
    from ivr.mailbox.alone import PREFIX, named
    from ivr.notify.outbox import Outbox

    if await Outbox(core.database, core.clock, "", core.attendance).due():
        return True
    takes, now = await core.takes.left_behind(), core.clock.now()
    alone = [named(Path(path), now) for path in core.recordings.sizes_of_takes(PREFIX)]
    return not all(map(core.takes.is_attended, takes)) or any(
        recorded and now - recorded.recorded_at < FRESH_S for recorded in alone
    )


def _tend(loaded: settings.Settings) -> None:
    """It takes much that no call needs; nobody waits for it any more."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # The call is over; what is said to it now is nothing to us.
    from ivr.app import build
    from ivr.serving.tending import tend

    app = build(loaded)
    try:
        asyncio.run(tend(app))
    finally:
        app.close()
