"""Fixtures of all tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.house import House


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
