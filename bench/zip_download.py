"""`python -m bench.zip_download [--messages N] [--length-s S]`: the zip of many messages, first and second time.

Prints the time until the archive is complete, the processor time of the service and its workers, and the most memory
of the service. The first archive encodes each message as MP3; the second finds them in the cache.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import struct
import tempfile
from pathlib import Path
from time import monotonic
from urllib.request import Request, urlopen

from bench.fill_boxes import create_boxes
from bench.request_rate import child, fetch
from ivr.app import App
from ivr.audio import wav
from ivr.settings import DataSettings, Settings
from ivr.storage.records import Folder

NUMBER = "5000"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


async def create_data(folder: Path, message_count: int, length_s: int) -> tuple[str, str]:
    """Fill a data folder with messages of a changing tone. Return the path of the box and a token."""
    audio = folder / "audio.wav"
    count = length_s * wav.SAMPLE_RATE
    samples = b"".join(struct.pack("<h", int(8000 * math.sin(n / (5 + n % 9000 / 1000)))) for n in range(count))
    audio.write_bytes(wav.header(len(samples)) + samples)
    app = App(Settings(data=DataSettings(folder=folder / "data"))).open()
    try:
        await create_boxes(app, {NUMBER: message_count}, {"pin": "258036"}, audio, Folder.NEW)
        [account] = await app.directory.accounts()
        [box] = await app.boxes.list_by_account(account.id)
        token, _ = await app.tokens.create(account.id)
    finally:
        app.close()
    return f"/v2/accounts/{account.id}/vmboxes/{box.id}/messages", token


def download(url: str, ids: list[str], token: str) -> int:
    """Download the archive of all ids. Return its size."""
    body = json.dumps({"data": {"messages": ids}}).encode()
    headers = {"X-Auth-Token": token, "Content-Type": "application/json", "Accept": "application/zip"}
    size = 0
    with urlopen(Request(f"{url}/raw", body, headers, method="POST")) as response:
        while block := response.read(1 << 16):
            size += len(block)
    return size


def processor_s(parent: int) -> float:
    """Return user and system seconds of a process and of the children that it has now."""
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if parent in (pid, int(rest[1])):
            total += (int(rest[11]) + int(rest[12])) / TICKS_PER_S
    return total


def process_of(command_part: str) -> int:
    """Return the id of the process whose command line has this text."""
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if command_part in command.read_text().replace("\0", " ") and int(command.parent.name) != os.getpid():
                return int(command.parent.name)
        except OSError:
            continue
    raise LookupError(command_part)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.zip_download", description=__doc__)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--length-s", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        base, token = asyncio.run(create_data(Path(root), options.messages, options.length_s))
        with child("product", Path(root) / "data") as url:
            service = process_of(f"--role product --folder {root}/data")
            listed = json.loads(fetch(f"{url}{base}?paginate=false", token))["data"]
            ids = [message["media_id"] for message in listed]
            print(f"| {len(ids):,} messages of {options.length_s} s | seconds | processor s | MB |\n|---|---|---|---|")
            for name in ("first", "again"):
                began, used = monotonic(), processor_s(service)
                size = download(f"{url}{base}", ids, token)
                took = monotonic() - began
                print(f"| {name} | {took:.1f} | {processor_s(service) - used:.1f} | {size / 1e6:.1f} |", flush=True)
            status = Path(f"/proc/{service}/status").read_text()
            peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
            print(f"\nMost memory of the service: {int(peak) // 1024} MB.")


if __name__ == "__main__":
    main()
