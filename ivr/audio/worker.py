"""Conversion of audio: decoding what people supply to recordings, encoding recordings to other formats.

As `python -m ivr.audio.worker` it is a process of low priority with bounded memory, so that no call waits for a
conversion. It reads one job per line, as JSON, from standard input, and answers each with a line. It is started by
`ivr/audio/converter.py`.

Uploads come from strangers. Therefore ffmpeg reads them directly from the disk, never as a whole into memory, only as
the format that their first bytes show, only up to the allowed length, and within `DecoderLimits`. Our own recordings
become MP3 by lameenc, in this process: starting ffmpeg takes ten times as long as encoding a message. pydub encodes the
other formats.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ivr.audio import formats, wav
from ivr.audio.ffmpeg import DEFAULT_LIMITS, FFMPEG, DecoderLimits, run_ffmpeg
from ivr.audio.sandbox import FileAccess
from ivr.errors import InvalidAudio

NICENESS = 10
MAX_MEMORY_BYTES = 2 * 1024**3
"""Address space of this process. Each ffmpeg that decodes an upload has less: see `DecoderLimits`."""
MAX_FILE_BYTES = 512 * 1024**2
"""Size of a file that is written."""
REMEDY = "install ffmpeg (apt install ffmpeg), or supply a WAV of 8 kHz, mono, 16 bit"
MIN_SOUND_MS = 20
"""Less is no sound: a message of it would be counted and played as nothing."""
NO_SOUND = "the file has no sound in it"
UNREADABLE = "the file cannot be read as audio: it is damaged, or its sound is encoded in a way that is not accepted"
TOO_LONG = "the audio is longer than {longest_s} s, the limit of api.max_audio_s"
CODECS = {"mp4": ("aac", "32k")}
SPARE_S = 2
"""Seconds by which the output of ffmpeg may exceed the allowed length: longer audio is noticed by one second more."""
MP3_KBIT_PER_S = 32
MP3_QUALITY = 5
"""LAME's scale: 0 is best and slowest. 5 is the default of ffmpeg."""


def decode_to_samples(path: Path, longest_s: int) -> bytes:
    """Return the samples, at 8 kHz mono 16 bit, of a file of an administrator. The rules are those of uploads.

    It burns CPU and reads the whole file, so it must not run in the event loop's thread. Raises OSError; `InvalidAudio`
    for what is no audio, for audio longer than `longest_s` seconds, and for a file that would need ffmpeg where it is
    not installed.
    """
    with path.open("rb") as file:
        is_canonical = wav.is_canonical(file.read(wav.HEADER_BYTES))
    try:
        if is_canonical:
            return _checked_samples(wav.read_samples(path), longest_s)
        if not shutil.which(FFMPEG):
            raise InvalidAudio(f"it must be converted: {REMEDY}")
        with tempfile.TemporaryDirectory(prefix="ivr-audio-") as folder:
            recording = Path(folder) / "recording.wav"
            decode_to_recording(str(path.absolute()), str(recording), longest_s)
            return wav.read_samples(recording)
    except InvalidAudio as error:
        raise InvalidAudio(f"{path}: {error}") from None


def _checked_samples(samples: bytes, longest_s: int) -> bytes:
    if len(samples) < MIN_SOUND_MS * wav.BYTES_PER_MS:
        raise InvalidAudio(NO_SOUND)
    if len(samples) > longest_s * 1000 * wav.BYTES_PER_MS:
        raise InvalidAudio(TOO_LONG.format(longest_s=longest_s))
    return samples


