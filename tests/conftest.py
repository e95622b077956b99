"""Fixtures of all tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.house import House
from tests.support.patience import PatientLoop

IN_REAL_TIME = ("asterisk", "bench")
"""Folders of tests whose other end keeps its own time."""


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """What each test runs in."""
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    return {"real": asyncio.new_event_loop} if folder in IN_REAL_TIME else {"patient": PatientLoop}


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test reads the ivr.toml or the IVR_* variables of whoever runs it."""
    import os

    for name in [name for name in os.environ if name.startswith("IVR_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _umask_of_this_machine() -> Iterator[None]:
    """`ivr serve` and `ivr demo` set one for the whole process, which would be that of all tests behind theirs."""
    import os

    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = await House(tmp_path / "data").open()
    yield house
    house.close()
