"""PostgreSQL as sites run it for several nodes: a primary, its synchronous standby, and haproxy in front of both.

All are in a network namespace of their own. Each node has a link to it, which can be cut: answers are lost then, and
no end of it gets a sign.
"""

from __future__ import annotations

import os
import pwd
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from tests.lab.processes import StartFailed
from tests.support.free_port import free_port
from tests.support.postgresql_server import IN_MEMORY, find_program, missing_reason

PORT = 5432
TIMEOUT_S = 30.0
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",  # The machine stays on; what a standby has confirmed counts here.
    "synchronous_commit": "on",
    "wal_keep_size": "256MB",
    "max_connections": "150",
    "autovacuum": "off",
}
HAPROXY_CONF = """
global
    maxconn 400
defaults
    mode tcp
    timeout connect 2s
    timeout check 1s
    timeout client 1h
    timeout server 1h
listen postgresql
    bind 0.0.0.0:{port}
    option tcp-check
    tcp-check connect
    tcp-check send-binary {startup}
    tcp-check expect binary {primary}
    default-server inter 500ms fastinter 200ms downinter 300ms fall 2 rise 1 on-marked-down shutdown-sessions
{servers}
"""


class DatabasePair:
    """`links`: names of what connects to it, each over a link of its own."""

    def __init__(self, links: Sequence[str]) -> None:
        self._links = {name: number for number, name in enumerate(links)}
        self._subnet = f"198.18.{random.randrange(256)}"  # For tests of networks (RFC 2544).
        self._id = f"{os.getpid() % 100_000:05}"
        self._namespace = f"ivr-database-{self._id}"
        self._folder = Path(tempfile.mkdtemp(prefix="ivr-pair-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
        self._user = pwd.getpwnam("postgres")
        self._ports = [free_port(), free_port()]
        self._primary = 0
        self._servers: list[subprocess.Popen[bytes] | None] = [None, None]
        self._proxy: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start all three. Raises `StartFailed`."""
        os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        self._folder.chmod(0o755)
        self._create_network()
        self._create_primary()
        self.restore_standby()
        self.start_proxy()

    def url(self, link: str) -> str:
        """The `database.url` of who connects over this link."""
        # haproxy takes both servers for primaries until it has asked them.
        return f"postgresql://ivr@{self._subnet}.{4 * self._links[link] + 2}:{PORT}/ivr?target_session_attrs=read-write"

    def primary_pids(self) -> list[int]:
        """Of the primary and of what serves its connections."""
        process = self._servers[self._primary]
        return [process.pid, *_children(process.pid)] if process else []

    def lose_primary(self) -> None:
        """Kill the primary, with all that it has stored, and promote the standby a second later."""
        self._kill(self._primary)
        shutil.rmtree(self._data(self._primary))
        self._primary = 1 - self._primary
        time.sleep(1)
        self._run("pg_ctl", "-D", str(self._data(self._primary)), "-w", "promote")

    def restore_standby(self) -> None:
        """Make a new standby of the primary, and let commits wait for it."""
        standby, primary = 1 - self._primary, self._primary
        source = f"host=127.0.0.1 port={self._ports[primary]} user=postgres"
        self._run("pg_basebackup", "-D", str(self._data(standby)), "-d", source, "-R", "-X", "stream", "-c", "fast")
        self._start_server(standby)
        with self._connect(primary) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
            self._wait(connection, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'", "standby")

    def start_proxy(self) -> None:
        """Start haproxy, and wait until it leads to the primary alone."""
        name = b"in_hot_standby\0off"  # What a primary says of itself to who connects (PostgreSQL 14 or newer).
        startup = b"\0\x03\0\0user\0ivr\0database\0ivr\0\0"
        text = HAPROXY_CONF.format(
            port=PORT,
            startup=(len(startup) + 4).to_bytes(4, "big").hex() + startup.hex(),
            primary=name.hex(),
            servers="\n".join(f"    server db{n} 127.0.0.1:{port} check" for n, port in enumerate(self._ports)),
        )
        (self._folder / "haproxy.cfg").write_text(text)
        with (self._folder / "haproxy.log").open("ab") as log:
            command = self._inside(_find("haproxy"), "-db", "-f", str(self._folder / "haproxy.cfg"))
            self._proxy = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait_for_primary()

    def wait_for_primary(self) -> None:
        """Wait until haproxy leads to the primary alone. Raises `StartFailed`."""
        deadline = time.monotonic() + TIMEOUT_S
        in_a_row = 0
        while in_a_row < 4:  # It leads to the servers in turn.
            try:
                psycopg.connect(self.url(next(iter(self._links))), connect_timeout=2).close()
                in_a_row += 1
            except psycopg.Error as error:
                in_a_row = 0
                if time.monotonic() > deadline:
                    raise StartFailed(f"haproxy does not lead to PostgreSQL: {error}") from error
                time.sleep(0.1)

    def kill_proxy(self) -> None:
        if self._proxy and self._proxy.poll() is None:
            self._proxy.kill()
            self._proxy.wait()

    def cut_link(self, link: str) -> None:
        """Lose all answers on their way: neither side is told."""
        _call("ip", "-n", self._namespace, "route", "add", "blackhole", f"{self._near_address(link)}/32")

    def restore_link(self, link: str) -> None:
        _call("ip", "-n", self._namespace, "route", "del", "blackhole", f"{self._near_address(link)}/32")

    def stop(self) -> None:
        """End all, and take network and data away."""
        self.kill_proxy()
        for number in range(2):
            self._kill(number)
        for name in self._links:
            _call("ip", "link", "del", self._interface(name, "n"), check=False)
        _call("ip", "netns", "del", self._namespace, check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _create_network(self) -> None:
        _call("ip", "netns", "add", self._namespace)
        _call("ip", "-n", self._namespace, "link", "set", "lo", "up")
        for name, number in self._links.items():
            near, far = self._interface(name, "n"), self._interface(name, "f")
            _call("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", self._namespace)
            _call("ip", "addr", "add", f"{self._near_address(name)}/30", "dev", near)
            _call("ip", "link", "set", near, "up")
            _call("ip", "-n", self._namespace, "addr", "add", f"{self._subnet}.{4 * number + 2}/30", "dev", far)
            _call("ip", "-n", self._namespace, "link", "set", far, "up")

    def _interface(self, link: str, end: str) -> str:
        return f"ivr{self._id}{end}{self._links[link]}"

    def _near_address(self, link: str) -> str:
        return f"{self._subnet}.{4 * self._links[link] + 1}"

    def _create_primary(self) -> None:
        data = self._data(0)
        self._run("initdb", "-D", str(data), "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale", "C.UTF-8")
        lines = ("local all all trust", "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust")
        (data / "pg_hba.conf").write_text("\n".join(lines) + "\n")
        self._start_server(0)
        with self._connect(0) as connection:
            connection.execute("CREATE USER ivr")
            connection.execute("CREATE DATABASE ivr OWNER ivr")

    def _start_server(self, number: int) -> None:
        settings = {**SETTINGS, "port": self._ports[number], "unix_socket_directories": self._folder}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = self._inside(*self._as_server(), str(find_program("postgres")), "-D", str(self._data(number)), *words)
        with (self._folder / f"postgresql-{number}.log").open("ab") as log:
            self._servers[number] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder, start_new_session=True
            )
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            with suppress(psycopg.OperationalError), self._connect(number):
                return
            if time.monotonic() > deadline:
                raise StartFailed(f"PostgreSQL does not start; its log is in {self._folder}")
            time.sleep(0.1)

    def _kill(self, number: int) -> None:
        """Kill a server with all its processes, which have sessions of their own."""
        process, self._servers[number] = self._servers[number], None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGSTOP)  # It starts no more.
        for pid in _children(process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.kill()
        process.wait()

    def _data(self, number: int) -> Path:
        return self._folder / f"data-{number}"

    def _connect(self, number: int) -> psycopg.Connection[Any]:
        where = f"host={self._folder} port={self._ports[number]} dbname=postgres user=postgres"
        return psycopg.connect(where, autocommit=True)

    def _wait(self, connection: psycopg.Connection[Any], count: str, what: str) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not connection.execute(count.encode()).fetchone()[0]:  # type: ignore[index]
            if time.monotonic() > deadline:
                raise StartFailed(f"the {what} of PostgreSQL does not follow; its log is in {self._folder}")
            time.sleep(0.1)

    def _run(self, program: str, *words: str) -> None:
        _call(*self._inside(*self._as_server(), str(find_program(program)), *words), cwd=self._folder)

    def _inside(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self._namespace, *command]

    def _as_server(self) -> list[str]:
        return ["setpriv", f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}", "--clear-groups"]


def unavailable_reason() -> str:
    """Return why there can be no pair here; "" if there can be one."""
    for program in ("ip", "setpriv", "haproxy"):
        if not _find(program):
            return f"there is no {program}: apt install iproute2 util-linux haproxy"
    return missing_reason()


def _find(program: str) -> str:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _call(*command: str, check: bool = True, cwd: Path | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    if check and done.returncode:
        raise StartFailed(f"{' '.join(command)}: {done.stderr.strip()}")
