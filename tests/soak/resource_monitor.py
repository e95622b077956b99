"""What a running service holds, seen from outside: /proc, its folders, and the number of tasks that it tells."""

from __future__ import annotations

import collections
import re
import resource
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

MONITORED_FOLDERS = ("takes", "state/incoming", "state/renditions")
"""Folders of the data folder whose files are there for a while only."""
DATABASE_FILES = (".db", ".db-wal")
CONNECTION_GONE_AFTER_S = 0.2
"""The one by which the number of tasks is task_count is no descriptor that counts."""


@dataclass(frozen=True)
class ResourceUsage:
    """At one moment."""

    tasks: int
    threads: int
    resident_kb: int
    descriptors: collections.Counter[str] = field(default_factory=collections.Counter)
    """How many open files of each name; those without a name by their kind."""
    files: frozenset[str] = frozenset()
    """Temporary ones."""

    def growth_since(self, before: ResourceUsage, threads: int) -> list[str]:
        """What is held now and was not `before`, in words; so many `threads` may have been added. Memory aside.

        A thread that reads the database has a connection of its own, so its files may be open once more for each.
        """
        more = []
        added_threads = min(max(self.threads - before.threads, 0), threads)
        if self.tasks > before.tasks:
            more.append(f"{self.tasks - before.tasks} tasks")
        opened = self.descriptors - before.descriptors
        opened -= collections.Counter({name: added_threads for name in opened if name.endswith(DATABASE_FILES)})
        if opened:
            more.append(f"descriptors: {', '.join(f'{count} {name}' for name, count in sorted(opened.items()))}")
        if self.threads > before.threads + threads:
            more.append(f"{self.threads - before.threads} threads")
        if self.files - before.files:
            more.append(f"files: {', '.join(sorted(self.files - before.files))}")
        return more

    def __str__(self) -> str:
        opened = sum(self.descriptors.values())
        return f"{self.tasks} tasks, {opened} descriptors, {self.threads} threads, {self.resident_kb / 1024:.1f} MB"


class ResourceMonitor:
    """Looks at the service `pid`, which tells its counts at `metrics_port` and may leave files in its `folders`."""

    def __init__(self, pid: int, metrics_port: int, folders: list[Path]) -> None:
        self._proc = Path("/proc") / str(pid)
        self._url = f"http://127.0.0.1:{metrics_port}/metrics"
        self._folders = folders

    def snapshot(self) -> ResourceUsage:
        """What it holds now. Raises OSError where it is gone."""
        tasks = self._tasks()
        time.sleep(CONNECTION_GONE_AFTER_S)
        pages = int((self._proc / "statm").read_text().split()[1])
        return ResourceUsage(
            tasks,
            len(list((self._proc / "task").iterdir())),
            pages * resource.getpagesize() // 1024,
            self._descriptors(),
            frozenset(str(path) for folder in self._folders for path in folder.rglob("*") if path.is_file()),
        )

    def _tasks(self) -> int:
        with urllib.request.urlopen(self._url, timeout=10) as answer:
            task_count = re.search(rb"^ivr_asyncio_tasks ([\d.]+)$", answer.read(), re.MULTILINE)
        assert task_count
        return int(float(task_count[1]))

    def _descriptors(self) -> collections.Counter[str]:
        found: collections.Counter[str] = collections.Counter()
        for entry in (self._proc / "fd").iterdir():
            try:
                name = str(entry.readlink())
            except FileNotFoundError:
                continue  # Closed meanwhile.
            found[re.sub(r"\[\d+\]$", "", name)] += 1
        return found


def resident_kb() -> int:
    """Of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024
