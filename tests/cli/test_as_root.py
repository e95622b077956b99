"""Administrators run commands as root; what these create must stay writable for the user of the service."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ivr.audio import wav
from tests.cli.conftest import Ivr, parse_json

SERVICE_UID, SERVICE_GID, OTHER_UID = 61002, 61000, 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it runs commands as root")


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """The data folder as `ivr install` leaves it: it belongs to the user of the service."""
    folder = tmp_path / "data"
    for made in (folder, folder / "takes"):
        made.mkdir()
        os.chown(made, SERVICE_UID, SERVICE_GID)
        made.chmod(0o2750)
    return folder


def test_files_that_root_creates_belong_to_the_service(ivr: Ivr, data_folder: Path, tmp_path: Path) -> None:
    wav.write(tmp_path / "hello.wav", b"\x10\x20" * 16_000)
    ivr("account", "create", "demo")
    ivr("user", "create", "alice", "email=alice@demo.example")
    ivr("endpoint", "add", "alice-desk", "alice")
    ivr("box", "create", "1000", "--owner", "alice", "--pin", "4716", "is_setup=true")
    ivr("message", "add", "1000", str(tmp_path / "hello.wav"))
    ivr("token", "create")
    [message] = parse_json(ivr("message", "list", "1000", "--json"))
    ivr("message", "export", "1000", message["id"], str(tmp_path / "out.wav"))
    ivr("maintain")
    ivr("pepper", "rotate")
    ivr("doctor", fails=1)
    owners = {path.relative_to(data_folder).as_posix(): path.lstat() for path in data_folder.rglob("*")}
    assert "state/ivr.db" in owners
    assert any(name.endswith(".wav") for name in owners)
    assert {name for name, stat in owners.items() if (stat.st_uid, stat.st_gid) != (SERVICE_UID, SERVICE_GID)} == set()
    assert owners["state/ivr.db"].st_mode & 0o077 == 0, "no other user can read the database"


@pytest.mark.parametrize(
    ("config", "code", "text"),
    [("", 5, "/data cannot be read: "), ("ivr.toml", 1, "/ivr.toml: Permission denied: ")],
)
def test_user_without_rights_is_not_told_that_there_is_nothing(
    config: str, code: int, text: str, ivr: Ivr, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Path.exists` and `Path.is_file` of Python 3.14 say no where a user may not look."""
    monkeypatch.setattr(Path, "exists", lambda path: os.path.exists(path))
    monkeypatch.setattr(Path, "is_file", lambda path: os.path.isfile(path))
    ivr("account", "create", "demo")
    monkeypatch.setenv("IVR_CONFIG", str(tmp_path / config) if config else "")
    tmp_path.chmod(0o700)
    os.seteuid(OTHER_UID)
    try:
        error = ivr("box", "list", fails=code).stderr
    finally:
        os.seteuid(0)
    assert f"{tmp_path}{text}" in error
    assert "as root, or as the user of the service" in error
