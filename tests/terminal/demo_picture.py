"""`python -m tests.terminal.demo_picture`: record `make run` in a real terminal, into docs/pictures/. Needs tmux."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "make-run.svg"
WIDTH, HEIGHT = 92, 20
SCREEN_TIMEOUT_S = 60.0
SCRIPT = (("Message one", ""), ("0:03 /", "8"), ("0:1", "7"), ("Message two", "#"), ("seconds", "h"))
"""What the screen shows, and the key that is pressed then."""


def main() -> None:
    """Start the demo in tmux, press the keys, and write the screen as an SVG."""
    with tempfile.TemporaryDirectory() as folder:
        demo = f"{sys.executable} -m ivr demo --folder {folder}/demo"
        _tmux("new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT), demo)
        try:
            for shown, key in SCRIPT:
                _wait_for(shown)
                if key:
                    _tmux("send-keys", key)
            time.sleep(0.5)  # The screen of the last key is drawn.
            screen = _tmux("capture-pane", "-e", "-p")
        finally:
            _tmux("kill-server")
    console = Console(record=True, width=WIDTH, file=Path("/dev/null").open("w"))  # noqa: SIM115
    console.print(Text.from_ansi(screen.rstrip()))
    svg = console.export_svg(title="make run")
    PICTURE.write_text(re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL))  # A picture loads nothing.


def _wait_for(text: str) -> None:
    deadline = time.monotonic() + SCREEN_TIMEOUT_S
    while text not in _tmux("capture-pane", "-p"):
        if time.monotonic() > deadline:
            raise SystemExit(f"the screen never showed {text!r}:\n{_tmux('capture-pane', '-p')}")
        time.sleep(0.05)


def _tmux(*command: str) -> str:
    return subprocess.run(["tmux", "-L", "ivr-demo", *command], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
