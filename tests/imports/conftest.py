"""Fixtures for imports from tables of PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.imports.postgresql_server import PostgresqlServer, missing_reason, run_postgresql


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A server for all tests; each makes a database of its own."""
    if reason := missing_reason():
        pytest.skip(reason)
    with run_postgresql() as server:
        yield server
