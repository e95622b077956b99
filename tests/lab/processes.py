"""The two processes of a lab, each as a user of its own, ended by their own ids."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

ASTERISK_UID = 61001
SERVICE_UID = 61002
SHARED_GID = 61000
"""The user `asterisk`, the service's user, and the group `asterisk`, which is the group that both share: Asterisk drops
every other group when it is started with `-G`. The service's user needs no entry in /etc/passwd."""
DEBIAN_ARGUMENTS = ("-g", "-f", "-p", "-U", "asterisk", "-G", "asterisk")
"""What the unit of Debian's package starts Asterisk with (`ExecStart` of asterisk.service)."""
START_WITHIN_S = 60.0
SERVER_NICENESS = -5
"""The niceness of the service, as its unit sets it (`Nice=`). Asterisk sets a realtime priority for itself (`-p`)."""
HOST_FOLDERS = Path("/machine")


class StartFailed(Exception):
    """A process did not come up; the message is what it said."""


class AsteriskProcess:
    """Asterisk in its root, which sees `folders` at their own paths, in a mount namespace of its own.

    `machine` is where it sees this machine's files, if it is to see them.
    """

    def __init__(self, root: Path, config: Path, folders: list[Path], log: Path, mounts_host: bool = False) -> None:
        self._root = root
        self._config = config
        self._folders = folders
        self._log = log
        self._mounts_host = mounts_host
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host_folders(self) -> Path:
        return Path("/") if self._root == Path("/") else HOST_FOLDERS

    def start(self) -> None:
        """Start, and wait until it has booted. Raises `StartFailed`."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._start_command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _raise_priority(self._process)
        deadline = time.monotonic() + START_WITHIN_S
        while "fully booted" not in self.cli("core waitfullybooted"):
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise StartFailed(f"Asterisk did not start:\n{self._log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.1)

    def cli(self, command: str) -> str:
        """What Asterisk's console says to `command`; "" while it is down."""
        if self._process is None:
            return ""
        done = subprocess.run(
            [*self.console_command(), "-rx", command],
            capture_output=True,
            text=True,
            check=False,
            errors="replace",
            timeout=30,
        )
        return done.stdout

    def console_command(self) -> list[str]:
        """The command that reaches its console when `-rx` is put behind it."""
        asterisk = ["asterisk", "-C", str(self._config)]
        return ["nsenter", "-t", str(self.pid), "-m", *self._drop_privileges(), *asterisk]

    def stop(self) -> None:
        """End it and wait."""
        _terminate(self._process, signal.SIGTERM)

    def kill(self) -> None:
        """As a power cut would."""
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    @property
    def pid(self) -> int:
        """Of Asterisk itself: what starts it becomes it."""
        assert self._process
        return self._process.pid

    def _start_command(self) -> list[str]:
        """Debian's command line as root, in a mount namespace of its own: Asterisk itself becomes its user."""
        mounts = [f"mkdir -p {self._root}{at} && mount --bind {at} {self._root}{at}" for at in self._mounted_folders()]
        mounts += [f"touch {self._root}{at} && mount --bind {file} {self._root}{at}" for at, file in self._etc_files()]
        if self._mounts_host and self._root != Path("/"):
            at = f"{self._root}{HOST_FOLDERS}"
            mounts.append(f"mkdir -p {at} && mount --rbind / {at}")
        chroot = ["chroot", str(self._root)] if self._root != Path("/") else []
        command = " ".join([*chroot, "asterisk", *DEBIAN_ARGUMENTS, "-C", str(self._config)])
        script = " && ".join([*mounts, f"exec {command}"])
        return ["unshare", "-m", "--propagation", "private", "sh", "-c", script]

    def _etc_files(self) -> list[tuple[str, Path]]:
        """Files of /etc that this Asterisk sees instead of its root's: (path, file).

        `passwd` and `group` give the user and group `asterisk` the numbers of the lab. Asterisk looks up this machine's
        name at each call; where `hosts` lacks it, DNS is asked, for seconds.
        """
        folder = self._folders[0]
        passwd = _with_ids(self._root / "etc/passwd", {2: ASTERISK_UID, 3: SHARED_GID})
        group = _with_ids(self._root / "etc/group", {2: SHARED_GID})
        files = {"/etc/passwd": ("passwd", passwd), "/etc/group": ("group", group)}
        if self._root != Path("/"):
            files["/etc/hosts"] = ("hosts", f"127.0.0.1 localhost {socket.gethostname()}\n")
        for name, text in files.values():
            (folder / name).write_text(text)
        return [(at, folder / name) for at, (name, _) in files.items()]

    def _mounted_folders(self) -> list[Path]:
        return [] if self._root == Path("/") else self._folders

    def _drop_privileges(self) -> list[str]:
        return ["chroot", f"--userspec={ASTERISK_UID}:{SHARED_GID}", str(self._root)]


