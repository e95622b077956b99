"""Limits of the ffmpeg that decodes an upload: a hostile file for each, and what its uploader is told."""

from __future__ import annotations

import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ivr.audio import sandbox, telephony_formats, worker
from ivr.audio.converter import ConversionPool
from ivr.audio.ffmpeg import DecoderLimits, run_ffmpeg
from ivr.audio.sandbox import FileAccess
from ivr.errors import InvalidAudio, SoundsError
from tests.audio.test_worker import needs_ffmpeg, write_tone

LIMITS = DecoderLimits()
LONGEST_S = 3600
SIGNALS_OF_C = "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)"
"""Python ignores this signal; ffmpeg does not."""


def decode(path: Path, limits: DecoderLimits) -> dict[str, object]:
    return worker.decode_to_recording(str(path), str(path.with_name("recording.wav")), LONGEST_S, limits)


def slow_wav(path: Path) -> Path:
    """Write a file that takes no space on the disk, of 20 minutes, 8 channels and 384 kHz."""
    data_bytes, channels, rate = 2**32 - 1024, 8, 384_000
    form = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * channels, channels, 8)
    head = b"RIFF" + struct.pack("<I", data_bytes + 36) + b"WAVEfmt " + form + b"data" + struct.pack("<I", data_bytes)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + data_bytes)
    return path


def mp4_of_many_samples(path: Path, count: int) -> Path:
    """Write an MP4 of 20 kB that claims `count` samples. The decoder reserves memory for all of them."""
    write_tone(path, "-movflags", "frag_keyframe+empty_moov")
    content = bytearray(path.read_bytes())
    start = content.find(b"trun") - 4
    size = struct.unpack_from(">I", content, start)[0]
    content[start : start + size] = struct.pack(">I4sII", size, b"trun", 0, count) + bytes(size - 16)
    path.write_bytes(content)
    return path


