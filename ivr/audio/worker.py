"""The process in which audio is converted, so that no call ever waits for it: low priority, bounded memory and time.

Reads one job a line, as JSON, from standard input, and answers with a line each. Started by `ivr/audio/converter.py`.
Uploads come from strangers: ffmpeg reads them straight from the disk, as the one format that their first bytes tell
and for no longer than allowed, and never as a whole into memory. Our own recordings are given other forms by pydub.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ivr.audio import formats, wav
from ivr.errors import InvalidAudio

NICENESS = 10
MAX_MEMORY_BYTES = 2 * 1024**3
"""Bytes of address space, of this process and of each ffmpeg."""
MAX_FILE_BYTES = 512 * 1024**2
"""Bytes of a file, at most."""
FFMPEG = "ffmpeg"
DEMUXERS = {"wav": "wav", "mp3": "mp3", "mp4": "mov", "ogg": "ogg"}
CODECS = {"mp3": ("libmp3lame", "32k"), "mp4": ("aac", "32k")}


def decode_to_recording(upload: str, target: str, longest_s: int) -> dict[str, object]:
    """What was uploaded becomes a recording of our form at `target`. Raises `InvalidAudio`."""
    with Path(upload).open("rb") as file:
        found = formats.sniff(file.read(formats.SNIFF_BYTES))
    if found is None:
        raise InvalidAudio("the file is not audio: WAV, MP3, OGG and M4A are taken")
    most = longest_s * 1000 * wav.BYTES_PER_MS
    pcm = Path(f"{target}.pcm")
    try:
        _run_ffmpeg(
            "-f",
            DEMUXERS[found.name],
            "-protocol_whitelist",
            "file",
            "-i",
            f"file:{upload}",
            "-map",
            "0:a:0",
            "-vn",
            "-t",
            str(longest_s + 1),
            "-ar",
            str(wav.SAMPLE_RATE),
            "-ac",
            "1",
            "-f",
            "s16le",
            f"file:{pcm}",
        )
        size = pcm.stat().st_size if pcm.exists() else 0
        if not size:
            raise InvalidAudio("the file has no sound in it")
        if size > most:
            raise InvalidAudio(f"the audio is longer than {longest_s} s")
        _write_wav(pcm, Path(target))
    finally:
        pcm.unlink(missing_ok=True)
    return {"format": found.name, "length_ms": size // wav.BYTES_PER_MS}


def encode(paths: list[str], name: str, target: str) -> dict[str, object]:
    """Recordings of ours, joined, in another form at `target`."""
    from pydub import AudioSegment

    samples = b"".join(wav.read_samples(Path(path)) for path in paths)
    whole = AudioSegment(samples, sample_width=2, frame_rate=wav.SAMPLE_RATE, channels=1)
    codec, bitrate = CODECS[name]
    whole.export(target, format=name, codec=codec, bitrate=bitrate).close()
    return {"bytes": Path(target).stat().st_size}


def _run_ffmpeg(*arguments: str) -> None:
    command = [FFMPEG, "-nostdin", "-v", "error", "-threads", "1", "-y", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        raise InvalidAudio("the file is not audio that can be read: it is broken, or not what it claims to be")


def _write_wav(pcm: Path, target: Path) -> None:
    left = pcm.stat().st_size // 2 * 2
    with pcm.open("rb") as samples, target.open("wb") as out:
        out.write(wav.header(left))
        while left and (part := samples.read(min(left, 1 << 20))):
            out.write(part)
            left -= len(part)


JOBS: dict[str, Callable[..., dict[str, object]]] = {"record": decode_to_recording, "form": encode}


def _run_job(job: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"done": JOBS[job.pop("job")](**job)}
    except InvalidAudio as error:
        return {"refused": str(error)}
    except FileNotFoundError as error:
        missing = error.filename == FFMPEG
        return {"failed": "install ffmpeg (apt install ffmpeg)"} if missing else {"gone": str(error.filename)}
    except Exception as error:  # Whatever it was, the next job is another.
        return {"failed": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Work until standard input ends."""
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    for line in sys.stdin:
        print(json.dumps(_run_job(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
