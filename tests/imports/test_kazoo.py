"""`ivr import kazoo`: an account of a Kazoo, over its REST API on a real socket."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpcore
import numpy as np
import pytest

from ivr.errors import StoreError
from ivr.imports.kazoo import Kazoo
from ivr.imports.kazoo_client import MAX_ATTEMPTS, KazooClient
from ivr.imports.system import DefinedMailbox
from ivr.storage.records import Caller, ChangeReason, Folder, MediaKind, Message
from tests.cli.conftest import Ivr, ivr, parse_json
from tests.imports.kazoo_stand_in import REALM, KazooStandIn, serve_kazoo
from tests.imports.test_import import audio_of, count_messages, demo, listed, notes
from tests.lab.sip_phone.speech import speech

__all__ = ["demo", "ivr"]


@pytest.fixture
def kazoo(tmp_path: Path) -> Iterator[KazooStandIn]:
    """An account with mailbox 2001 of Rosa Klein, with a greeting and three messages, and 2002 without an owner."""
    with serve_kazoo(tmp_path / "kazoo") as kazoo:
        kazoo.run(fill(kazoo))
        api_key, _ = kazoo.run(kazoo.app.container.tokens.create(kazoo.app.account.id))
        (tmp_path / "api-key").write_text(f"{api_key}\n")
        yield kazoo


async def fill(kazoo: KazooStandIn) -> None:
    app, alice = kazoo.app, kazoo.app.alice
    kazoo.users[alice.id] = {"first_name": "Rosa", "last_name": "Klein", "email": "rosa@acme.example"}
    rosa = await app.create_box("2001", alice, timezone="Europe/Berlin", notify_email_addresses=["office@acme.example"])
    sven = await app.create_box("2002")
    rosa = await app.activate_recordings(rosa, MediaKind.UNAVAILABLE)
    kazoo.media[str(rosa.settings.media.unavailable)] = (rosa.id, "unavailable")
    kazoo.pins = {rosa.id: "4716", sven.id: "12"}
    for number, folder in enumerate(Folder):
        await app.container.delivery.import_recording(
            rosa, speech(number, 1500).tobytes(), Caller("5551", "Ann Example"), 1_460_000_000 + number, folder
        )


def words(kazoo: KazooStandIn, tmp_path: Path) -> tuple[str, ...]:
    key = str(tmp_path / "api-key")
    return ("import", "kazoo", "--url", kazoo.url, "--account", kazoo.app.account.id, "--api-key-file", key)


def import_kazoo(ivr: Ivr, kazoo: KazooStandIn, tmp_path: Path, *options: str, fails: int = 3) -> Any:
    pins = ("--pins", str(tmp_path / "pins.csv"))
    return parse_json(ivr(*words(kazoo, tmp_path), *pins, *options, "--json", fails=fails))


def test_account_is_imported_whole_once_and_verified(demo: Ivr, kazoo: KazooStandIn, tmp_path: Path) -> None:
    would = import_kazoo(demo, kazoo, tmp_path, "--dry-run")
    assert [(box["box"], sum(box["messages"].values())) for box in would["boxes"]] == [
        (f"2001@{REALM}", 3),
        (f"2002@{REALM}", 0),
    ]
    assert parse_json(demo("box", "list", "--json")) == []
    report = import_kazoo(demo, kazoo, tmp_path)
    found = listed(demo, "2001")
    assert [(m["folder"], m["caller"], m["caller_name"]) for m in found] == [
        (folder, "5551", "Ann Example") for folder in Folder
    ]
    assert [m["timestamp"] - 62_167_219_200 for m in found] == [1_460_000_000 + number for number in range(3)]
    for number, message in enumerate(found):
        assert similarity(audio_of(demo, tmp_path, message["id"]), speech(number, 1500).tobytes()) > 0.9
    rosa = parse_json(demo("box", "show", "2001", "--json"))
    settings = {key: rosa[key] for key in ("name", "timezone", "notify_email_addresses", "is_voicemail_ff_rw_enabled")}
    assert settings == {
        "name": "Box 2001",
        "timezone": "Europe/Berlin",
        "notify_email_addresses": ["office@acme.example"],
        "is_voicemail_ff_rw_enabled": False,
    }
    assert not {"pvt_type", "ui_metadata"} & rosa.keys()
    assert parse_json(demo("user", "show", "Rosa Klein 2001", "--json"))["email"] == "rosa@acme.example"
    assert "its password cannot be a PIN: another one is generated" in notes(report, f"2002@{REALM}")
    verified = parse_json(demo("import", "verify", "--json"))
    assert [(box["differences"], box["pin"], box["greetings"]) for box in verified] == [
        ([], "equal", "1 of 1"),
        ([], "generated", "-"),
    ]
    assert verified[0]["folders"]["new"]["equal"] == 1
    again = import_kazoo(demo, kazoo, tmp_path, fails=0)
    assert [(box["imported"], box["already_imported"]) for box in again["boxes"]] == [(0, 3), (0, 0)]
    assert api_key_of(tmp_path) not in (tmp_path / "data" / "state" / "ivr.db").read_bytes().decode("latin-1")
    run = parse_json(demo("import", "status", "--json"))[-1]
    added = parse_json(demo("audit", "list", "--action", "added", "--json"))
    assert f"import {run['run']}" in {entry["subject"] for entry in added}
    assert run["source"] == f"{kazoo.url} {kazoo.app.account.id}"
    assert parse_json(demo("import", "undo", run["run"], "--yes", "--json"))["messages"] == 3
    assert parse_json(demo("box", "list", "--json")) == []


def similarity(decoded: bytes, spoken: bytes) -> float:
    """Return the correlation of audio that came as MP3, which begins some milliseconds later."""
    first, second = (np.frombuffer(samples, np.int16).astype(float) for samples in (decoded, spoken))
    return float(np.correlate(first, second).max() / np.dot(second, second))


def api_key_of(tmp_path: Path) -> str:
    return (tmp_path / "api-key").read_text().strip()


def test_import_goes_on_after_a_kill_and_follows_folders(demo: Ivr, kazoo: KazooStandIn, tmp_path: Path) -> None:
    pins = ("--pins", str(tmp_path / "pins.csv"))
    process = subprocess.Popen(
        [sys.executable, "-m", "ivr", *words(kazoo, tmp_path), *pins],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if any(request.endswith("/raw") for request in list(kazoo.requests)):
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = count_messages(tmp_path)
    (new,) = (m for m in kazoo.run(messages_of(kazoo, "2001")) if m.folder is Folder.NEW)
    kazoo.run(kazoo.app.container.messages.move_to_folder(new.box_id, new.id, Folder.SAVED, ChangeReason.API_REQUEST))
    report = import_kazoo(demo, kazoo, tmp_path, fails=0)
    assert report["boxes"][0]["already_imported"] == before
    assert sorted(m["folder"] for m in listed(demo, "2001")) == ["deleted", "saved", "saved"]
    assert "all 2 boxes are equal" in demo("import", "verify").stdout


def test_recording_that_kazoo_does_not_have_is_left_behind(demo: Ivr, kazoo: KazooStandIn, tmp_path: Path) -> None:
    (first,) = (m for m in kazoo.run(messages_of(kazoo, "2001")) if m.folder is Folder.NEW)
    kazoo.app.container.recordings.message_path(first.account_id, first.recording).unlink()
    kazoo.media.clear()
    report = import_kazoo(demo, kazoo, tmp_path, fails=4)
    text = notes(report, f"2001@{REALM}")
    assert f"loss: new/{first.id}:" in text
    assert "loss: greeting unavail:" in text
    assert report["boxes"][0]["imported"] == 2
    assert f"new/{first.id}" in demo("import", "verify", fails=1).stderr


def test_wrong_address_or_key_is_named(demo: Ivr, kazoo: KazooStandIn, tmp_path: Path) -> None:
    wrong, empty = tmp_path / "wrong-key", tmp_path / "empty-key"
    wrong.write_text("wrong\n")
    empty.write_text("\n")
    for option, value, code, message in (
        ("--api-key-file", str(wrong), 2, "does not accept the API key"),
        ("--api-key-file", str(empty), 2, "is empty: its first line is the secret"),
        ("--api-key-file", str(tmp_path / "missing"), 3, "missing: No such file"),
        ("--account", "f" * 32, 2, "may not read it (status 403)"),
        ("--url", f"{kazoo.url}/vm", 5, "answers with status 404"),
        ("--url", "http://127.0.0.1:1/v2", 5, "cannot be reached"),
        ("--url", "ftp://kazoo.example/v2", 2, "is no http or https address"),
    ):
        given = list(words(kazoo, tmp_path))
        given[given.index(option) + 1] = value
        assert message in demo(*given, fails=code).stderr


def test_busy_kazoo_and_ended_token_are_asked_again(kazoo: KazooStandIn, tmp_path: Path) -> None:
    waited: list[float] = []
    account = f"/accounts/{kazoo.app.account.id}"
    with httpcore.ConnectionPool() as pool:
        client = KazooClient(kazoo.url, api_key_of(tmp_path), pool, waited.append)
        kazoo.failures = [429, 503, 200, 401, 200, 200]
        assert client.get(account)["realm"] == REALM
        assert (len(waited), kazoo.failures) == (2, [])
        kazoo.failures = [503] * MAX_ATTEMPTS
        with pytest.raises(StoreError, match="status 503"):
            client.get(account)


def test_what_the_account_and_the_owner_say_of_voicemail_is_taken_or_named() -> None:
    """The time zone of a mailbox without one is that of its owner, else of the account."""
    documents: dict[str, Any] = {
        "/accounts/a": {"realm": REALM, "timezone": "Europe/Berlin", "language": "de-de", "enabled": False,
                        "voicemail": {"notify": {"callback": {"number": "5551"}}}},
        "/accounts/a/vmboxes": [{"id": "b1"}, {"id": "b2"}],
        "/accounts/a/vmboxes/b1": {"id": "b1", "mailbox": "2001", "owner_id": "u1", "greeting_media_id": "g" * 32},
        "/accounts/a/vmboxes/b2": {"id": "b2", "mailbox": "2002", "media": {"colour": "green"}},
        "/accounts/a/users/u1": {"first_name": "Rosa", "timezone": "Europe/Paris", "enabled": False,
                                 "media": {"audio": {"codecs": ["PCMU"]}}, "voicemail": {"notify": {}}},
        "/accounts/a/vmboxes/b1/messages": [{"media_id": "m1", "timestamp": 63_630_000_000, "colour": "green"}],
        "/accounts/a/vmboxes/b2/messages": [],
    }  # fmt: skip
    client = SimpleNamespace(url="http://kazoo", get=documents.__getitem__, list=documents.__getitem__)
    system = Kazoo(cast(Any, client), "a")
    found = system.read_boxes()
    rosa, sven = (found.mailboxes[f"{number}@{REALM}"] for number in ("2001", "2002"))
    assert isinstance(rosa, DefinedMailbox)
    assert isinstance(sven, DefinedMailbox)
    assert (rosa.time_zone, sven.time_zone, rosa.language) == ("Europe/Paris", "Europe/Berlin", "de-de")
    assert [text for _, text in rosa.notes] == [
        "voicemail.notify of its owner: set it with 'ivr user set'",
        "its owner is disabled in Kazoo, and the user here is not",
    ]
    assert [note.text for note in found.notes] == [
        "voicemail.notify of the account: set it with 'ivr account set'",
        "the account is disabled in Kazoo, and its mailboxes are imported",
    ]
    content = system.read_content("2001", REALM)
    assert (list(content.greetings), content.problems) == (["unavail"], [])
    assert content.notes == ["fields of messages that have no place here: colour (1)"]
    assert system.read_content("2002", REALM).problems == ["media.colour 'green': it is no greeting that is known"]


@pytest.mark.parametrize(
    ("document", "addresses"),
    [
        ({"notify_email_address": "rosa@acme.example"}, ["rosa@acme.example"]),
        ({"notify_email_address": ["a@acme.example", "b@acme.example"]}, ["a@acme.example", "b@acme.example"]),
        ({"notify_email_address": "old@acme.example", "notify_email_addresses": []}, []),
    ],
)
def test_old_names_and_inherited_time_zones_mean_what_kazoo_reads(
    document: dict[str, Any], addresses: list[str]
) -> None:
    """Their mails stopped, and an owner with `inherit` got the time zone of the account here."""
    documents: dict[str, Any] = {
        "/accounts/a": {"realm": REALM, "timezone": "Europe/Berlin"},
        "/accounts/a/vmboxes": [{"id": "b1"}],
        "/accounts/a/vmboxes/b1": {"id": "b1", "mailbox": "2001", "owner_id": "u1", "timezone": "inherit", **document},
        "/accounts/a/users/u1": {"first_name": "Rosa", "timezone": "inherit"},
    }
    client = SimpleNamespace(url="http://kazoo", get=documents.__getitem__, list=documents.__getitem__)
    rosa = Kazoo(cast(Any, client), "a").read_boxes().mailboxes[f"2001@{REALM}"]
    assert isinstance(rosa, DefinedMailbox)
    assert rosa.time_zone == "Europe/Berlin"
    assert rosa.fields["notify_email_addresses"] == addresses
    assert "notify_email_address" not in rosa.fields


async def messages_of(kazoo: KazooStandIn, number: str) -> list[Message]:
    mailbox = await kazoo.app.container.boxes.find_by_number(kazoo.app.account.id, number)
    assert mailbox
    return await kazoo.app.messages(mailbox)
