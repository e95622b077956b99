"""Moves 9,999 messages of one mailbox in, and back, with a process that is killed on the way. It runs outside CI.

python -m tests.imports.long_run 9999
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.imports.spool_maker import SpoolMaker

FOLDERS = ("INBOX", "Old", "Urgent", "Work", "Deleted")


class Run:
    """One installation in a folder, and how long each command takes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "IVR_DATA__FOLDER": str(folder / "data"), "IVR_PINS__BCRYPT_COST": "4"}

    def ivr(self, name: str, *words: str, codes: tuple[int, ...] = (0,)) -> None:
        """Run a command to its end, and print its time and that of the processor."""
        before, began = os.times(), time.monotonic()
        command = [sys.executable, "-m", "ivr", *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode in codes, done.stdout + done.stderr
        after = os.times()
        processor_s = sum(after[2:4]) - sum(before[2:4])
        print(f"{name:<40} {time.monotonic() - began:8.1f} s {processor_s:8.1f} s", flush=True)
        print("   ", done.stdout.strip().splitlines()[-1], flush=True)

    def kill_on_the_way(self, *words: str) -> None:
        """Start a command, and kill it after it has stored some hundred messages."""
        command = [sys.executable, "-m", "ivr", *words]
        with subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL) as process:
            while self.count_messages() < 500:
                time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
        print(f"killed after {self.count_messages()} messages", flush=True)

    def count_messages(self) -> int:
        """Return how many messages are stored."""
        with sqlite3.connect(self.folder / "data" / "state" / "ivr.db") as database:
            return int(database.execute("SELECT count(*) FROM messages").fetchone()[0])


def main(messages: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="ivr-long-run-", dir="/var/tmp"))
    maker = SpoolMaker(folder / "pbx")
    maker.write_conf("[general]\nmaxmsg = 9999\n[default]\n2001 => 4716,Rosa Klein\n")
    for n in range(messages):
        maker.message(FOLDERS[n % 5] if n % 3 else "INBOX", voice=n % 20)
    back = folder / "back"
    back.mkdir()
    run = Run(folder)
    print(f"{'command':<40} {'time':>10} {'processor':>10}")
    run.ivr("account create", "account", "create", "demo")
    run.ivr("account create", "account", "create", "other")
    source = ("import", "app-voicemail", "--conf", str(maker.conf), "--spool")
    run.kill_on_the_way(*source, str(maker.spool), "--context", "default=demo")
    run.ivr("import, after it was killed", *source, str(maker.spool), "--context", "default=demo")
    run.ivr("import once more", *source, str(maker.spool), "--context", "default=demo")
    run.ivr("verify", "import", "verify")
    export = ("export", "app-voicemail", "--conf", str(maker.conf), "--account", "demo", "--spool", str(back))
    run.ivr("export", *export)
    run.ivr("export once more", *export)
    run.ivr("import of the export", *source, str(back), "--context", "default=other", codes=(0, 3))
    run.ivr("verify", "import", "verify")
    assert run.count_messages() == 2 * messages
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(int(sys.argv[1]))
