"""Starts ffmpeg for the files of strangers, with bounded processor time, memory, open files and output.

A file can be made to keep a decoder busy, to have it reserve gigabytes, or to take it over. The limits are set by a
shell that then becomes ffmpeg: so they hold from its first instruction, whichever threads the calling process has. It
sees no file but its own (`ivr/audio/sandbox.py`).
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ivr.audio.sandbox import FileAccess, start_sandboxed
from ivr.errors import InvalidAudio, SoundsError, describe_error

FFMPEG = "ffmpeg"
MEGABYTE = 2**20
SIMPLER_FILE = "supply a shorter file, or a WAV of 8 kHz, mono, 16 bit"
NOT_STARTED = 127
"""Exit status of a program whose libraries cannot be loaded."""
ULIMIT_FILE_BLOCK = 512
ULIMIT_MEMORY_BLOCK = 1024
LAUNCHER = 'ulimit -t "$1" && ulimit -v "$2" && ulimit -n "$3" && ulimit -f "$4" && shift 4 && exec "$@"'
ERROR_BYTES = 4096
"""How much of the end of the messages of ffmpeg is looked at."""


@dataclass(frozen=True, slots=True)
class DecoderLimits:
    """What one ffmpeg may use. `memory_bytes`: of address space. `file_bytes`: of each file that it writes."""

    cpu_s: int = 60
    memory_bytes: int = 768 * MEGABYTE
    open_files: int = 16
    file_bytes: int = 512 * MEGABYTE


DEFAULT_LIMITS = DecoderLimits()


def run_ffmpeg(
    arguments: Sequence[str],
    limits: DecoderLimits,
    access: FileAccess,
    *,
    timeout_s: float | None = None,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.CompletedProcess[bytes]:
    """Run ffmpeg to its end and return its status and standard output. It sees the files of `access` only.

    It waits, so it must not run in the event loop's thread. Raises `InvalidAudio` if the file makes ffmpeg exceed a
    limit or `timeout_s`, `SoundsError` if ffmpeg cannot start, FileNotFoundError with its name if it is not installed.
    """
    found = shutil.which(FFMPEG)
    if found is None:
        raise FileNotFoundError(errno.ENOENT, "not installed", FFMPEG)
    program = Path(found).absolute()
    command = ["/bin/sh", "-c", LAUNCHER, "sh", *_ulimits(limits), str(program), "-nostdin", "-v", "error"]
    command += ["-threads", "1", *arguments]
    # The variables of the service can contain passwords. Without the second one, glibc reserves memory by thread.
    environment = {"PATH": os.environ.get("PATH", os.defpath), "MALLOC_ARENA_MAX": "1"}
    with tempfile.TemporaryFile() as messages:  # A file can cause any number of them, so they are not read into memory.

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=messages, env=environment)

        try:
            process = start_sandboxed(start, program, access)
        except OSError as error:
            raise SoundsError(f"ffmpeg cannot be started: {describe_error(error)}") from error
        with process:
            try:
                output, _ = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                raise InvalidAudio(f"the audio takes more than {timeout_s:g} s to convert: {SIMPLER_FILE}") from None
            finally:
                process.kill()
        messages.seek(max(0, messages.seek(0, os.SEEK_END) - ERROR_BYTES))
        text = messages.read().decode(errors="replace")
    done = subprocess.CompletedProcess(command, process.returncode, output)
    if done.returncode == NOT_STARTED:
        last_line = (text.strip().splitlines() or ["no message"])[-1]
        raise SoundsError(f"ffmpeg cannot be started ({last_line}): is api.conversion_memory_mb too small for it?")
    if excess := _excess(done.returncode, text, limits):
        raise InvalidAudio(f"{excess}: {SIMPLER_FILE}")
    return done


def _ulimits(limits: DecoderLimits) -> list[str]:
    """Return the arguments of the launcher. A limit that this process has itself cannot be raised by a child."""
    bounds = (
        (resource.RLIMIT_CPU, limits.cpu_s, 1),
        (resource.RLIMIT_AS, limits.memory_bytes, ULIMIT_MEMORY_BLOCK),
        (resource.RLIMIT_NOFILE, limits.open_files, 1),
        (resource.RLIMIT_FSIZE, limits.file_bytes, ULIMIT_FILE_BLOCK),
    )
    words = []
    for kind, bound, unit in bounds:
        inherited = resource.getrlimit(kind)[1]
        words.append(str((bound if inherited == resource.RLIM_INFINITY else min(bound, inherited)) // unit))
    return words


def _excess(status: int, messages: str, limits: DecoderLimits) -> str:
    """Return which limit ffmpeg has exceeded; "": none, or it went on without what it did not get."""
    if status == 0:
        return ""
    if status in (-signal.SIGKILL, -signal.SIGXCPU):
        return f"the audio takes more than {limits.cpu_s} s of processor time to convert, or more memory than there is"
    if status == -signal.SIGXFSZ or os.strerror(errno.EFBIG) in messages:
        return f"the audio becomes larger than {limits.file_bytes // 1000} kB when it is converted"
    if os.strerror(errno.ENOMEM) in messages:
        return f"the audio takes more than {limits.memory_bytes // MEGABYTE} MB of memory to convert"
    if os.strerror(errno.EMFILE) in messages:
        return f"the audio makes the decoder open more than {limits.open_files} files"
    return ""
