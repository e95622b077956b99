"""What a decoder that a file has taken over can reach: a program in the place of ffmpeg tries everything."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ivr.audio import sandbox
from ivr.audio.ffmpeg import DecoderLimits, run_ffmpeg
from ivr.audio.sandbox import FileAccess
from tests.audio.test_ffmpeg_limits import install_as_ffmpeg

LIMITS = DecoderLimits()
UNPROTECTED = sandbox.missing_protection()
needs_sandbox = pytest.mark.skipif(bool(UNPROTECTED), reason=f"this machine cannot restrict a program: {UNPROTECTED}")

TRIES = """
import ctypes, json, socket
upload, output, pepper, folder, control, service = sys.argv[-6:]
def outcome(attempt):
    try: attempt()
    except OSError as error: return type(error).__name__
    return "done"
def ring():
    if ctypes.CDLL(None, use_errno=True).syscall(425, 1, ctypes.create_string_buffer(256)) < 0:
        raise OSError(ctypes.get_errno(), "io_uring")
tries = {
    "read the upload": lambda: open(upload).read(),
    "write the output": lambda: open(output, "wb").write(b"audio"),
    "read another file": lambda: open(pepper).read(),
    "list a folder": lambda: os.listdir(folder),
    "overwrite the upload": lambda: open(upload, "wb"),
    "read the output": lambda: open(output, "rb"),
    "create a file": lambda: open(folder + "/new", "w"),
    "remove a file": lambda: os.unlink(pepper),
    "rename a file": lambda: os.rename(upload, folder + "/moved"),
    "make a link": lambda: os.symlink(pepper, folder + "/link"),
    "make a second name": lambda: os.link(pepper, folder + "/second"),
    "read memory of the service": lambda: open(f"/proc/{service}/environ").read(),
    "read the users": lambda: open("/etc/passwd").read(),
    "connect to a socket": lambda: socket.socket(socket.AF_UNIX).connect(control),
    "connect to the network": lambda: socket.socket().connect(("127.0.0.1", 9)),
    "send a datagram": lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)),
    "make a ring": ring,
}
print(json.dumps({name: outcome(attempt) for name, attempt in tries.items()}))
"""


@pytest.fixture
def control_socket(tmp_path: Path) -> Iterator[Path]:
    """Yield the path of a socket that listens, as that of Asterisk does."""
    path = tmp_path / "asterisk.ctl"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield path


@needs_sandbox
def test_decoder_reaches_its_two_files_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, control_socket: Path
) -> None:
    install_as_ffmpeg(tmp_path / "bin", monkeypatch, TRIES)
    upload, output, pepper = (tmp_path / name for name in ("upload", "output", "pepper"))
    for path in (upload, output, pepper):
        path.write_text("content")
    arguments = [str(word) for word in (upload, output, pepper, tmp_path, control_socket, os.getpid())]
    outcomes = json.loads(run_ffmpeg(arguments, LIMITS, FileAccess((upload,), (output,))).stdout)
    assert {name for name, outcome in outcomes.items() if outcome == "done"} == {"read the upload", "write the output"}
    assert (upload.read_text(), output.read_text(), pepper.read_text()) == ("content", "audio", "content")
    assert {path.name for path in tmp_path.iterdir()} == {"bin", "upload", "output", "pepper", "asterisk.ctl"}


@needs_sandbox
def test_decoder_cannot_signal_other_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same user: without a restriction it could stop the service."""
    if sandbox._landlock_version() < sandbox.SCOPE_VERSION:
        pytest.skip("the kernel restricts signals from Linux 6.12 on")
    with subprocess.Popen(["sleep", "60"]) as other:
        install_as_ffmpeg(tmp_path / "bin", monkeypatch, "os.kill(int(sys.argv[-1]), signal.SIGKILL)")
        try:
            assert run_ffmpeg([str(other.pid)], LIMITS, FileAccess()).returncode == 1
            assert other.poll() is None
        finally:
            other.kill()


@needs_sandbox
def test_calling_process_keeps_its_access(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_as_ffmpeg(tmp_path / "bin", monkeypatch, "print(1)")
    for _ in range(3):
        assert run_ffmpeg([], LIMITS, FileAccess()).stdout == b"1\n"
    (tmp_path / "file").write_text("x")
    socket.socket().close()


def test_decoder_starts_where_the_kernel_cannot_restrict_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_as_ffmpeg(tmp_path / "bin", monkeypatch, "print(len(os.listdir(sys.argv[-1])))")
    monkeypatch.setattr(sandbox, "_landlock_version", lambda: 0)
    assert run_ffmpeg([str(tmp_path)], LIMITS, FileAccess()).stdout == b"1\n"
    assert "Landlock" in sandbox.missing_protection()


@needs_sandbox
@pytest.mark.parametrize("version", sorted({1, 2, 3, 4, 5, 6, sandbox._landlock_version()} - {0}))
def test_rules_of_each_earlier_kernel_are_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    """A newer kernel takes the rules of an earlier one, and reading is restricted since the first."""
    if version > sandbox._landlock_version():
        pytest.skip(f"the kernel has Landlock {sandbox._landlock_version()}")
    monkeypatch.setattr(sandbox, "_landlock_version", lambda: version)
    output = tmp_path / "output"
    output.touch()
    install_as_ffmpeg(tmp_path / "bin", monkeypatch, "open(sys.argv[-2], 'w').write('x')", "open(sys.argv[-1])")
    assert run_ffmpeg([str(output), str(tmp_path / "bin" / "other")], LIMITS, FileAccess((), (output,))).returncode == 1
    assert output.read_text() == "x"
