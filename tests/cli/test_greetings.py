"""`ivr greeting`: with the checks of the REST API, and heard by callers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ivr.audio import wav
from tests.cli.conftest import Ivr, parse_json

SECOND = b"\x10\x20" * 8000


@pytest.fixture
def recording(tmp_path: Path) -> str:
    wav.write(tmp_path / "hello.wav", SECOND)
    return str(tmp_path / "hello.wav")


def greetings(ivr: Ivr) -> dict[str, dict[str, object]]:
    return {row["greeting"]: row for row in parse_json(ivr("greeting", "list", "1000", "--json"))}


def test_greeting_is_set_listed_shown_exported_and_removed(populated_ivr: Ivr, recording: str, tmp_path: Path) -> None:
    assert "generic greeting" in str(greetings(populated_ivr)["unavailable"]["recording"])
    made = parse_json(populated_ivr("greeting", "set", "1000", "unavailable", recording, "--json"))
    assert (made["length_ms"], made["source"]) == (1000, "upload")
    box = parse_json(populated_ivr("box", "show", "1000", "--json"))
    assert box["media"]["unavailable"] == made["media_id"] == greetings(populated_ivr)["unavailable"]["media_id"]
    assert "1.0 s" in populated_ivr("greeting", "show", "1000", "unavailable").stdout
    out = tmp_path / "out.wav"
    populated_ivr("greeting", "export", "1000", "unavailable", str(out))
    assert wav.read_samples(out) == SECOND
    assert out.stat().st_mode & 0o777 == 0o600
    assert "is removed" in populated_ivr("greeting", "remove", "1000", "unavailable", "--yes").stdout
    assert greetings(populated_ivr)["unavailable"]["media_id"] is None
    assert "no recording" in populated_ivr("greeting", "remove", "1000", "unavailable", "--yes", fails=3).stderr


def test_temporary_greeting_expires_when_it_is_told_to(populated_ivr: Ivr, recording: str) -> None:
    made = parse_json(populated_ivr("greeting", "set", "1000", "temp", recording, "--until", "2126-12-24", "--json"))
    assert made["until"].startswith("2126-12-24 23:59:59")
    without_end = parse_json(populated_ivr("greeting", "set", "1000", "temporary", recording, "--json"))
    assert without_end["until"] is None, "another recording does not take over the end of the one before"


def test_name_belongs_to_the_owner_of_all_boxes(populated_ivr: Ivr, recording: str) -> None:
    populated_ivr("box", "create", "1001", "--owner", "alice")
    made = parse_json(populated_ivr("greeting", "set", "1001", "name", recording, "--json"))
    assert greetings(populated_ivr)["name"]["media_id"] == made["media_id"]


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["set", "1000", "hello", "FILE"], 2, "use unavailable, busy, temporary or name"),
        (["set", "1000", "", "FILE"], 2, "use unavailable, busy, temporary or name"),
        (["set", "1000", "unavailable", "/nowhere.wav"], 3, "/nowhere.wav: No such file or directory: check the path"),
        (["set", "1000", "unavailable", "/"], 2, "/: Is a directory: name a file"),
        (["set", "1000", "unavailable", "TEXT"], 2, "is not WAV, MP3, OGG, M4A, FLAC or WebM"),
        (["set", "1000", "unavailable", "DAMAGED"], 2, ""),
        (["set", "1000", "unavailable", "FILE", "--until", "2126-12-24"], 2, "only a temporary greeting expires"),
        (["set", "1000", "temporary", "FILE", "--until", "2020-12-24"], 2, "is past"),
        (["set", "1000", "temporary", "FILE", "--until", "soon"], 2, "is not a time"),
        (["set", "1000", "temporary", "FILE", "--until", "9999-12-31"], 2, "leave --until out"),
        (["set", "4711", "unavailable", "FILE"], 3, "there is no box '4711'"),
        (["show", "1000", "unavailable"], 3, "no recording"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_invalid_greeting_is_one_line_and_changes_nothing(
    populated_ivr: Ivr, recording: str, tmp_path: Path, words: list[str], code: int, error: str
) -> None:
    (tmp_path / "text.wav").write_text("not audio")
    (tmp_path / "damaged.wav").write_bytes(Path(recording).read_bytes()[:12] + bytes(4))
    files = {"FILE": recording, "TEXT": str(tmp_path / "text.wav"), "DAMAGED": str(tmp_path / "damaged.wav")}
    result = populated_ivr("greeting", *(files.get(word, word) for word in words), fails=code)
    assert error in result.stderr
    assert result.stderr.startswith("ivr: ")
    assert len(result.stderr.strip().splitlines()) == 1
    assert all(row["media_id"] is None for row in greetings(populated_ivr).values())
    assert list((tmp_path / "data" / "state" / "incoming").iterdir()) == []


def test_file_above_the_limits_of_the_rest_api_is_refused(
    populated_ivr: Ivr, recording: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IVR_API__MAX_AUDIO_BYTES", "1000")
    assert "max_audio_bytes" in populated_ivr("greeting", "set", "1000", "name", recording, fails=2).stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it runs commands as root")
def test_greeting_that_root_sets_belongs_to_the_service(populated_ivr: Ivr, recording: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for path in [data, *data.rglob("*")]:
        os.chown(path, 61002, 61000, follow_symlinks=False)
    populated_ivr("greeting", "set", "1000", "unavailable", recording)
    stored = list(data.rglob("media/*"))
    assert len(stored) >= 2, "the recording, and the upload as it came"
    assert {(path.stat().st_uid, path.stat().st_gid) for path in stored} == {(61002, 61000)}
    assert {path.stat().st_mode & 0o777 for path in stored} == {0o640}