def decode_to_recording(
    upload: str, target: str, longest_s: int, limits: DecoderLimits = DEFAULT_LIMITS
) -> dict[str, object]:
    """Decode an upload to a recording at `target`; return its original format and its length.

    Raises `InvalidAudio`, also for audio longer than `longest_s` seconds and for a file that makes ffmpeg exceed one of
    the `limits`.
    """
    with Path(upload).open("rb") as file:
        audio_format = formats.sniff(file.read(formats.SNIFF_BYTES))
    if audio_format is None:
        raise InvalidAudio(f"the file is not {formats.INPUT_NAMES}")
    max_bytes = longest_s * 1000 * wav.BYTES_PER_MS
    pcm = Path(f"{target}.pcm")
    # fmt: off
    arguments = (
        "-y", "-f", formats.DEMUXERS[audio_format.name], "-protocol_whitelist", "file",
        "-codec_whitelist", ",".join(formats.DECODERS),
        "-i", f"file:{upload}",
        "-map", "0:a:0", "-vn", "-t", str(longest_s + 1),
        "-ar", str(wav.SAMPLE_RATE), "-ac", "1", "-f", "s16le", f"file:{pcm}",
    )
    # fmt: on
    try:
        pcm.touch(mode=0o600)  # ffmpeg can write to it, and cannot create a file.
        allowed = replace(limits, file_bytes=max_bytes + SPARE_S * 1000 * wav.BYTES_PER_MS)
        if run_ffmpeg(arguments, allowed, FileAccess((Path(upload),), (pcm,))).returncode != 0:
            raise InvalidAudio(UNREADABLE)
        size = pcm.stat().st_size
        if size < MIN_SOUND_MS * wav.BYTES_PER_MS:
            raise InvalidAudio(NO_SOUND)
        if size > max_bytes:
            raise InvalidAudio(TOO_LONG.format(longest_s=longest_s))
        _write_wav(pcm, Path(target))
    finally:
        pcm.unlink(missing_ok=True)
    return {"format": audio_format.name, "length_ms": size // wav.BYTES_PER_MS}


def encode(paths: list[str], name: str, target: str) -> dict[str, object]:
    """Concatenate recordings and encode them to the format `name` at `target`."""
    if name == formats.MP3.name:
        return _encode_mp3(paths, target)
    from pydub import AudioSegment  # Imported here, because pydub warns at import where ffmpeg is missing.

    samples = b"".join(wav.read_samples(Path(path)) for path in paths)
    audio = AudioSegment(samples, sample_width=2, frame_rate=wav.SAMPLE_RATE, channels=1)
    codec, bitrate = CODECS[name]
    audio.export(target, format=name, codec=codec, bitrate=bitrate).close()
    return {"bytes": Path(target).stat().st_size}


def _encode_mp3(paths: list[str], target: str) -> dict[str, object]:
    """Encode in blocks, so that a long message needs no more memory than a short one."""
    import lameenc

    encoder = lameenc.Encoder()
    encoder.silence()  # LAME would print to the standard output, which carries the responses.
    encoder.set_channels(1)
    encoder.set_in_sample_rate(wav.SAMPLE_RATE)
    encoder.set_bit_rate(MP3_KBIT_PER_S)
    encoder.set_quality(MP3_QUALITY)
    with Path(target).open("wb") as out:
        for path in paths:
            for block in wav.iterate_samples(Path(path)):
                out.write(encoder.encode(block))
        out.write(encoder.flush())
        return {"bytes": out.tell()}


def _write_wav(pcm: Path, target: Path) -> None:
    remaining = pcm.stat().st_size // 2 * 2
    with pcm.open("rb") as samples, target.open("wb") as out:
        out.write(wav.header(remaining))
        while remaining and (block := samples.read(min(remaining, 1 << 20))):
            out.write(block)
            remaining -= len(block)


def _decode_upload(upload: str, target: str, longest_s: int, limits: Mapping[str, int]) -> dict[str, object]:
    return decode_to_recording(upload, target, longest_s, DecoderLimits(**limits))


JOBS: dict[str, Callable[..., dict[str, object]]] = {"record": _decode_upload, "form": encode}


def _run_job(job: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"done": JOBS[job.pop("job")](**job)}
    except InvalidAudio as error:
        return {"refused": str(error)}
    except FileNotFoundError as error:
        missing = error.filename == FFMPEG
        return {"failed": "install ffmpeg (apt install ffmpeg)"} if missing else {"gone": str(error.filename)}
    except Exception as error:  # One failed job must not end the process.
        return {"failed": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Run jobs until standard input ends."""
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    for line in sys.stdin:
        print(json.dumps(_run_job(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
