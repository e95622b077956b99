"""Running the commands of a page on a machine of its own: `private_machine.sh`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.site.page import TypedCommand, read_commands

MACHINE = Path(__file__).with_name("private_machine.sh")
FINDS_PROBLEMS = "ivr doctor"
"""Without an Asterisk it exits with 1."""


def why_no_machine() -> str:
    """Why there can be no private machine here; "" where there can."""
    if os.geteuid() != 0:
        return "needs root: it mounts a machine of its own"
    if not shutil.which("unshare"):
        return "needs unshare: apt install util-linux"
    tried = subprocess.run([*_enter(), "true"], capture_output=True, text=True, check=False, env=_environment())
    return tried.stderr.strip() if tried.returncode else ""


def follow_page(page: Path, preparation: str, folder: Path, further: Sequence[TypedCommand] = ()) -> int:
    """Prepare the machine by a script, run all commands of a page, then `further` ones; compare what each prints.

    Skips the test where there can be no such machine. Return the number of commands. `$MESSAGE` in a command is the id
    of the first message of box 1000, `$CALL` that of the latest call.
    """
    if reason := why_no_machine():
        pytest.skip(reason)
    typed = [*read_commands(page), *further]
    script = folder / "script.py"
    script.write_text(RUNNER)
    commands = json.dumps([action.command for action in typed])
    done = subprocess.run(
        [*_enter(), sys.executable, str(script), commands, str(folder), preparation],
        capture_output=True, text=True, check=False, timeout=600, env=_environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-2000:]
    results = json.loads((folder / "results.json").read_text())
    for action, (code, output) in zip(typed, results, strict=True):
        assert code == 0 or action.command.startswith(FINDS_PROBLEMS), f"{action.command}: exit code {code}\n{output}"
        expected = "\n".join(action.expected_lines)
        assert action.has_printed(output), f"{action.command}\nprinted:\n{output}\nthe page says:\n{expected}"
        assert "Traceback" not in output
    return len(typed)


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "IVR_PROGRAMS": str(Path(sys.executable).parent)}


def _enter() -> list[str]:
    return ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "bash", str(MACHINE)]


RUNNER = """
import json, subprocess, sys
from pathlib import Path

commands, folder, preparation = json.loads(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]


def run(command):
    done = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


code, output = run("set -e\\n" + preparation)
assert code == 0, output
message = ""
if any("$MESSAGE" in command for command in commands):
    message = json.loads(run("ivr message list 1000 --json")[1])[0]["id"]
call = ""
if any("$CALL" in command for command in commands):
    call = json.loads(run("ivr calls list --json")[1])[0]["id"]
results = [run(command.replace("$MESSAGE", message).replace("$CALL", call)) for command in commands]
(folder / "results.json").write_text(json.dumps(results))
run("systemctl stop ivr.socket ivr")
"""
