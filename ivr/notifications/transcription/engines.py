"""Speech recognition engines: each reads a WAV file (8 kHz, mono, 16 bit) and returns its text.

An engine imports its libraries when it is loaded. Engines run in `engine_process` only, never in the service's process.
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
"""Hz. The models were trained with wideband speech and do not accept 8 kHz."""

Recognizer = Callable[[Path], str]
"""Takes the path of a recording and returns its text."""


def load_engine(name: str, model: Path | None, command: str) -> Recognizer:
    """Load an engine by its name. Raises `ConfigurationError` when the engine, its model or its command is missing."""
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
        extra = {"pocketsphinx": "transcription"}.get(name, f"transcription-{name}")
        raise ConfigurationError(f"{error.name} is not installed: pip install 'ivr-voicemail[{extra}]'") from error
    raise ConfigurationError(f"transcription.engine = {name!r}: unknown engine")


def resample_2x(pcm: bytes) -> bytes:
    """Resample 16-bit samples from 8 kHz to 16 kHz by linear interpolation."""
    import numpy as np

    samples = np.frombuffer(pcm, "<i2")
    if not len(samples):
        return b""
    positions = np.arange(len(samples) * 2) / 2
    return bytes(np.interp(positions, np.arange(len(samples)), samples).astype("<i2").tobytes())


def _require_model(name: str, model: Path | None) -> Path:
    if model is None or not model.exists():
        raise ConfigurationError(f"transcription.model: the engine {name!r} needs the folder of a model")
    return model


def _load_pocketsphinx() -> Recognizer:
    import pocketsphinx  # Its wheel contains a model of American English.

    decoder = pocketsphinx.Decoder(samprate=MODEL_SAMPLE_RATE, loglevel="FATAL")

    def recognize(path: Path) -> str:
        decoder.start_utt()
        decoder.process_raw(resample_2x(wav.read_samples(path)), full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return str(hypothesis.hypstr) if hypothesis else ""

    return recognize


def _load_whisper(model: Path) -> Recognizer:
    from faster_whisper import WhisperModel

    loaded = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)

    def recognize(path: Path) -> str:
        segments, _ = loaded.transcribe(str(path))
        return " ".join(segment.text.strip() for segment in segments)

    return recognize


def _load_vosk(model: Path) -> Recognizer:
    import vosk

    vosk.SetLogLevel(-1)
    loaded = vosk.Model(str(model))

    def recognize(path: Path) -> str:
        recognizer: Any = vosk.KaldiRecognizer(loaded, MODEL_SAMPLE_RATE)
        recognizer.AcceptWaveform(resample_2x(wav.read_samples(path)))
        return str(json.loads(recognizer.FinalResult()).get("text", ""))

    return recognize


def _load_command(command: str) -> Recognizer:
    words = shlex.split(command)
    if not words:
        raise ConfigurationError("transcription.command is empty: the engine 'command' needs a command")

    def recognize(path: Path) -> str:
        done = subprocess.run([*words, str(path)], capture_output=True, text=True, check=False, errors="replace")
        if done.returncode != 0:
            raise ConfigurationError(f"{words[0]} exited with status {done.returncode}: {done.stderr.strip()[-300:]}")
        return done.stdout.strip()

    return recognize
