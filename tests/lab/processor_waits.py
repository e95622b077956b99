"""What a full machine did to a lab: how long its processes were ready to run and got no processor."""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "processor-waits.jsonl"
INTERVAL_S = 0.5
MIN_WAIT_MS = 250
"""Shorter waits within an interval are what tests and their limits have to stand."""
NOTICED_WITHIN_S = 2.0
"""A wait is written down when it is over."""
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessorWait:
    """A process that waited for a processor for most of the time before `at` (s since the epoch)."""

    at: float
    waited_ms: int
    of_ms: int
    process: str


class ProcessorWatch:
    """Writes down the waits of all processes that this one has started, and of those that these have started.

    `/proc/PID/schedstat` tells how long the main thread of a process was ready and did not run, whatever the process
    itself does: a service that is slow by its own fault has no waits. Processes of a higher niceness than this one
    wait by intent.
    """

    def __init__(self, path: Path, *, interval_s: float = INTERVAL_S) -> None:
        self._path = path
        self._interval_s = interval_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._path.touch()
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until the last wait is written."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        before, began = read_waits_ns(), time.monotonic()
        while not self._ended.wait(self._interval_s):
            now, ended = read_waits_ns(), time.monotonic()
            of_ms = round((ended - began) * 1000)
            for pid, waited_ns in now.items():
                waited_ms = (waited_ns - before.get(pid, waited_ns)) // 1_000_000
                if waited_ms >= MIN_WAIT_MS:
                    self._write(ProcessorWait(time.time(), waited_ms, of_ms, _command(pid)))
            before, began = now, ended

    def _write(self, wait: ProcessorWait) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(wait)) + "\n")


def find_waits(path: Path, begin: float, end: float) -> list[ProcessorWait]:
    """Return the waits between two times (s since the epoch)."""
    if not path.exists():
        return []
    found = [ProcessorWait(**json.loads(line)) for line in path.read_text().splitlines()]
    return [wait for wait in found if begin <= wait.at <= end + NOTICED_WITHIN_S]


def read_waits_ns() -> dict[int, int]:
    """Return how long each process that this one has started, directly or not, waited for a processor, by its id."""
    parents, own_niceness = {}, os.getpriority(os.PRIO_PROCESS, 0)
    for folder in PROC.glob("[0-9]*"):
        with suppress(OSError, ValueError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[16]) <= own_niceness:
                parents[int(folder.name)] = int(fields[1])
    waits = {}
    for pid in parents:
        ancestor = pid
        while ancestor in parents and ancestor != os.getpid():
            ancestor = parents[ancestor]
        if ancestor == os.getpid() and pid != ancestor:
            with suppress(OSError):
                waits[pid] = int((PROC / str(pid) / "schedstat").read_text().split()[1])
    return waits


def _command(pid: int) -> str:
    with suppress(OSError):
        if command := (PROC / str(pid) / "cmdline").read_bytes():
            return command.replace(b"\0", b" ").decode(errors="replace").strip()[:80]
    return f"process {pid}, which has ended"
