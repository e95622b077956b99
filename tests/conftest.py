"""Fixtures of all tests."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support import app_fixture
from tests.support.app_fixture import AppFixture
from tests.support.patient_loop import PatientLoop

if TYPE_CHECKING:
    from tests.support.postgresql_server import PostgresqlServer
    from tests.support.s3_server import S3Server

# A deadline would make a property test depend on the speed of the machine. Each run tries the same few values, so that
# a failure is of the change that was made; IVR_TEST_ALL=1 tries more, and others each time.
TRIES_ALL = bool(os.environ.get("IVR_TEST_ALL"))
settings.register_profile(
    "this-project", deadline=None, derandomize=not TRIES_ALL, max_examples=100 if TRIES_ALL else 40
)
settings.load_profile("this-project")

REAL_TIME_FOLDERS = ("asterisk", "bench", "browser")
"""Folders of tests whose other end keeps its own time."""


ENGINES = ("sqlite", "postgresql")
FOLDERS_OF_BOTH_ENGINES = ("api", "directory", "mailbox", "menus", "notifications", "recovery", "retention", "storage")
"""With IVR_TEST_ALL=1 all tests of these folders run on PostgreSQL too; with IVR_TEST_ENGINE=postgresql only there."""
CHOSEN_ENGINES = tuple(filter(None, [os.environ.get("IVR_TEST_ENGINE")])) or (ENGINES if TRIES_ALL else ())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that is marked `both_engines` on each of them. `sqlite_only` tests what only that engine has."""
    folder = metafunc.definition.path.relative_to(Path(__file__).parent).parts[0]
    if metafunc.definition.get_closest_marker("sqlite_only"):
        return
    is_chosen = CHOSEN_ENGINES and folder in FOLDERS_OF_BOTH_ENGINES and "app" in metafunc.fixturenames
    if is_chosen or metafunc.definition.get_closest_marker("both_engines"):
        metafunc.parametrize("engine", CHOSEN_ENGINES or ENGINES, indirect=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A server for all tests; each makes a database of its own."""
    from tests.support.postgresql_server import missing_reason, run_postgresql

    if reason := missing_reason():
        pytest.skip(reason)
    with run_postgresql() as server:
        yield server


@pytest.fixture(autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The engine of the databases of this test. Installations with the same folder have the same database."""
    name = getattr(request, "param", ENGINES[0])
    urls: dict[Path, str] = {}
    if name == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql")

        def url_of(folder: Path) -> str:
            if folder not in urls:
                urls[folder] = server.create_installation()
            return urls[folder]

        monkeypatch.setattr(app_fixture, "database_url", url_of)
    yield name
    for url in urls.values():
        server.release(url)


@pytest.fixture
def s3_server() -> Iterator[S3Server]:
    """An object store, empty."""
    from tests.support.s3_server import run_s3_server

    with run_s3_server() as server:
        yield server


@pytest.fixture(autouse=True)
def audio_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store of recordings of all installations of this test: with IVR_TEST_AUDIO=s3 an object store."""
    if os.environ.get("IVR_TEST_AUDIO") == "s3" or request.node.get_closest_marker("object_store"):
        server: S3Server = request.getfixturevalue("s3_server")
        monkeypatch.setattr(app_fixture, "audio_settings", lambda folder: server.settings(folder.name))


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """What each test runs in."""
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    return {"real": asyncio.new_event_loop} if folder in REAL_TIME_FOLDERS else {"patient": PatientLoop}


@pytest.fixture(scope="session", autouse=True)
def _tree_of_commands() -> Iterator[None]:
    """Typer builds the tree of all commands anew for each command that a test runs: most of the time of those tests."""
    import typer.main

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("typer.testing._get_command", cache(typer.main.get_command))
        yield


@pytest.fixture(autouse=True)
def _isolated_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the ivr.toml and the IVR_* variables of the environment that runs the tests."""
    for name in [name for name in os.environ if name.startswith("IVR_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _fixed_umask() -> Iterator[None]:
    """`ivr serve` and `ivr demo` set one for the whole process, which would be that of all tests behind theirs."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def _log_of_one_test() -> Iterator[None]:
    """A command sets up the log of the whole process, which would be that of all tests behind it."""
    import structlog

    yield
    structlog.reset_defaults()


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[AppFixture]:
    app = await AppFixture(tmp_path / "data").open()
    yield app
    app.close()
