"""Which engine a connection, or the tables of a migration, belong to: for the few things that they do differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ivr.errors import SettingsError, install_command

if TYPE_CHECKING:
    from ivr.storage.postgresql.url import DatabaseUrl


def is_postgresql(connection: Any) -> bool:
    """Return whether statements of this connection, or of these tables, are executed by PostgreSQL."""
    return getattr(connection, "is_postgresql", False) is True


def parse_database_url(url: str, name: str) -> DatabaseUrl:
    """Return the address of PostgreSQL that is written in the setting or option `name`. Raises `SettingsError`."""
    try:
        from ivr.storage.postgresql.url import DatabaseUrl
    except ImportError as error:
        raise SettingsError(f"{name} needs the library psycopg ({error}): {install_command('scale')}") from error
    return DatabaseUrl(url, name)
