"""`ivr import app-voicemail --database`: realtime mailboxes, and messages over ODBC, in tables of a real PostgreSQL."""

from __future__ import annotations

import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ivr.imports.app_voicemail import AppVoicemail
from ivr.imports.app_voicemail_database import AppVoicemailDatabase
from ivr.imports.voicemail_conf import ConfMailbox
from tests.cli.conftest import Ivr, ivr, parse_json
from tests.imports.spool_maker import SpoolMaker
from tests.imports.test_import import audio_of, demo, kill_import, listed, maker, notes
from tests.lab.sip_phone.speech import speech
from tests.support.postgresql_server import PASSWORD, PostgresqlServer

__all__ = ["demo", "ivr", "maker"]

# As `contrib/realtime/postgresql` of Asterisk has them, with the audio as bytes or as a large object.
SCHEMA = """
CREATE TABLE voicemail_users (
    uniqueid serial PRIMARY KEY, context varchar(80) NOT NULL, mailbox varchar(80) NOT NULL,
    password varchar(80) NOT NULL, fullname varchar(80), email varchar(80), pager varchar(80), attach varchar(3),
    deletevoicemail varchar(3), saycid varchar(3), maxmsg integer, tz varchar(10), stamp timestamp);
CREATE TABLE voicemessages (
    msgnum integer NOT NULL, dir varchar(255) NOT NULL, context varchar(80), callerid varchar(80), origtime integer,
    duration integer, recording bytea, flag varchar(30), category varchar(30), mailboxuser varchar(30),
    mailboxcontext varchar(30), msg_id varchar(40), PRIMARY KEY (dir, msgnum));
CREATE TABLE voicemessages_lo (LIKE voicemessages);
ALTER TABLE voicemessages_lo ALTER COLUMN recording TYPE oid USING NULL;
"""
SPOOL = "/var/spool/asterisk/voicemail"


class Tables:
    """The tables of one site."""

    def __init__(self, server: PostgresqlServer, maker: SpoolMaker) -> None:
        self._name = f"asterisk{uuid.uuid4().hex}"
        self.dsn = server.create_database(self._name, SCHEMA)
        self._server = server
        self._maker = maker

    def execute(self, sql: str, *values: Any) -> None:
        with self._server.connect(self._name) as connection:
            connection.execute(sql, values or None)

    def row(self, folder: str, number: int, suffix: str | None = "wav", voice: int = 1, **columns: Any) -> None:
        """Add a row; `suffix` None: its audio is in a file."""
        content = self._maker.audio(suffix, voice).read_bytes() if suffix else None
        time = 1_460_000_000 + voice
        values = {
            "msgnum": number, "dir": f"{SPOOL}/default/2001/{folder}", "callerid": '"Ann Example" <5551>',
            "origtime": time, "duration": 1, "flag": "", "category": "", "msg_id": f"{time}-0000000{voice}",
            "recording": content, **columns,
        }  # fmt: skip
        names, places = ", ".join(values), ", ".join(["%s"] * len(values))
        self.execute(f"INSERT INTO voicemessages ({names}) VALUES ({places})", *values.values())


