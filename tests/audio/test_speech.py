"""Silence and steady noise are told from speech; no speech is taken for silence."""

from __future__ import annotations

import audioop
import random
import struct
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.audio import wav
from ivr.audio.speech import contains_speech, levels, recording_contains_speech
from ivr.errors import InvalidAudio
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.prompts import clip_file

SOUNDS = Path(__file__).parents[2] / "sounds"
WORDS = sorted(
    path for path in (*(SOUNDS / "en").rglob("*.ulaw"), *(SOUNDS / "demo").glob("*.wav")) if path.parent.name != "tone"
)
"""Every number, letter and prompt, and the messages of the demo: the shortest are a vowel of 200 ms."""
MIN_SPEECH_MS = VoicemailSettings().min_speech_ms


def has_speech(samples: bytes) -> bool:
    return contains_speech(levels(samples), MIN_SPEECH_MS)


def noise(ms: int, rms: float, seed: int = 1) -> bytes:
    """White noise."""
    generator = random.Random(seed)
    samples = (max(-32768, min(32767, round(generator.gauss(0, rms)))) for _ in range(ms * wav.SAMPLES_PER_MS))
    return struct.pack(f"<{ms * wav.SAMPLES_PER_MS}h", *samples)


def hum(ms: int, peak: int, offset: int = 0) -> bytes:
    """A square wave of 50 Hz with a constant offset."""
    period = [offset + peak] * 80 + [offset - peak] * 80
    return struct.pack("<160h", *period) * (ms // 20)


def trimmed(samples: bytes) -> bytes:
    """The word alone, without the silence around it: a caller who speaks and hangs up at once."""
    loud = [n for n, level in enumerate(levels(samples)) if level > 100]
    return samples[loud[0] * 320 : (loud[-1] + 1) * 320]


@pytest.mark.parametrize("gain_db", [0, -30])
def test_every_word_is_speech_also_when_quiet_or_cut_to_its_sound(gain_db: int) -> None:
    samples = {path: audioop.mul(clip_file.read_samples(path), 2, 10 ** (gain_db / 20)) for path in WORDS}
    assert len(samples) > 300
    assert [path for path, word in samples.items() if not has_speech(word)] == []
    full = {path: trimmed(clip_file.read_samples(path)) for path in WORDS}
    cut = {path: audioop.mul(word, 2, 10 ** (gain_db / 20)) for path, word in full.items()}
    assert [path for path, word in cut.items() if not has_speech(word)] == []


def test_words_on_noisy_line_are_speech() -> None:
    """The noise is 10 dB below the word, before it and behind it."""
    line = noise(4000, 1000)
    for path in (path for path in WORDS if path.parent.name in ("number", "letter", "demo")):
        word = trimmed(clip_file.read_samples(path))[: len(line)]
        background = audioop.mul(line, 2, audioop.rms(word, 2) / 1000 * 10 ** (-10 / 20))
        mixed = audioop.add(background[: len(word)], word, 2)
        assert has_speech(background[:4000] + mixed + background[:4000]), path


@pytest.mark.parametrize("rms", [0, 1, 10, 30, 100, 1000, 3000])
@pytest.mark.parametrize("ms", [600, 60_000])
def test_silence_and_steady_noise_are_no_speech(rms: int, ms: int) -> None:
    second = min(ms, 1000)
    assert not has_speech(noise(second, rms) * (ms // second))


def test_hum_offset_clicks_and_steady_tone_are_no_speech() -> None:
    assert not has_speech(hum(5000, 200))
    assert not has_speech(hum(5000, 20, offset=3000))
    click = struct.pack("<160h", *([12_000, -12_000] * 80))
    assert not has_speech(wav.silence(2000) + click + wav.silence(2000) + click + wav.silence(1000))
    assert not has_speech(clip_file.read_samples(SOUNDS / "en" / "tone" / "beep.ulaw"))


@given(st.binary(max_size=40_000))
def test_any_bytes_are_examined_without_error(samples: bytes) -> None:
    assert has_speech(samples) in (True, False)


@given(st.lists(st.integers(0, 32_000), max_size=200), st.integers(1, 1000), st.integers(1, 1000))
def test_less_speech_is_found_where_more_is_required(frames: list[int], some: int, more: int) -> None:
    """A recording that is enough for a long minimum is enough for a shorter one."""
    lower, higher = sorted((some, more))
    padded = [float(level) for level in chain(frames, [0] * 400)]
    assert contains_speech(padded, lower) >= contains_speech(padded, higher)


def test_recording_of_another_format_is_not_judged(tmp_path: Path) -> None:
    """It is left to what reads the file; nothing is discarded that was not understood."""
    path = tmp_path / "take.wav"
    path.write_bytes(b"x" * 40_000)
    with pytest.raises(InvalidAudio, match="another header"):
        recording_contains_speech(path, MIN_SPEECH_MS)


def test_recording_without_lengths_in_header_is_examined(tmp_path: Path) -> None:
    """As Asterisk leaves it when it dies."""
    path = tmp_path / "take.wav"
    word = clip_file.read_samples(SOUNDS / "en" / "number" / "9.ulaw")
    path.write_bytes(wav.header(0) + wav.silence(30_000) + word)
    assert recording_contains_speech(path, MIN_SPEECH_MS)
    path.write_bytes(wav.header(0) + wav.silence(30_000))
    assert not recording_contains_speech(path, MIN_SPEECH_MS)
