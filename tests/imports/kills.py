"""Kills commands of moving in at seeded moments, runs each again, and compares with one that was not killed.

    python -m tests.imports.kills 20

Nothing of the source or of later changes may be lost, doubled or half done. It runs outside CI.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.imports.spool_maker import SpoolMaker
from tests.imports.test_switch import CONSOLE

MESSAGES = 80
FOLDERS = ("INBOX", "Old", "Urgent", "Work", "Deleted")
CONF = """\
[general]
format = wav|gsm
maxmsg = 9999
[default]
2001 => 4716,Rosa Klein,rosa@acme.example
2002 => 58391,Sven
"""
BOTH = ("2001@default", "2002@default")
COMMANDS = ("import", "undo", "switch", "switch back", "export")


class Site:
    """An installation and a spool, always at the same path. A copy of it is the state before each try."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "site"
        self._copy = folder / "before"
        self.maker = SpoolMaker(self.folder / "pbx")
        self.source = ("--conf", str(self.maker.conf), "--spool", str(self.maker.spool))
        self.back = self.folder / "back"
        self._environment = {
            **os.environ,
            "IVR_DATA__FOLDER": str(self.folder / "data"),
            "IVR_PINS__BCRYPT_COST": "4",
            "IVR_ASTERISK__CONSOLE_COMMAND": f"{sys.executable} {self.folder / 'console.py'}",
        }

    def make(self, command: str) -> tuple[str, ...]:
        """Make what a command works on; return its words."""
        self.folder.mkdir()
        self.back.mkdir()
        self.maker.write_conf(CONF)
        (self.folder / "console.py").write_text(CONSOLE)
        for number in range(MESSAGES):
            self.maker.message(FOLDERS[number % 5], box=BOTH[number % 2], voice=number % 8, ms=300)
        self.maker.greeting("unavail")
        self.maker.greeting("busy", box="2002@default")
        self.ivr("account", "create", "demo")
        if command != "import":
            self.ivr("import", "app-voicemail", *self.source)
        new = str(self.maker.audio("wav", 50, 400))
        if command in ("undo", "switch back", "export"):  # What callers and owners did since.
            self.ivr("import", "switch", *BOTH)
            self.ivr("message", "add", "2001", new)
            messages = json.loads(self.ivr("message", "list", "2001", "--json"))
            self.ivr("message", "move", "2001", messages[3]["id"], "saved")
            self.ivr("message", "delete", "2001", messages[5]["id"], "--yes")
        if command == "switch":  # What callers have left since the import.
            for number in range(MESSAGES):
                self.maker.message(box="2001@default", voice=number % 8, ms=300)
        shutil.copytree(self.folder, self._copy, symlinks=True)
        run = json.loads(self.ivr("import", "status", "--json"))[-1]["run"] if command == "undo" else ""
        return {
            "import": ("import", "app-voicemail", *self.source),
            "undo": ("import", "undo", run, "--yes"),
            "switch": ("import", "switch", *BOTH),
            "switch back": ("import", "switch", *BOTH, "--back"),
            "export": ("export", "app-voicemail", *self.source[:2], "--spool", str(self.back)),
        }[command]

    def restore(self) -> None:
        """Put everything back to the state before a try."""
        shutil.rmtree(self.folder)
        shutil.copytree(self._copy, self.folder, symlinks=True)

    def ivr(self, *words: str) -> str:
        """Run a command to its end; return what it prints."""
        command = [sys.executable, "-m", "ivr", *words]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 3), done.stdout + done.stderr
        return done.stdout

    def kill(self, words: tuple[str, ...], moment: Callable[[], bool], extra_s: float) -> bool:
        """Start a command, and kill it some time after `moment` is true. Return whether it was running."""
        command = [sys.executable, "-m", "ivr", *words]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, env=self._environment, stdout=quiet, stderr=quiet) as process:
            while process.poll() is None and not moment():
                time.sleep(0.001)
            time.sleep(extra_s)
            is_running = process.poll() is None
            process.send_signal(signal.SIGKILL)
        return is_running

    def rows(self, sql: str) -> list[Any]:
        """Return rows of the database."""
        database = sqlite3.connect(self.folder / "data" / "state" / "ivr.db", timeout=60)
        try:
            return sorted(database.execute(sql).fetchall(), key=str)
        finally:
            database.close()

    def progress(self) -> int:
        """Return a number that changes with each step of any of the commands."""
        ((messages, imported),) = self.rows("SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM imported)")
        return int(messages + imported) + len([*self.back.glob("*/*/*/msg*.txt")])

    def state(self) -> dict[str, Any]:
        """Return what must be as without a kill. Ids differ from try to try, and so do the runs of imports."""
        live = self.rows("SELECT id FROM messages WHERE deleted_at IS NULL")
        spools = (self.maker.spool, self.back)
        return {
            "messages": self.rows(
                "SELECT folder, time, length_ms, urgent, caller_number, labels, deleted_at IS NULL FROM messages"
            ),
            "imported": self.rows("SELECT kind, source_id FROM imported"),
            "boxes": self.rows("SELECT mailbox, deleted_at IS NULL FROM boxes"),
            "media": self.rows("SELECT kind, length_ms, deleted_at IS NULL FROM media"),
            "counters": sorted(str(row[2:]) for row in self.rows("SELECT * FROM folder_counters")),
            "without audio": [one for (one,) in live if not [*self.folder.glob(f"data/*/vm/{one}.wav")]],
            "database": self.rows("PRAGMA integrity_check"),
            "moved": sorted(path.name for path in self.folder.glob("database/*")),
            "spools": [describe_spool(spool) for spool in spools],
            "leftovers": [
                str(path)
                for spool in spools
                for path in spool.rglob("*")
                if path.name.startswith((".lock", "ivr-draft"))
            ],
        }


def describe_spool(spool: Path) -> list[tuple[str, ...]]:
    """Return each message and greeting of a spool: its folder, its text, its audio."""
    described = []
    for path in spool.glob("*/*/**/*"):
        if path.suffix == ".txt":
            audio = sorted(_digest(other) for other in path.parent.glob(f"{path.stem}.*") if other != path)
            described.append((str(path.parent.relative_to(spool)), path.read_text(), *audio))
        elif path.is_file() and not path.name.startswith("msg"):
            described.append((str(path.relative_to(spool)), _digest(path)))
    return sorted(described)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def try_command(command: str, seeds: int) -> int:
    """Kill a command at `seeds` moments; return how many ended otherwise."""
    with tempfile.TemporaryDirectory(prefix="ivr-kills-", dir="/var/tmp") as name:
        site = Site(Path(name))
        words = site.make(command)
        before = site.progress()
        site.ivr(*words)
        expected, end = site.state(), site.progress()
        failed, running = 0, 0
        for seed in range(seeds):
            chance = random.Random(f"{command} {seed}")
            site.restore()
            steps = chance.uniform(0, abs(end - before))
            extra_s = chance.choice((0, 0.01, 0.1)) * chance.random()
            running += site.kill(words, lambda: abs(site.progress() - before) >= steps, extra_s)  # noqa: B023
            site.ivr(*words)
            found = site.state()
            if differing := [key for key in expected if found[key] != expected[key]]:
                failed += 1
                print(f"{command}, seed {seed}, after {steps:.0f} steps: {', '.join(differing)} differ", flush=True)
    print(f"{command}: {seeds} kills, {running} while it was running; {failed} ended otherwise", flush=True)
    return failed


if __name__ == "__main__":
    chosen = sys.argv[2:] or COMMANDS
    sys.exit(sum(try_command(command, int(sys.argv[1])) for command in chosen) > 0)
