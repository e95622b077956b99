"""`ivr import fusionpbx`: tables of a real PostgreSQL as FusionPBX creates them, recordings in files or columns."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ivr.audio import wav
from ivr.errors import BadInput
from ivr.imports.fusionpbx import FusionPbx, FusionPbxMessage, Recording
from ivr.imports.fusionpbx_settings import describe_columns, map_settings
from ivr.imports.system import DefinedMailbox, NoteLevel
from tests.cli.conftest import Ivr, ivr, parse_json
from tests.imports.test_import import audio_of, count_messages, demo, listed, notes
from tests.lab.sip_phone.speech import speech
from tests.support.postgresql_server import PASSWORD, PostgresqlServer

__all__ = ["demo", "ivr"]

SCHEMA = """
CREATE TABLE v_domains (domain_uuid uuid PRIMARY KEY, domain_name text, domain_enabled text);
CREATE TABLE v_extensions (
    extension_uuid uuid PRIMARY KEY, domain_uuid uuid, extension text, effective_caller_id_name text);
CREATE TABLE v_voicemails (
    domain_uuid uuid, voicemail_uuid uuid PRIMARY KEY, voicemail_id text, voicemail_password text,
    greeting_id numeric, voicemail_alternate_greet_id numeric, voicemail_mail_to text, voicemail_sms_to text,
    voicemail_transcription_enabled text, voicemail_attach_file text, voicemail_file text,
    voicemail_local_after_email text, voicemail_enabled text, voicemail_description text,
    voicemail_name_base64 text, voicemail_tutorial text);
CREATE TABLE v_voicemail_messages (
    domain_uuid uuid, voicemail_message_uuid uuid PRIMARY KEY, voicemail_uuid uuid, created_epoch numeric,
    read_epoch numeric, caller_id_name text, caller_id_number text, message_length numeric, message_status text,
    message_priority text, message_intro_base64 text, message_base64 text, message_transcription text);
CREATE TABLE v_voicemail_greetings (
    voicemail_greeting_uuid uuid PRIMARY KEY, domain_uuid uuid, voicemail_id text, greeting_id numeric,
    greeting_name text, greeting_filename text, greeting_base64 text, greeting_description text);
CREATE TABLE v_voicemail_destinations (
    voicemail_destination_uuid uuid PRIMARY KEY, domain_uuid uuid, voicemail_uuid uuid, voicemail_uuid_copy uuid);
CREATE TABLE v_default_settings (
    default_setting_uuid uuid PRIMARY KEY, default_setting_category text, default_setting_subcategory text,
    default_setting_name text, default_setting_value text, default_setting_enabled text);
CREATE TABLE v_domain_settings (
    domain_uuid uuid, domain_setting_uuid uuid PRIMARY KEY, domain_setting_category text,
    domain_setting_subcategory text, domain_setting_name text, domain_setting_value text, domain_setting_enabled text);
CREATE TABLE v_voicemail_options (
    voicemail_option_uuid uuid PRIMARY KEY, voicemail_uuid uuid, domain_uuid uuid, voicemail_option_digits text,
    voicemail_option_action text, voicemail_option_param text, voicemail_option_order numeric);
