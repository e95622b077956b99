"""Decoding of audio files to the canonical format."""

from __future__ import annotations

import math
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from ivr.audio import wav, worker
from ivr.errors import InvalidAudio

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="no ffmpeg on this machine: apt install ffmpeg")


def write_tone(path: Path, *options: str) -> Path:
    """Write two seconds of 440 Hz."""
    source = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *source, *options, str(path)], check=True)
    return path


LONGEST_S = 60


def dominant_frequency_hz(pcm: bytes) -> float:
    import numpy as np

    samples = np.frombuffer(pcm, "<i2")[4000:12000]
    return float(np.abs(np.fft.rfft(samples)).argmax() * wav.SAMPLE_RATE / len(samples))


@needs_ffmpeg
@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.ogg", "a.m4a", "a.flac", "a.webm"])
def test_common_audio_formats_are_decoded(tmp_path: Path, name: str) -> None:
    pcm = worker.decode_to_samples(write_tone(tmp_path / name, "-ar", "48000", "-ac", "2"), LONGEST_S)
    assert abs(len(pcm) / wav.BYTES_PER_MS - 2000) < 60
    assert abs(dominant_frequency_hz(pcm) - 440) < 3


ENCODED = {
    "stereo.wav": "-ar 44100 -ac 2", "5.1.wav": "-ar 48000 -ac 6", "24-bit.wav": "-c:a pcm_s24le",
    "32-bit.wav": "-c:a pcm_s32le", "float.wav": "-c:a pcm_f32le", "8-bit.wav": "-c:a pcm_u8",
    "a-law.wav": "-c:a pcm_alaw -ar 8000", "mu-law.wav": "-c:a pcm_mulaw -ar 8000",
    "wav49.wav": "-c:a libgsm_ms -ar 8000", "ima-adpcm.wav": "-c:a adpcm_ima_wav", "ms-adpcm.wav": "-c:a adpcm_ms",
    "rf64.wav": "-rf64 always", "described.wav": "-write_bext 1 -metadata title=Greeting -metadata description=x",
    "opus.ogg": "-c:a libopus", "opus.webm": "-c:a libopus", "tagged.mp3": "-metadata title=Greeting -id3v2_version 3",
    "variable.mp3": "-q:a 5", "aac.m4a": "-metadata title=Greeting",
}  # fmt: skip
"""Options of ffmpeg for each file: what browsers, phones, editors and other voicemail systems write."""
COVERED = ("cover.mp3", "cover.m4a")
RAW = ("JUNK before data", "LIST, cue and odd chunk", "RIFF and data of size 0", "sizes of 0xFFFFFFFF", "cut short")


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a tone of two seconds in each of the formats."""
    folder = tmp_path_factory.mktemp("uploads")
    outputs = [word for name, options in ENCODED.items() for word in (*options.split(), str(folder / name))]
    picture = ["-f", "lavfi", "-i", "color=red:size=64x64:duration=0.04"]
    covers = [
        word for name in COVERED
        for word in ("-map", "0:a", "-map", "1:v", "-c:v", "mjpeg", "-frames:v", "1", "-disposition:v", "attached_pic",
                     str(folder / name))
    ]  # fmt: skip
    write_tone(folder / "tone.wav", *outputs)
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(folder / "tone.wav"), *picture, *covers], check=True)
    write_odd_wavs(folder)
    return folder


def write_odd_wavs(folder: Path) -> None:
    """Write WAV files of 8 kHz whose chunks and sizes are unusual."""

    def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
        return name + struct.pack("<I", len(content) if size is None else size) + content + bytes(len(content) % 2)

    def riff(*chunks: bytes, size: int | None = None) -> bytes:
        return chunk(b"RIFF", b"WAVE" + b"".join(chunks), size)

    kind = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16))
    pcm = b"".join(struct.pack("<h", int(9000 * math.sin(2 * math.pi * 440 * n / 8000))) for n in range(16000))
    listed = (chunk(b"LIST", b"INFOINAM\x04\0\0\0abc\0"), chunk(b"cue ", bytes(28)), chunk(b"odd ", b"xyz"))
    files = (
        riff(chunk(b"JUNK", bytes(92)), kind, chunk(b"data", pcm)),
        riff(kind, *listed, chunk(b"data", pcm), *listed),
        riff(kind, chunk(b"data", pcm, 0), size=0),
        riff(kind, chunk(b"data", pcm, 0xFFFFFFFF), size=0xFFFFFFFF),
        riff(kind, chunk(b"data", pcm * 2))[: 44 + len(pcm)],
    )
    for name, content in zip(RAW, files, strict=True):
        (folder / name).write_bytes(content)


@needs_ffmpeg
@pytest.mark.parametrize("name", [*ENCODED, *COVERED, *RAW])
def test_every_kind_of_upload_becomes_two_seconds_of_its_sound(uploads: Path, name: str) -> None:
    pcm = worker.decode_to_samples(uploads / name, LONGEST_S)
    assert abs(len(pcm) / wav.BYTES_PER_MS - 2000) < 100
    assert abs(dominant_frequency_hz(pcm) - 440) < 3


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
