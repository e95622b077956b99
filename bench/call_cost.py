"""`python -m bench.call_cost [--calls N] [--at-a-time N] [--profile FILE]`: processor time of the service for a call.

An owner on their own phone, or with the PIN from another one, hears what is in the mailbox and the beginning
of the first message, and hangs up. Asterisk's side is the terminal phone's, in this process, with sounds that take no
time: only the service's processor time counts, which other work on the machine changes little.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

from bench.fill_boxes import create_boxes
from bench.request_rate import processor_s
from ivr.app import App
from ivr.settings import DataSettings, Settings
from ivr.storage.records import Folder
from ivr.terminal.fake_asterisk import AgiRequest, FakeAsterisk
from tests.api.conftest import tone
from tests.soak.garbage_peers import SECRET
from tests.soak.mixed_soak import free_ports
from tests.support.handset import HANG_UP, OnSound, ScriptedHandset
from tests.support.tone_prompts import write_tone_prompts

OWNERS, MESSAGES, PIN = 10, 20, "258036"
HEARD = "(recording)"


def numbers() -> list[str]:
    return [str(1000 + n) for n in range(OWNERS)]


async def listen(port: int, number: str, *, by_pin: bool) -> None:
    """One call. Raises AssertionError if the message was not heard."""
    functions = {"GLOBAL(IVR_SECRET)": SECRET, f"PJSIP_ENDPOINT(p{number},auth)": "yes", "REDIRECTING(count)": "0"}
    keys = []
    if by_pin:
        keys = [
            OnSound("enter your pin", PIN[0]),
            *(OnSound("", key) for key in f"{PIN[1:]}#"),
            OnSound("To hear", "1"),
        ]
    handset = ScriptedHandset([*keys, OnSound(HEARD, HANG_UP)])
    arguments = ("account=lab", f"number={number}")
    channel = f"PJSIP/{'trunk' if by_pin else f'p{number}'}-00000001"
    call = FakeAsterisk(AgiRequest("check", arguments, channel, number, functions), handset)
    await asyncio.wait_for(call.connect_and_run("127.0.0.1", port), 60)
    assert HEARD in handset.heard, handset.heard


async def create_data(root: Path) -> None:
    audio = root / "audio.wav"
    audio.write_bytes(tone(3000))
    app = App(Settings(data=DataSettings(folder=root / "data"))).open()
    try:
        await create_boxes(app, dict.fromkeys(numbers(), MESSAGES), {"pin": PIN}, audio, Folder.NEW)
    finally:
        app.close()


@asynccontextmanager
async def serve(root: Path, profile: str | None = None) -> AsyncIterator[tuple[int, int]]:
    """Run the service with the data folder of `root`. Yields its process id and the port of FastAGI."""
    agi_port, api_port, metrics_port = free_ports(3)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("IVR_")},
        "IVR_DATA__FOLDER": str(root / "data"),
        "IVR_SOUNDS__FOLDER": str(write_tone_prompts(root / "sounds")),
        "IVR_ASTERISK__SECRET": SECRET,
        "IVR_FASTAGI__PORT": str(agi_port),
        "IVR_API__PORT": str(api_port),
        "IVR_METRICS__PORT": str(metrics_port),
        "IVR_LOG__LEVEL": "info",
    }
    profiler = ["-m", "cProfile", "-o", profile] if profile else []
    command = [sys.executable, *profiler, "-m", "ivr", "serve"]
    with (root / "log").open("wb") as log:
        pipe = asyncio.subprocess.PIPE
        service = await asyncio.create_subprocess_exec(*command, env=environment, stdout=pipe, stderr=log)
    try:
        assert service.stdout
        await service.stdout.readline()
        yield service.pid, agi_port
    finally:
        service.send_signal(signal.SIGINT)
        await service.wait()


async def measure(options: argparse.Namespace, root: Path) -> None:
    await create_data(root)
    async with serve(root, options.profile) as (process_id, agi_port):
        for kind, by_pin in (("own phone", False), ("PIN", True)):
            costs = []
            for n in range(options.rounds + 1):
                used = processor_s(process_id)
                for start in range(0, options.calls, options.at_a_time):
                    chosen = [numbers()[(start + k) % OWNERS] for k in range(options.at_a_time)]
                    await asyncio.gather(*(listen(agi_port, number, by_pin=by_pin) for number in chosen))
                if n:  # The first round makes the sentences.
                    costs.append(1000 * (processor_s(process_id) - used) / options.calls)
            print(f"{kind}: {median(costs):.1f} ms of processor time a call ({min(costs):.1f} to {max(costs):.1f})")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.call_cost", description=__doc__)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--at-a-time", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", help="file for the statistics of cProfile")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        asyncio.run(measure(options, Path(root)))


if __name__ == "__main__":
    main()
