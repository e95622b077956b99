"""Which engine a connection, or the tables of a migration, belong to: for the few things that they do differently."""

from __future__ import annotations

from typing import Any


def is_postgresql(connection: Any) -> bool:
    """Return whether statements of this connection, or of these tables, are executed by PostgreSQL."""
    return getattr(connection, "is_postgresql", False) is True
