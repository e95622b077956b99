"""The voices by name."""

from __future__ import annotations

from pathlib import Path

from ivr.errors import SoundsError
from ivr.prompts.recording.flite import FliteSpeaker
from ivr.prompts.recording.kokoro import KokoroSpeaker
from ivr.prompts.recording.pico import PicoSpeaker
from ivr.prompts.recording.speaker import Speaker

VOICES_FOLDER = Path(__file__).parents[3] / "voices"
"""The voices of Kokoro. They are in the source tree only: who installs ivr does not build prompts."""
PROMPT_VOICE = "kokoro:af_heart"
"""The voice of the English prompts; docs/dev/decisions/0023-neural-prompt-voice.md says why."""


def find_speaker(name: str) -> Speaker:
    """Return the voice "kokoro:<voice>", "pico:<voice>" or "flite:<voice>". Raises `SoundsError` for another one."""
    synthesiser, _, voice = name.partition(":")
    if voice and synthesiser == "kokoro":
        return KokoroSpeaker(voice, VOICES_FOLDER / "kokoro")
    if voice and synthesiser == "flite":
        return FliteSpeaker(voice)
    if voice and synthesiser == "pico":
        return PicoSpeaker(voice)
    raise SoundsError(f'"{name}" is no voice: name a synthesiser and its voice, as in {PROMPT_VOICE} or flite:rms')
