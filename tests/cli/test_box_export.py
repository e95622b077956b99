"""`ivr box export`: everything in a box, in one file that only its writer can read; and `ivr box move`."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from ivr.audio import wav
from ivr.cli.private_zip import new_private_zip, write_json
from tests.cli.conftest import Ivr, parse_json

SECOND = b"\x10\x20" * 8000


@pytest.fixture
def box_with_messages(populated_ivr: Ivr, tmp_path: Path) -> Ivr:
    """Box 1000 with a message in each of two folders, and a greeting."""
    wav.write(tmp_path / "in.wav", SECOND)
    audio = str(tmp_path / "in.wav")
    populated_ivr("message", "add", "1000", audio, "--caller", "+49 301/5", "--at", "2026-11-28 12:00:00+00:00")
    populated_ivr("message", "add", "1000", audio, "--folder", "saved", "--caller-name", "Zoë")
    populated_ivr("greeting", "set", "1000", "unavailable", audio)
    return populated_ivr


def test_export_has_settings_messages_and_greetings(box_with_messages: Ivr, tmp_path: Path) -> None:
    file = tmp_path / "alice.zip"
    assert "box 1000 with 2 messages" in box_with_messages("box", "export", "1000", str(file)).stdout
    assert file.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        box, messages = json.loads(archive.read("box.json")), json.loads(archive.read("messages.json"))
        for message in messages:
            (tmp_path / "out.wav").write_bytes(archive.read(message["file"]))
            assert wav.read_samples(tmp_path / "out.wav") == SECOND
    assert (box["mailbox"], box["account"], "pin" in box) == ("1000", "demo", False)
    assert {message["folder"] for message in messages} == {"new", "saved"}
    assert {message["caller_name"] for message in messages} >= {"Zoë"}
    assert "greetings/unavailable.wav" in names
    assert any(name.endswith(f"_+493015_{messages[-1]['id']}.wav") for name in names), "when, who, which"
    assert len(names) == 5


def test_message_without_audio_is_named_and_the_rest_is_exported(box_with_messages: Ivr, tmp_path: Path) -> None:
    [lost, _] = parse_json(box_with_messages("message", "list", "1000", "--json"))
    [path] = (tmp_path / "data").rglob(f"vm/{lost['id']}.wav")
    path.unlink()
    result = box_with_messages("box", "export", "1000", str(tmp_path / "x.zip"), fails=1)
    assert f"message {lost['id']}" in result.stderr
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        messages = json.loads(archive.read("messages.json"))
    assert [("file" in message) for message in messages] == [False, True]


def test_more_messages_than_a_page_are_exported(
    box_with_messages: Ivr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivr.cli.box_export.PAGE_ROWS", 1)
    box_with_messages("box", "export", "1000", str(tmp_path / "x.zip"))
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert len(json.loads(archive.read("messages.json"))) == 2


def test_file_that_exists_is_never_overwritten(box_with_messages: Ivr, tmp_path: Path) -> None:
    file = tmp_path / "x.zip"
    file.write_text("precious")
    assert "exists: choose another name" in box_with_messages("box", "export", "1000", str(file), fails=2).stderr
    assert file.read_text() == "precious"
    assert ".zip" in box_with_messages("box", "export", "1000", str(tmp_path / "x.tar"), fails=2).stderr
    nowhere = str(tmp_path / "no" / "x.zip")
    assert f"{tmp_path / 'no'} is not a folder" in box_with_messages("box", "export", "1000", nowhere, fails=2).stderr
    assert sorted(path.name for path in tmp_path.glob("*.draft")) == []


def test_box_moves_to_a_user_who_exists(populated_ivr: Ivr) -> None:
    populated_ivr("user", "create", "bob")
    moved = populated_ivr("box", "move", "1000", "--owner", "bob").stdout
    assert moved == "box 1000 belongs to bob (before: alice)\n"
    [row] = parse_json(populated_ivr("box", "list", "--json"))
    assert row["owner"] == "bob"
    assert "carol" in populated_ivr("box", "move", "1000", "--owner", "carol", fails=3).stderr
    assert "--owner" in populated_ivr("box", "move", "1000", fails=2).output


def test_link_that_lies_under_the_name_of_the_draft_is_not_followed(populated_ivr: Ivr, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("of another user")
    (tmp_path / ".box.zip.draft").symlink_to(other)
    populated_ivr("box", "export", "1000", str(tmp_path / "box.zip"))
    assert other.read_text() == "of another user"


@pytest.mark.parametrize("time", [0, 4_389_379_200, 250_000_000_000], ids=["1970", "2109", "9892"])
def test_time_that_a_zip_file_cannot_express_ends_no_export(tmp_path: Path, time: int) -> None:
    with new_private_zip(tmp_path / "x.zip") as archive:
        write_json(archive, "messages.json", {}, time)
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.infolist()[0].date_time[0] in (1980, 2107)
