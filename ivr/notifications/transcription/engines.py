"""Speech recognition engines: each reads a WAV file (8 kHz, mono, 16 bit) and returns what is said in it.

An engine imports its libraries when it is loaded. Engines run in `engine_process` only, never in the service's process.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ivr.audio import wav
from ivr.errors import ConfigurationError, install_command
from ivr.notifications.settings import TranscriptionSettings
from ivr.notifications.transcription import whisper_model
from ivr.notifications.transcription.digits import write_digits
from ivr.site_program import ENVIRONMENT
from ivr.trusted_path import refusal_of_command

MODEL_SAMPLE_RATE = 16_000
"""Hz. The models were trained with wideband speech and do not accept 8 kHz."""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """One word, with its start and end in milliseconds from the start of the recording."""

    word: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said. `words`: empty if the engine has no times."""

    text: str
    words: tuple[SpokenWord, ...] = ()


Recognizer = Callable[[Path, str], Transcript]
"""Takes the path of a recording and the code of its language."""


def choose_engine(settings: TranscriptionSettings) -> str:
    """Return the engine to use: for `auto`, whisper if it is installed, else none ("off").

    pocketsphinx has to be chosen: more than a quarter of the words in its texts are wrong.
    """
    if settings.engine != "auto":
        return settings.engine
    is_usable = whisper_model.is_installed() or (settings.model and find_spec("faster_whisper"))
    return "whisper" if is_usable else "off"


def supports_language(engine: str, language: str) -> bool:
    """Return whether an engine can transcribe a language. pocketsphinx has a model of English only."""
    return engine != "off" and (engine != "pocketsphinx" or language.lower().startswith("en"))


def load_engine(name: str, model: Path | None, command: str) -> Recognizer:
    """Load an engine by its name. Raises `ConfigurationError` when the engine, its model or its command is missing."""
    try:
        match name:
            case "pocketsphinx":
                return _load_pocketsphinx()
            case "whisper":
                return _load_whisper(_require_model(name, model) if model else None)
            case "vosk":
                return _load_vosk(_require_model(name, model))
            case "command":
                return _load_command(command)
    except ImportError as error:
        extra = {"pocketsphinx": "transcription"}.get(name, f"transcription-{name}")
        raise ConfigurationError(f"{error.name} is not installed: {install_command(extra)}") from error
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

    def recognize(path: Path, language: str) -> Transcript:
        decoder.start_utt()
        decoder.process_raw(resample_2x(wav.read_samples(path)), full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return Transcript(str(hypothesis.hypstr) if hypothesis else "")

    return recognize


def _load_whisper(model: Path | None) -> Recognizer:
    """Load a model; the one of the packages if `model` is None.

    The language is given and one hypothesis followed (beam 1): detecting the language takes as long as the text, and
    more hypotheses do not make the text better.
    """
    import numpy as np
    from faster_whisper import WhisperModel

    loaded = WhisperModel(
        str(model or "whisper-base"),
        device="cpu",
        compute_type="int8",
        cpu_threads=1,
        local_files_only=True,
        files=None if model else whisper_model.read_model_files(),
    )

    def recognize(path: Path, language: str) -> Transcript:
        samples = np.frombuffer(resample_2x(wav.read_samples(path)), "<i2").astype(np.float32) / 32_768
        code = language.replace("_", "-").partition("-")[0].lower()
        segments, _ = loaded.transcribe(
            samples,
            language=code if code in loaded.supported_languages else None,
            beam_size=1,
            word_timestamps=True,
            condition_on_previous_text=False,
        )
        found = [*segments]
        words = [word for segment in found for word in segment.words or ()]
        return Transcript(
            write_digits(" ".join(segment.text.strip() for segment in found), language),
            tuple(SpokenWord(w.word.strip(), round(w.start * 1000), round(w.end * 1000)) for w in words),
        )

    return recognize


def _load_vosk(model: Path) -> Recognizer:
    import vosk

    vosk.SetLogLevel(-1)
    loaded = vosk.Model(str(model))

    def recognize(path: Path, language: str) -> Transcript:
        recognizer: Any = vosk.KaldiRecognizer(loaded, MODEL_SAMPLE_RATE)
        recognizer.SetWords(True)
        recognizer.AcceptWaveform(resample_2x(wav.read_samples(path)))
        result = json.loads(recognizer.FinalResult())
        words = [
            SpokenWord(one["word"], round(one["start"] * 1000), round(one["end"] * 1000))
            for one in result.get("result", ())
        ]
        return Transcript(write_digits(str(result.get("text", "")), language), tuple(words))

    return recognize


def _load_command(command: str) -> Recognizer:
    words = shlex.split(command)
    if not words:
        raise ConfigurationError("transcription.command is empty: the engine 'command' needs a command")

    if reason := refusal_of_command(words, "transcription.command"):
        raise ConfigurationError(reason)

    def recognize(path: Path, language: str) -> Transcript:
        done = subprocess.run(
            [*words, str(path)], capture_output=True, text=True, check=False, errors="replace", env=ENVIRONMENT
        )
        if done.returncode != 0:
            raise ConfigurationError(f"{words[0]} exited with status {done.returncode}: {done.stderr.strip()[-300:]}")
        return Transcript(done.stdout.strip())

    return recognize
