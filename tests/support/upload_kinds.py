"""The kinds of audio files that people upload: what browsers, phones, editors and other voicemail systems write."""

from __future__ import annotations

import io
import math
import struct
import subprocess
import wave
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from ivr.audio import wav
from tests.conftest import TRIES_ALL

TONE_HZ = 440
TONE_MS = 2000
ENCODED = {
    # WAV
    "stereo.wav": "-ar 44100 -ac 2", "surround-5.1.wav": "-ar 48000 -ac 6", "surround-7.1.wav": "-ar 48000 -ac 8",
    "11-khz.wav": "-ar 11025", "16-khz.wav": "-ar 16000", "22-khz.wav": "-ar 22050", "96-khz.wav": "-ar 96000",
    "8-bit.wav": "-c:a pcm_u8", "24-bit.wav": "-c:a pcm_s24le", "32-bit.wav": "-c:a pcm_s32le",
    "float.wav": "-c:a pcm_f32le", "double.wav": "-c:a pcm_f64le", "a-law.wav": "-c:a pcm_alaw -ar 8000",
    "mu-law.wav": "-c:a pcm_mulaw -ar 8000", "wav49.wav": "-c:a libgsm_ms -ar 8000",
    "ima-adpcm.wav": "-c:a adpcm_ima_wav", "ms-adpcm.wav": "-c:a adpcm_ms", "g722.wav": "-c:a g722 -ar 16000",
    "g726.wav": "-c:a g726 -ar 8000 -b:a 32k", "mp3-inside.wav": "-c:a libmp3lame", "rf64.wav": "-rf64 always",
    "described.wav": "-write_bext 1 -metadata title=Greeting -metadata description=x",
    # MP3
    "variable.mp3": "-q:a 5", "stereo-320k.mp3": "-b:a 320k -ac 2 -ar 48000", "mpeg-2.mp3": "-ar 22050",
    "mpeg-2.5.mp3": "-ar 8000", "id3v1.mp3": "-write_id3v1 1 -id3v2_version 0 -metadata title=Greeting",
    "id3v2.3.mp3": "-id3v2_version 3 -metadata title=Greeting", "no-tag.mp3": "-write_xing 0 -id3v2_version 0",
    "id3v2.4.mp3": "-id3v2_version 4 -metadata title=Greeting",
    # Ogg, WebM, FLAC
    "vorbis.ogg": "-c:a libvorbis", "opus.ogg": "-c:a libopus", "voice.ogg": "-c:a libopus -application voip -ar 8000",
    "flac.ogg": "-c:a flac", "speex.ogg": "-c:a libspeex -ar 16000", "opus.webm": "-c:a libopus",
    "vorbis.webm": "-c:a libvorbis", "live.webm": "-c:a libopus -live 1", "mono.flac": "", "stereo.flac": "-ac 2",
    "24-bit.flac": "-sample_fmt s32",
    # MP4 and its relatives
    "aac.m4a": "-metadata title=Greeting", "alac.m4a": "-c:a alac", "index-first.m4a": "-movflags +faststart",
    "fragments.mp4": "-movflags frag_keyframe+empty_moov", "phone.3gp": "-c:a aac", "pcm.mov": "-c:a pcm_s16be",
}  # fmt: skip
"""Options of ffmpeg for each file."""
COVERED = ("cover.mp3", "cover.m4a")
ODD_WAVS = ("junk-first.wav", "more-chunks.wav", "sizes-0.wav", "sizes-ffffffff.wav", "cut-short.wav")


def some_upload_kinds(first: int) -> dict[str, bytes]:
    """Return every fourth of the kinds from one on; all with IVR_TEST_ALL=1. All are read by the same function."""
    kinds = upload_kinds()
    return kinds if TRIES_ALL else dict(islice(kinds.items(), first, None, 4))


@cache
def upload_kinds() -> dict[str, bytes]:
    """Return a tone of two seconds in each of the kinds, by the name of the file."""
    with TemporaryDirectory(prefix="ivr-uploads-") as folder:
        _write_encoded(Path(folder))
        files = {name: (Path(folder) / name).read_bytes() for name in (*ENCODED, *COVERED)}
    return files | dict(zip(ODD_WAVS, _odd_wavs(), strict=True))


def dominant_frequency_hz(pcm: bytes) -> float:
    """Return the loudest frequency from the first half second on. `pcm`: 8 kHz, mono, 16 bits."""
    import numpy as np

    samples = np.frombuffer(pcm, "<i2")[4000:12000]
    return float(np.abs(np.fft.rfft(samples)).argmax() * wav.SAMPLE_RATE / len(samples)) if len(samples) else 0


def problems_of(recordings: dict[str, bytes]) -> dict[str, str]:
    """Return what is wrong with recordings, WAV files of 8 kHz, that were made of the uploads; {} if all are right."""
    problems = {} if recordings else {"all": "missing"}
    for name, content in recordings.items():
        try:
            with wave.open(io.BytesIO(content)) as file:
                pcm = file.readframes(file.getnframes())
        except (wave.Error, EOFError):
            problems[name] = f"no WAV: {content[:300]!r}"
            continue
        length_ms, frequency_hz = len(pcm) / wav.BYTES_PER_MS, dominant_frequency_hz(pcm)
        if abs(length_ms - TONE_MS) > 100 or abs(frequency_hz - TONE_HZ) > 3:
            problems[name] = f"{length_ms} ms of {frequency_hz} Hz"
    return problems


def _write_encoded(folder: Path) -> None:
    source = ["-f", "lavfi", "-i", f"sine=frequency={TONE_HZ}:duration={TONE_MS / 1000}"]
    outputs = [word for name, options in ENCODED.items() for word in (*options.split(), str(folder / name))]
    picture = ["-f", "lavfi", "-i", "color=red:size=64x64:duration=0.04"]
    covers = [
        word for name in COVERED
        for word in ("-map", "0:a", "-map", "1:v", "-c:v", "mjpeg", "-frames:v", "1", "-disposition:v", "attached_pic",
                     str(folder / name))
    ]  # fmt: skip
    subprocess.run(["ffmpeg", "-v", "error", *source, *outputs], check=True, stdin=subprocess.DEVNULL)
    subprocess.run(["ffmpeg", "-v", "error", *source, *picture, *covers], check=True, stdin=subprocess.DEVNULL)


def _odd_wavs() -> tuple[bytes, ...]:
    """Return WAV files of 8 kHz whose chunks and sizes are unusual, and one that is cut short."""

    def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
        return name + struct.pack("<I", len(content) if size is None else size) + content + bytes(len(content) % 2)

    def riff(*chunks: bytes, size: int | None = None) -> bytes:
        return chunk(b"RIFF", b"WAVE" + b"".join(chunks), size)

    kind = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16))
    count = TONE_MS * wav.SAMPLES_PER_MS
    pcm = struct.pack(f"<{count}h", *(int(9000 * math.sin(2 * math.pi * TONE_HZ * n / 8000)) for n in range(count)))
    listed = (chunk(b"LIST", b"INFOINAM\x04\0\0\0abc\0"), chunk(b"cue ", bytes(28)), chunk(b"odd ", b"xyz"))
    return (
        riff(chunk(b"JUNK", bytes(92)), kind, chunk(b"data", pcm)),
        riff(kind, *listed, chunk(b"data", pcm), *listed),
        riff(kind, chunk(b"data", pcm, 0), size=0),
        riff(kind, chunk(b"data", pcm, 0xFFFFFFFF), size=0xFFFFFFFF),
        riff(kind, chunk(b"data", pcm * 2))[: 44 + len(pcm)],
    )
