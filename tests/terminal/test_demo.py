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
from tests.support.house import SOUNDS
from tests.support.terminal import Terminal

Demo = Callable[..., Terminal]
IVR = [sys.executable, "-m", "ivr"]
CHECKOUT = SOUNDS.parent


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """No player, recorder or synthesiser of this machine is found."""
    return {"PATH": str(tmp_path / "no-programs"), "PYTHONPATH": str(CHECKOUT), "IVR_DATA__FOLDER": str(tmp_path / "d")}


@pytest.fixture
def demo(tmp_path: Path, environment: dict[str, str]) -> Demo:
    """`ivr demo WORDS...` on an empty folder."""

    def start(*words: str) -> Terminal:
        return Terminal([*IVR, "demo", "--folder", str(tmp_path / "d"), *words], environment)

    return start


def messages(environment: dict[str, str], box: str) -> list[dict[str, object]]:
    command = [*IVR, "message", "list", box, "--json"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    listed: list[dict[str, object]] = json.loads(found.stdout)
    return listed


def test_somebody_who_tries_it_deletes_a_message_and_then_signs_in_as_a_stranger(
    demo: Demo, environment: dict[str, str]
) -> None:
    with demo("--fast") as terminal:
        terminal.sees("You have three new messages and one saved message")
        terminal.sees(r"\[=+\] 0:11 / 0:11")
        terminal.sees("To delete, press seven")
        terminal.presses("7")
        terminal.sees("⌨ 7")
        terminal.sees("Deleted")
        terminal.presses("h")
        terminal.sees(r"the call is over \(HANGUP\)")
        terminal.sees(r"Dial again, as a stranger\? Box 1000 has the PIN 2580")
        terminal.presses("y")
        terminal.sees("Please enter your mailbox number")
        terminal.presses("1000#2580#")
        # The second message may have been heard to its end before the key that hung up: it is saved then.
        terminal.sees("You have (one|two) new messages? and (one|two) saved messages?")
        terminal.presses("h")
        assert terminal.ends() == 0
        assert "Traceback" not in terminal.shown
    assert [message["folder"] for message in messages(environment, "1000")].count("deleted") == 1


def test_a_sentence_is_shown_word_by_word_while_it_plays_and_a_message_with_its_position(demo: Demo) -> None:
    with demo() as terminal:
        terminal.sees(r"You have $")
        terminal.sees(r"three $")
        terminal.sees(r"0:00 / 0:11")
        terminal.sees(r"0:01 / 0:11")
        terminal.presses("8")
        terminal.sees(r"⌨ 8")
        terminal.sees(r"0:11 / 0:11")


@pytest.mark.parametrize("no", ["n", "\x03", "\x04"], ids=["n", "ctrl-c", "ctrl-d"])
def test_whoever_does_not_want_to_dial_again_is_let_go_at_once(demo: Demo, no: str) -> None:
    with demo("--fast") as terminal:
        terminal.sees("You have")
        terminal.presses("\x03")
        terminal.sees(r"Dial again")
        terminal.presses(no)
        assert terminal.ends() == 0
        assert "Traceback" not in terminal.shown


def test_what_is_typed_is_said_into_the_recording(demo: Demo, environment: dict[str, str], tmp_path: Path) -> None:
    subprocess.run([*IVR, "demo", "--only-make", "--folder", str(tmp_path / "d")], env=environment, check=True)
    any_ports = {**environment, "IVR_FASTAGI__PORT": "0", "IVR_API__PORT": "0"}
    served = subprocess.Popen([*IVR, "serve"], env=any_ports, stdout=subprocess.PIPE, text=True)
    try:
        assert served.stdout
        listening = re.search(r"agi://[\d.]+:(\d+)/", served.stdout.readline())
        assert listening
        at = {**environment, "IVR_FASTAGI__PORT": listening[1]}
        with Terminal([*IVR, "phone", "1001", "--fast"], at) as terminal:
            terminal.sees("type what you say, then Enter")
            terminal.presses("hello bob 2\n")
            terminal.sees(r"spelled letter by letter: no synthesiser here")
            terminal.sees(r"recorded \d+\.\d s")
            terminal.presses("h")
            assert terminal.ends() == 0
            assert "Traceback" not in terminal.shown
    finally:
        served.terminate()
        served.communicate()
    [message] = messages(environment, "1001")
    assert message["length_ms"] == sum(wav.length_ms(SOUNDS / "en" / key) for key in _spelled("hello bob 2")) + 2 * 200


def test_a_demo_that_is_only_made_is_there_and_says_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    command = [*IVR, "demo", "--only-make", "--folder", str(tmp_path / "d")]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert made.stdout + made.stderr == ""
    assert len(messages(environment, "1000")) == 4
    assert messages(environment, "1001") == []


def _spelled(text: str) -> list[str]:
    signs = text.replace(" ", "")
    return [f"number/{sign}.wav" if sign.isdigit() else f"letter/{sign}.wav" for sign in signs]
