"""The messages of the demonstration, from `demo.toml`, each in a voice of its own."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from ivr.errors import SoundsError
from ivr.prompts.recording import build_manifest, building
from ivr.prompts.recording.flite import FliteSpeaker

DEMO_FILE = "demo.toml"


@dataclass(frozen=True, slots=True)
class DemoMessage:
    """One message. `file`: its recording. `text`: what is spoken in it. `folder`: new or saved."""

    file: str
    text: str
    caller_name: str
    caller_number: str
    folder: str
    hours_ago: float
    speaker: FliteSpeaker


def demo_messages(folder: Path) -> list[DemoMessage]:
    """Return the messages of `folder`/demo.toml. Raises `SoundsError`."""
    path = folder / DEMO_FILE
    try:
        tables = tomllib.loads(path.read_text())["message"]
        return [_parse_message(table) for table in tables]
    except OSError as error:
        raise SoundsError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        names = ", ".join(field.name for field in fields(DemoMessage))
        raise SoundsError(f"{path}: {error}: each [[message]] has {names}, speaker with its voice") from error


def build_demo(folder: Path, on_progress: Callable[[str], None] = lambda _: None) -> list[str]:
    """Record the messages that are missing or have changed; return the files written. Raises `SoundsError`."""
    recorded = build_manifest.read(folder)
    messages = demo_messages(folder)
    fingerprints = {message.file: build_manifest.fingerprint(message.text, message.speaker, "") for message in messages}
    outdated = [
        message
        for message in messages
        if recorded.get(message.file) != fingerprints[message.file] or not (folder / message.file).exists()
    ]
    for message in outdated:
        message.speaker.require()
        on_progress(message.file)
        building.write_recording(folder / message.file, building.render_speech(message.speaker, message.text))
    build_manifest.write(folder, fingerprints)
    return [message.file for message in outdated]


def _parse_message(table: dict[str, object]) -> DemoMessage:
    speaker = table["speaker"]
    if not isinstance(speaker, dict):
        raise TypeError("speaker is not a table")
    return DemoMessage(**{**table, "speaker": FliteSpeaker(**speaker)})  # type: ignore[arg-type]
