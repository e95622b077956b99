"""The address of a PostgreSQL database."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import conninfo

from ivr.errors import SettingsError
from ivr.storage.postgresql.error_translation import translate_postgresql_error

DEFAULT_PORT = "5432"
DEFAULTS = {
    "application_name": "ivr",
    "connect_timeout": "5",
    # A machine that is gone answers nothing: without this its silence is noticed after minutes.
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "5000",
}


class DatabaseUrl:
    """Address and options of a database, as libpq takes them. As a text it has no password.

    `source`: the setting or option that it comes from, as messages name it.
    """

    def __init__(self, url: str, source: str = "database.url") -> None:
        self._source = source
        try:
            options = {key: str(value) for key, value in conninfo.conninfo_to_dict(url).items()}
        except psycopg.ProgrammingError as error:
            raise SettingsError(
                f"{source} is no address of PostgreSQL ({str(error).strip()}): write it as"
                " postgresql://user:password@host/database"
            ) from error
        self._options = {**DEFAULTS, **options}
        self._dbname = conninfo.make_conninfo(**{key: value for key, value in options.items() if key != "password"})
        self._text = (
            f"postgresql://{options.get('user', '')}{'@' if 'user' in options else ''}"
            f"{_servers(options)}/{options.get('dbname', options.get('user', ''))}"
        )

    def __str__(self) -> str:
        return self._text

    @property
    def options(self) -> str:
        """What programs of PostgreSQL take as `--dbname`: the address and its options without the password."""
        return self._dbname

    def restore_command(self, dump: str) -> str:
        """Return the command that restores a file of pg_dump."""
        dbname = shlex.quote(self._dbname)
        return f"pg_restore --clean --if-exists --single-transaction --dbname={dbname} {dump}"

    def connect(self) -> psycopg.Connection[Any]:
        """Connect; each statement outside of a transaction is one of its own. Raises `StoreError`."""
        try:
            return psycopg.connect(conninfo.make_conninfo(**self._options), autocommit=True)
        except psycopg.Error as error:
            raise translate_postgresql_error(error, self._text, self._source) from error


def _servers(options: Mapping[str, str]) -> str:
    """Return hosts, or folders of sockets, with each port that is not PostgreSQL's own."""
    hosts, ports = options.get("host", "localhost").split(","), options.get("port", "").split(",")
    ports = ports if len(ports) == len(hosts) else ports * len(hosts)
    return ",".join(
        f"{f'[{host}]' if ':' in host else host}:{port}" if port not in ("", DEFAULT_PORT) else host
        for host, port in zip(hosts, ports, strict=False)
    )
