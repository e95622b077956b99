"""`ivr person`: everything about a user or a caller is exported, and erased without a trace in the data folder."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ivr.audio import wav
from tests.cli.conftest import Ivr, parse_json

SECOND = b"\x10\x20" * 8000
MOBILE, MOBILE_AT_HOME = "+491701234567", "01701234567"
OTHER = "+493099"


@pytest.fixture
def filled(populated_ivr: Ivr, tmp_path: Path) -> Ivr:
    """Alice with box 1000, and bob with box 1001, who both have messages of Alice's mobile and of another caller."""
    wav.write(tmp_path / "in.wav", SECOND)
    audio = str(tmp_path / "in.wav")
    ivr = populated_ivr
    ivr("account", "set", "demo", 'settings.country_code="49"')
    ivr("user", "set", "alice", "--username", "alice-login", "--password", "correct horse")
    ivr("user", "create", "bob")
    ivr(
        "box",
        "create",
        "1001",
        "--owner",
        "bob",
        "--pin",
        "4716",
        'notify_email_addresses=["alice@demo.example", "bob@demo.example"]',
        f"notify.callback.number={MOBILE_AT_HOME}",
    )
    for box in ("1000", "1001"):
        ivr("message", "add", box, audio, "--caller", OTHER, "--caller-name", "Zoë")
    ivr("message", "add", "1001", audio, "--caller", MOBILE)
    ivr("message", "add", "1001", audio, "--caller", MOBILE_AT_HOME, "--folder", "saved")
    [gone] = [m for m in parse_json(ivr("message", "list", "1001", "--json")) if m["folder"] == "saved"]
    ivr("message", "delete", "1001", gone["id"], "--yes")
    ivr("greeting", "set", "1000", "unavailable", audio)
    ivr("greeting", "set", "1000", "name", audio)
    ivr("token", "create", "--user", "alice", "--label", "script of alice")
    return ivr


