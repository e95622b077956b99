"""A PostgreSQL of Debian on a Unix socket, started for tests: of its tables as a source, and as our own database."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from ivr.storage.postgresql.database import PostgresqlDatabase
from ivr.storage.postgresql.url import DatabaseUrl

PROGRAMS = [Path("/usr/bin"), *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
PASSWORD = "correct horse"
TIMEOUT_S = "60"
IN_MEMORY = Path("/dev/shm")
"""A folder in memory: a new cluster writes 40 MB."""


class PostgresqlServer:
    """A running server. The superuser and `ivr` are trusted on the socket; the user `site` needs a password."""

    def __init__(self, socket_folder: Path) -> None:
        self.socket_folder = socket_folder
        self._numbers = itertools.count(1)
        self._free: list[str] = []

    def create_database(self, name: str, script: str) -> str:
        """Create a database by an SQL script, readable for `site`; return its connection string."""
        with self.connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        with self.connect(name) as connection:
            connection.execute(script)
            connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO site")
        return f"host={self.socket_folder} dbname={name} user=site"

    def create_installation(self) -> str:
        """Return the `database.url` of a database with our tables and no rows."""
        if self._free:
            return self._free.pop()
        name = f"ivr_{next(self._numbers)}"
        with self.connect("postgres") as connection:
            if name == "ivr_1":
                connection.execute("CREATE DATABASE ivr_template OWNER ivr")
                PostgresqlDatabase(DatabaseUrl(self.url("ivr_template")), connections=2).close()
            connection.execute(f"CREATE DATABASE {name} TEMPLATE ivr_template OWNER ivr".encode())
        return self.url(name)

    def url(self, name: str, user: str = "ivr") -> str:
        """Return the `database.url` of a database."""
        return f"postgresql://{user}@/{name}?host={self.socket_folder}"

    def release(self, url: str) -> None:
        """Empty a database of `create_installation` for the next test: to create one takes longer than most tests."""
        with self.connect(url.partition("?")[0].rpartition("/")[2]) as connection:
            connection.execute("SET session_replication_role = replica")  # No triggers, and no order of tables.
            tables = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migrations'"
            ).fetchall()
            connection.execute("; ".join(f'DELETE FROM "{table}"' for (table,) in tables).encode())
        self._free.append(url)

    def connect(self, name: str) -> psycopg.Connection[Any]:
        return psycopg.connect(f"host={self.socket_folder} dbname={name} user=postgres", autocommit=True)


def missing_reason() -> str:
    """Return why no server can be started here; "" if one can."""
    if not find_program("initdb"):
        return "there is no PostgreSQL: apt install postgresql"
    return "" if os.geteuid() or _server_user() else "there is no user postgres: PostgreSQL does not run as root"


@contextmanager
def run_postgresql() -> Iterator[PostgresqlServer]:
    """Run a server with an empty cluster in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="ivr-postgresql-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
    user = _server_user() if os.geteuid() == 0 else None
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)
    folder.chmod(0o755)
    data = folder / "data"

    def run(program: str, *words: str) -> None:
        command = [str(find_program(program)), *words]
        identity: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        environment = {"PATH": os.environ["PATH"]}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, env=environment, **identity)

    try:
        run("initdb", "-D", str(data), "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale", "C.UTF-8")
        hba = data / "pg_hba.conf"
        hba.write_text("local all postgres trust\nlocal all ivr trust\nlocal all all scram-sha-256\n")
        settings = "fsync=off synchronous_commit=off full_page_writes=off checkpoint_timeout=1h autovacuum=off"
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c {' -c '.join(settings.split())}"
        run("pg_ctl", "-D", str(data), "-w", "-t", TIMEOUT_S, "-l", str(folder / "log"), "-o", options, "start")
        server = PostgresqlServer(folder)
        with server.connect("postgres") as connection:
            connection.execute(f"CREATE USER site PASSWORD '{PASSWORD}'")
            connection.execute("CREATE USER ivr")
        try:
            yield server
        finally:
            run("pg_ctl", "-D", str(data), "-w", "-t", TIMEOUT_S, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_program(name: str) -> Path | None:
    """Return a program of PostgreSQL, or None if it is not installed."""
    return next((folder / name for folder in PROGRAMS if (folder / name).exists()), None)


def _server_user() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return None
