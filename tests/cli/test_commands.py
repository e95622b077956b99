"""Commands that manage accounts, users, boxes, messages, tokens and the outbox."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ivr import settings
from ivr.app import App
from ivr.audio import wav
from ivr.storage.records import TokenKind
from tests.cli.conftest import Ivr, parse_json
from tests.support.upload_kinds import problems_of, some_upload_kinds


def write_wav(path: Path, s: float = 2) -> str:
    wav.write(path, b"\x10\x20" * int(8000 * s))
    return str(path)


def test_users_endpoints_and_boxes_are_managed(populated_ivr: Ivr) -> None:
    [account] = parse_json(populated_ivr("account", "list", "--json"))
    assert (account["name"], account["realm"], account["timezone"]) == ("demo", "demo", "Europe/Berlin")
    [user] = parse_json(populated_ivr("user", "list", "--json"))
    assert user["email"] == "alice@demo.example"
    [phone] = parse_json(populated_ivr("endpoint", "list", "--json"))
    assert (phone["name"], phone["user"], phone["system"]) == ("alice-desk", "alice", "asterisk")
    [box] = parse_json(populated_ivr("box", "list", "--json"))
    assert (box["mailbox"], box["owner"], box["new"]) == ("1000", "alice", 0)


def test_secret_of_a_desk_phone_is_shown_once_and_listed_without_it(populated_ivr: Ivr) -> None:
    first = parse_json(populated_ivr("endpoint", "secret", "alice-desk", "--json"))
    assert (first["phone"], first["user"]) == ("alice-desk", "alice")
    second = parse_json(populated_ivr("endpoint", "secret", "alice-desk", "--json"))
    assert second["secret"] != first["secret"]
    [token] = parse_json(populated_ivr("token", "list", "--json"))
    assert (token["kind"], token["label"]) == ("phone", "alice-desk")
    refused = populated_ivr("endpoint", "secret", "unknown-desk", fails=3)
    assert "ivr endpoint add unknown-desk USER" in refused.stderr


def test_listings_are_tables_for_people(populated_ivr: Ivr) -> None:
    shown = populated_ivr("box", "list").stdout
    assert shown.splitlines()[0].split() == [
        *("mailbox", "name", "owner", "new", "saved", "deleted"),
        *("size", "quota", "oldest", "last_sign_in", "locked", "id"),
    ]
    [box] = parse_json(populated_ivr("box", "list", "--json"))
    assert box["id"] in shown, "an id is for copying: never cut short"


def test_a_pin_is_never_shown(populated_ivr: Ivr) -> None:
    shown = populated_ivr("box", "show", "1000").stdout
    assert "4716" not in shown
    assert parse_json(populated_ivr("box", "show", "1000", "--json"))["has_pin"] is True


def test_pin_is_read_from_stdin(ivr: Ivr) -> None:
    ivr("account", "create", "demo")
    ivr("box", "create", "1000", "--pin", "-", given="4716\n")
    assert parse_json(ivr("box", "show", "1000", "--json"))["has_pin"] is True


def test_new_pin_is_read_from_stdin_or_generated(populated_ivr: Ivr) -> None:
    assert "739104" not in populated_ivr("box", "pin", "1000", given="739104\n").output
    assert "at least 4 characters" in populated_ivr("box", "pin", "1000", given="12\n", fails=2).stderr
    assert "too easy to guess" in populated_ivr("box", "pin", "1000", given="1234\n", fails=2).stderr
    pins = {populated_ivr("box", "pin", "1000", "--generate").stdout.split()[-1] for _ in range(3)}
    assert len(pins) == 3
    assert all(len(pin) == 6 and pin.isdigit() for pin in pins)


def test_pin_that_an_administrator_sets_can_be_for_the_next_sign_in_only(populated_ivr: Ivr) -> None:
    assert not parse_json(populated_ivr("box", "show", "1000", "--json"))["pin_must_change"]
    populated_ivr("box", "pin", "1000", "--generate", "--must-change")
    assert parse_json(populated_ivr("box", "show", "1000", "--json"))["pin_must_change"]
    populated_ivr("box", "pin", "1000", "--generate")
    assert not parse_json(populated_ivr("box", "show", "1000", "--json"))["pin_must_change"], "the owner keeps this one"


def test_weak_pin_of_a_box_that_is_not_set_up_is_a_warning(populated_ivr: Ivr) -> None:
    populated_ivr("box", "create", "1001")
    assert "easy to guess" in populated_ivr("box", "pin", "1001", given="1234\n").stderr
    assert parse_json(populated_ivr("box", "show", "1001", "--json"))["has_pin"] is True


def test_deleted_box_is_restored_with_its_messages_and_pin(populated_ivr: Ivr, tmp_path: Path) -> None:
    audio = write_wav(tmp_path / "in.wav")
    first = parse_json(populated_ivr("message", "add", "1000", audio, "--json"))
    populated_ivr("message", "delete", "1000", first["id"], "--yes")
    second = parse_json(populated_ivr("message", "add", "1000", audio, "--folder", "saved", "--json"))
    assert "in use" in populated_ivr("box", "restore", "1000", fails=3).stderr
    populated_ivr("box", "delete", "1000", "--yes")
    restored = parse_json(populated_ivr("box", "restore", "1000", "--json"))
    assert (restored["mailbox"], restored["has_pin"]) == ("1000", True)
    assert [m["id"] for m in parse_json(populated_ivr("message", "list", "1000", "--json"))] == [second["id"]]
    [listed] = parse_json(populated_ivr("box", "list", "--json"))
    assert (listed["new"], listed["saved"]) == (0, 1)


def test_box_whose_number_is_in_use_again_is_not_restored(populated_ivr: Ivr) -> None:
    populated_ivr("box", "delete", "1000", "--yes")
    populated_ivr("box", "create", "1000")
    assert "in use" in populated_ivr("box", "restore", "1000", fails=4).stderr


def test_box_settings_are_shown_and_changed(populated_ivr: Ivr) -> None:
    populated_ivr(
        "box", "set", "1000", "require_pin=true", "notify.callback.number=5550100", "keys.delete=9", "keys.callback=7"
    )
    box = parse_json(populated_ivr("box", "show", "1000", "--json"))
    assert (box["require_pin"], box["notify"]["callback"]["number"], box["keys"]) == (
        True, "5550100", {"delete": "9", "callback": "7"},
    )  # fmt: skip
    populated_ivr("box", "set", "1000", "notify=null")
    assert "callback" not in parse_json(populated_ivr("box", "show", "1000", "--json")).get("notify", {})


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["box", "set", "1000", "seek_duration_ms=-1"], 2, "seek_duration_ms: Value must be at least 0"),
        (["box", "set", "1000", "pin=739104"], 2, "use 'ivr box pin 1000'"),
        (["box", "set", "1000", "keys.delete=1"], 2, "used by keep"),
        (["box", "set", "1000", "require_pin"], 2, "write key=value"),
        (["box", "show", "4711"], 3, "there is no box '4711' in account 'demo': see 'ivr box list'"),
        (["box", "create", "1000"], 2, "already exists"),
        (["user", "create", "alice"], 4, "already has a user 'alice'"),
        (["user", "set", "alice", "colour=red"], 2, "colour"),
        (["user", "set", "alice", "voicemail_id=7777"], 3, "there is no box '7777'"),
        (["user", "create", "ben", "voicemail_id=7777"], 3, "there is no box '7777'"),
        (["account", "set", "demo", "settings.max_message_count=many"], 2, "max_message_count"),
        (["endpoint", "add", "alice-desk", "alice"], 4, "already belongs"),
        (["message", "add", "1000", "/nowhere.wav"], 3, "/nowhere.wav"),
        (["message", "add", "1000", "/etc"], 2, "/etc"),
        (["endpoint", "add", "two words", "alice"], 2, "is not the name of a PJSIP endpoint"),
        (["user", "create", "bob", "emial=bob@example.com"], 2, "did you mean email?"),
        (["account", "set", "demo", "languge=de"], 2, "did you mean language? the keys are "),
        (["account", "set", "demo", "timezone=CEST"], 2, "is not a time zone: did you mean Europe/Berlin"),
        (["box", "create", "1001", "--pin", "-"], 2, "standard input contains no line"),
        (["user", "set", "alice", "--username", "alice", "--password", "-"], 2, "standard input contains no line"),
        (["calls", "list", "--since", "1h", "--until", "2h"], 2, "--until 2h is before --since 1h"),
        (["audit", "list", "--box", "4711"], 3, "there is no box '4711'"),
        (["message", "show", "1000", "nothing"], 3, "there is no message"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_invalid_request_prints_one_line_error(populated_ivr: Ivr, words: list[str], code: int, error: str) -> None:
    result = populated_ivr(*words, fails=code)
    assert error in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stderr.startswith("ivr: ")


@pytest.mark.parametrize(
    ("assignment", "hint"),
    [
        ("requier_pin=true", "did you mean require_pin?"),
        ("owner=alice", "--owner NAME"),
        ("notify.callback.numbr=1", "did you mean notify.callback.number?"),
        ("crm_ticket=4711", "unknown key crm_ticket"),
    ],
)
def test_unknown_box_setting_needs_force(populated_ivr: Ivr, assignment: str, hint: str) -> None:
    before = populated_ivr("box", "show", "1000", "--json").stdout
    assert hint in populated_ivr("box", "set", "1000", assignment, fails=2).stderr
    assert hint in populated_ivr("box", "create", "1001", assignment, fails=2).stderr
    assert populated_ivr("box", "show", "1000", "--json").stdout == before
    populated_ivr("box", "set", "1000", assignment, "--force")
    assert populated_ivr("box", "show", "1000", "--json").stdout != before


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["account", "set", "demo", "settings.max_mesage_count=5"], "did you mean settings.max_message_count?"),
        (["account", "set", "demo", "timzone=UTC"], "did you mean timezone?"),
        (["user", "set", "alice", "emial=a@b.example"], "did you mean email?"),
        (["account", "set", "demo", "settings.webhook.urll=https://x.example"], "did you mean settings.webhook.url?"),
        (["user", "set", "alice", "settings.vm_to_email_enable=no"], "did you mean settings.vm_to_email_enabled?"),
        (["user", "create", "ben", "settings.first_nam=Ben"], "did you mean settings.first_name?"),
        (["box", "set", "1000", "requier_pin=true"], "did you mean require_pin?"),
        (["box", "create", "1001", "requier_pin=true"], "did you mean require_pin?"),
        (["box", "set", "1000", "owner=alice"], "the owner is the option --owner NAME"),
    ],
)
def test_misspelt_key_of_account_user_or_box_is_rejected(populated_ivr: Ivr, words: list[str], hint: str) -> None:
    assert hint in populated_ivr(*words, fails=2).stderr


GIVEN_TWICE = [
    (["box", "create", "1001", "mailbox=1002"], "mailbox is given twice, by the argument 1001 and by mailbox="),
    (["box", "create", "1001", "name=b", "--name", "a"], "name is given twice, by --name and by name="),
    (["box", "create", "1001", "pin=4471", "--pin", "8316"], "pin is given twice, by --pin and by pin="),
    (["box", "create", "1001", "owner_id=x", "--owner", "alice"], "owner_id is given twice, by --owner and"),
    (["box", "set", "1000", "owner_id=null", "--owner", "alice"], "owner_id is given twice, by --owner and"),
    (["user", "create", "bob", "name=carol"], "name is given twice, by the argument bob and by name="),
    (["user", "set", "alice", "email=a@demo.example", "email=b@demo.example"], "email is given twice, by email= and"),
    (["user", "set", "alice", "username=a", "--username", "b"], "username is given twice, by --username and"),
    (["account", "set", "demo", "settings.keys.login=5", "settings={}"], "settings is given twice, by settings.keys"),
    (["user", "create", "bob", "id=1"], "id cannot be set: ivr gives it"),
    (["user", "set", "alice", "account_id=other"], "account_id cannot be set: ivr gives it"),
    (["account", "set", "demo", "revision=7", "--force"], "revision cannot be set: ivr gives it"),
]


@pytest.mark.parametrize(("words", "error"), GIVEN_TWICE, ids=[" ".join(words) for words, _ in GIVEN_TWICE])
def test_assignment_that_contradicts_another_argument_is_rejected(
    populated_ivr: Ivr, words: list[str], error: str
) -> None:
    commands = ("box", "list"), ("user", "list"), ("account", "list")
    before = [populated_ivr(*command, "--json").stdout for command in commands]
    assert error in populated_ivr(*words, fails=2).stderr
    assert [populated_ivr(*command, "--json").stdout for command in commands] == before


def test_box_is_given_to_another_owner_by_name(populated_ivr: Ivr) -> None:
    bob = parse_json(populated_ivr("user", "create", "bob", "--json"))
    changed = parse_json(populated_ivr("box", "set", "1000", "--owner", "bob", "--json"))
    assert changed["owner_id"] == bob["id"]
    populated_ivr("box", "set", "1000", "owner_id=null")
    assert parse_json(populated_ivr("box", "list", "--json"))[0]["owner"] is None
    assert "nothing to change" in populated_ivr("box", "set", "1000", fails=2).stderr


@pytest.mark.parametrize("words", [["--owner", "unknown"], [f"owner_id={'0' * 32}"]], ids=["name", "id"])
def test_owner_of_box_must_exist(populated_ivr: Ivr, words: list[str]) -> None:
    assert "there is no user" in populated_ivr("box", "set", "1000", *words, fails=3).stderr


def test_missing_account_error_names_remedy(ivr: Ivr) -> None:
    ivr("account", "create", "demo")
    ivr("account", "delete", "demo", "--yes")
    assert "ivr account create NAME" in ivr("box", "list", fails=3).stderr


@pytest.mark.parametrize(
    "words",
    [
        "account list",
        "box list",
        "user create alice",
        "calls list",
        "watch --once",
        "purge --dry-run",
        "maintain",
        "phone",
        "secret rotate",
        "secret rotate ami",
        "backup {folder}/backup",
    ],
)
def test_missing_database_is_an_error_and_nothing_is_created(ivr: Ivr, tmp_path: Path, words: str) -> None:
    data = tmp_path / "data"
    for is_there in (False, True):
        if is_there:
            data.mkdir()
        error = ivr(*words.format(folder=tmp_path).split(), fails=3).stderr
        assert f"{data} contains no database" in error
        assert "ivr account create NAME" in error
        assert not (tmp_path / "backup").exists()
        assert data.exists() == is_there
    assert list(data.iterdir()) == []


def test_secret_on_the_command_line_causes_a_warning(populated_ivr: Ivr) -> None:
    warning = "on the command line can be seen by others"
    assert warning in populated_ivr("box", "create", "1001", "--pin", "739104").stderr
    assert warning in populated_ivr("user", "set", "alice", "--username", "a", "--password", "739104739").stderr
    assert warning not in populated_ivr("box", "create", "1002", "--pin", "-", given="739104\n").stderr


def test_box_of_its_owner_is_not_moved(populated_ivr: Ivr) -> None:
    assert "already" in populated_ivr("box", "move", "1000", "--owner", "alice").stdout


def test_with_several_accounts_one_must_be_named(populated_ivr: Ivr) -> None:
    populated_ivr("account", "create", "other")
    assert "there are several accounts" in populated_ivr("box", "list", fails=2).stderr
    assert parse_json(populated_ivr("box", "list", "--account", "demo", "--json"))


def test_settings_of_an_account_reach_its_boxes(populated_ivr: Ivr) -> None:
    populated_ivr("account", "set", "demo", "settings.keys.delete=9", "settings.keys.callback=7")
    assert parse_json(populated_ivr("account", "show", "demo", "--json"))["settings"]["keys"] == {
        "delete": "9",
        "callback": "7",
    }
    assert "Key 9 of the message menu is used by" in populated_ivr("box", "set", "1000", "keys.keep=9", fails=2).stderr


def test_a_message_is_added_listed_exported_moved_and_deleted(populated_ivr: Ivr, tmp_path: Path) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    words = ["--caller", "2001", "--caller-name", "Carol", "--at", f"{yesterday:%Y-%m-%d %H:%M:%S+00:00}"]
    added = parse_json(populated_ivr("message", "add", "1000", write_wav(tmp_path / "in.wav"), *words, "--json"))
    assert (added["folder"], added["length_ms"]) == ("new", 2000)
    assert added["received"] == yesterday.astimezone().isoformat(sep=" ", timespec="seconds")
    [listed] = parse_json(populated_ivr("message", "list", "1000", "--json"))
    assert listed == added
    assert parse_json(populated_ivr("message", "show", "1000", added["id"][-8:], "--json")) == added

    populated_ivr("message", "export", "1000", added["id"], str(tmp_path / "out.wav"))
    assert (tmp_path / "out.wav").read_bytes() == (tmp_path / "in.wav").read_bytes()

    populated_ivr("message", "move", "1000", added["id"], "saved")
    assert [m["folder"] for m in parse_json(populated_ivr("message", "list", "1000", "--json"))] == ["saved"]
    populated_ivr("box", "create", "1001")
    moved = parse_json(populated_ivr("message", "move", "1000", added["id"], "1001", "--json"))
    assert (moved["mailbox"], moved["folder"], moved["id"]) == ("1001", "saved", added["id"])
    assert parse_json(populated_ivr("message", "list", "1000", "--json")) == []
    populated_ivr("message", "delete", "1001", moved["id"], "--yes")
    assert parse_json(populated_ivr("message", "list", "1001", "--json")) == []


def test_time_of_added_message_is_read_in_the_zone_in_which_times_are_printed(
    populated_ivr: Ivr, tmp_path: Path
) -> None:
    audio = write_wav(tmp_path / "in.wav")
    yesterday = datetime.now().replace(microsecond=0) - timedelta(days=1)
    added = parse_json(populated_ivr("message", "add", "1000", audio, "--at", f"{yesterday}", "--json"))
    assert added["received"].startswith(f"{yesterday}")
    again = parse_json(populated_ivr("message", "add", "1000", audio, "--at", added["received"], "--json"))
    assert again["received"] == added["received"]
    assert "is not a time" in populated_ivr("message", "add", "1000", audio, "--at", "noon", fails=2).stderr


def test_a_message_that_was_deleted_can_be_listed_and_restored(populated_ivr: Ivr, tmp_path: Path) -> None:
    added = parse_json(populated_ivr("message", "add", "1000", write_wav(tmp_path / "in.wav"), "--json"))
    populated_ivr("message", "delete", "1000", added["id"], "--yes")
    assert [m["id"] for m in parse_json(populated_ivr("message", "list", "1000", "--gone", "--json"))] == [added["id"]]
    restored = parse_json(populated_ivr("message", "restore", "1000", added["id"][-8:], "--json"))
    assert (restored["id"], restored["folder"]) == (added["id"], "new")
    assert parse_json(populated_ivr("message", "list", "1000", "--gone", "--json")) == []
    populated_ivr("message", "move", "1000", added["id"], "deleted")
    assert parse_json(populated_ivr("message", "restore", "1000", added["id"], "--json"))["folder"] == "new"
    assert "nor was there" in populated_ivr("message", "restore", "1000", "nothing", fails=3).stderr


def test_purge_has_dry_run(populated_ivr: Ivr, tmp_path: Path) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=60)
    at = ["--at", long_ago.isoformat()]
    added = parse_json(populated_ivr("message", "add", "1000", write_wav(tmp_path / "in.wav"), *at, "--json"))
    populated_ivr("account", "set", "demo", "settings.message_retention_duration=50")
    for _ in range(2):
        [line] = parse_json(populated_ivr("purge", "--dry-run", "--json"))
        assert (line["id"], line["what"]) == (added["id"], "message past retention: hidden")
        assert line["since"] == long_ago.astimezone().isoformat(sep=" ", timespec="seconds")
    with closing(sqlite3.connect(tmp_path / "data" / "state" / "ivr.db")) as connection, connection:
        connection.execute("INSERT INTO leases VALUES ('trusted time', '', ?)", (int(long_ago.timestamp()),))
    assert parse_json(populated_ivr("purge", "--dry-run", "--json")) == [], "the clock is in doubt"
    assert parse_json(populated_ivr("purge", "--yes", "--json"))["message past retention: hidden"] == 0
    confirmed = parse_json(populated_ivr("purge", "--yes", "--confirm-clock", "--json"))
    assert confirmed["message past retention: hidden"] == 1
    assert parse_json(populated_ivr("purge", "--dry-run", "--json")) == []


@pytest.mark.parametrize(
    ("days", "reason"), [(-100, "messages are kept for 93 days"), (400, "the time is in the future")]
)
def test_message_past_retention_or_in_the_future_is_not_added(
    populated_ivr: Ivr, tmp_path: Path, days: int, reason: str
) -> None:
    """The times that the error names are accepted; the first is past retention a moment later."""
    file, wrong = write_wav(tmp_path / "in.wav"), datetime.now(UTC) + timedelta(days=days)
    error = populated_ivr("message", "add", "1000", file, "--at", wrong.isoformat(), fails=2).stderr
    advice = re.search(rf"{reason}: give one from (.+) to (.+)", error)
    assert advice
    soon_after = datetime.fromisoformat(advice[1]) + timedelta(minutes=1)
    for accepted in (soon_after.isoformat(), advice[2]):
        populated_ivr("message", "add", "1000", file, "--at", accepted)
    assert len(parse_json(populated_ivr("message", "list", "1000", "--json"))) == 2


def test_empty_time_of_a_message_is_not_now(populated_ivr: Ivr, tmp_path: Path) -> None:
    """As of a variable of a script that is not set."""
    error = populated_ivr("message", "add", "1000", write_wav(tmp_path / "in.wav"), "--at", "", fails=2).stderr
    assert "'' is not a time" in error


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"\xd5\x55" * 8000, "is not WAV, MP3, OGG, M4A, FLAC or WebM"),
        (b"", "is not WAV, MP3, OGG, M4A, FLAC or WebM"),
        (wav.header(0), "no sound in it"),
        (wav.header(2) + b"ab", "no sound in it"),
        (wav.header(16_000)[:24] + bytes(4) + wav.header(16_000)[28:] + bytes(16_000), "cannot be read as audio"),
        (wav.header(32_000) + bytes(32_000), "longer than 1 s"),
    ],
    ids=["headerless A-law", "empty", "without samples", "one sample", "sample rate 0", "too long"],
)
def test_audio_that_rest_would_reject_is_not_added(
    populated_ivr: Ivr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes, error: str
) -> None:
    monkeypatch.setenv("IVR_API__MAX_AUDIO_S", "1")
    (tmp_path / "in.alaw").write_bytes(content)
    assert error in populated_ivr("message", "add", "1000", str(tmp_path / "in.alaw"), fails=2).stderr
    assert parse_json(populated_ivr("message", "list", "1000", "--json")) == []


def test_exported_message_is_private(populated_ivr: Ivr, tmp_path: Path) -> None:
    added = parse_json(populated_ivr("message", "add", "1000", write_wav(tmp_path / "in.wav"), "--json"))
    (tmp_path / "existing.wav").touch(mode=0o644)
    for name in ("new.wav", "existing.wav"):
        populated_ivr("message", "export", "1000", added["id"], str(tmp_path / name))
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="no ffmpeg on this machine: apt install ffmpeg")
def test_kinds_of_uploads_are_two_seconds_of_its_sound(populated_ivr: Ivr, tmp_path: Path) -> None:
    recordings = {}
    for name, content in some_upload_kinds(1).items():
        (tmp_path / name).write_bytes(content)
        added = parse_json(populated_ivr("message", "add", "1000", str(tmp_path / name), "--json"))
        [recording] = (tmp_path / "data").rglob(f"{added['id']}.wav")
        recordings[name] = recording.read_bytes()
    assert problems_of(recordings) == {}


def test_unusable_data_folder_is_an_error(ivr: Ivr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    monkeypatch.setenv("IVR_DATA__FOLDER", str(tmp_path / "a-file"))
    assert "cannot be read or written" in ivr("account", "create", "demo", fails=5).stderr


@pytest.mark.parametrize(
    ("toml", "error"),
    [
        ("[fastagi]\nport = 99999\n", "fastagi.port = 99999"),
        (
            "[fastagi]\nprot = 1\n",
            "fastagi.prot: unknown setting; did you mean fastagi.port? docs/settings.md lists all settings",
        ),
        ("not toml", "is not valid TOML"),
    ],
)
def test_invalid_setting_error_names_file_and_setting(
    ivr: Ivr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, toml: str, error: str
) -> None:
    (tmp_path / "ivr.toml").write_text(toml)
    monkeypatch.setenv("IVR_CONFIG", str(tmp_path / "ivr.toml"))
    result = ivr("account", "list", fails=1)
    assert error in result.stderr
    assert "ivr.toml" in result.stderr


def test_environment_variable_overrides_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ivr import settings

    (tmp_path / "ivr.toml").write_text("[fastagi]\nport = 4000\nhost = '127.0.0.2'\n")
    monkeypatch.setenv("IVR_CONFIG", str(tmp_path / "ivr.toml"))
    monkeypatch.setenv("IVR_FASTAGI__PORT", "4600")
    loaded = settings.load()
    assert (loaded.fastagi.port, loaded.fastagi.host) == (4600, "127.0.0.2")


def test_outbox_tasks_can_be_listed_run_and_dropped(ivr: Ivr, tmp_path: Path) -> None:
    ivr("account", "create", "acme")
    ivr("box", "create", "1000")
    file = tmp_path / "message.wav"
    wav.write(file, bytes(8000))
    ivr("message", "add", "1000", str(file))
    rows = parse_json(ivr("outbox", "list", "--json"))
    assert {row["kind"] for row in rows} == {"new", "mwi"}
    assert parse_json(ivr("outbox", "list", "--given-up", "--json")) == []
    assert "2 tasks are due now" in ivr("outbox", "retry", *[str(row["id"]) for row in rows]).output
    assert "0 tasks are due now" in ivr("outbox", "retry", "--given-up").output
    assert "--given-up" in ivr("outbox", "retry", fails=2).output
    assert "1 tasks deleted" in ivr("outbox", "drop", str(rows[0]["id"]), "--yes").output
    assert len(parse_json(ivr("outbox", "list", "--json"))) == 1
    assert "outbox list" in ivr("outbox", "drop", "4711", "--yes", fails=3).output


# -- tokens and signing in ---------------------------------------------------------------------------------------------


def test_a_token_is_shown_once_and_can_be_revoked(populated_ivr: Ivr) -> None:
    made = parse_json(populated_ivr("token", "create", "--user", "alice", "--days", "30", "--label", "crm", "--json"))
    assert len(made["token"]) == 43
    assert len(made["account_id"]) == 32
    [listed] = parse_json(populated_ivr("token", "list", "--json"))
    assert (listed["id"], listed["label"], "token" in listed) == (made["id"], "crm", False)
    populated_ivr("token", "revoke", made["id"][:6], "--yes")
    assert parse_json(populated_ivr("token", "list", "--json")) == []
    populated_ivr("token", "revoke", made["id"], "--yes", fails=3)


def test_a_user_gets_a_username_and_a_password_that_is_never_shown(populated_ivr: Ivr) -> None:
    shown = populated_ivr("user", "set", "alice", "--username", "alice1", "--password", "-", given="correct horse\n")
    assert "alice1" in shown.output
    assert "correct horse" not in shown.output + populated_ivr("user", "show", "alice").output
    populated_ivr("user", "set", "alice", "--password", "short", fails=2)
    populated_ivr("user", "set", "alice", "--username", "alice2", fails=2)
    populated_ivr("user", "create", "bob")
    populated_ivr("user", "set", "bob", "--username", "alice1", "--password", "battery staple", fails=4)


def test_adding_message_to_full_box_fails_and_stores_nothing(populated_ivr: Ivr, tmp_path: Path) -> None:
    populated_ivr("box", "set", "1000", "quota_mb=1")
    one = write_wav(tmp_path / "in.wav", s=40)
    populated_ivr("message", "add", "1000", one)
    result = populated_ivr("message", "add", "1000", one, fails=4)
    assert "is used up" in result.stderr
    assert "quota_mb" in result.stderr
    assert len(parse_json(populated_ivr("message", "list", "1000", "--json"))) == 1
    populated_ivr("box", "set", "1000", "quota_mb=null")
    added = parse_json(populated_ivr("message", "add", "1000", one, "--json"))
    populated_ivr("message", "delete", "1000", added["id"], "--yes")
    populated_ivr("box", "set", "1000", "quota_mb=1")
    assert "is used up" in populated_ivr("message", "restore", "1000", added["id"], fails=4).stderr


def test_account_create_says_whose_calls_from_outside_are(ivr: Ivr) -> None:
    assert "Calls from outside belong to acme" in ivr("account", "create", "acme").stderr
    assert "Set(IVR_ACCOUNT=second)" in ivr("account", "create", "second").stderr


def test_commands_start_without_web_framework() -> None:
    code = """