def install_as_ffmpeg(folder: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Install a Python program of `lines` as ffmpeg. Wherever Python is, the program may read its library."""
    program, python = folder / "ffmpeg", Path(sys.executable).resolve()
    folder.mkdir()
    program.write_text("\n".join((f"#!{python} -I", "import os, signal, sys", *lines)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(sandbox, "SYSTEM_FOLDERS", (*sandbox.SYSTEM_FOLDERS, Path(sys.base_prefix)))


def taken_over(folder: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> Path:
    """Return an upload that takes the decoder over: what then runs as ffmpeg is a program of `lines`."""
    install_as_ffmpeg(folder / "bin", monkeypatch, SIGNALS_OF_C, *lines)
    (folder / "upload.mp3").write_bytes(b"ID3" + bytes(100))
    return folder / "upload.mp3"


@needs_ffmpeg
def test_audio_that_keeps_the_decoder_busy_is_refused(tmp_path: Path) -> None:
    upload = slow_wav(tmp_path / "slow.wav")
    with pytest.raises(InvalidAudio, match=r"more than 1 s of processor time.*supply a shorter file"):
        decode(upload, replace(LIMITS, cpu_s=1))


@needs_ffmpeg
def test_audio_that_takes_gigabytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidAudio, match=r"more than 768 MB of memory.*supply a shorter file"):
        decode(mp4_of_many_samples(tmp_path / "many.m4a", 60_000_000), LIMITS)


def test_decoder_that_was_taken_over_opens_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = taken_over(tmp_path, monkeypatch, "files = [open(sys.argv[0]) for _ in range(100)]")
    with pytest.raises(InvalidAudio, match="open more than 16 files: supply a shorter file"):
        decode(upload, LIMITS)


def test_decoder_that_was_taken_over_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (
        "with open(sys.argv[-1].removeprefix('file:'), 'wb', 0) as out:",
        "    for _ in range(50): out.write(bytes(2**22))",
    )
    upload = taken_over(tmp_path, monkeypatch, *lines)
    with pytest.raises(InvalidAudio, match=r"larger than 57632 kB.*supply a shorter file"):
        decode(upload, LIMITS)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 100_000, "its output is removed"


def test_messages_of_the_decoder_do_not_fill_memory_or_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = taken_over(tmp_path, monkeypatch, "for _ in range(100): os.write(2, b'x' * 2**20)")
    with pytest.raises(InvalidAudio, match="larger than 57632 kB"):
        decode(upload, LIMITS)


def test_decoder_does_not_get_the_environment_of_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVR_MAIL__PASSWORD", "secret-of-the-service")
    taken_over(tmp_path, monkeypatch, "print(sorted(os.environ))")
    assert b"IVR" not in run_ffmpeg([], LIMITS, FileAccess()).stdout


def test_decoder_that_cannot_start_is_not_blamed_on_the_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = taken_over(tmp_path, monkeypatch, "sys.exit('no library fits' and 127)")
    with pytest.raises(SoundsError, match="conversion_memory_mb"):
        decode(upload, LIMITS)


@needs_ffmpeg
def test_lower_limit_of_the_machine_holds(tmp_path: Path) -> None:
    """As in a unit with LimitNOFILE=12: a child cannot raise it, and need not."""
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12));"
        "from ivr.audio.worker import decode_to_recording as decode; print(decode(*sys.argv[1:], 60)['length_ms'])"
    )
    command = [sys.executable, "-c", program, str(write_tone(tmp_path / "a.mp3")), str(tmp_path / "a.wav")]
    length_ms = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert abs(length_ms - 2000) < 100


@needs_ffmpeg
async def test_pool_refuses_with_its_limits_and_goes_on(tmp_path: Path) -> None:
    """The second upload is converted by the worker whose decoder was killed."""
    pool = ConversionPool(limits=DecoderLimits(cpu_s=1))
    try:
        with pytest.raises(InvalidAudio, match=r"more than 1 s of processor time"):
            await pool.decode_to_recording(
                "an-account", slow_wav(tmp_path / "slow.wav"), tmp_path / "out.wav", LONGEST_S
            )
        _, length_ms = await pool.decode_to_recording(
            "an-account", write_tone(tmp_path / "a.mp3"), tmp_path / "out.wav", LONGEST_S
        )
        assert abs(length_ms - 2000) < 100
    finally:
        await pool.close()


@needs_ffmpeg
def test_files_of_app_voicemail_have_the_same_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telephony_formats, "LIMITS", replace(LIMITS, cpu_s=1))
    with pytest.raises(InvalidAudio, match=r"slow.wav: .*more than 1 s of processor time"):
        telephony_formats.decode(slow_wav(tmp_path / "slow.wav"))


async def test_unit_that_forbids_the_restriction_is_named_and_not_the_upload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As systemd does it with the unit of an earlier version: the worker gets SIGSYS."""
    worker_program = tmp_path / "python"
    worker_program.write_text("#!/bin/sh\nread -r job\nkill -SYS $$\n")
    worker_program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(worker_program))
    pool = ConversionPool()
    with pytest.raises(SoundsError, match=r"the unit of systemd forbids.*run 'ivr install'"):
        await pool.decode_to_recording("an-account", tmp_path / "upload.mp3", tmp_path / "out.wav", LONGEST_S)
    await pool.close()


@needs_ffmpeg
async def test_modules_of_the_current_folder_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root sets a greeting in a folder where another user has put a program with the name of a module."""
    folder = tmp_path / "of-alice"
    folder.mkdir()
    for name in ("json", "resource", "lameenc"):
        (folder / f"{name}.py").write_text("open('was-run', 'w')")
    monkeypatch.chdir(folder)
    pool = ConversionPool()
    await pool.decode_to_recording("an-account", write_tone(tmp_path / "a.mp3"), tmp_path / "out.wav", LONGEST_S)
    await pool.close()
    assert not (folder / "was-run").exists()
