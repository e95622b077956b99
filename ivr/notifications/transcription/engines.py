"""The engines. Each reads a WAV of 8 kHz, mono, 16 bit, and gives what it understood; it imports what it needs.

They run in `worker.py` only, never in the service's own process.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ivr.audio import wav
from ivr.errors import ConfigurationError

MODEL_SAMPLE_RATE = 16_000

Recognizer = Callable[[Path], str]
"""A recording → its text."""


def load_engine(name: str, model: Path | None, command: str) -> Recognizer:
    """Raises `ConfigurationError` where the engine, or what it needs, is not there."""
    try:
        match name:
            case "pocketsphinx":
                return _load_pocketsphinx()
            case "whisper":
                return _load_whisper(_require_model(name, model))
            case "vosk":
                return _load_vosk(_require_model(name, model))
            case "command":
                return _load_command(command)
    except ImportError as error:
        extra = {"pocketsphinx": "transcript"}.get(name, f"transcript-{name}")
        raise ConfigurationError(f"{error.name} is not installed: pip install 'ivr-voicemail[{extra}]'") from error
    raise ConfigurationError(f"transcript.engine = {name!r}: there is no such engine")


def _require_model(name: str, model: Path | None) -> Path:
    if model is None or not model.exists():
        raise ConfigurationError(f"transcript.model: {name} needs the folder of a model")
    return model


def resample_2x(pcm: bytes) -> bytes:
    """Samples at 16 kHz: the models know no telephone. What lies between two samples is their mean."""
    import numpy as np

    samples = np.frombuffer(pcm, "<i2")
    if not len(samples):
        return b""
    at = np.arange(len(samples) * 2) / 2
    return bytes(np.interp(at, np.arange(len(samples)), samples).astype("<i2").tobytes())


def _load_pocketsphinx() -> Recognizer:
    import pocketsphinx  # With a model of American English in its wheel.

    decoder = pocketsphinx.Decoder(samprate=MODEL_SAMPLE_RATE, loglevel="FATAL")

    def listen(path: Path) -> str:
        decoder.start_utt()
        decoder.process_raw(resample_2x(wav.read_samples(path)), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return str(found.hypstr) if found else ""

    return listen


def _load_whisper(model: Path) -> Recognizer:
    from faster_whisper import WhisperModel

    loaded = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)

    def listen(path: Path) -> str:
        segments, _ = loaded.transcribe(str(path))
        return " ".join(segment.text.strip() for segment in segments)

    return listen


def _load_vosk(model: Path) -> Recognizer:
    import vosk

    vosk.SetLogLevel(-1)
    loaded = vosk.Model(str(model))

    def listen(path: Path) -> str:
        recognizer: Any = vosk.KaldiRecognizer(loaded, MODEL_SAMPLE_RATE)
        recognizer.AcceptWaveform(resample_2x(wav.read_samples(path)))
        return str(json.loads(recognizer.FinalResult()).get("text", ""))

    return listen


def _load_command(command: str) -> Recognizer:
    words = shlex.split(command)
    if not words:
        raise ConfigurationError("transcript.command: the engine 'command' needs one")

    def listen(path: Path) -> str:
        done = subprocess.run([*words, str(path)], capture_output=True, text=True, check=False, errors="replace")
        if done.returncode != 0:
            raise ConfigurationError(f"{words[0]} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        return done.stdout.strip()

    return listen
