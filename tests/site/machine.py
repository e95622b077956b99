"""A fresh Debian machine: a tree of its own above the lab's Asterisk root, and namespaces of its own.

systemd is its first process where the kernel lets it be, so that Asterisk and the service are started by their real
units. Where it does not, `systemctl` is a stand-in that reads the same units (`systemctl_stand_in.sh`).
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from tests.lab.asterisk_root import AsteriskUnavailable, debian_root

CHECKOUT = Path(__file__).parents[2]
CACHE = CHECKOUT / ".asterisk"
STAND_IN = Path(__file__).with_name("systemctl_stand_in.sh")
BOOT_TIMEOUT_S = 90.0
END_TIMEOUT_S = 20.0
COMMAND_TIMEOUT_S = 1200.0
"""Also for a busy machine: a package is built within."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INIT_PACKAGES = ("systemd", "systemd-sysv")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
PIP_FILES = ("/etc/pip.conf", "/etc/xdg/pip", *(str(Path.home() / name) for name in (".config/pip", ".pip")))
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
CERTIFICATES_COPY = "/etc/ssl/certificates-of-the-host.crt"
"""Where the machine has this computer's certificates: at their own path apt would replace them."""
APT_OPTIONS = ("Acquire::Check-", "Acquire::http", "Acquire::https", "Acquire::Retries")


class MachineFailed(Exception):
    """The machine did not start, or a command on it failed; the message is what was printed."""