import sys
from ivr.cli.command import build_command
build_command()
print(sorted({'fastapi', 'uvicorn', 'pydub', 'numpy'} & sys.modules.keys()))
"""
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"


@pytest.mark.parametrize(("only", "imported"), [("box", ["ivr.cli.boxes"]), ("--version", [])])
def test_command_imports_no_other_commands(only: str, imported: list[str]) -> None:
    code = f"""
import sys
from ivr.cli.command import build_command
build_command({only!r})
print(sorted(name for name in sys.modules if name in ('ivr.cli.boxes', 'ivr.cli.imports', 'ivr.cli.doctor')))
"""
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == str(imported)


@pytest.mark.parametrize("program", ["ivr.cli", "ivr.agi"])
def test_collector_of_garbage_passes_over_what_a_program_imports_only(program: str) -> None:
    code = f"""
import atexit, gc, sys
from {program} import main
sys.argv = ["ivr", "box", "--help"]
atexit.register(lambda: print(gc.get_freeze_count() > 10_000, gc.isenabled()))
main()
"""
    printed = subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert printed.stdout.splitlines()[-1] == "True True"


def test_text_that_looks_like_json_is_stored_as_it_is_written(populated_ivr: Ivr) -> None:
    populated_ivr("box", "set", "1000", "hunt_allow=[5]", "name=1.50")
    box = parse_json(populated_ivr("box", "show", "1000", "--json"))
    assert (box["hunt_allow"], box["name"]) == ("[5]", "1.50")
    populated_ivr("user", "set", "alice", "username=1234")
    assert parse_json(populated_ivr("user", "show", "alice", "--json"))["username"] == "1234"
    populated_ivr("box", "set", "1000", "hunt_allow=null")
    assert "hunt_allow" not in parse_json(populated_ivr("box", "show", "1000", "--json"))


def test_a_session_of_the_page_is_listed_with_its_mailbox_and_is_no_api_key(populated_ivr: Ivr) -> None:
    async def open_session() -> str:
        with closing(App(settings.load()).open()) as app:
            [account] = await app.directory.accounts()
            box = await app.boxes.find_by_number(account.id, "1000")
            assert box
            text, token = await app.tokens.create(account.id, kind=TokenKind.PAGE, box_id=box.id)
            assert await app.tokens.find(text) is None
            return token.id

    session_id = asyncio.run(open_session())
    assert parse_json(populated_ivr("token", "list", "--json")) == []
    [listed] = parse_json(populated_ivr("token", "list", "--sessions", "--json"))
    assert (listed["id"], listed["kind"], listed["mailbox"], listed["user"]) == (session_id, "page", "1000", None)
    populated_ivr("box", "delete", "1000", "--yes")
    assert parse_json(populated_ivr("token", "list", "--sessions", "--json")) == []