@pytest.fixture
def database(filled: Ivr, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "data" / "state" / "ivr.db", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def note(*texts: str) -> list[dict[str, str]]:
    return [{"level": "warning", "text": text} for text in texts]


def notes_of_imports(database: sqlite3.Connection) -> list[str]:
    report = json.loads(database.execute("SELECT report FROM import_runs").fetchone()[0])
    return [one["text"] for part in (*report["boxes"], report) for one in part["notes"]]


def add_traces(database: sqlite3.Connection) -> None:
    """Add what calls and mails leave: records of calls, counters, tasks, takes, entries of the audit log."""
    account = database.execute("SELECT id FROM accounts").fetchone()[0]
    alice = database.execute("SELECT id FROM users WHERE name = 'alice'").fetchone()[0]
    boxes = {row["mailbox"]: row["id"] for row in database.execute("SELECT id, mailbox FROM boxes")}
    for number, channel, box in (
        (MOBILE, "PJSIP/trunk-00000001", boxes["1001"]),
        ("10", "PJSIP/alice-desk-00000002", boxes["1001"]),
        (OTHER, "PJSIP/trunk-00000003", boxes["1000"]),
        (OTHER, "PJSIP/trunk-00000004", boxes["1001"]),
        (OTHER, "PJSIP/alice-desk-2-00000005", boxes["1001"]),
    ):
        database.execute(
            "INSERT INTO calls VALUES (?, ?, ?, ?, ?, 'leave', 'DONE', 1790000000, 1790000009, '[]')",
            (channel, account, box, channel, number),
        )
    database.execute("UPDATE messages SET transcription = 'Qzxyvw asks' WHERE caller_number = ?", (MOBILE,))
    no_account = "'NOACCOUNT', 1790000000, 1790000009, '[]'"
    sql = f"INSERT INTO calls VALUES ('x', NULL, NULL, 'PJSIP/trunk-00000006', ?, 'leave', {no_account})"
    database.execute(sql, (MOBILE,))
    for kind, target in (("mail", "Alice@demo.example"), ("mail", "bob@demo.example"), ("call", MOBILE_AT_HOME)):
        database.execute(
            "INSERT INTO outbox (account_id, box_id, kind, payload, created_at, due_at, attempts, target)"
            " VALUES (?, ?, ?, '{}', 1790000000, 1790000000, 0, ?)",
            (account, boxes["1001"], kind, target),
        )
    webhooks = (  # Of a message that is gone, and of one that Alice has forwarded.
        (None, {"message": {"caller_id_number": MOBILE}}),
        ("forwarded", {"message": {"caller_id_number": OTHER, "forwarded_by": {"name": "Alice"}}}),
    )
    of_bob = "SELECT id FROM messages WHERE box_id = ? AND caller_number = ?"
    forwarded = database.execute(of_bob, (boxes["1001"], OTHER)).fetchone()[0]
    for message, payload in webhooks:
        database.execute(
            "INSERT INTO outbox (account_id, box_id, message_id, kind, payload, created_at, due_at, attempts, target)"
            " VALUES (?, ?, ?, 'webhook', ?, 1790000000, 1790000000, 0, 'message.new')",
            (account, boxes["1001"], message and forwarded, json.dumps(payload)),
        )
    database.execute(
        "INSERT INTO takes (id, account_id, box_id, purpose, state, channel, caller_number, caller_name, path,"
        " payload, began_at) VALUES ('t', ?, ?, 'message', 'reviewed',"
        " 'PJSIP/alice-desk-00000007', '10', 'Alice', 't', '{}', 1)",
        (account, boxes["1001"]),
    )
    for scope, subject in (
        ("caller", f"trunk {MOBILE}"),
        ("caller", f"trunk {OTHER}"),
        ("own_phone", f"{boxes['1000']} alice-desk"),
    ):
        database.execute("INSERT INTO auth_attempts VALUES (?, ?, ?, 1, 1790000000, 0, 0)", (account, scope, subject))
    for user, device in ((alice, "alice-desk"), ("", f"trunk {MOBILE}"), ("", f"trunk {OTHER}")):
        database.execute(
            'INSERT INTO audit (at, account_id, box_id, action, subject, door, "user", device, proof)'
            " VALUES (1790000000, ?, ?, 'heard', 'm', 'phone', ?, ?, 'PIN')",
            (account, boxes["1001"], user, device),
        )
    database.execute(
        'INSERT INTO audit (at, account_id, box_id, action, subject, door, "user", device, proof)'
        " VALUES (1790000000, ?, ?, 'signed-in', 's', 'page', '', '192.0.2.77 session s', 'PIN')",
        (account, boxes["1000"]),
    )
    database.execute(
        'INSERT INTO audit (at, account_id, box_id, action, subject, door, "user", device, proof)'
        " VALUES (1790000000, ?, ?, 'heard', 'm', 'rest', '', '198.51.100.9 token t', 'API key')",
        (account, boxes["1000"]),
    )
    own = {"box": "1000@default", "account": "demo", "notes": note("msg0001.txt: callerid is damaged")}
    others = {
        "box": "1001@default",
        "account": "demo",
        "notes": note("msg0002.txt: damaged", f"caller {MOBILE_AT_HOME}"),
    }
    report = {"boxes": [own, others], "notes": note("ALICE@demo.example: unreadable", "alice has no phone", "malice")}
    sql = "INSERT INTO import_runs (id, began_at, state, options, report) VALUES ('r', 1790000000, 'done', '{}', ?)"
    database.execute(sql, (json.dumps(report),))
    forwarder = json.dumps({"box_id": boxes["1000"], "number": "1000", "name": "Alice"})
    database.execute(
        "UPDATE messages SET forwarded_by = ? WHERE box_id = ? AND caller_number = ?", (forwarder, boxes["1001"], OTHER)
    )


def test_user_is_exported_with_everything(filled: Ivr, database: sqlite3.Connection, tmp_path: Path) -> None:
    add_traces(database)
    wav.write(tmp_path / "data" / "takes" / "t.wav", SECOND)
    file = tmp_path / "alice.zip"
    output = filled("person", "export", str(file), "--user", "alice", "--caller", MOBILE).stdout
    assert "3 messages, 4 calls, 3 entries" in output
    assert file.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(file) as archive:
        content = {name: json.loads(archive.read(name)) for name in archive.namelist() if name.endswith(".json")}
        recordings = [name for name in archive.namelist() if name.endswith(".wav")]
    assert content["person.json"]["user"]["email"] == "alice@demo.example"
    assert [phone["name"] for phone in content["person.json"]["phones"]] == ["alice-desk"]
    assert [token["label"] for token in content["person.json"]["tokens"]] == ["script of alice"]
    numbers = {message["caller"]["number"] for message in content["messages.json"]}
    assert numbers == {OTHER, MOBILE, MOBILE_AT_HOME}
    assert all(message["file"] in recordings for message in content["messages.json"]), "the deleted message too"
    assert len([name for name in recordings if name.startswith("greetings/")]) == 2
    assert [message["forwarded_by"]["name"] for message in content["forwarded.json"]] == ["Alice"]
    targets = {task["target"] for task in content["pending.json"]} - {""}
    assert targets == {MOBILE_AT_HOME, "Alice@demo.example", "message.new"}
    channels = {call["channel"].removeprefix("PJSIP/") for call in content["calls.json"]}
    assert channels == {"trunk-00000001", "alice-desk-00000002", "trunk-00000003", "trunk-00000006"}
    assert content["person.json"]["settings_of_others"] == {
        "1001": {
            "notify_email_addresses": ["alice@demo.example"],
            "notify": {"callback": {"number": MOBILE_AT_HOME}},
        }
    }
    assert "recordings/t.wav" in recordings, "a recording in progress"
    assert [one["text"] for one in content["imports.json"]] == [
        "msg0001.txt: callerid is damaged",
        f"caller {MOBILE_AT_HOME}",
        "ALICE@demo.example: unreadable",
        "alice has no phone",
    ]
    text = json.dumps(content)
    for secret in ("correct horse", "$2b$", '"hash"'):
        assert secret not in text


def test_user_and_number_are_erased_without_a_trace(filled: Ivr, database: sqlite3.Connection, tmp_path: Path) -> None:
    add_traces(database)
    data = tmp_path / "data"
    alice = database.execute("SELECT id FROM users WHERE name = 'alice'").fetchone()[0]
    others = [row[0] for row in database.execute("SELECT id FROM messages WHERE forwarded_by IS NOT NULL")]
    (data / "state" / "ivr.db.schema-12").write_bytes(b"an earlier database")
    backups = tmp_path / "backups"
    filled("backup", str(backups))
    who = ["--user", "alice", "--caller", MOBILE, "--backups", str(backups), "--json"]
    before = sorted(data.rglob("*.wav"))
    planned = parse_json(filled("person", "erase", *who, "--dry-run"))
    assert "nothing was changed" in filled("person", "erase", *who, fails=2).stderr, "no terminal to ask at"
    assert sorted(data.rglob("*.wav")) == before
    report = parse_json(filled("person", "erase", *who, "--yes"))

    assert (planned.pop("erased"), report.pop("erased"), report.pop("cached_audio")) == (False, True, 0)
    assert report == planned
    assert (report["mailboxes"], report["messages"], report["calls"]) == (["1000"], 3, 4)
    assert (report["phones"], report["mailboxes_of_others_changed"]) == (["alice-desk"], ["1001"])
    assert [Path(path).parent for path in report["not_changed"]["backups"]] == [backups]
    assert report["not_changed"]["copies_of_the_data_folder"] == [str(data / "state" / "ivr.db.schema-12")]

    assert notes_of_imports(database) == ["erased", "msg0002.txt: damaged", "erased", "erased", "erased", "malice"]
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    stored = (data / "state" / "ivr.db").read_bytes()
    for trace in (
        MOBILE,
        MOBILE_AT_HOME,
        "alice@",
        "ALICE",
        "Alice",
        "script of alice",
        "alice-login",
        "qzxyvw",
        "192.0.2.77",
    ):
        assert trace.encode() not in stored, trace
    assert {path.stem for path in data.rglob("*.wav") if path.parent.name in ("vm", "media")} == set(others)
    assert [row["name"] for row in database.execute("SELECT name FROM users")] == ["bob"]
    assert database.execute("SELECT ref FROM secrets WHERE ref LIKE 'user:%'").fetchall() == []
    assert database.execute("SELECT target FROM outbox WHERE kind = 'mail'").fetchone()[0] == "bob@demo.example"
    entries = database.execute("SELECT user, device FROM audit WHERE door = 'phone' ORDER BY id").fetchall()
    assert [tuple(row) for row in entries] == [("erased", "erased"), ("", "erased"), ("", f"trunk {OTHER}")]
    assert [box["mailbox"] for box in parse_json(filled("box", "list", "--json"))] == ["1001"]
    [program] = database.execute("SELECT device FROM audit WHERE proof = 'API key'").fetchall()
    assert program["device"] == "198.51.100.9 token t", "a program is not the person"
    erasure = parse_json(filled("audit", "list", "--json", "--action", "erased"))
    assert [entry["subject"] for entry in erasure] == [alice]


def test_caller_is_erased_and_nothing_else(filled: Ivr, database: sqlite3.Connection) -> None:
    add_traces(database)
    report = parse_json(filled("person", "erase", "--caller", "+49 170 1234567", "--yes", "--json"))
    assert (report["messages"], report["calls"], report["mailboxes"], report["tokens_and_sessions"]) == (2, 2, [], 0)
    assert [row[0] for row in database.execute("SELECT caller_number FROM messages")] == [OTHER, OTHER]
    assert {box["mailbox"]: box["new"] for box in parse_json(filled("box", "list", "--json"))} == {"1000": 1, "1001": 1}
    assert len(database.execute("SELECT 1 FROM calls").fetchall()) == 4
    assert len(database.execute("SELECT 1 FROM users").fetchall()) == 2


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["erase", "--yes"], "no person is named"),
        (["erase", "--caller", "anonymous", "--yes"], "'anonymous' is not a number"),
        (["export", "x.zip", "--mail", "alice"], "'alice' is not a mail address"),
    ],
)
def test_request_without_a_known_person_is_refused(populated_ivr: Ivr, words: list[str], error: str) -> None:
    assert error in populated_ivr("person", *words, fails=2).stderr


