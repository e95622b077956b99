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

from ivr import logging_setup, settings
from ivr.call.agi.session import run_call
from ivr.call.agi.stdio_transport import read_agi_header
from ivr.call.ari.client import AriClient
from ivr.call.ari.connection import ConnectionRegistry
from ivr.call.ari.server import AriServer
from ivr.call.ari.stasis_application import StasisApplication
from ivr.call.base import Call
from ivr.call.fastagi.server import FastAgiServer
from ivr.call.incoming import endpoint_of
from ivr.call.owner_proof import NO_PROOF
from ivr.prompts.prompt_cache import PromptCache
from tests.call.contract.contract_cases import CASES
from tests.call.contract.contract_fixture import contract_fixture_in
from tests.call.contract.contract_service import ContractService

FIRST_EXTENSION = 1000
"""The number of the first row."""
SLACK_MS = 2500
"""A person hears, and then presses; what was heard around it is measured to the frame by the test."""
WORK_S = 3.0


def result_file(folder: Path, case: int, endpoint: str) -> Path:
    """Where is told how a row went: {"wrong": complaint or null, "found": ...}."""
    return folder / "told" / f"{case}-{endpoint}.json"


class LabContractService:
    """`folder` holds the sounds, and is shared with Asterisk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "told").mkdir(exist_ok=True)
        if not (folder / "takes").exists():
            (folder / "takes").mkdir()
            (folder / "takes").chmod(0o2770)
        self.silence = PromptCache(folder, {}, time.monotonic).render_silence()

    async def handle(self, call: Call) -> None:
        row = int(call.incoming.arguments.number or FIRST_EXTENSION) - FIRST_EXTENSION
        stage = contract_fixture_in(self._folder, SLACK_MS, WORK_S, f"{row}-{endpoint_of(call.incoming.channel)}-")
        service = ContractService(CASES[row], stage)
        await service.handle(call)
        wrong = "".join("".join(traceback.format_exception(error)) for error in service.failures)
        path = result_file(self._folder, row, endpoint_of(call.incoming.channel) or "")
        draft = path.with_suffix(".part")
        draft.write_text(json.dumps({"wrong": wrong or None, "found": stage.observations}))
        draft.replace(path)


async def serve(loaded: settings.Settings) -> None:
    """Take calls until ended."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    service = LabContractService(loaded.data.folder)
    fastagi = FastAgiServer(service.handle, service.silence, NO_PROOF, time.monotonic)
    await fastagi.start(loaded.fastagi.host, loaded.fastagi.port)
    lines = ConnectionRegistry()
    ari = StasisApplication(lines, service.handle, service.silence, NO_PROOF, time.monotonic)
    dialling = asyncio.create_task(AriClient(loaded.ari, lines).run_forever())
    listening = AriServer(loaded.ari, lines) if loaded.ari.listen_port else None
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
    agi: Any = read_agi_header()
    service = LabContractService(loaded.data.folder)
    asyncio.run(run_call(agi, words, service.handle, service.silence, NO_PROOF, time.monotonic))


if __name__ == "__main__":
    os.umask(0o027)
    loaded = settings.load()
    logging_setup.configure_logging(loaded.log)
    if sys.argv[1:]:
        one_call(loaded, sys.argv[1:])
    else:
        asyncio.run(serve(loaded))
