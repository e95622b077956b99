"""`ivr demo`, which `make run` starts, in a pseudo terminal."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ivr.audio import wav
from ivr.prompts import clip_file
from tests.support.app_fixture import SOUNDS
from tests.support.pseudo_terminal import PseudoTerminal

RunDemo = Callable[..., PseudoTerminal]
IVR = [sys.executable, "-m", "ivr"]
SOURCE_TREE = SOUNDS.parent


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which no player, recorder or synthesiser is found."""
    return {
        "PATH": str(tmp_path / "no-programs"),
        "PYTHONPATH": str(SOURCE_TREE),
        "IVR_DATA__FOLDER": str(tmp_path / "d"),
    }


@pytest.fixture
def demo(tmp_path: Path, environment: dict[str, str]) -> RunDemo:
    """Start `ivr demo ARGUMENTS...` on an empty folder."""

    def start(*arguments: str) -> PseudoTerminal:
        return PseudoTerminal([*IVR, "demo", "--folder", str(tmp_path / "d"), *arguments], environment)

    return start


def messages(environment: dict[str, str], box: str) -> list[dict[str, object]]:
    command = [*IVR, "message", "list", box, "--json"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    listed: list[dict[str, object]] = json.loads(result.stdout)
    return listed


def test_demo_user_deletes_message_then_logs_in_with_pin(demo: RunDemo, environment: dict[str, str]) -> None:
    with demo("--fast") as terminal:
        terminal.wait_for("You have three new messages and one saved message")
        terminal.wait_for(r"\[=+\] 0:11 / 0:11")
        terminal.wait_for("To delete, press seven")
        terminal.type("7")
        terminal.wait_for("⌨ 7")
        terminal.wait_for("Deleted")
        terminal.type("h")
        terminal.wait_for(r"the call is over \(HANGUP\)")
        terminal.wait_for(r"Dial again, as a stranger\? Box 1000 has the PIN 4716")
        terminal.type("y")
        terminal.wait_for("Please enter your mailbox number")
        terminal.type("1000#4716#")
        # The second message is saved if it ended before the key that hung up.
        terminal.wait_for("You have (one|two) new messages? and (one|two) saved messages?")
        terminal.type("h")
        assert terminal.wait_for_exit() == 0
        assert "Traceback" not in terminal.output
    assert [message["folder"] for message in messages(environment, "1000")].count("deleted") == 1


def test_demo_shows_prompt_word_by_word_and_message_with_position(demo: RunDemo) -> None:
    with demo() as terminal:
        terminal.wait_for(r"You have $")
        terminal.wait_for(r"three $")
        terminal.wait_for(r"0:00 / 0:11")
        terminal.wait_for(r"0:01 / 0:11")
        terminal.type("8")
        terminal.wait_for(r"⌨ 8")
        terminal.wait_for(r"0:11 / 0:11")


@pytest.mark.parametrize("key", ["n", "\x03", "\x04"], ids=["n", "ctrl-c", "ctrl-d"])
def test_declining_redial_ends_demo(demo: RunDemo, key: str) -> None:
    with demo("--fast") as terminal:
        terminal.wait_for("You have")
        terminal.type("\x03")
        terminal.wait_for(r"Dial again")
        terminal.type(key)
        assert terminal.wait_for_exit() == 0
        assert "Traceback" not in terminal.output


def test_typed_text_is_spoken_into_recording(demo: RunDemo, environment: dict[str, str], tmp_path: Path) -> None:
    subprocess.run([*IVR, "demo", "--only-make", "--folder", str(tmp_path / "d")], env=environment, check=True)
    any_ports = {**environment, "IVR_FASTAGI__PORT": "0", "IVR_API__PORT": "0"}
    service = subprocess.Popen([*IVR, "serve"], env=any_ports, stdout=subprocess.PIPE, text=True)
    try:
        assert service.stdout
        address = re.search(r"agi://[\d.]+:(\d+)/", service.stdout.readline())
        assert address
        phone_environment = {**environment, "IVR_FASTAGI__PORT": address[1]}
        with PseudoTerminal([*IVR, "phone", "1001", "--fast"], phone_environment) as terminal:
            terminal.wait_for("type what you say, then Enter")
            terminal.type("hello bob 2\n")
            terminal.wait_for(r"spelled letter by letter: no synthesiser installed")
            terminal.wait_for(r"recorded \d+\.\d s")
            terminal.type("h")
            assert terminal.wait_for_exit() == 0
            assert "Traceback" not in terminal.output
    finally:
        service.terminate()
        service.communicate()
    [message] = messages(environment, "1001")
    clips = [clip_file.read_samples(clip_file.find(SOUNDS / "en", key)) for key in _spell("hello bob 2")]
    assert message["length_ms"] == sum(map(len, clips)) // wav.BYTES_PER_MS + 2 * 200


def test_demo_create_only_prints_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    command = [*IVR, "demo", "--only-make", "--folder", str(tmp_path / "d")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout + result.stderr == ""
    assert len(messages(environment, "1000")) == 4
    assert messages(environment, "1001") == []


def _spell(text: str) -> list[str]:
    """Return the prompts that spell a text."""
    return [f"{'number' if character.isdigit() else 'letter'}/{character}" for character in text.replace(" ", "")]
