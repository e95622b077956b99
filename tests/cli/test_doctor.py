"""`ivr doctor`: its output, and its findings if settings or database cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ivr import settings
from ivr.doctor.console import ConsoleUnavailable, RemoteConsole
from tests.cli.conftest import Ivr, parse_json


def finding_of(ivr: Ivr, check: str) -> dict[str, Any]:
    """Return the last finding of one check. The exit code is 1, because no Asterisk runs."""
    found = [finding for finding in parse_json(ivr("doctor", "--json", fails=1)) if finding["check"] == check]
    return dict(found[-1])


def test_findings_are_printed_one_per_line_with_exit_code(populated_ivr: Ivr) -> None:
    shown = populated_ivr("doctor", fails=1).stdout.splitlines()
    assert all(line.split()[0] in ("ok", "warning", "problem", "#") for line in shown)
    assert all("  → " in line for line in shown if line.startswith(("warning", "problem")))
    assert any(line.startswith("problem") and "start Asterisk" in line for line in shown)


def test_invalid_setting_is_reported(ivr: Ivr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ivr.toml").write_text("[fastagi]\nprot = 1\n")
    monkeypatch.setenv("IVR_CONFIG", str(tmp_path / "ivr.toml"))
    finding = finding_of(ivr, "config")
    assert "fastagi.prot: unknown setting" in finding["what"]
    assert "docs/settings.md" in finding["remedy"]


def test_unreadable_settings_file_is_reported(ivr: Ivr, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> None:
        raise PermissionError(13, "Permission denied", "/etc/ivr/ivr.toml")

    monkeypatch.setattr(settings, "load", refused)
    finding = finding_of(ivr, "config")
    assert "/etc/ivr/ivr.toml" in finding["what"]
    assert finding["remedy"] == "sudo ivr doctor"


def test_before_the_first_account_there_is_no_database_and_none_is_made(ivr: Ivr, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert finding_of(ivr, "database")["command"] == "ivr account create NAME"
    assert list((tmp_path / "data").iterdir()) == []


def test_invalid_database_file_is_reported(populated_ivr: Ivr, tmp_path: Path) -> None:
    for name in ("ivr.db", "ivr.db-wal", "ivr.db-shm"):
        (tmp_path / "data" / name).unlink(missing_ok=True)
    (tmp_path / "data" / "state" / "ivr.db").write_bytes(b"this is no database" * 1000)
    finding = finding_of(populated_ivr, "database")
    assert finding["level"] == "problem"
    assert "not a database" in finding["what"]
    assert "ivr restore FOLDER --replace" in finding["command"]


def test_missing_asterisk_console_is_reported(populated_ivr: Ivr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVR_ASTERISK__CONSOLE_COMMAND", "/no/such/asterisk -C /x")
    finding = finding_of(populated_ivr, "asterisk")
    assert "/no/such/asterisk" in finding["what"]
    assert "console_command in [asterisk]" in finding["remedy"]


def test_hanging_asterisk_console_is_reported() -> None:
    with pytest.raises(ConsoleUnavailable, match=r"no reply in 0\.2 s"):
        RemoteConsole("sh -c 'exec sleep 60'", timeout_s=0.2).run_command("core show version")


def test_refusing_asterisk_console_is_reported(populated_ivr: Ivr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVR_ASTERISK__CONSOLE_COMMAND", "sh -c 'echo Unable to connect to remote asterisk >&2; exit 1'")
    assert "Unable to connect to remote asterisk" in finding_of(populated_ivr, "asterisk")["what"]


def test_lost_pepper_is_reported_and_stops_the_service(populated_ivr: Ivr, tmp_path: Path) -> None:
    pepper = tmp_path / "data" / "state" / "pepper"
    original = pepper.read_text()
    pepper.unlink()
    assert "cp FILE" in finding_of(populated_ivr, "pepper")["command"]
    assert not pepper.exists(), "the doctor changes nothing"
    pepper.write_text("another")
    assert "every PIN is wrong" in finding_of(populated_ivr, "pepper")["what"]
    assert "restore it from a backup" in populated_ivr("serve", fails=1).stderr
    assert "restore it from a backup" in populated_ivr("box", "pin", "1000", given="739104\n", fails=1).stderr
    pepper.write_text(original)
    populated_ivr("box", "pin", "1000", given="739104\n")
    assert "pepper" not in {finding["check"] for finding in parse_json(populated_ivr("doctor", "--json", fails=1))}


def test_new_pepper_can_be_accepted(populated_ivr: Ivr, tmp_path: Path) -> None:
    (tmp_path / "data" / "state" / "pepper").write_text("another")
    populated_ivr("pepper", "accept", fails=2)
    assert "set PINs" in populated_ivr("pepper", "accept", "--yes").stdout
    populated_ivr("box", "pin", "1000", given="739104\n")