"""
DOMAIN = "acme.example"
DOMAIN_UUID, ROSA, SVEN = (uuid.uuid5(uuid.NAMESPACE_DNS, name) for name in ("domain", "2001", "2002"))


class Site:
    """A FusionPBX with the mailboxes 2001 and 2002, whose tables a test fills."""

    def __init__(self, server: PostgresqlServer, folder: Path) -> None:
        self._database = f"fusion{uuid.uuid4().hex}"
        self.dsn = server.create_database(self._database, SCHEMA)
        self._server = server
        self.storage = folder / "storage"
        self.files = self.storage / "voicemail" / "default" / DOMAIN / "2001"
        self.files.mkdir(parents=True)
        self._folder = folder
        self.insert("v_domains", domain_uuid=DOMAIN_UUID, domain_name=DOMAIN)
        self.insert("v_extensions", domain_uuid=DOMAIN_UUID, extension="2001", effective_caller_id_name="Rosa Klein",
                    extension_uuid=uuid.uuid4())  # fmt: skip
        common = {"domain_uuid": DOMAIN_UUID, "voicemail_enabled": "true"}
        self.insert("v_voicemails", **common, voicemail_uuid=ROSA, voicemail_id="2001", voicemail_password="4716",
                    voicemail_mail_to="rosa@acme.example;office@acme.example", voicemail_file="attach",
                    voicemail_local_after_email="false", voicemail_transcription_enabled="true")  # fmt: skip
        self.insert("v_voicemails", **common, voicemail_uuid=SVEN, voicemail_id="2002", voicemail_password="5839",
                    greeting_id=0, voicemail_file="", voicemail_tutorial="true")  # fmt: skip

    def insert(self, table: str, **columns: Any) -> None:
        names, places = ", ".join(columns), ", ".join(["%s"] * len(columns))
        self.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", *columns.values())

    def execute(self, sql: str, *values: Any) -> None:
        with self._server.connect(self._database) as connection:
            connection.execute(sql, values)

    def message(self, voice: int, status: str | None = None, **columns: Any) -> uuid.UUID:
        """Add a message to 2001, without audio."""
        message_uuid = uuid.uuid5(ROSA, str(voice))
        self.insert("v_voicemail_messages", **{
            "domain_uuid": DOMAIN_UUID, "voicemail_message_uuid": message_uuid, "voicemail_uuid": ROSA,
            "created_epoch": 1_460_000_000 + voice, "caller_id_name": "Ann Example", "caller_id_number": "5551",
            "message_length": 1, "message_status": status, **columns,
        })  # fmt: skip
        return message_uuid

    def file(self, name: str, voice: int, folder: Path | None = None) -> None:
        samples = self._folder / "made.wav"
        wav.write(samples, speech(voice, 1500).tobytes())
        target = (folder or self.files) / name
        subprocess.run(("ffmpeg", "-v", "error", "-y", "-i", str(samples), str(target)), check=True)

    def text(self, voice: int, suffix: str = "wav") -> str:
        self.file(f"column.{suffix}", voice, self._folder)
        return base64.encodebytes((self._folder / f"column.{suffix}").read_bytes()).decode()


@pytest.fixture
def site(postgresql: PostgresqlServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    return Site(postgresql, tmp_path)


def words(site: Site) -> tuple[str, ...]:
    return ("import", "fusionpbx", "--database", site.dsn, "--storage", str(site.storage))


def import_fusionpbx(ivr: Ivr, site: Site, *options: str, fails: int = 0) -> Any:
    return parse_json(ivr(*words(site), *options, "--json", fails=fails))


def test_tables_and_recordings_are_imported_once_and_verified(demo: Ivr, site: Site, tmp_path: Path) -> None:
    site.file(f"msg_{site.message(1)}.wav", 1)
    site.file(f"msg_{site.message(2, 'saved', message_priority='urgent')}.mp3", 2)
    site.message(3, "", message_base64=site.text(3), message_intro_base64=site.text(13), message_transcription="Hello")
    site.message(4, "deleted", message_base64=site.text(4, "mp3"), read_epoch=1_460_000_900)
    site.execute("UPDATE v_voicemails SET greeting_id = 2 WHERE voicemail_uuid = %s", ROSA)
    for number in (1, 2):
        site.insert("v_voicemail_greetings", voicemail_greeting_uuid=uuid.uuid4(), domain_uuid=DOMAIN_UUID,
                    voicemail_id="2001", greeting_id=number, greeting_filename=f"greeting_{number}.wav",
                    greeting_name=f"Greeting {number}")  # fmt: skip
        site.file(f"greeting_{number}.wav", 20 + number)
    site.file("recorded_name.wav", 30)
    site.insert("v_voicemail_destinations", voicemail_destination_uuid=uuid.uuid4(), voicemail_uuid=ROSA,
                voicemail_uuid_copy=SVEN)  # fmt: skip
    site.insert("v_voicemail_options", voicemail_option_uuid=uuid.uuid4(), voicemail_uuid=ROSA,
                voicemail_option_digits="1", voicemail_option_param="transfer 1001 XML acme.example")  # fmt: skip
    for kind, name, value, enabled in (
        ("default", "message_max_length", "300", "true"),
        ("domain", "message_max_length", "120", "true"),
        ("domain", "greeting_max_length", "9", "false"),
    ):
        setting = f"{kind}_setting_"
        of_domain = {"domain_uuid": DOMAIN_UUID} if kind == "domain" else {}
        site.insert(f"v_{kind}_settings", **of_domain, **{
            f"{setting}uuid": uuid.uuid4(), f"{setting}category": "voicemail", f"{setting}subcategory": name,
            f"{setting}value": value, f"{setting}enabled": enabled})  # fmt: skip
    would = import_fusionpbx(demo, site, "--dry-run", fails=4)
    assert sum(would["boxes"][0]["messages"].values()) == 4
    assert parse_json(demo("box", "list", "--json")) == []
    report = import_fusionpbx(demo, site, fails=4)
    found = listed(demo, "2001")
    assert [(m["folder"], m["urgent"], m["caller"]) for m in found] == [
        ("new", False, "5551"),
        ("saved", True, "5551"),
        ("new", False, "5551"),
        ("deleted", False, "5551"),
    ]
    assert audio_of(demo, tmp_path, found[0]["id"]) == speech(1, 1500).tobytes()
    with_intro = speech(13, 1500).tobytes() + speech(3, 1500).tobytes()
    assert audio_of(demo, tmp_path, found[2]["id"]) == with_intro
    rosa, sven = (parse_json(demo("box", "show", number, "--json")) for number in ("2001", "2002"))
    keys = ("include_message_on_notify", "delete_after_notify", "transcribe", "is_setup", "skip_greeting")
    assert [rosa[key] for key in keys] == [True, True, True, True, False]
    assert [sven[key] for key in keys] == [False, False, False, False, True]
    assert rosa["notify_email_addresses"] == ["office@acme.example"]
    assert rosa["copy_to"] == ["2002"]
    assert (rosa["max_message_length"], rosa["max_greeting_length"]) == (120, 90)
    assert parse_json(demo("user", "show", "Rosa Klein 2001", "--json"))["email"] == "rosa@acme.example"
    text = notes(report, f"2001@{DOMAIN}")
    for note in ("key 1 of the greeting leads to transfer 1001", "Greeting 1"):
        assert note in text
    verified = demo("import", "verify", "--json", fails=1)
    differences = [(box["differences"], box["pin"], box["greetings"]) for box in parse_json(verified)]
    assert differences == [
        (["greetings that are not chosen have no place here: Greeting 1"], "equal", "2 of 2"),
        ([], "equal", "-"),
    ]
    again = import_fusionpbx(demo, site, "--only", "greetings,messages", fails=4)
    assert (again["boxes"][0]["imported"], again["boxes"][0]["already_imported"]) == (0, 4)
    site.execute("UPDATE v_voicemail_messages SET message_status = 'saved' WHERE caller_id_number = '5551'")
    again = import_fusionpbx(demo, site, "--only", "messages", fails=4)
    assert [m["folder"] for m in listed(demo, "2001")] == ["saved"] * 4
    assert PASSWORD.encode() not in (tmp_path / "data" / "state" / "ivr.db").read_bytes()
    run = parse_json(demo("import", "status", "--json"))[-1]["run"]
    undone = parse_json(demo("import", "undo", run, "--yes", "--json"))
    assert (undone["messages"], undone["greetings"], undone["boxes"]) == (4, 2, 2)


def test_what_has_no_place_is_named_and_copies_stay_in_their_domain(demo: Ivr, site: Site) -> None:
    other, namesake, nowhere = (uuid.uuid5(ROSA, name) for name in ("domain", "2002 of the other", "nowhere"))
    site.insert("v_domains", domain_uuid=other, domain_name="other.example")
    site.insert("v_voicemails", domain_uuid=other, voicemail_uuid=namesake, voicemail_id="2002")
    for copy in (ROSA, namesake, nowhere):
        site.insert("v_voicemail_destinations", voicemail_destination_uuid=uuid.uuid4(), voicemail_uuid=ROSA,
                    voicemail_uuid_copy=copy)  # fmt: skip
    site.execute("UPDATE v_voicemails SET greeting_id = 7, voicemail_file = 'pigeon' WHERE voicemail_uuid = %s", ROSA)
    site.message(1, voicemail_uuid=nowhere)
    contexts = ("--context", f"{DOMAIN}=demo", "--context", "other.example=-")
    would = import_fusionpbx(demo, site, *contexts, "--dry-run", fails=4)
    text = notes(would, f"2001@{DOMAIN}")
    for note in (
        "warning: copies to mailbox 2002 of another domain: they are left out",
        f"warning: copies to mailbox {nowhere}, which does not exist: they are left out",
        "warning: voicemail_file=pigeon is not known: mails are without audio",
        "loss: greeting unavail: ",
    ):
        assert note in text
    import_fusionpbx(demo, site, *contexts, fails=4)
    assert parse_json(demo("box", "show", "2001", "--json"))["copy_to"] == [], "2002 here is another mailbox"
    assert "messages that belong to no mailbox of v_voicemails: 1" in str(would)


def test_audio_of_every_wrong_kind_is_left_behind_by_name(demo: Ivr, site: Site) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "it has no audio in the database and not in": {},
        "its column is not base64": {"message_base64": "no base64!"},
        "its column holds no audio": {"message_base64": base64.b64encode(b"only some text").decode()},
        "10 s there": {"message_base64": "".join(site.text(3).splitlines()[:100]), "message_length": 10},
    }
    uuids = [site.message(voice, **columns) for voice, columns in enumerate(kinds.values())]
    site.message(9, "archived", message_base64=site.text(1))
    report = import_fusionpbx(demo, site, fails=4)
    text = notes(report, f"2001@{DOMAIN}")
    for level, message_uuid, reason in zip(("loss", "loss", "loss", "warning"), uuids, kinds, strict=True):
        assert f"{level}: new/{message_uuid}: {reason}" in text
    assert "message_status 'archived' is not known" in text
    assert report["boxes"][0]["imported"] == 1, "what is there of the one that was cut"
    assert "it was not imported" not in demo("import", "verify", fails=1).stderr


def test_import_that_was_killed_goes_on(demo: Ivr, site: Site, tmp_path: Path) -> None:
    text = site.text(1)
    for voice in range(30):
        site.message(voice, message_base64=text)
    process = subprocess.Popen(
        [sys.executable, "-m", "ivr", *words(site)],
        env={**os.environ, "IVR_DATA__FSYNC": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not (stored := count_messages(tmp_path)) and process.poll() is None and time.monotonic() < deadline:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert stored
    before = count_messages(tmp_path)
    report = import_fusionpbx(demo, site)
    assert (report["boxes"][0]["imported"], report["boxes"][0]["already_imported"]) == (30 - before, before)
    assert "all 2 boxes are equal" in demo("import", "verify").stdout


def test_wrong_database_is_named(
    demo: Ivr, site: Site, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def error(code: int, *options: str) -> str:
        return demo("import", "fusionpbx", *options, fails=code).stderr

    empty = postgresql.create_database(f"empty{uuid.uuid4().hex}", "CREATE TABLE other (a text)")
    assert "has no table v_domains" in error(3, "--database", empty)
    assert "--database has a password" in error(2, "--database", f"{site.dsn} password=x")
    assert "write it as 'host=HOST dbname=NAME'" in error(2, "--database", "nonsense")
    assert "cannot be opened" in error(5, "--database", "host=/nonexistent dbname=x")
    assert "is no folder: name FreeSWITCH's" in error(3, "--database", site.dsn, "--storage", "/nonexistent")
    site.execute("UPDATE v_voicemails SET voicemail_id = '2001'")
    assert f"has two mailboxes 2001@{DOMAIN}" in error(2, *words(site)[2:])
    monkeypatch.setenv("PGPASSWORD", "wrong")
    text = error(5, "--database", site.dsn)
    assert "password authentication failed" in text
    assert "put the password into ~/.pgpass or the variable PGPASSWORD" in text
    assert parse_json(demo("box", "list", "--json")) == []


def test_settings_of_the_domain_are_those_of_its_mailboxes_and_others_are_named() -> None:
    """Else a caller could speak longer than there, and the oldest message came last."""
    box = {"domain_uuid": "d1", "voicemail_uuid": "v1", "voicemail_id": "2001", "voicemail_colour": "green",
           "insert_date": "2026-01-01", "voicemail_file": "attach"}  # fmt: skip
    of_voicemail = {
        "": {"message_max_length": "300", "password_min_length": "4", "remote_access": "true"},
        "d1": {"message_max_length": "120", "password_complexity": "true"},
    }
    message = {"voicemail_message_uuid": "m1", "created_epoch": "1460000000", "message_colour": "green",
               "update_user": "u"}  # fmt: skip
    tables = SimpleNamespace(
        place="the database",
        domains=lambda: {"d1": DOMAIN},
        disabled_domains=list,
        count_messages_without=lambda _: 0,
        extension_names=dict,
        voicemails=lambda: [box],
        settings=lambda category: of_voicemail if category == "voicemail" else {"": {"language": "de-de"}},
        copies=lambda _: [],
        options=lambda _: [],
        greetings=lambda *_: [],
        messages=lambda _: [message],
    )
    system = FusionPbx(cast(Any, tables), None)
    found = system.read_boxes()
    rosa = found.mailboxes[f"2001@{DOMAIN}"]
    assert isinstance(rosa, DefinedMailbox)
    assert (rosa.fields["max_message_length"], rosa.fields["oldest_message_first"], rosa.language) == (
        120,
        True,
        "de-de",
    )
    assert [text for _, text in rosa.notes] == ["voicemail_colour: has no equivalent"]
    assert [(note.level, note.text.rpartition(": ")[2]) for note in found.notes] == [
        (NoteLevel.INFO, "password_min_length=4"),
        (NoteLevel.WARNING, "password_complexity=true"),
    ]
    assert system.read_content("2001", DOMAIN).notes == [
        "fields of messages that have no place here: message_colour (1)"
    ]


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        ({}, {}),
        ({"message_order": "ASC", "remote_access": "false"}, {}),
        ({"message_order": "desc"}, {"oldest_message_first": False}),
        ({"message_max_length": "120", "message_silence_seconds": "9"}, {"max_message_length": 120, "silence_hits": 9}),
        ({"message_caller_id_number": "false"}, {"envelope_type": "default"}),
        ({"message_caller_id_number": "after", "message_date_time": "last"}, {"play_envelope_action": "play_after"}),
        ({"message_caller_id_number": "after", "message_date_time": "before"}, {}),
        (
            {"message_caller_id_number": "False", "message_date_time": "false"},
            {"play_envelope_action": "skip", "envelope_type": "default"},
        ),
        ({"message_order": "", "remote_access": "True"}, {"keys": {}}),
    ],
)
def test_calls_go_as_before_where_fusionpbx_says_nothing(settings: dict[str, str], changed: dict[str, Any]) -> None:
    """The defaults of both systems differ: the newest message came first, and * led to the sign-in."""
    expected = {
        "oldest_message_first": True, "play_envelope_action": "play_before", "envelope_type": "caller_and_time",
        "seek_duration_ms": 5000, "hunt": False, "keys": {"login": ""}, "vm_message_forward_type": "prepend_forward",
        "after_forward_action": "prompt", "max_message_length": 300, "max_greeting_length": 90, "silence_hits": 3,
    }  # fmt: skip
    fields = map_settings({"voicemail_id": "2001"}, [], settings)
    assert {key: fields[key] for key in expected} == {**expected, **changed}


def test_mailbox_that_only_forwards_is_named_and_its_owner_is_asked_about_forwarded_messages() -> None:
    """`voicemail_local_after_forward` is about copies, and not about forwarding by phone: a message was lost by it."""
    row = {"voicemail_id": "2001", "voicemail_local_after_forward": "false",
           "voicemail_transcription_prompt_enabled": "false",
           "alternate_voicemail_enabled": "true", "alternate_voicemail_destination": "5000"}  # fmt: skip
    assert map_settings(row, ["2002"], {})["after_forward_action"] == "prompt"
    assert [text for _, text in describe_columns(row, "", ["2002"])] == [
        "voicemail_local_after_forward=false: only the mailboxes that get copies keep its messages there; here it"
        " keeps them too",
        "alternate_voicemail_destination=5000: callers are transferred to it there, and leave messages here: transfer"
        " them in the dialplan",
    ]
    assert list(describe_columns({**row, "alternate_voicemail_enabled": "false"}, "", [])) == []
    assert (
        list(describe_columns({**row, "alternate_voicemail_enabled": None, "voicemail_mail_to": "a@b"}, "", ["1"]))
        == []
    )


def test_uploaded_greeting_is_ogg_too(tmp_path: Path) -> None:
    """A site's page takes WAV, MP3 and OGG; the last one stayed behind."""
    wav.write(tmp_path / "made.wav", speech(1, 1500).tobytes())
    command = ("ffmpeg", "-v", "error", "-i", str(tmp_path / "made.wav"), str(tmp_path / "greeting_1.ogg"))
    subprocess.run(command, check=True)
    found = Recording(tmp_path / "greeting_1", "").read()
    assert found is not None
    assert found.file == "greeting_1.ogg"


@pytest.mark.parametrize("digits", [12, 5000])
def test_number_of_thousands_of_digits_is_no_time(digits: int) -> None:
    row = {"created_epoch": "9" * digits, "message_length": "9" * digits}
    message = FusionPbxMessage(cast(Any, None), "2001@acme.example", row, None)
    assert (message.time, message.expected_s) == (0, 0)


@pytest.mark.parametrize("name", ["..", ".", "", "../../etc", "a/b", "a\0b"])
def test_name_of_a_domain_is_one_folder(name: str, tmp_path: Path) -> None:
    """Else a database could have the recordings of other mailboxes imported."""
    tables = SimpleNamespace(
        place="the database",
        domains=lambda: {str(DOMAIN_UUID): name},
        extension_names=dict,
        voicemails=lambda: [{"domain_uuid": DOMAIN_UUID, "voicemail_id": "2001", "voicemail_uuid": DOMAIN_UUID}],
        settings=lambda _: {"": {}},
    )
    with pytest.raises(BadInput, match="no folder is named '2001' below"):
        FusionPbx(cast(Any, tables), tmp_path).read_boxes()
