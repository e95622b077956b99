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
from ivr.errors import Misconfigured

MODEL_RATE = 16_000

Listen = Callable[[Path], str]
"""A recording → its text."""


def engine(name: str, model: Path | None, command: str) -> Listen:
    """Raises `Misconfigured` where the engine, or what it needs, is not there."""
    try:
        match name:
            case "pocketsphinx":
                return _pocketsphinx()
            case "whisper":
                return _whisper(_folder(name, model))
            case "vosk":
                return _vosk(_folder(name, model))
            case "command":
                return _command(command)
    except ImportError as error:
        extra = {"pocketsphinx": "transcript"}.get(name, f"transcript-{name}")
        raise Misconfigured(f"{error.name} is not installed: pip install 'ivr-voicemail[{extra}]'") from error
    raise Misconfigured(f"transcript.engine = {name!r}: there is no such engine")


def _folder(name: str, model: Path | None) -> Path:
    if model is None or not model.exists():
        raise Misconfigured(f"transcript.model: {name} needs the folder of a model")
    return model


def doubled(pcm: bytes) -> bytes:
    """Samples at 16 kHz: the models know no telephone. What lies between two samples is their mean."""
    import numpy as np

    samples = np.frombuffer(pcm, "<i2")
    if not len(samples):
        return b""
    at = np.arange(len(samples) * 2) / 2
    return bytes(np.interp(at, np.arange(len(samples)), samples).astype("<i2").tobytes())


def _pocketsphinx() -> Listen:
    import pocketsphinx  # With a model of American English in its wheel.

    decoder = pocketsphinx.Decoder(samprate=MODEL_RATE, loglevel="FATAL")

    def listen(path: Path) -> str:
        decoder.start_utt()
        decoder.process_raw(doubled(wav.samples(path)), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return str(found.hypstr) if found else ""

    return listen


def _whisper(model: Path) -> Listen:
    from faster_whisper import WhisperModel

    loaded = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)

    def listen(path: Path) -> str:
        segments, _ = loaded.transcribe(str(path))
        return " ".join(segment.text.strip() for segment in segments)

    return listen


def _vosk(model: Path) -> Listen:
    import vosk

    vosk.SetLogLevel(-1)
    loaded = vosk.Model(str(model))

    def listen(path: Path) -> str:
        recognizer: Any = vosk.KaldiRecognizer(loaded, MODEL_RATE)
        recognizer.AcceptWaveform(doubled(wav.samples(path)))
        return str(json.loads(recognizer.FinalResult()).get("text", ""))

    return listen


def _command(command: str) -> Listen:
    words = shlex.split(command)
    if not words:
        raise Misconfigured("transcript.command: the engine 'command' needs one")

    def listen(path: Path) -> str:
        done = subprocess.run([*words, str(path)], capture_output=True, text=True, check=False, errors="replace")
        if done.returncode != 0:
            raise Misconfigured(f"{words[0]} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        return done.stdout.strip()

    return listen
