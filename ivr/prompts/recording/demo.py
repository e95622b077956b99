"""The messages of the demonstration: `demo.toml` names them, each with its caller's voice."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from ivr.errors import SoundsError
from ivr.prompts.recording import build_manifest, building, synthesis
from ivr.prompts.recording.synthesis import Speaker

DEMO_FILE = "demo.toml"


@dataclass(frozen=True, slots=True)
class DemoMessage:
    """One message: its recording `file`, what is said in it, from whom, in which folder (new or saved), how old."""

    file: str
    text: str
    caller_name: str
    caller_number: str
    folder: str
    hours_ago: float
    speaker: Speaker


def demo_messages(folder: Path) -> list[DemoMessage]:
    """The messages that `folder`/demo.toml describes. Raises `SoundsError`."""
    path = folder / DEMO_FILE
    try:
        described = tomllib.loads(path.read_text())["message"]
        return [_parse_message(message) for message in described]
    except OSError as error:
        raise SoundsError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        names = ", ".join(field.name for field in fields(DemoMessage))
        raise SoundsError(f"{path}: {error}: each [[message]] has {names}, speaker with its voice") from error


def build_demo(folder: Path, on_progress: Callable[[str], None] = lambda _: None) -> list[str]:
    """Record the messages that are missing or changed; returns the files written. Raises `SoundsError`."""
    made = build_manifest.read(folder)
    messages = demo_messages(folder)
    prints = {message.file: build_manifest.fingerprint(message.text, message.speaker) for message in messages}
    due = [m for m in messages if made.get(m.file) != prints[m.file] or not (folder / m.file).exists()]
    for message in due:
        synthesis.require_voice(message.speaker)
        on_progress(message.file)
        building.write_recording(folder / message.file, building.render_speech(message.speaker, message.text))
    build_manifest.write(folder, prints)
    return [message.file for message in due]


def _parse_message(table: dict[str, object]) -> DemoMessage:
    speaker = table["speaker"]
    if not isinstance(speaker, dict):
        raise TypeError("speaker is no table")
    return DemoMessage(**{**table, "speaker": Speaker(**speaker)})  # type: ignore[arg-type]
