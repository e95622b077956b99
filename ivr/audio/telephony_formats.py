"""The audio formats of messages in other systems: those that Asterisk writes, and those that sites convert them to.

Most of Asterisk's have no header that says what they are, so their file name suffix counts. A message of app_voicemail
is stored in several formats at the same time. They are tried from the best to the worst, so that a damaged file costs a
message only if no other format of it can be read.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ivr.audio import wav
from ivr.audio.asterisk_recording import MAX_RECORDING_BYTES, open_regular
from ivr.audio.ffmpeg import FFMPEG, DecoderLimits, run_ffmpeg
from ivr.audio.formats import DECODERS, DEMUXERS, INPUT_FORMATS, INPUT_NAMES, MP3, SNIFF_BYTES, WAV, AudioFormat, sniff
from ivr.audio.sandbox import FileAccess
from ivr.errors import InvalidAudio, SoundsError

NO_FFMPEG = "audio of app_voicemail is converted by ffmpeg: apt install ffmpeg"
TIMEOUT_S = 120
LIMITS = DecoderLimits(cpu_s=TIMEOUT_S)
CONTENT_BYTES = 512
"""How much of a file is looked at to find out what it is."""
STANDARD_INPUT = "/proc/self/fd/0"
"""A file, and not a pipe: a decoder can go back in it."""
GSM_MARK = 0xD0
"""The upper half of the first byte of each frame of GSM 06.10."""
MIN_TEXT_CHARACTERS = 10
"""Different characters, at least, of what is text. Silence in A-law is one letter, over and over."""


@dataclass(frozen=True, slots=True)
class TelephonyFormat:
    """A format of Asterisk. `input_options`: of ffmpeg, before the file."""

    name: str
    suffixes: tuple[str, ...]
    """File name suffixes without the dot; their case matters: `wav` is 16-bit PCM, `WAV` is GSM in a WAV."""
    input_options: tuple[str, ...]


def _headerless(demuxer: str, rate: int | None) -> tuple[str, ...]:
    return ("-f", demuxer, *(("-ar", str(rate), "-ac", "1") if rate else ()))


def _signed_linear(khz: int, rate: int) -> TelephonyFormat:
    return TelephonyFormat(f"sln{khz}", (f"sln{khz}", f"slin{khz}"), _headerless("s16le", rate))


def _options_of(content: AudioFormat) -> tuple[str, ...]:
    return ("-f", DEMUXERS[content.name], "-codec_whitelist", ",".join(DECODERS))


_CONTENT_OPTIONS = {content: _options_of(content) for content in INPUT_FORMATS}
_BY_CONTENT = {content.name: options for content, options in _CONTENT_OPTIONS.items()}

BY_QUALITY = (
    TelephonyFormat("wav", ("wav", "wave"), _BY_CONTENT["wav"]),
    *(
        TelephonyFormat(f"sln{khz}", (f"sln{khz}", f"slin{khz}"), _headerless("s16le", khz * 1000))
        for khz in (192, 96, 48)
    ),
    TelephonyFormat("sln44", ("sln44",), _headerless("s16le", 44_100)),
    *(
        TelephonyFormat(f"sln{khz}", (f"sln{khz}", f"slin{khz}"), _headerless("s16le", khz * 1000))
        for khz in (32, 24, 16)
    ),
    TelephonyFormat("wav16", ("wav16",), _BY_CONTENT["wav"]),
    _signed_linear(12, 12_000),
    TelephonyFormat("sln", ("sln", "slin", "raw"), _headerless("s16le", 8_000)),
    TelephonyFormat("flac", ("flac",), _BY_CONTENT["flac"]),
    TelephonyFormat("g722", ("g722",), ("-f", "g722")),
    TelephonyFormat("ulaw", ("ulaw", "ul", "mu", "ulw", "pcm"), _headerless("mulaw", 8_000)),
    TelephonyFormat("alaw", ("alaw", "al", "alw"), _headerless("alaw", 8_000)),
    TelephonyFormat("au", ("au",), ("-f", "au")),
    TelephonyFormat("ogg", ("ogg", "oga", "opus", "spx"), _BY_CONTENT["ogg"]),
    TelephonyFormat("webm", ("webm",), _BY_CONTENT["webm"]),
    TelephonyFormat("mp4", ("m4a", "mp4"), _BY_CONTENT["mp4"]),
    TelephonyFormat("wav49", ("WAV", "wav49"), _BY_CONTENT["wav"]),
    TelephonyFormat("gsm", ("gsm",), ("-f", "gsm")),
    TelephonyFormat("ilbc", ("ilbc",), ("-f", "ilbc")),
    TelephonyFormat("g729", ("g729",), ("-f", "g729")),
    TelephonyFormat("g723", ("g723", "g723sf"), ("-f", "g723_1")),
    TelephonyFormat("mp3", ("mp3",), _BY_CONTENT["mp3"]),
)
"""All formats that are read, best first. What the end of the list has lost is not in it any more."""

_BY_SUFFIX = {suffix: known for known in BY_QUALITY for suffix in known.suffixes}


def format_of(path: Path) -> TelephonyFormat | None:
    """Return the format of a file by its name; None: it is not one that is read."""
    suffix = path.suffix.removeprefix(".")
    return _BY_SUFFIX.get(suffix) or _BY_SUFFIX.get(suffix.lower())


def best_first(paths: Iterable[Path]) -> list[Path]:
    """Return the files that may have the sound, the best first; last those whose suffix says nothing."""
    ranked = [(BY_QUALITY.index(known) if (known := format_of(path)) else len(BY_QUALITY), path) for path in paths]
    return [path for _, path in sorted(ranked) if path.suffix != ".txt"]


def require_ffmpeg() -> None:
    """Raise `SoundsError` if ffmpeg is not installed."""
    if not shutil.which(FFMPEG):
        raise SoundsError(NO_FFMPEG)


def decode(path: Path) -> bytes:
    """Return the samples of a file, at 8 kHz mono 16 bit. A canonical WAV is returned as it is, to the sample.

    Asterisk can replace a file of its spool at any moment, so the name is opened once, and ffmpeg gets what was opened.
    It waits for a child process, so it must not run in the event loop's thread. Raises `InvalidAudio` for a file that
    is empty, damaged, of another format, or no regular file, OSError, `SoundsError`.
    """
    known = format_of(path)
    with open_regular(path) as descriptor:
        start = os.pread(descriptor, CONTENT_BYTES, 0)
        if known and known.name == WAV.name and wav.is_canonical(start):
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                samples = wav.samples_of(file.read(MAX_RECORDING_BYTES), path)
        elif not start:
            samples = b""
        else:
            _reject_other_content(path, known, start)
            samples = _run_ffmpeg(path, descriptor, _options_by_content(path, known, start))
    if len(samples) < 2:
        raise InvalidAudio(f"{path.name} has no sound in it")
    return samples


def decode_content(content: bytes, name: str) -> bytes:
    """Return the samples of audio that another system has sent; `name` says its format. Raises as `decode` does."""
    with tempfile.TemporaryDirectory(prefix="ivr-import-") as folder:
        path = Path(folder) / Path(name).name
        path.write_bytes(content)
        return decode(path)


def _options_by_content(path: Path, known: TelephonyFormat | None, start: bytes) -> tuple[str, ...]:
    """A file is what its first bytes say, if they say anything: some sites convert in place."""
    content = sniff(start[:SNIFF_BYTES])
    if content is MP3 and start[:3] != b"ID3" and known and known.input_options not in _CONTENT_OPTIONS.values():
        content = None  # Samples of a format without a header can look like it.
    if content:
        return _CONTENT_OPTIONS[content]
    if known:
        return known.input_options
    raise InvalidAudio(f"{path.name} is in a format that is not read: convert it to {INPUT_NAMES}")


def _reject_other_content(path: Path, known: TelephonyFormat | None, start: bytes) -> None:
    """Raise `InvalidAudio` for text, and for GSM without its mark: a decoder would make noise of both."""
    is_text = all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in start) and len(set(start)) >= MIN_TEXT_CHARACTERS
    is_gsm = known is not None and known.name == "gsm" and sniff(start[:SNIFF_BYTES]) is None
    if is_text or (is_gsm and start[0] & 0xF0 != GSM_MARK):
        raise InvalidAudio(f"{path.name} cannot be read as audio: it is damaged, or not in the format of its name")


def _run_ffmpeg(path: Path, descriptor: int, options: tuple[str, ...]) -> bytes:
    arguments = (
        *("-protocol_whitelist", "file,pipe", *options),
        *("-i", f"file:{STANDARD_INPUT}", "-map", "0:a:0", "-vn", "-ar", str(wav.SAMPLE_RATE), "-ac", "1"),
        *("-fs", str(LIMITS.file_bytes), "-f", "s16le", "pipe:1"),
    )
    try:
        access = FileAccess((Path(f"/proc/self/fd/{descriptor}"),))
        done = run_ffmpeg(arguments, LIMITS, access, timeout_s=TIMEOUT_S, stdin=descriptor)
    except FileNotFoundError:
        raise SoundsError(NO_FFMPEG) from None
    except InvalidAudio as error:
        raise InvalidAudio(f"{path.name}: {error}") from None
    if done.returncode != 0 and not done.stdout:
        raise InvalidAudio(f"{path.name} cannot be read as audio: it is damaged, or not in the format of its name")
    if len(done.stdout) >= LIMITS.file_bytes:
        raise InvalidAudio(f"{path.name} becomes larger than {LIMITS.file_bytes // 10**6} MB when it is converted")
    return done.stdout[: len(done.stdout) // 2 * 2]
