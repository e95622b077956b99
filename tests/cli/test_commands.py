"""The commands, as an administrator types them."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ivr.audio import wav
from tests.cli.conftest import Ivr, answer


def a_wav(path: Path, s: float = 2) -> str:
    wav.write(path, b"\x10\x20" * int(8000 * s))
    return str(path)


def test_people_phones_and_boxes(lived_in: Ivr) -> None:
    [account] = answer(lived_in("account", "list", "--json"))
    assert (account["name"], account["realm"], account["timezone"]) == ("demo", "demo", "Europe/Berlin")
    [user] = answer(lived_in("user", "list", "--json"))
    assert user["email"] == "alice@demo.example"
    [phone] = answer(lived_in("endpoint", "list", "--json"))
    assert (phone["name"], phone["user"], phone["system"]) == ("alice-desk", "alice", "asterisk")
    [box] = answer(lived_in("box", "list", "--json"))
    assert (box["mailbox"], box["owner"], box["new"]) == ("1000", "alice", 0)


def test_listings_are_tables_for_people(lived_in: Ivr) -> None:
    shown = lived_in("box", "list").stdout
    assert shown.splitlines()[0].split() == ["mailbox", "name", "owner", "new", "saved", "deleted", "id"]
    [box] = answer(lived_in("box", "list", "--json"))
    assert box["id"] in shown, "an id is for copying: never cut short"


def test_a_pin_is_never_shown(lived_in: Ivr) -> None:
    shown = lived_in("box", "show", "1000").stdout
    assert "2580" not in shown
    assert answer(lived_in("box", "show", "1000", "--json"))["has_pin"] is True


def test_a_pin_can_be_given_where_no_process_list_shows_it(ivr: Ivr) -> None:
    ivr("account", "create", "demo")
    ivr("box", "create", "1000", "--pin", "-", given="2580\n")
    assert answer(ivr("box", "show", "1000", "--json"))["has_pin"] is True


def test_settings_of_a_box(lived_in: Ivr) -> None:
    lived_in(
        "box", "set", "1000", "require_pin=true", "notify.callback.number=5550100", "keys.delete=9", "keys.callback=7"
    )
    box = answer(lived_in("box", "show", "1000", "--json"))
    assert (box["require_pin"], box["notify"]["callback"]["number"], box["keys"]) == (
        True, "5550100", {"delete": "9", "callback": "7"},
    )  # fmt: skip
    lived_in("box", "set", "1000", "notify=null")
    assert "callback" not in answer(lived_in("box", "show", "1000", "--json")).get("notify", {})


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["box", "set", "1000", "seek_duration_ms=-1"], 2, "seek_duration_ms: Value must be at least 0"),
        (["box", "set", "1000", "pin=12"], 2, "pin: String must be at least 4 characters"),
        (["box", "set", "1000", "pin=1234"], 2, "too easy to guess"),
        (["box", "set", "1000", "keys.delete=1"], 2, "taken by keep"),
        (["box", "set", "1000", "require_pin"], 2, "write key=value"),
        (["box", "show", "4711"], 3, "there is no box '4711' in account 'demo': see 'ivr box list'"),
        (["box", "create", "1000"], 2, "already exists"),
        (["user", "create", "alice"], 4, "already has a user 'alice'"),
        (["user", "set", "alice", "colour=red"], 2, "colour"),
        (["account", "set", "demo", "settings.max_message_count=many"], 2, "max_message_count"),
        (["endpoint", "add", "alice-desk", "alice"], 4, "already belongs"),
        (["message", "add", "1000", "/nowhere.wav"], 1, "/nowhere.wav"),
        (["message", "show", "1000", "nothing"], 3, "there is no message"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_is_told_in_one_line(lived_in: Ivr, words: list[str], code: int, told: str) -> None:
    result = lived_in(*words, fails=code)
    assert told in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stderr.startswith("ivr: ")


def test_without_an_account_the_remedy_is_told(ivr: Ivr) -> None:
    assert "ivr account create NAME" in ivr("box", "list", fails=3).stderr


def test_with_several_accounts_one_must_be_named(lived_in: Ivr) -> None:
    lived_in("account", "create", "other")
    assert "say which account" in lived_in("box", "list", fails=3).stderr
    assert answer(lived_in("box", "list", "--account", "demo", "--json"))


def test_settings_of_an_account_reach_its_boxes(lived_in: Ivr) -> None:
    lived_in("account", "set", "demo", "settings.keys.delete=9", "settings.keys.callback=7")
    assert answer(lived_in("account", "show", "demo", "--json"))["settings"]["keys"] == {"delete": "9", "callback": "7"}
    assert "Key 9 of the message menu is taken" in lived_in("box", "set", "1000", "keys.keep=9", fails=2).stderr


def test_a_message_is_added_listed_exported_moved_and_deleted(lived_in: Ivr, tmp_path: Path) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    words = ["--caller", "2001", "--caller-name", "Somebody", "--at", f"{yesterday:%Y-%m-%d %H:%M:%S}"]
    added = answer(lived_in("message", "add", "1000", a_wav(tmp_path / "in.wav"), *words, "--json"))
    assert (added["folder"], added["length_ms"]) == ("new", 2000)
    assert added["received"] == f"{yesterday.astimezone(ZoneInfo('Europe/Berlin')):%Y-%m-%d %H:%M:%S}"
    [listed] = answer(lived_in("message", "list", "1000", "--json"))
    assert listed == added
    assert answer(lived_in("message", "show", "1000", added["id"][-8:], "--json")) == added

    lived_in("message", "export", "1000", added["id"], str(tmp_path / "out.wav"))
    assert (tmp_path / "out.wav").read_bytes() == (tmp_path / "in.wav").read_bytes()

    lived_in("message", "move", "1000", added["id"], "saved")
    assert [m["folder"] for m in answer(lived_in("message", "list", "1000", "--json"))] == ["saved"]
    lived_in("box", "create", "1001")
    moved = answer(lived_in("message", "move", "1000", added["id"], "1001", "--json"))
    assert (moved["mailbox"], moved["folder"]) == ("1001", "new")
    assert answer(lived_in("message", "list", "1000", "--json")) == []
    lived_in("message", "delete", "1001", moved["id"])
    assert answer(lived_in("message", "list", "1001", "--json")) == []


def test_a_message_that_was_deleted_can_be_listed_and_restored(lived_in: Ivr, tmp_path: Path) -> None:
    added = answer(lived_in("message", "add", "1000", a_wav(tmp_path / "in.wav"), "--json"))
    lived_in("message", "delete", "1000", added["id"])
    assert [m["id"] for m in answer(lived_in("message", "list", "1000", "--gone", "--json"))] == [added["id"]]
    restored = answer(lived_in("message", "restore", "1000", added["id"][-8:], "--json"))
    assert (restored["id"], restored["folder"]) == (added["id"], "new")
    assert answer(lived_in("message", "list", "1000", "--gone", "--json")) == []
    lived_in("message", "move", "1000", added["id"], "deleted")
    assert answer(lived_in("message", "restore", "1000", added["id"], "--json"))["folder"] == "new"
    assert "nor was there" in lived_in("message", "restore", "1000", "nothing", fails=3).stderr


def test_a_purge_can_be_rehearsed(lived_in: Ivr, tmp_path: Path) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=100)
    at = ["--at", f"{long_ago:%Y-%m-%d %H:%M:%S}"]
    added = answer(lived_in("message", "add", "1000", a_wav(tmp_path / "in.wav"), *at, "--json"))
    for _ in range(2):
        [line] = answer(lived_in("purge", "--dry-run", "--json"))
        assert (line["id"], line["what"]) == (added["id"], "message past retention: hidden")
        assert line["since"] == f"{long_ago:%Y-%m-%d %H:%M}"
    assert answer(lived_in("purge", "--json"))["message past retention: hidden"] == 1
    assert answer(lived_in("purge", "--dry-run", "--json")) == []


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="no ffmpeg on this machine: apt install ffmpeg")
@pytest.mark.parametrize("ending", ["mp3", "ogg", "m4a"])
def test_any_audio_can_be_added(lived_in: Ivr, tmp_path: Path, ending: str) -> None:
    import subprocess

    a_wav(tmp_path / "in.wav", 3)
    file = tmp_path / f"in.{ending}"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-i", str(tmp_path / "in.wav"), "-ar", "44100", str(file)], check=True
    )
    added = answer(lived_in("message", "add", "1000", str(file), "--json"))
    assert abs(added["length_ms"] - 3000) < 100


def test_a_data_folder_that_cannot_be_is_told(ivr: Ivr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    monkeypatch.setenv("IVR_DATA__FOLDER", str(tmp_path / "a-file"))
    assert "cannot be read or written" in ivr("account", "list", fails=5).stderr


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("[fastagi]\nport = 99999\n", "fastagi.port = 99999"),
        ("[fastagi]\nprot = 1\n", "fastagi.prot: there is no such setting; docs/settings.md lists them all"),
        ("not toml", "is not TOML"),
    ],
)
def test_a_wrong_setting_is_told_with_file_and_name(
    ivr: Ivr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, toml: str, told: str
) -> None:
    (tmp_path / "ivr.toml").write_text(toml)
    monkeypatch.setenv("IVR_CONFIG", str(tmp_path / "ivr.toml"))
    result = ivr("account", "list", fails=1)
    assert told in result.stderr
    assert "ivr.toml" in result.stderr


def test_a_variable_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ivr import settings

    (tmp_path / "ivr.toml").write_text("[fastagi]\nport = 4000\nhost = '127.0.0.2'\n")
    monkeypatch.setenv("IVR_CONFIG", str(tmp_path / "ivr.toml"))
    monkeypatch.setenv("IVR_FASTAGI__PORT", "4600")
    loaded = settings.load()
    assert (loaded.fastagi.port, loaded.fastagi.host) == (4600, "127.0.0.2")


def test_what_has_to_follow_changes_can_be_seen_done_now_and_dropped(ivr: Ivr, tmp_path: Path) -> None:
    ivr("account", "create", "acme")
    ivr("box", "create", "1000")
    file = tmp_path / "message.wav"
    wav.write(file, bytes(8000))
    ivr("message", "add", "1000", str(file))
    rows = answer(ivr("outbox", "list", "--json"))
    assert {row["kind"] for row in rows} == {"new", "light"}
    assert answer(ivr("outbox", "list", "--given-up", "--json")) == []
    assert "2 will be done now" in ivr("outbox", "retry", *[str(row["id"]) for row in rows]).output
    assert "0 will be done now" in ivr("outbox", "retry", "--given-up").output
    assert "--given-up" in ivr("outbox", "retry", fails=2).output
    assert "1 dropped" in ivr("outbox", "drop", str(rows[0]["id"])).output
    assert len(answer(ivr("outbox", "list", "--json"))) == 1
    assert "outbox list" in ivr("outbox", "drop", "4711", fails=3).output


# -- tokens and signing in ---------------------------------------------------------------------------------------------


def test_a_token_is_shown_once_and_can_be_revoked(lived_in: Ivr) -> None:
    made = answer(lived_in("token", "create", "--user", "alice", "--days", "30", "--label", "crm", "--json"))
    assert len(made["token"]) == 43
    assert len(made["account_id"]) == 32
    [listed] = answer(lived_in("token", "list", "--json"))
    assert (listed["id"], listed["label"], "token" in listed) == (made["id"], "crm", False)
    lived_in("token", "revoke", made["id"][:6])
    assert answer(lived_in("token", "list", "--json")) == []
    lived_in("token", "revoke", made["id"], fails=3)


def test_a_user_gets_a_username_and_a_password_that_is_never_shown(lived_in: Ivr) -> None:
    shown = lived_in("user", "set", "alice", "--username", "alice1", "--password", "-", given="correct horse\n")
    assert "alice1" in shown.output
    assert "correct horse" not in shown.output + lived_in("user", "show", "alice").output
    lived_in("user", "set", "alice", "--password", "short", fails=2)
    lived_in("user", "set", "alice", "--username", "alice2", fails=2)
    lived_in("user", "create", "bob")
    lived_in("user", "set", "bob", "--username", "alice1", "--password", "battery staple", fails=4)


def test_a_full_box_is_told_and_nothing_is_stored(lived_in: Ivr, tmp_path: Path) -> None:
    lived_in("box", "set", "1000", "quota_mb=1")
    one = a_wav(tmp_path / "in.wav", s=40)
    lived_in("message", "add", "1000", one)
    said = lived_in("message", "add", "1000", one, fails=4)
    assert "no room" in said.stderr
    assert "quota_mb" in said.stderr
    assert len(answer(lived_in("message", "list", "1000", "--json"))) == 1
    lived_in("box", "set", "1000", "quota_mb=null")
    added = answer(lived_in("message", "add", "1000", one, "--json"))
    lived_in("message", "delete", "1000", added["id"])
    lived_in("box", "set", "1000", "quota_mb=1")
    assert "no room" in lived_in("message", "restore", "1000", added["id"], fails=4).stderr
