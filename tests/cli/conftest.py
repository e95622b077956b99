"""Fixtures that run the `ivr` command on a data folder of their own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from ivr.cli.command import command
from tests.support.service_site import Site

Ivr = Callable[..., Result]


@pytest.fixture
def ivr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ivr]:
    """Run `ivr WORDS...`. `fails`: the expected exit code; `given`: standard input."""
    monkeypatch.setenv("IVR_DATA__FOLDER", str(tmp_path / "data"))
    monkeypatch.setenv("IVR_PINS__BCRYPT_COST", "4")
    monkeypatch.setenv("IVR_DATA__FSYNC", "false")
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    monkeypatch.setattr(structlog, "configure", lambda **_: None)

    def run(*words: str, fails: int = 0, given: str = "") -> Result:
        result = CliRunner().invoke(command, words, input=given)
        assert result.exit_code == fails, result.output
        assert "Traceback" not in result.output
        return result

    yield run
    structlog.reset_defaults()


@pytest.fixture
def populated_ivr(ivr: Ivr) -> Ivr:
    """An installation with the account demo, the user alice with a phone, and box 1000."""
    ivr("account", "create", "demo", "--timezone", "Europe/Berlin")
    ivr("user", "create", "alice", "email=alice@demo.example")
    ivr("endpoint", "add", "alice-desk", "alice")
    ivr("box", "create", "1000", "--owner", "alice", "--pin", "4716", "is_setup=true")
    return ivr


@pytest.fixture(scope="session")
def created_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("created") / "data").create()


@pytest.fixture
def site(created_site: Site, tmp_path: Path) -> Site:
    shutil.copytree(created_site.folder, tmp_path / "data")
    return Site(tmp_path / "data")


def parse_json(result: Result) -> Any:
    return json.loads(result.stdout)