def test_person_in_a_call_is_not_erased(filled: Ivr, database: sqlite3.Connection) -> None:
    database.execute(
        "INSERT INTO live_calls (id, channel, caller_number, action, number, began_at)"
        " VALUES ('c', 'PJSIP/trunk-00000007', ?, 'leave', '', 0)",
        (MOBILE_AT_HOME,),
    )
    error = filled("person", "erase", "--caller", MOBILE, "--yes", fails=4).stderr
    assert "PJSIP/trunk-00000007" in error
    assert len(database.execute("SELECT 1 FROM messages").fetchall()) == 4


def test_recordings_of_an_outage_go_before_they_are_delivered(
    filled: Ivr, database: sqlite3.Connection, tmp_path: Path
) -> None:
    """The service was away when the person called, or when others called the person."""
    takes, file = tmp_path / "data" / "takes", tmp_path / "alice.zip"
    waits = {
        "of_a_caller": f"fallback-demo-1001-{MOBILE.strip('+')}-1790000000-1.wav",
        "of_the_caller_at_home": f"fallback--1001-{MOBILE_AT_HOME}-1790000000-2.wav",
        "to_alice": "fallback-default-1000-anonymous-1790000000-3.wav",
    }
    stays = {
        "of_another": f"fallback-demo-1001-{OTHER.strip('+')}-1790000000-4.wav",
        "of_nobody": "fallback-demo-1001-anonymous-1790000000-5.wav",
        "to_no_mailbox": f"fallback-demo-1999-{MOBILE.strip('+')}-1790000000-6.wav",
    }
    for name in (*waits.values(), *stays.values()):
        wav.write(takes / name, SECOND)
    person = ("--user", "alice", "--caller", MOBILE)
    filled("person", "export", str(file), *person)
    with zipfile.ZipFile(file) as archive:
        listed = json.loads(archive.read("fallback_recordings.json"))
        assert {f"recordings/{name}" for name in waits.values()} <= set(archive.namelist())
        assert {one["caller_number"] for one in listed} == {MOBILE.strip("+"), MOBILE_AT_HOME, ""}
    assert parse_json(filled("person", "erase", *person, "--dry-run", "--json"))["fallback_recordings"] == 3
    assert len(list(takes.glob("fallback-*"))) == 6
    report = parse_json(filled("person", "erase", *person, "--yes", "--json"))
    assert report["fallback_recordings"] == 3
    assert {path.name for path in takes.glob("fallback-*")} == set(stays.values())
    assert report["not_changed"]["fallback_recordings_not_yet_delivered"] == 3
