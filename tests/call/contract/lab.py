"""What stands for the menus in a lab with a real Asterisk: each call is a row of the contract, by the number dialled.

Without arguments it takes calls over FastAGI and ARI until it is ended; with those of `ivr-agi` it is one call.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from ivr import logs, settings
from ivr.call.agi.conversation import converse
from ivr.call.agi.opening import open_call
from ivr.call.ari.dialling import Dialling
from ivr.call.ari.lines import Lines
from ivr.call.ari.listening import Listening
from ivr.call.ari.service import AriService
from ivr.call.fastagi.server import FastAgiServer
from ivr.call.identity import endpoint_of
from ivr.call.port import Call
from ivr.prompts.sentences import Sentences
from tests.call.contract.rows import ROWS
from tests.call.contract.service import Service
from tests.call.contract.stage import stage_in

FIRST = 1000
"""The number of the first row."""
SLACK_MS = 2500
"""A person hears, and then presses; what was heard around it is measured to the frame by the test."""
WORK_S = 3.0


def told_in(folder: Path, row: int, endpoint: str) -> Path:
    """Where is told how a row went: {"wrong": complaint or null, "found": ...}."""
    return folder / "told" / f"{row}-{endpoint}.json"


class LabService:
    """`folder` holds the sounds, and is shared with Asterisk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "told").mkdir(exist_ok=True)
        if not (folder / "takes").exists():
            (folder / "takes").mkdir()
            (folder / "takes").chmod(0o2770)
        self.silence = Sentences(folder, {}, time.monotonic).silence()

    async def receive(self, call: Call) -> None:
        row = int(call.arrival.arguments.number or FIRST) - FIRST
        stage = stage_in(self._folder, SLACK_MS, WORK_S, f"{row}-{endpoint_of(call.arrival.channel)}-")
        service = Service(ROWS[row], stage)
        await service.receive(call)
        wrong = "".join("".join(traceback.format_exception(error)) for error in service.wrong)
        path = told_in(self._folder, row, endpoint_of(call.arrival.channel) or "")
        draft = path.with_suffix(".part")
        draft.write_text(json.dumps({"wrong": wrong or None, "found": stage.found}))
        draft.replace(path)


async def serve(loaded: settings.Settings) -> None:
    """Take calls until ended."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    service = LabService(loaded.data.folder)
    fastagi = FastAgiServer(service.receive, service.silence, "", time.monotonic)
    await fastagi.start(loaded.fastagi.host, loaded.fastagi.port)
    lines = Lines()
    ari = AriService(lines, service.receive, service.silence, "", time.monotonic)
    dialling = asyncio.create_task(Dialling(loaded.ari, lines).run())
    listening = Listening(loaded.ari, lines) if loaded.ari.listen_port else None
    if listening:
        await listening.start()
    print("ready", flush=True)
    await stop.wait()
    dialling.cancel()
    await asyncio.gather(dialling, return_exceptions=True)
    await ari.stop()
    if listening:
        await listening.stop()
    await fastagi.stop()


def one_call(loaded: settings.Settings, words: list[str]) -> None:
    agi: Any = open_call()
    service = LabService(loaded.data.folder)
    asyncio.run(converse(agi, words, service.receive, service.silence, "", time.monotonic))


if __name__ == "__main__":
    os.umask(0o027)
    loaded = settings.load()
    logs.configure(loaded.log)
    if sys.argv[1:]:
        one_call(loaded, sys.argv[1:])
    else:
        asyncio.run(serve(loaded))