@cache
def why_no_systemd() -> str:
    """Why systemd cannot be the first process of a machine here; "" where it can."""
    mounts = [line.split(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    hierarchies = [Path(before.split()[4]) for before, after in mounts if after.split()[0] == "cgroup2"]
    if not hierarchies:
        return "no cgroup2 hierarchy is mounted"
    if not os.access(hierarchies[0], os.W_OK) or not _can_make_folder(hierarchies[0]):
        return f"{hierarchies[0]} is not writable"
    script = "mount -t cgroup2 cgroup2 /mnt"
    tried = subprocess.run(["unshare", "-C", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)
    return tried.stderr.strip()


class SiteMachine:
    """A machine with Debian's Asterisk package, to be used with `with`.

    `files`: {path: content} of the site's own configuration, written before the machine starts. `packages`: Debian
    packages that it has from the start.
    """

    def __init__(self, files: dict[str, str], packages: Sequence[str] = ()) -> None:
        self._packages = packages
        self.has_systemd = not why_no_systemd()
        self._files = files
        self._folder = Path(tempfile.mkdtemp(prefix="ivr-site-", dir="/var/tmp"))
        self.root = self._folder / "root"
        self._cgroup = _cgroup2_mount() / self._folder.name if self.has_systemd else None
        self._process: subprocess.Popen[bytes] | None = None
        self._init_pid = 0

    def __enter__(self) -> SiteMachine:
        layers = prepare_layers(self._packages)
        for name in ("root", "changes", "work"):
            (self._folder / name).mkdir()
        try:
            self._start(layers)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill every process of the machine and remove its tree."""
        if self._process:
            self._process.kill()  # unshare takes the machine's first process, and so all others, with it.
            self._process.wait()
        if self._cgroup:
            _remove_cgroups(self._cgroup)
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, command: str, *, network: bool = False, folder: str = "/root") -> str:
        """Run a command as root in a shell of the machine; return stdout and stderr. Raises `MachineFailed`.

        `network`: in the network of this computer, for apt and pip, instead of the machine's own.
        """
        done = subprocess.run(
            [*self.enter(network=network), "/bin/bash", "-c", f"cd {folder} && {command}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            errors="replace", timeout=COMMAND_TIMEOUT_S,
        )  # fmt: skip
        if done.returncode != 0:
            raise MachineFailed(f"{command}\nexited with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def enter(self, *, network: bool = False) -> list[str]:
        """The words in front of a command that runs on the machine."""
        namespaces = ["-m", "-u", "-i", "-p", *([] if network else ["-n"])]
        environment = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb"}
        environment |= _pip_environment() if network else {}
        variables = [f"{name}={value}" for name, value in environment.items()]
        return ["nsenter", "-t", str(self._init_pid), *namespaces, "-r", "-w", "env", "-i", *variables]

    def enter_network(self) -> list[str]:
        """The words in front of a program of this computer that uses the machine's network."""
        return ["nsenter", "-t", str(self._init_pid), "-n"]

    def copy_out(self, path: str, file: Path) -> None:
        """Copy a file of the machine to this computer."""
        with file.open("wb") as out:
            subprocess.run([*self.enter(), "cat", path], stdout=out, check=True, timeout=COMMAND_TIMEOUT_S)

    def copy_in(self, file: Path, path: str) -> None:
        """Write a file of the machine. Owner and mode of one that exists stay."""
        command = [*self.enter(), "sh", "-c", 'cat > "$1"', "sh", path]
        subprocess.run(command, input=file.read_bytes(), check=True, timeout=COMMAND_TIMEOUT_S)

    def logs(self) -> str:
        """The last lines of the service and of Asterisk."""
        commands = [
            "journalctl -u ivr -n 40",
            "cat /var/log/ivr.stand-in.log",
            "tail -n 40 /var/log/asterisk/messages.log",
        ]
        return self.run(f"{{ {'; '.join(commands)}; }} 2>/dev/null || true")

    def _start(self, layers: Sequence[Path]) -> None:
        log = (self._folder / "console.log").open("wb")
        command = ["unshare", "-m", "-n", "-p", "-u", "-i", "-f", "--kill-child", "--propagation", "private"]
        command += ["-C"] if self._cgroup else []
        script = "\n".join(["set -e", *self._mount_lines(layers), *self._boot_lines()])
        join = f"echo $$ > {self._cgroup}/cgroup.procs && " if self._cgroup else ""
        if self._cgroup:
            self._cgroup.mkdir()
        self._process = subprocess.Popen(
            ["sh", "-c", f"{join} exec {shlex.join([*command, 'sh', '-c', script])}"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        log.close()
        self._wait_until_booted()

    def _mount_lines(self, layers: Sequence[Path]) -> list[str]:
        root = self.root
        lower = ":".join(map(str, layers))
        changes, work = self._folder / "changes", self._folder / "work"
        overlay = f"mount -t overlay overlay -o lowerdir={lower},upperdir={changes},workdir={work} {root}"
        copy = "; ".join(f"cp -a {layer}/. {root}" for layer in reversed(layers))
        lines = [
            f"{overlay} 2>/dev/null || {{ {copy}; }}",
            f"mount -t proc proc {root}/proc",
            f"mount -t sysfs sysfs {root}/sys || mount -t tmpfs tmpfs {root}/sys",
            f"mount -t tmpfs tmpfs {root}/run",
            f"mkdir -p {root}/run/asterisk && chroot {root} chown asterisk:asterisk /run/asterisk",
            f"mount -t tmpfs -o mode=755 tmpfs {root}/dev",
            f"mkdir {root}/dev/pts {root}/dev/shm",
            *(f"touch {root}/dev/{name} && mount --bind /dev/{name} {root}/dev/{name}" for name in DEVICES),
            f"mount -t devpts -o newinstance,ptmxmode=0666 devpts {root}/dev/pts",
            f"ln -s pts/ptmx {root}/dev/ptmx && ln -s /proc/self/fd {root}/dev/fd",
            "ip link set lo up",
            f"cp /etc/resolv.conf {root}/etc/resolv.conf",
            f"echo '127.0.0.1 localhost {os.uname().nodename}' > {root}/etc/hosts",
        ]
        if self._cgroup:
            lines += [f"mkdir -p {root}/sys/fs/cgroup", f"mount -t cgroup2 cgroup2 {root}/sys/fs/cgroup"]
        for path, place in [*zip(PIP_FILES, PIP_FILES, strict=True), (CERTIFICATES, CERTIFICATES_COPY)]:
            if Path(path).exists():
                lines.append(f"mkdir -p {root}{Path(place).parent} && cp -RL {path} {root}{place}")
        staged = self._folder / "files"
        staged.mkdir()
        for name, content in self._files.items():
            file = staged / name.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        lines.append(f"cp -R {staged}/. {root}")
        checkout = f"{root}/usr/src/ivr"
        excluded = " ".join(f"--exclude ./{name}" for name in (".venv", ".asterisk", ".git", "demo-data"))
        lines.append(f"mkdir -p {checkout} && tar -C {CHECKOUT} -cf - {excluded} . | tar -C {checkout} -xf -")
        lines.append(f"chown -R root:root {checkout}")
        return lines

    def _boot_lines(self) -> list[str]:
        if self.has_systemd:
            start = "/lib/systemd/systemd --log-target=console --unit=multi-user.target"
        else:
            start = "/bin/sh -c 'systemctl start asterisk; exec sleep infinity'"
        stand_in = [
            f"mkdir -p {self.root}/run/systemd/system",  # By this folder programs know that systemd runs.
            f"install -m 755 {STAND_IN} {self.root}/usr/local/bin/systemctl",
        ]
        return [
            *([] if self.has_systemd else stand_in),
            f"cd {self.root}",
            f"exec env -i container=ivr PATH={PATH} chroot {self.root} {start}",
        ]

    def _wait_until_booted(self) -> None:
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        answer = ""
        while "fully booted" not in answer:
            assert self._process
            if self._process.poll() is not None or time.monotonic() > deadline:
                console = (self._folder / "console.log").read_text(errors="replace")
                raise MachineFailed(f"the machine did not start: {answer}\n{console[-3000:]}")
            time.sleep(0.2)
            self._init_pid = _only_child(self._process.pid)
            if self._init_pid:
                with suppress(MachineFailed):
                    answer = self.run("asterisk -rx 'core waitfullybooted'")


def prepare_layers(packages: Sequence[str] = ()) -> list[Path]:
    """The folders that are the tree of a machine, the upper one first: more packages, systemd, Debian with Asterisk.

    Each is made once. Raises `AsteriskUnavailable`.
    """
    layers = [debian_root(CACHE / "root")]
    layers.insert(0, _make_layer(CACHE / "systemd", INIT_PACKAGES, layers))
    if packages:
        layers.insert(0, _make_layer(CACHE / f"with-{packages[0]}", packages, layers))
    return layers


def _make_layer(layer: Path, packages: Sequence[str], below: Sequence[Path]) -> Path:
    """Return the folder of a layer: what installing `packages` changes in the layers below it."""
    if (layer / "done" / ".ready").exists():
        return layer / "done"
    shutil.rmtree(layer, ignore_errors=True)
    for name in ("done", "work", "mount"):
        (layer / name).mkdir(parents=True)
    root = layer / "mount"
    options = f"lowerdir={':'.join(map(str, below))},upperdir={layer}/done,workdir={layer}/work"
    script = f"""
        set -e
        mount -t overlay overlay -o {options} {root}
        mount -t proc proc {root}/proc
        cp /etc/resolv.conf {root}/etc/resolv.conf
        printf '%s\\n' {shlex.quote(_apt_options())} > {root}/etc/apt/apt.conf.d/90machine
        printf '#!/bin/sh\\nexit 101\\n' > {root}/usr/sbin/policy-rc.d
        chmod 755 {root}/usr/sbin/policy-rc.d
        export DEBIAN_FRONTEND=noninteractive
        chroot {root} apt-get -q update
        chroot {root} apt-get -q install -y --no-install-recommends {" ".join(packages)}
        rm {root}/usr/sbin/policy-rc.d
        touch {root}/.ready
    """
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AsteriskUnavailable(f"{', '.join(packages)} not installed:\n{(done.stdout + done.stderr)[-2000:]}")
    return layer / "done"


def _apt_options() -> str:
    """Options of this computer's apt that reach an archive: proxies, and whether dates are checked."""
    listed = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in listed.splitlines() if line.startswith(APT_OPTIONS) and '""' not in line)


def _pip_environment() -> dict[str, str]:
    """Settings of this computer's pip in its environment. Folders are left out: the machine does not have them."""
    settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    settings = {name: value for name, value in settings.items() if not Path(value).is_dir()}
    return settings | ({"PIP_CERT": CERTIFICATES_COPY} if Path(CERTIFICATES).exists() else {})


def _cgroup2_mount() -> Path:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ")
        if after.split()[0] == "cgroup2":
            return Path(before.split()[4])
    raise MachineFailed("no cgroup2 hierarchy is mounted")


def _can_make_folder(parent: Path) -> bool:
    folder = parent / f"ivr-probe-{os.getpid()}"
    try:
        folder.mkdir()
        folder.rmdir()
    except OSError:
        return False
    return True


def _remove_cgroups(top: Path) -> None:
    """Remove a control group and those below it, as soon as the kernel has ended the processes in them."""
    deadline = time.monotonic() + END_TIMEOUT_S
    while top.exists() and time.monotonic() < deadline:
        for folder, _, _ in os.walk(top, topdown=False):
            with suppress(OSError):
                os.rmdir(folder)
        time.sleep(0.05)


def _only_child(pid: int) -> int:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    return int(children[0]) if children else 0
