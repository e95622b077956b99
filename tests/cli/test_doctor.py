"""`ivr doctor`, as it is typed: where it begins before anything can be built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ivr import settings
from ivr.doctor import console
from tests.cli.conftest import Ivr, answer


def said(ivr: Ivr, check: str) -> dict[str, Any]:
    """What it says of one thing; there is always something to mend here, for no Asterisk runs."""
    found = [finding for finding in answer(ivr("doctor", "--json", fails=1)) if finding["check"] == check]
    return dict(found[-1])


def test_a_line_each_and_an_exit_code(lived_in: Ivr) -> None:
    shown = lived_in("doctor", fails=1).stdout.splitlines()
    assert all(line.split()[0] in ("ok", "warning", "problem") for line in shown)
    assert all("  → " in line for line in shown if not line.startswith("ok"))
    assert any(line.startswith("problem") and "start Asterisk" in line for line in shown)


def test_wrong_settings_are_the_first_thing_to_mend(ivr: Ivr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ivr.toml").write_text("[fastagi]\nprot = 1\n")
    monkeypatch.setenv("IVR_CONFIG", str(tmp_path / "ivr.toml"))
    finding = said(ivr, "config")
    assert "fastagi.prot: there is no such setting" in finding["what"]
    assert "docs/settings.md" in finding["remedy"]


def test_settings_that_are_not_ours_to_read(ivr: Ivr, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> None:
        raise PermissionError(13, "Permission denied", "/etc/ivr/ivr.toml")

    monkeypatch.setattr(settings, "load", refused)
    finding = said(ivr, "config")
    assert "/etc/ivr/ivr.toml" in finding["what"]
    assert finding["remedy"] == "run ivr doctor as root, or as the service's user"


def test_before_the_first_account_there_is_no_database_and_none_is_made(ivr: Ivr, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert said(ivr, "database")["remedy"] == "ivr account create NAME makes it"
    assert list((tmp_path / "data").iterdir()) == []


def test_a_database_that_is_none(lived_in: Ivr, tmp_path: Path) -> None:
    for name in ("ivr.db", "ivr.db-wal", "ivr.db-shm"):
        (tmp_path / "data" / name).unlink(missing_ok=True)
    (tmp_path / "data" / "ivr.db").write_bytes(b"this is no database" * 1000)
    finding = said(lived_in, "database")
    assert finding["level"] == "problem"
    assert "not a database" in finding["what"]
    assert "bring back" in finding["remedy"]


def test_a_console_that_is_no_program(lived_in: Ivr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVR_ASTERISK__CONSOLE", "/no/such/asterisk -C /x")
    finding = said(lived_in, "asterisk")
    assert "/no/such/asterisk" in finding["what"]
    assert "[asterisk] console" in finding["remedy"]


def test_a_console_that_hangs(lived_in: Ivr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVR_ASTERISK__CONSOLE", "sh -c 'exec sleep 60'")
    monkeypatch.setattr(console, "ANSWER_WITHIN_S", 0.2)
    finding = said(lived_in, "asterisk")
    assert "timed out" in finding["what"]
    assert "start Asterisk" in finding["remedy"]


def test_a_console_that_refuses(lived_in: Ivr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVR_ASTERISK__CONSOLE", "sh -c 'echo Unable to connect to remote asterisk >&2; exit 1'")
    assert "Unable to connect to remote asterisk" in said(lived_in, "asterisk")["what"]
