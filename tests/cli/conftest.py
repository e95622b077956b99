"""Fixtures that run the `ivr` command on a data folder of their own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from ivr.audio import wav
from tests.support.all_commands import command
from tests.support.service_site import Site

Ivr = Callable[..., Result]


@pytest.fixture
def ivr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ivr]:
    """Run `ivr WORDS...`. `fails`: the expected exit code; `given`: standard input."""
    yield _prepare_ivr(tmp_path / "data", monkeypatch)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def populated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the account demo, the user alice with a phone, and box 1000; it is copied, not used."""
    folder = tmp_path_factory.mktemp("populated") / "data"
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in [name for name in os.environ if name.startswith("IVR_")]:
            monkeypatch.delenv(name)
        ivr = _prepare_ivr(folder, monkeypatch)
        ivr("account", "create", "demo", "--timezone", "Europe/Berlin")
        ivr("user", "create", "alice", "email=alice@demo.example")
        ivr("endpoint", "add", "alice-desk", "alice")
        ivr("box", "create", "1000", "--owner", "alice", "--pin", "4716", "is_setup=true")
    structlog.reset_defaults()
    return folder


@pytest.fixture
def populated_ivr(populated_folder: Path, ivr: Ivr, tmp_path: Path) -> Ivr:
    """`ivr` on a copy of `populated_folder`."""
    shutil.copytree(populated_folder, tmp_path / "data")
    return ivr


def _prepare_ivr(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Ivr:
    monkeypatch.setenv("IVR_DATA__FOLDER", str(folder))
    monkeypatch.setenv("IVR_PINS__BCRYPT_COST", "4")
    monkeypatch.setenv("IVR_DATA__FSYNC", "false")
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    monkeypatch.setattr(structlog, "configure", lambda **_: None)

    def run(*words: str, fails: int = 0, given: str = "") -> Result:
        result = CliRunner().invoke(command, words, input=given)
        assert result.exit_code == fails, result.output
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture(scope="session")
def created_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("created") / "data").create()


@pytest.fixture
def site(created_site: Site, tmp_path: Path) -> Site:
    shutil.copytree(created_site.folder, tmp_path / "data")
    return Site(tmp_path / "data")


def parse_json(result: Result) -> Any:
    return json.loads(result.stdout)


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    """One second of sound."""
    file = tmp_path / "hello.wav"
    wav.write(file, b"\x10\x20" * 8000)
    return file
