"""Makes `earlier_installation.tar.xz`: a machine with ivr of commit 09bb59a, the last before everything was renamed.

It is run by that commit's own code, with the libraries of this one:

    git archive 09bb59a --prefix=earlier/ | tar -x -C /somewhere
    cd /somewhere/earlier && PYTHONPATH=. python .../make_earlier_installation.py .../earlier_installation.tar.xz

What a command of that version can make, it makes; the rows of the remaining tables are written as SQL.
"""

from __future__ import annotations

import json
import math
import os
import re
import sqlite3
import struct
import subprocess
import sys
import tarfile
import tempfile
import wave
from pathlib import Path

PROGRAM = "/opt/ivr/bin/ivr"
"""Where that machine has its program: the tree that this script runs in must not show in its files."""
MESSAGES = (
    ("1000", "5550101", "new", 440),
    ("1000", "5550102", "new", 550),
    ("1000", "5550103", "saved", 660),
    ("1000", "5550104", "deleted", 770),
    ("1001", "5550105", "new", 880),
)
"""Mailbox, caller, folder, and the frequency of the tone that is its audio."""
SQL_ROWS = """
INSERT INTO takes (id, account_id, box_id, purpose, state, channel, path, payload, began_at)
  SELECT 'f0' || hex(zeroblob(15)), account_id, id, 'greeting', 'aside', 'PJSIP/alice-desk-00000009',
         '/var/lib/ivr/takes/waiting.wav', '{}', 1764300000 FROM boxes WHERE mailbox = '1000';
INSERT INTO told (account_id, box_id, kind, told_at) SELECT account_id, id, 'full', 1764300000 FROM boxes LIMIT 1;
INSERT INTO tombstones (id, account_id, box_id, kind, made_at, removed_at, why, files)
  SELECT 't1', account_id, id, 'message', 1764200000, 1764300000, 'past retention', NULL FROM boxes LIMIT 1;
INSERT INTO failures (account_id, scope, subject, failed, counted_from, locks, locked_until)
  SELECT account_id, 'box', id, 6, 1764300000, 2, 1764300180 FROM boxes WHERE mailbox = '1001';
INSERT INTO live_calls (id, channel, action, number, began_at, seen_at)
  VALUES ('c1', 'PJSIP/alice-desk-00000008', 'check', '', 1764300000, 1764300060);
INSERT INTO outbox (account_id, box_id, kind, payload, created_at, due_at, attempts, about)
  SELECT account_id, id, 'full', '{}', 1764300000, 1764300000, 0, '5550100' FROM boxes WHERE mailbox = '1001';
INSERT INTO media (id, account_id, box_id, kind, source, length_ms, bytes, created_at)
  SELECT 'e0000000000000000000000000000001', account_id, id, 'unavailable', 'phone', 1000, 16044, 1764300000
  FROM boxes WHERE mailbox = '1000';
"""


def tone(file: Path, frequency: int, seconds: float = 1.0) -> None:
    samples = [int(8000 * math.sin(2 * math.pi * frequency * n / 8000)) for n in range(int(8000 * seconds))]
    file.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(struct.pack(f"<{len(samples)}h", *samples))


def main(archive: Path) -> None:
    folder = Path(tempfile.mkdtemp())
    root = folder / "root"
    data = root / "var/lib/ivr"
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": os.environ["PYTHONPATH"], "IVR_DATA__FOLDER": str(data),
        "IVR_PINS__COST": "4", "IVR_MAIL__HOST": "127.0.0.1", "IVR_MAIL__PORT": "9", "TZ": "UTC",
    }  # fmt: skip

    def ivr(*words: str) -> str:
        code = f"import sys; sys.argv[0] = {PROGRAM!r}; from ivr.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    ivr("install", "--root", str(root))
    ivr("account", "create", "demo", "--timezone", "Europe/Berlin")
    for user, box in (("alice", "1000"), ("bob", "1001")):
        ivr("user", "create", user, f"email={user}@demo.example")
        ivr("endpoint", "add", f"{user}-desk", user)
        ivr("box", "create", box, "--owner", user, "--pin", "2580", "is_setup=true")
    for box, caller, message_folder, frequency in MESSAGES:
        tone(folder / "in.wav", frequency)
        ivr("message", "add", box, str(folder / "in.wav"), "--caller", caller, "--folder", message_folder)
    gone = json.loads(ivr("message", "list", "1000", "--folder", "deleted", "--json"))[0]
    tone(folder / "in.wav", 990)
    ivr("message", "add", "1000", str(folder / "in.wav"), "--caller", "5550106")
    [newest] = [m for m in json.loads(ivr("message", "list", "1000", "--json")) if m["caller"] == "5550106"]
    ivr("message", "delete", "1000", newest["id"])
    assert gone["folder"] == "deleted"
    ivr("token", "create")
    with subprocess.Popen(
        [sys.executable, "-c", "from ivr.cli import main; import sys; main()", "serve", "--only", "calls"],
        env=environment | {"IVR_FASTAGI__PORT": "4799"}, stdout=subprocess.PIPE, text=True,
    ) as service:  # fmt: skip
        assert service.stdout
        service.stdout.readline()
        environment["IVR_FASTAGI__PORT"] = "4799"
        ivr("phone", "*97", "--fast", "--as", "alice-desk")
        service.terminate()
    connection = sqlite3.connect(data / "ivr.db")
    connection.executescript(SQL_ROWS)
    account = connection.execute("SELECT id FROM accounts").fetchone()[0]
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    empty = [t for t in tables if not connection.execute(f"SELECT count(*) FROM [{t}]").fetchone()[0]]
    assert empty == [], empty
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("VACUUM")
    connection.close()
    tone(data / account / "media" / "e0000000000000000000000000000001.wav", 330)
    tone(data / "takes" / "waiting.wav", 220)
    tone(data / "takes" / "alone-demo-1001-5550107-1764300000-1764300000_7.wav", 1100)
    for file in root.rglob("*"):
        if file.is_file() and file.suffix in (".conf", ".service", ".toml"):
            text = file.read_text().replace(str(Path.cwd()), "/opt/ivr/share/ivr").replace(str(root), "")
            file.write_text(text)
        assert not file.is_file() or b"/tmp/" not in file.read_bytes(), file
    with tarfile.open(archive, "w:xz") as out:
        for path in sorted(root.rglob("*")):
            if not re.search(r"/(sentences|forms|mail-forms|incoming)(/|$)", str(path)):
                out.add(path, str(path.relative_to(root)), recursive=False, filter=anonymous)


def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    main(Path(sys.argv[1]))