@pytest.fixture
def tables(postgresql: PostgresqlServer, maker: SpoolMaker, monkeypatch: pytest.MonkeyPatch) -> Tables:
    """The realtime mailbox 2001 with deletevoicemail; voicemail.conf has [general] alone."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    maker.write_conf("[general]\nformat = wav49|wav\n[zonemessages]\nberlin=Europe/Berlin|R\n")
    made = Tables(postgresql, maker)
    made.execute(
        "INSERT INTO voicemail_users (context, mailbox, password, fullname, email, deletevoicemail, maxmsg, tz)"
        " VALUES ('default', '2001', '4716', 'Rosa Klein', 'rosa@acme.example', 'yes', 50, 'berlin')"
    )
    return made


def import_tables(ivr: Ivr, tables: Tables, maker: SpoolMaker, *options: str, fails: int = 3) -> Any:
    source = ("--conf", str(maker.conf), "--spool", str(maker.spool), "--database", tables.dsn)
    return parse_json(ivr("import", "app-voicemail", *source, *options, "--json", fails=fails))


BOTH = ("--mailboxes-table", "voicemail_users", "--messages-table", "voicemessages")


def test_mailboxes_and_messages_come_from_tables(demo: Ivr, tables: Tables, maker: SpoolMaker, tmp_path: Path) -> None:
    tables.row("INBOX", 0, voice=1)
    tables.row("Urgent", 0, "WAV", voice=2, flag="Urgent")
    tables.row("Work", 3, voice=3, category="sales")
    tables.row("unavail", -1, voice=8, msg_id=None, origtime=None)
    # With odbc_audio_on_disk the row has no audio.
    made = maker.message("Old", voice=4)
    tables.row("Old", int(made.stem.name.removeprefix("msg")), None, voice=4)
    would = import_tables(demo, tables, maker, *BOTH, "--dry-run")
    assert sum(would["boxes"][0]["messages"].values()) == 4
    assert parse_json(demo("box", "list", "--json")) == []
    report = import_tables(demo, tables, maker, *BOTH)
    assert "delete: mailed messages are in the folder deleted" in notes(report, "2001@default")
    found = listed(demo, "2001")
    assert [(m["folder"], m["urgent"], m["labels"], m["caller_name"]) for m in found] == [
        ("new", False, [], "Ann Example"),
        ("new", True, [], "Ann Example"),
        ("saved", False, ["Work", "sales"], "Ann Example"),
        ("saved", False, [], "Ann Example"),
    ]
    for voice in (1, 3, 4):
        assert audio_of(demo, tmp_path, found[voice - 1]["id"]) == speech(voice, 1500).tobytes()
    rosa = parse_json(demo("box", "show", "2001", "--json"))
    keys = ("name", "timezone", "delete_after_notify", "max_message_count")
    assert [rosa[key] for key in keys] == ["Rosa Klein", "Europe/Berlin", True, 100]
    (verified,) = parse_json(demo("import", "verify", "--json"))
    assert (verified["differences"], verified["pin"], verified["greetings"]) == ([], "equal", "1 of 1")
    # app_voicemail numbers messages anew whenever one is moved: they stay the same messages.
    tables.execute("UPDATE voicemessages SET msgnum = 7, dir = %s WHERE msgnum = 3", f"{SPOOL}/default/2001/Deleted")
    report = import_tables(demo, tables, maker, *BOTH, fails=0)
    assert (report["boxes"][0]["imported"], report["boxes"][0]["already_imported"]) == (0, 4)
    assert listed(demo, "2001")[2]["folder"] == "deleted"
    assert "the messages of app-voicemail are in a database" in demo("import", "switch", fails=4).stderr
    run = parse_json(demo("import", "status", "--json"))[-1]["run"]
    assert parse_json(demo("import", "undo", run, "--yes", "--json"))["messages"] == 4


def test_columns_of_a_realtime_mailbox_have_their_other_names(tmp_path: Path) -> None:
    """`vmsecret` counts before `secret` and `password`; `options` has several options. No PIN is in a report."""
    row = {"mailbox": "2001", "password": "1111", "vmsecret": "4716", "options": "review=yes|tz=x", "colour": "green"}
    tables = SimpleNamespace(has_messages=True, folders=list, mailboxes=lambda: [row], place="the database")
    (tmp_path / "voicemail.conf").write_text("[general]\nformat=wav\n")
    system = AppVoicemailDatabase(AppVoicemail(tmp_path / "voicemail.conf", tmp_path), cast(Any, tables))
    mailbox = system.read_boxes().mailboxes["2001@default"]
    assert isinstance(mailbox, ConfMailbox)
    assert mailbox.password == "4716"
    assert mailbox.own_options == {"colour": "green", "review": "yes", "tz": "x"}


def test_realtime_mailboxes_have_their_messages_in_the_spool(demo: Ivr, tables: Tables, maker: SpoolMaker) -> None:
    maker.message()
    report = import_tables(demo, tables, maker, "--mailboxes-table", "voicemail_users")
    assert [(one["box"], one["created"], one["imported"]) for one in report["boxes"]] == [("2001@default", True, 1)]
    assert "all 1 boxes are equal" in demo("import", "verify").stdout


def test_large_objects_are_read_and_wrong_rows_named(
    demo: Ivr, tables: Tables, maker: SpoolMaker, tmp_path: Path
) -> None:
    tables.row("INBOX", 0, voice=1)
    tables.row("INBOX", 1, voice=2, recording=b"no audio at all, only some text in it")
    tables.row("INBOX", 2, None, voice=3)
    tables.row("Odd", 0, voice=4)
    tables.execute(
        "INSERT INTO voicemessages_lo SELECT msgnum, dir, context, callerid, origtime, duration,"
        " lo_from_bytea(0, recording), flag, category, mailboxuser, mailboxcontext, msg_id FROM voicemessages"
    )
    tables.execute("DO $$ DECLARE o oid; BEGIN FOR o IN SELECT oid FROM pg_largeobject_metadata LOOP"
                   " EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO site', o); END LOOP; END $$")  # fmt: skip
    both = ("--mailboxes-table", "voicemail_users", "--messages-table", "voicemessages_lo")
    report = import_tables(demo, tables, maker, *both, fails=4)
    text = notes(report, "2001@default")
    for loss in (
        "loss: Odd/0: app_voicemail has no such folder",
        "loss: INBOX/1: recording.WAV cannot be read as audio",
        "loss: INBOX/2: it has no audio in the table, and none in",
    ):
        assert loss in text
    (message,) = listed(demo, "2001")
    assert audio_of(demo, tmp_path, message["id"]) == speech(1, 1500).tobytes()


def test_wrong_tables_are_named(demo: Ivr, tables: Tables, maker: SpoolMaker) -> None:
    source = ("import", "app-voicemail", "--conf", str(maker.conf), "--spool", str(maker.spool))
    for options, code, message in (
        (("--database", tables.dsn, "--messages-table", "nowhere"), 3, "has no table nowhere"),
        (
            ("--database", tables.dsn, "--mailboxes-table", "voicemessages"),
            2,
            "has no column mailbox: it is another table",
        ),
        (("--database", tables.dsn), 2, "--database, or --dump, goes with --mailboxes-table, --messages-table or both"),
        (("--database", tables.dsn, *BOTH, "--follow"), 2, "--follow looks at a spool"),
    ):
        assert message in demo(*source, *options, fails=code).stderr


def test_import_from_tables_goes_on_after_a_kill(demo: Ivr, tables: Tables, maker: SpoolMaker, tmp_path: Path) -> None:
    """Meanwhile app_voicemail has numbered the messages anew, as it does when one is moved."""
    for number in range(30):
        tables.row(
            "INBOX", number, voice=number % 20, msg_id=f"1460000000-{number:08}", origtime=1_460_000_000 + number
        )
    source = ("--conf", str(maker.conf), "--spool", str(maker.spool), "--database", tables.dsn)
    before = kill_import(tmp_path, "import", "app-voicemail", *source, *BOTH, after=10)
    assert 10 <= before < 30, "it was killed on the way"
    tables.execute("UPDATE voicemessages SET msgnum = msgnum + 100")
    report = import_tables(demo, tables, maker, *BOTH, fails=0)  # The first run has warned of the options.
    assert [(box["already_imported"], box["imported"]) for box in report["boxes"]] == [(before, 30 - before)]
    assert len(listed(demo, "2001")) == 30
    assert parse_json(demo("import", "verify", "--json"))[0]["differences"] == []


MARIADB = """\
/*M!999999\\- enable the sandbox mode */
-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB, for debian-linux-gnu (x86_64)
CREATE TABLE `voicemail` (
  `uniqueid` int(11) NOT NULL AUTO_INCREMENT,
  `context` varchar(80) NOT NULL,
  `mailbox` varchar(80) NOT NULL,
  `password` varchar(80) NOT NULL,
  `fullname` varchar(80) DEFAULT NULL,
  `email` varchar(80) DEFAULT NULL,
  `deletevoicemail` enum('yes','no') DEFAULT NULL,
  `stamp` datetime DEFAULT NULL,
  PRIMARY KEY (`uniqueid`)
) ENGINE=InnoDB;
INSERT INTO `voicemail` VALUES (1,'default','2001','4716','Rosa Groß','rosa@acme.example','yes',NULL);
CREATE TABLE `voicemail_messages` (
  `dir` varchar(255) NOT NULL,
  `msgnum` int(4) NOT NULL,
  `callerid` varchar(80) DEFAULT NULL,
  `origtime` int(11) DEFAULT NULL,
  `duration` int(11) DEFAULT NULL,
  `recording` longblob DEFAULT NULL,
  `flag` varchar(30) DEFAULT NULL,
  `category` varchar(30) DEFAULT NULL,
  `msg_id` varchar(40) DEFAULT NULL,
  PRIMARY KEY (`dir`,`msgnum`)
) ENGINE=InnoDB;
INSERT INTO `voicemail_messages` VALUES ROWS;
-- Dump completed on 2026-11-29 10:00:00
"""
ESCAPED = {0: b"\\0", 10: b"\\n", 13: b"\\r", 26: b"\\Z", 34: b'\\"', 39: b"\\'", 92: b"\\\\"}


def dumped(content: bytes, *, as_hex: bool) -> bytes:
    """Return audio as mysqldump writes it, with and without --hex-blob."""
    if as_hex:
        return b"0x" + content.hex().upper().encode()
    return b"_binary '" + b"".join(ESCAPED.get(byte, bytes([byte])) for byte in content) + b"'"


def test_tables_of_a_mariadb_come_from_its_dump(demo: Ivr, maker: SpoolMaker, tmp_path: Path) -> None:
    maker.write_conf("[general]\nformat = wav\n")
    rows = [
        f"('{SPOOL}/default/2001/{folder}',{number},'\\\"Ann\\\" <5551>',{1_460_000_000 + voice},1,".encode()
        + dumped(maker.audio("wav", voice).read_bytes(), as_hex=as_hex)
        + f",'{flag}',NULL,'1460000000-0000000{voice}')".encode()
        for folder, number, voice, flag, as_hex in (
            ("INBOX", 10, 1, "", False),
            ("INBOX", 9, 2, "Urgent", True),
            ("unavail", -1, 8, "", False),
        )
    ]
    dump = tmp_path / "asterisk.sql"
    dump.write_bytes(MARIADB.encode().replace(b"ROWS", b",\n".join(rows)))
    files = ("import", "app-voicemail", "--conf", str(maker.conf), "--spool", str(maker.spool), "--dump", str(dump))
    both = ("--mailboxes-table", "voicemail", "--messages-table", "voicemail_messages")
    report = parse_json(demo(*files, *both, "--json", fails=3))
    assert [(one["box"], one["created"], one["imported"]) for one in report["boxes"]] == [("2001@default", True, 2)]
    assert parse_json(demo("box", "show", "2001", "--json"))["name"] == "Rosa Groß"
    for message, voice in zip(sorted(listed(demo, "2001"), key=lambda one: one["timestamp"]), (1, 2), strict=True):
        assert (message["caller_name"], message["urgent"]) == ("Ann", voice == 2)
        assert audio_of(demo, tmp_path, message["id"]) == speech(voice, 1500).tobytes()
    (verified,) = parse_json(demo("import", "verify", "--json"))
    assert (verified["differences"], verified["pin"], verified["greetings"]) == ([], "equal", "1 of 1")
    assert parse_json(demo(*files, *both, "--json", fails=0))["boxes"][0]["already_imported"] == 2
    assert str(dump) in parse_json(demo("import", "status", "--json"))[0]["source"]
    for options, code, problem in (
        (("--mailboxes-table", "nowhere"), 3, "has none of the tables nowhere"),
        ((*both[:2], "--messages-table", "nowhere"), 3, "has no table nowhere"),
        (("--mailboxes-table", "voicemail_messages"), 2, "has no column mailbox: it is another table"),
        (("--messages-table", "voicemail"), 2, "has no column dir: it is another table"),
        ((*both, "--database", "dbname=asterisk"), 2, "leave out one of them"),
        ((), 2, "--database, or --dump, goes with"),
    ):
        assert problem in demo(*files, *options, fails=code).stderr
    dump.write_bytes(dump.read_bytes().replace(b"/INBOX',10,", b"/INBOX',NULL,"))
    assert "msgnum of" in demo(*files, *both, fails=2).stderr
    dump.write_bytes(dump.read_bytes()[:-60])
    assert "was cut off" in demo(*files, *both, fails=2).stderr
