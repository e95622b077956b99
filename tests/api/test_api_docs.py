"""docs/api.md is true: its commands run as written and print what it shows."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ivr.api.error_responses import ERROR_RESPONSES
from tests.api.conftest import encode_audio

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
EXAMPLE_MARKER = "=== next example ==="
WILDCARD = "…"


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Environment variables for a running service with an account; `ivr` is on the PATH."""
    scripts = Path(sys.executable).parent
    path = f"{scripts}:{os.environ['PATH']}"
    environment = {"PATH": path, "IVR_DATA__FOLDER": str(tmp_path / "data"), "IVR_API__PORT": "0", "LANG": "C.UTF-8"}
    subprocess.run(["ivr", "account", "create", "demo"], env=environment, check=True, capture_output=True)
    process = subprocess.Popen(
        ["ivr", "serve", "--only", "api"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout
    yield {**environment, "SERVED": process.stdout.readline().split()[-1]}
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    process.stdout.close()


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl (apt install curl)")
def test_examples_in_api_docs_work_as_printed(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "voice.mp3").write_bytes(encode_audio(tmp_path, ".mp3", 1500))
    examples = re.findall(r"```sh\n(.*?)```\n\n```json\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == PAGE.count("```sh") == PAGE.count("```json") > 8
    script = f"\necho; echo '{EXAMPLE_MARKER}'\n".join(commands for commands, _ in examples)
    script = script.replace("http://127.0.0.1:8000", environment["SERVED"])
    process = subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=environment, cwd=tmp_path,
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    assert process.returncode == 0, process.stderr
    printed = process.stdout.split(EXAMPLE_MARKER)
    assert len(printed) == len(examples)
    for (commands, expected), output in zip(examples, printed, strict=True):
        assert matches_example(json.loads(expected), json.loads(output)), f"{commands}\nprinted {output}"


def matches_example(expected: Any, actual: Any) -> bool:
    """Return whether `actual` has everything that `expected` has; objects may have more members."""
    if expected == WILDCARD:
        return True
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(
            key in actual and matches_example(value, actual[key]) for key, value in expected.items()
        )
    if isinstance(expected, list):
        return isinstance(actual, list) and len(actual) == len(expected) and all(map(matches_example, expected, actual))
    return bool(expected == actual)


def test_every_error_response_is_documented() -> None:
    documented = {(row[0], name) for row in re.findall(r"^\| (\d{3}) \| (.*?) \|", PAGE, re.MULTILINE)
            for name in re.findall(r"`([^`]+)`", row[1])}  # fmt: skip
    assert {(str(response.status), response.message) for response in ERROR_RESPONSES} | {
        ("404", "not_found"),
        ("405", "invalid_method"),
    } == documented