PASS_SOCKETS = """
import os, sys
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sys.argv[1].split(","))))
for number, descriptor in enumerate(sorted(map(int, sys.argv[1].split(",")))):
    os.dup2(descriptor, 3 + number)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


def passing_sockets(arguments: Sequence[str], *listeners: socket.socket | None) -> list[str]:
    """Return a command that runs Python with sockets as systemd passes them (sd_listen_fds(3)).

    Without a socket: that runs Python.
    """
    descriptors = ",".join(str(listener.fileno()) for listener in listeners if listener)
    launcher = ["-I", "-S", "-c", PASS_SOCKETS, descriptors] if descriptors else []
    return [sys.executable, *launcher, *arguments]


class ServiceProcess:
    """`ivr serve` with its settings in environment variables; with `late_ms`, in a loop that is made late.

    `command`: another module that says so when it is ready, and its arguments. `listener`: a listening socket that the
    service gets as systemd passes it.
    """

    def __init__(
        self,
        environment: dict[str, str],
        log: Path,
        lag_ms: int = 0,
        command: Sequence[str] = ("ivr", "serve"),
        listener: socket.socket | None = None,
    ) -> None:
        self._command = ["tests.lab.lagging_service", str(lag_ms)] if lag_ms else [*command]
        self._environment = environment
        self._log = log
        self._listener = listener
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it says that it is ready. Raises `StartFailed`."""
        read, write = os.pipe()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                passing_sockets(["-m", *self._command], self._listener), stdin=subprocess.DEVNULL, stdout=write,
                stderr=log, **as_service_user(self._environment), start_new_session=True,
                pass_fds=[self._listener.fileno()] if self._listener else [],
            )  # fmt: skip
        _raise_priority(self._process)
        os.close(write)
        with os.fdopen(read) as output:
            if "ready" not in output.readline():
                raise StartFailed(f"the service did not start:\n{self._log.read_text(errors='replace')[-3000:]}")

    def stop(self) -> None:
        """End it and wait."""
        _terminate(self._process, signal.SIGTERM)

    def kill(self) -> None:
        """As a crash would."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def signal(self, number: int) -> None:
        """Send it a signal: SIGSTOP makes it hang, SIGCONT lets it go on."""
        assert self._process
        self._process.send_signal(number)


def _with_ids(file: Path, ids: dict[int, int]) -> str:
    """A passwd or group file in which the line of `asterisk` has other numbers: {field: number}."""
    lines = []
    for line in file.read_text().splitlines():
        fields = line.split(":")
        if fields[0] == "asterisk":
            for field, number in ids.items():
                fields[field] = str(number)
        lines.append(":".join(fields))
    return "\n".join(lines) + "\n"


def as_service_user(environment: dict[str, str]) -> dict[str, Any]:
    """How a subprocess becomes the service's user."""
    inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    who: dict[str, Any] = {"user": SERVICE_UID, "group": SHARED_GID, "extra_groups": []} if os.geteuid() == 0 else {}
    return {"env": {**inherited, "PYTHONDONTWRITEBYTECODE": "1", **environment}, "cwd": "/", "umask": 0o027, **who}


def _raise_priority(process: subprocess.Popen[bytes]) -> None:
    """Let a server run before the phones of the tests, which share its processors."""
    with suppress(PermissionError, ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, process.pid, SERVER_NICENESS)


def _terminate(process: subprocess.Popen[bytes] | None, number: int) -> None:
    if process is None or process.poll() is not None:
        return
    process.send_signal(number)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
