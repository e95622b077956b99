"""Playback, recording and speech synthesis with the programs that are installed on this machine."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ivr.audio import wav
from ivr.errors import InvalidAudio
from ivr.prompts import clip_file

PLAYER_COMMANDS = (
    ("pw-play", "--raw", "--rate=8000", "--channels=1", "--format=s16", "-"),
    ("paplay", "--raw", "--rate=8000", "--channels=1", "--format=s16le"),
    ("aplay", "-q", "-t", "raw", "-f", "S16_LE", "-r", "8000", "-c", "1", "-"),
    ("ffplay", "-loglevel", "quiet", "-nodisp", "-autoexit", "-f", "s16le", "-ar", "8000", "-i", "-"),
)
RECORDER_COMMANDS = (
    ("parecord", "--raw", "--rate=8000", "--channels=1", "--format=s16le"),
    ("arecord", "-q", "-t", "raw", "-f", "S16_LE", "-r", "8000", "-c", "1", "-"),
)
SYNTHESIZER_COMMANDS = (
    ("espeak-ng", "-v", "en-us", "--stdout"),
    ("espeak", "-v", "en-us", "--stdout"),
    ("flite", "-o", "/dev/stdout", "-t"),
)


def player_command() -> tuple[str, ...] | None:
    """Return a command that plays raw samples from its standard input; None without a program or a sound card."""
    return _first_installed(PLAYER_COMMANDS) if _has_sound_card("playback") else None


def recorder_command() -> tuple[str, ...] | None:
    """Return a command that records raw samples to its standard output; None without a program or a microphone."""
    return _first_installed(RECORDER_COMMANDS) if _has_sound_card("capture") else None


def synthesizer_command() -> tuple[str, ...] | None:
    """Return a command that speaks its last argument as a WAV file on standard output; None if none is installed."""
    return _first_installed(SYNTHESIZER_COMMANDS)


class Loudspeaker:
    """Plays samples with `command`, see `player_command`. None: silent."""

    def __init__(self, command: tuple[str, ...] | None) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, pcm: bytes) -> None:
        """Start to play samples."""
        if self._command and pcm:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            assert self._process.stdin
            self._process.stdin.write(pcm)
            self._process.stdin.write_eof()

    async def stop(self) -> None:
        """Stop playing."""
        if self._process and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()
        self._process = None


def synthesize(text: str, sounds_folder: Path) -> tuple[bytes, str]:
    """Return `text` as samples at 8 kHz, and the method: a synthesiser, else letter by letter from the prompts.

    `sounds_folder`: the prompts of one language.
    """
    command = synthesizer_command()
    if command:
        result = subprocess.run([*command, text], capture_output=True, check=False)
        if result.returncode == 0 and result.stdout:
            return _resample_to_8_khz(result.stdout), command[0]
    return _spell(text, sounds_folder), "spelled letter by letter: no synthesiser installed (espeak-ng, flite)"


def _spell(text: str, sounds_folder: Path) -> bytes:
    pcm = b""
    for character in text.lower():
        group = "number" if character.isdigit() else "letter"
        path = clip_file.find(sounds_folder, f"{group}/{character}")
        pcm += clip_file.read_samples(path) if character.isalnum() and path.exists() else wav.silence(200)
    return pcm


def _resample_to_8_khz(wav_bytes: bytes) -> bytes:
    """Resample a mono 16-bit WAV to 8 kHz. Its length fields are ignored: in a pipe they are not filled in."""
    rate = int.from_bytes(wav_bytes[24:28], "little")
    start = wav_bytes.find(b"data") + 8
    samples = memoryview(wav_bytes[start : len(wav_bytes) - (len(wav_bytes) - start) % 2]).cast("h")
    step = rate / wav.SAMPLE_RATE
    width = max(1, round(step))
    out = bytearray()
    for n in range(int(len(samples) / step)):
        # The mean of the neighbouring samples is a sufficient low-pass filter for speech in a demonstration.
        neighbours = samples[int(n * step) : int(n * step) + width]
        out += int(sum(neighbours) / len(neighbours)).to_bytes(2, "little", signed=True)
    return bytes(out)


def _first_installed(commands: tuple[tuple[str, ...], ...]) -> tuple[str, ...] | None:
    return next((command for command in commands if shutil.which(command[0])), None)


def _has_sound_card(direction: str) -> bool:
    ending = "p" if direction == "playback" else "c"
    return any(Path("/dev/snd").glob(f"pcm*{ending}")) or any(Path("/run/user").glob("*/pipewire-0"))


@dataclass(frozen=True, slots=True)
class Caption:
    """The text of one clip of a prompt, and where it starts."""

    text: str
    start_ms: int


@dataclass(frozen=True, slots=True)
class SoundFile:
    """A sound file. `captions` is None for a recording of a person, and empty for silence."""

    pcm: bytes
    captions: tuple[Caption, ...] | None

    @property
    def length_ms(self) -> int:
        return len(self.pcm) // wav.BYTES_PER_MS

    @property
    def is_silence(self) -> bool:
        return self.captions == ()


def read_sound_file(stem: str) -> SoundFile | None:
    """Read the file that Asterisk would play for `stem`, a path without extension. None if there is none."""
    path = Path(stem + ".wav")
    try:
        pcm = wav.read_samples(path)
    except (OSError, InvalidAudio):
        return None
    caption_file = path.with_suffix(".json")
    if not caption_file.exists():
        return SoundFile(pcm, None)
    clips = json.loads(caption_file.read_text())["clips"]
    return SoundFile(pcm, tuple(Caption(clip["text"], clip["start_ms"]) for clip in clips))
