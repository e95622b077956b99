"""`make run` as somebody meets it: `ivr demo` in a terminal of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ivr.audio import wav
from tests.support.app_fixture import SOUNDS
from tests.support.pseudo_terminal import PseudoTerminal

RunDemo = Callable[..., PseudoTerminal]
IVR = [sys.executable, "-m", "ivr"]
CHECKOUT = SOUNDS.parent


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """No player, recorder or synthesiser of this machine is found."""
    return {"PATH": str(tmp_path / "no-programs"), "PYTHONPATH": str(CHECKOUT), "IVR_DATA__FOLDER": str(tmp_path / "d")}


@pytest.fixture
def demo(tmp_path: Path, environment: dict[str, str]) -> RunDemo:
    """`ivr demo WORDS...` on an empty folder."""

    def start(*words: str) -> PseudoTerminal:
        return PseudoTerminal([*IVR, "demo", "--folder", str(tmp_path / "d"), *words], environment)

    return start


def messages(environment: dict[str, str], box: str) -> list[dict[str, object]]:
    command = [*IVR, "message", "list", box, "--json"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    listed: list[dict[str, object]] = json.loads(found.stdout)
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
        terminal.wait_for(r"Dial again, as a stranger\? Box 1000 has the PIN 2580")
        terminal.type("y")
        terminal.wait_for("Please enter your mailbox number")
        terminal.type("1000#2580#")
        # The second message may have been heard to its end before the key that hung up: it is saved then.
        terminal.wait_for("You have (one|two) new messages? and (one|two) saved messages?")
        terminal.type("h")
        assert terminal.wait_for_exit() == 0
        assert "Traceback" not in terminal.output
    assert [message["folder"] for message in messages(environment, "1000")].count("deleted") == 1


def test_a_sentence_is_shown_word_by_word_while_it_plays_and_a_message_with_its_position(demo: RunDemo) -> None:
    with demo() as terminal:
        terminal.wait_for(r"You have $")
        terminal.wait_for(r"three $")
        terminal.wait_for(r"0:00 / 0:11")
        terminal.wait_for(r"0:01 / 0:11")
        terminal.type("8")
        terminal.wait_for(r"⌨ 8")
        terminal.wait_for(r"0:11 / 0:11")


@pytest.mark.parametrize("no", ["n", "\x03", "\x04"], ids=["n", "ctrl-c", "ctrl-d"])
def test_declining_redial_ends_demo(demo: RunDemo, no: str) -> None:
    with demo("--fast") as terminal:
        terminal.wait_for("You have")
        terminal.type("\x03")
        terminal.wait_for(r"Dial again")
        terminal.type(no)
        assert terminal.wait_for_exit() == 0
        assert "Traceback" not in terminal.output


def test_typed_text_is_spoken_into_recording(demo: RunDemo, environment: dict[str, str], tmp_path: Path) -> None:
    subprocess.run([*IVR, "demo", "--only-make", "--folder", str(tmp_path / "d")], env=environment, check=True)
    any_ports = {**environment, "IVR_FASTAGI__PORT": "0", "IVR_API__PORT": "0"}
    served = subprocess.Popen([*IVR, "serve"], env=any_ports, stdout=subprocess.PIPE, text=True)
    try:
        assert served.stdout
        listening = re.search(r"agi://[\d.]+:(\d+)/", served.stdout.readline())
        assert listening
        at = {**environment, "IVR_FASTAGI__PORT": listening[1]}
        with PseudoTerminal([*IVR, "phone", "1001", "--fast"], at) as terminal:
            terminal.wait_for("type what you say, then Enter")
            terminal.type("hello bob 2\n")
            terminal.wait_for(r"spelled letter by letter: no synthesiser here")
            terminal.wait_for(r"recorded \d+\.\d s")
            terminal.type("h")
            assert terminal.wait_for_exit() == 0
            assert "Traceback" not in terminal.output
    finally:
        served.terminate()
        served.communicate()
    [message] = messages(environment, "1001")
    assert message["length_ms"] == sum(wav.length_ms(SOUNDS / "en" / key) for key in _spell("hello bob 2")) + 2 * 200


def test_demo_create_only_prints_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    command = [*IVR, "demo", "--only-make", "--folder", str(tmp_path / "d")]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert made.stdout + made.stderr == ""
    assert len(messages(environment, "1000")) == 4
    assert messages(environment, "1001") == []


def _spell(text: str) -> list[str]:
    signs = text.replace(" ", "")
    return [f"number/{sign}.wav" if sign.isdigit() else f"letter/{sign}.wav" for sign in signs]
