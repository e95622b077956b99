"""Decoding of audio files to the canonical format."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from ivr.audio import wav, worker
from ivr.errors import InvalidAudio
from tests.support.upload_kinds import dominant_frequency_hz

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="no ffmpeg on this machine: apt install ffmpeg")


def write_tone(path: Path, *options: str) -> Path:
    """Write two seconds of 440 Hz."""
    source = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *source, *options, str(path)], check=True)
    return path


LONGEST_S = 60


@needs_ffmpeg
@pytest.mark.parametrize(
    "signature", [b"\xff\xfb", b"\xff\xe3", b"ID3\4\0\0\0\0\0\0", b"OggS", b"fLaC", b"\x1aE\xdf\xa3", b"....ftyp"]
)
def test_samples_behind_any_signature_are_refused(tmp_path: Path, signature: bytes) -> None:
    """Samples without a header, such as .alaw, may begin like a file of another format by chance: they are no noise."""
    (tmp_path / "a.alaw").write_bytes(signature + random.Random(1).randbytes(60_000))
    with pytest.raises(InvalidAudio, match="cannot be read as audio"):
        worker.decode_to_samples(tmp_path / "a.alaw", LONGEST_S)


@needs_ffmpeg
def test_file_is_read_only_as_the_format_of_its_first_bytes(tmp_path: Path) -> None:
    """Else its content could choose any reader of ffmpeg, and samples could be found behind what is none of its own."""
    sound = write_tone(tmp_path / "tone.mp3", "-write_xing", "0", "-id3v2_version", "0").read_bytes()
    (tmp_path / "a.mp3").write_bytes(b"OggS\xff" + sound)
    with pytest.raises(InvalidAudio, match="cannot be read as audio"):
        worker.decode_to_samples(tmp_path / "a.mp3", LONGEST_S)


@needs_ffmpeg
def test_sound_that_no_decoder_may_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(InvalidAudio, match="or its sound is encoded in a way that is not accepted"):
        worker.decode_to_samples(write_tone(tmp_path / "a.wav", "-c:a", "adpcm_yamaha"), LONGEST_S)


@needs_ffmpeg
def test_a_few_samples_are_no_sound(tmp_path: Path) -> None:
    """In our format, and in one that is converted: 10 samples at 16 kHz."""
    wav.write(tmp_path / "a.wav", b"ab" * 10)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    for rate in (8000, 16_000):
        content[24:32] = struct.pack("<II", rate, rate * 2)
        (tmp_path / "b.wav").write_bytes(content)
        with pytest.raises(InvalidAudio, match="no sound in it"):
            worker.decode_to_samples(tmp_path / "b.wav", LONGEST_S)
        with pytest.raises(InvalidAudio, match="no sound in it"):
            worker.decode_to_recording(str(tmp_path / "b.wav"), str(tmp_path / "c.wav"), LONGEST_S)


@needs_ffmpeg
def test_resampling_does_not_alias(tmp_path: Path) -> None:
    """A tone of 6 kHz must vanish at 8,000 samples a second, not become one of 2 kHz."""
    source = ["-f", "lavfi", "-i", "sine=frequency=6000:duration=1", "-ar", "44100"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *source, str(tmp_path / "high.wav")], check=True)
    pcm = worker.decode_to_samples(tmp_path / "high.wav", LONGEST_S)
    loudest = max(abs(int.from_bytes(pcm[n : n + 2], "little", signed=True)) for n in range(2000, len(pcm) - 2000, 2))
    assert loudest < 100


def test_canonical_wav_needs_no_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    wav.write(tmp_path / "ours.wav", b"\x01\x02" * 800)
    assert worker.decode_to_samples(tmp_path / "ours.wav", LONGEST_S) == b"\x01\x02" * 800


def test_missing_ffmpeg_error_names_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp3").write_bytes(b"ID3" + bytes(100))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(InvalidAudio, match="apt install ffmpeg"):
        worker.decode_to_samples(tmp_path / "a.mp3", LONGEST_S)


@needs_ffmpeg
def test_recordings_become_one_mp3_of_the_same_sound(tmp_path: Path) -> None:
    parts = [write_tone(tmp_path / f"{n}.wav", "-ar", "8000", "-sample_fmt", "s16", "-bitexact") for n in range(2)]
    with parts[0].open("ab") as file:
        file.write(b"\x01")  # A recording that was interrupted within a sample.
    encoded = worker.encode([str(path) for path in parts], "mp3", str(tmp_path / "both.mp3"))
    assert encoded == {"bytes": (tmp_path / "both.mp3").stat().st_size}
    pcm = worker.decode_to_samples(tmp_path / "both.mp3", LONGEST_S)
    assert abs(len(pcm) / wav.BYTES_PER_MS - 4000) < 200
    assert abs(dominant_frequency_hz(pcm) - 440) < 3
    assert abs(dominant_frequency_hz(pcm[-20_000:]) - 440) < 3


def test_mp3_is_encoded_without_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    wav.write(tmp_path / "a.wav", wav.silence(2000))
    worker.encode([str(tmp_path / "a.wav")], "mp3", str(tmp_path / "a.mp3"))
    assert (tmp_path / "a.mp3").stat().st_size == pytest.approx(2000 * 32 / 8, rel=0.1)


def test_only_recordings_are_encoded(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF" + bytes(1000))
    with pytest.raises(InvalidAudio, match="not a WAV of 8 kHz"):
        worker.encode([str(tmp_path / "a.wav")], "mp3", str(tmp_path / "a.mp3"))


@needs_ffmpeg
@pytest.mark.parametrize("content", [b"", b"RIFF", b"just text\n" * 100, bytes(10_000)])
def test_non_audio_is_rejected(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(InvalidAudio):
        worker.decode_to_samples(tmp_path / "a.wav", LONGEST_S)


def test_missing_file_raises_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        worker.decode_to_samples(tmp_path / "nowhere.wav", LONGEST_S)
