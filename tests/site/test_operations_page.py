"""docs/operations.md is true: all its commands run in order, on a machine with the service, and print what it shows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ivr.audio import wav
from tests.site.machine import CHECKOUT
from tests.site.page import read_commands

PAGE = CHECKOUT / "docs" / "operations.md"
MACHINE = Path(__file__).with_name("private_machine.sh")
FINDS_PROBLEMS = "ivr doctor"
"""Without an Asterisk it exits with 1."""


def why_no_machine() -> str:
    if os.geteuid() != 0:
        return "needs root: it mounts a machine of its own"
    tried = subprocess.run([*enter_machine(), "true"], capture_output=True, text=True, check=False, env=environment())
    return tried.stderr.strip() if tried.returncode else ""


def environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "IVR_PROGRAMS": str(Path(sys.executable).parent)}


def enter_machine() -> list[str]:
    return ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "bash", str(MACHINE)]


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare (apt install util-linux)")
def test_commands_of_the_operations_page_print_what_it_shows(tmp_path: Path) -> None:
    if reason := why_no_machine():
        pytest.skip(reason)
    wav.write(tmp_path / "hello.wav", b"\x10\x20" * 16_000)
    typed = read_commands(PAGE)
    script = tmp_path / "script.py"
    script.write_text(RUNNER)
    commands = json.dumps([action.command for action in typed])
    done = subprocess.run(
        [*enter_machine(), sys.executable, str(script), commands, str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=120, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-2000:]
    results = json.loads((tmp_path / "results.json").read_text())
    assert len(results) == len(typed) > 15
    for action, (code, output) in zip(typed, results, strict=True):
        assert code == 0 or action.command == FINDS_PROBLEMS, f"{action.command}: exit code {code}\n{output}"
        expected = "\n".join(action.expected_lines)
        assert action.has_printed(output), f"{action.command}\nprinted:\n{output}\nthe page says:\n{expected}"
    assert not any("Traceback" in output for _, output in results)


RUNNER = """
import json, subprocess, sys
from pathlib import Path

commands, folder = json.loads(sys.argv[1]), Path(sys.argv[2])


def run(command):
    done = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


for command in (
    "ivr install", "ivr account create demo", "systemctl start ivr",
    "ivr user create alice", "ivr user create bob", "ivr endpoint add alice-desk alice",
    "ivr box create 1000 --owner alice --pin 2580 is_setup=true", f"ivr message add 1000 {folder}/hello.wav",
):
    code, output = run(command)
    assert code == 0, command + ": " + output
with open("/etc/ivr/ivr.toml", "a") as toml:
    toml.write('\\n[ami]\\nsecret = "change-me-to-a-long-random-word"\\n')
message = json.loads(run("ivr message list 1000 --json")[1])[0]["id"]
results = [run(command.replace("$MESSAGE", message)) for command in commands]
(folder / "results.json").write_text(json.dumps(results))
run("systemctl stop ivr")
"""
