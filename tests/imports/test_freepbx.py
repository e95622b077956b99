"""`ivr import freepbx`: what app_voicemail has, and what FreePBX knows of its extensions."""

from __future__ import annotations

import gzip
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from ivr.errors import BadInput, NotFound
from ivr.imports.app_voicemail import AppVoicemail
from ivr.imports.freepbx_system import FreePbx
from ivr.imports.voicemail_conf import ConfMailbox
from tests.cli.conftest import Ivr, ivr, parse_json
from tests.imports.spool_maker import SpoolMaker
from tests.imports.test_import import demo, kill_import, listed, maker, notes

__all__ = ["demo", "ivr", "maker"]

CONF = """\
[general]
format = wav49|wav
aliasescontext = pbxaliases
[default]
1001 => 4716,Rosa Klein,rosa@acme.example,,attach=yes|saycid=no|envelope=no|delete=no
1002 => 5839,,,,review=yes
1003 => 8642,Ida Lund,,,review=yes
[device]
1001 => 4716,Rosa Klein
[pbxaliases]
1001@device => 1001@default
"""
DUMP = """\
/*M!999999\\- enable the sandbox mode */
-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB, for debian-linux-gnu (x86_64)
--
DROP TABLE IF EXISTS `users`;
CREATE TABLE `users` (
  `extension` varchar(20) NOT NULL DEFAULT '',
  `password` varchar(20) DEFAULT NULL,
  `name` varchar(50) DEFAULT NULL,
  `voicemail` varchar(50) DEFAULT NULL,
  PRIMARY KEY (`extension`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
LOCK TABLES `users` WRITE;
/*!40000 ALTER TABLE `users` DISABLE KEYS */;
INSERT INTO `users` VALUES ('1001','','Rosa Klein','default'),
('1002',NULL,'Sven \\'the (great); one\\' Groß','default'),('1003','','Ida Lund','novm'),('1009','','No Box','default');
/*!40000 ALTER TABLE `users` ENABLE KEYS */;
UNLOCK TABLES;
CREATE TABLE `userman_users` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `username` varchar(250) NOT NULL,
  `default_extension` varchar(45) NOT NULL DEFAULT 'none',
  `email` varchar(100) DEFAULT NULL,
  PRIMARY KEY (`id`)
);
INSERT INTO `userman_users` VALUES (1,'sven','1002','sven@acme.example'),(2,'admin','none',NULL);
-- Dump completed on 2026-11-29 10:00:00
"""
HEADER = (
    "extension,name,voicemail,tech,voicemail_enable,voicemail_vmpwd,voicemail_email,voicemail_options,"
    "voicemail_same_exten,disable_star_voicemail,vmx_unavail_enabled,vmx_option_0_number,vmx_option_1_number\n"
)


@pytest.fixture
def site(demo: Ivr, maker: SpoolMaker) -> SpoolMaker:
    maker.write_conf(CONF)
    maker.message(box="1001@default")
    maker.message("Urgent", box="1002@default", voice=2)
    maker.greeting("unavail", box="1001@default")
    # FreePBX links the folder of a device to that of its user.
    (maker.spool / "device").mkdir()
    (maker.spool / "device" / "1001").symlink_to(maker.spool / "default" / "1001")
    return maker


def write_astdb(file: Path, entries: dict[str, str]) -> None:
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE astdb (key VARCHAR(256) PRIMARY KEY, value VARCHAR(256))")
        database.executemany("INSERT INTO astdb VALUES (?, ?)", entries.items())


def import_freepbx(ivr: Ivr, site: SpoolMaker, *words: str, fails: int = 3) -> Any:
    source = ("--conf", str(site.conf), "--spool", str(site.spool))
    return parse_json(ivr("import", "freepbx", *source, *words, "--json", fails=fails))


def test_names_addresses_and_keys_come_from_freepbx(demo: Ivr, site: SpoolMaker, tmp_path: Path) -> None:
    dump, astdb = tmp_path / "asterisk.sql.gz", tmp_path / "astdb.sqlite3"
    dump.write_bytes(gzip.compress(DUMP.encode()))
    write_astdb(
        astdb,
        {
            "/AMPUSER/1001/novmpw": "yes",
            "/AMPUSER/1001/vmx/unavail/state": "enabled",
            "/AMPUSER/1001/vmx/unavail/0/ext": "5550",
            "/AMPUSER/1001/vmx/unavail/1/ext": "5551",
            "/AMPUSER/1002/novmstar": "yes",
            "/CW/1001": "ENABLED",
        },
    )
    words = ("--dump", str(dump), "--astdb", str(astdb))
    would = import_freepbx(demo, site, *words, "--dry-run")
    assert parse_json(demo("box", "list", "--json")) == []
    report = import_freepbx(demo, site, *words)
    assert [one["box"] for one in report["boxes"]] == [one["box"] for one in would["boxes"]]
    assert sum(one["imported"] for one in report["boxes"]) == 2, "the folder of a device is that of its user"
    assert "extension 1009: FreePBX has voicemail for it" in str(report["notes"])
    rosa, sven = (parse_json(demo("box", "show", number, "--json")) for number in ("1001", "1002"))
    assert (rosa["require_pin"], rosa["operator_number"], rosa["keys"]) == (False, "5550", {})
    assert (sven["require_pin"], sven.get("operator_number"), sven["keys"]) == (
        True,
        None,
        {"login": "", "operator": ""},
    )
    assert "VmX Locater while unavail: key 0 leads to 5550, key 1 leads to 5551" in notes(report, "1001@default")
    assert "FreePBX has disabled its voicemail" in notes(report, "1003@default")
    (user,) = (one for one in parse_json(demo("user", "list", "--json")) if one["name"].endswith(" 1002"))
    assert sven["name"] == "Sven 'the (great); one' Groß"
    assert parse_json(demo("user", "show", user["name"], "--json"))["email"] == "sven@acme.example"
    assert "all 3 boxes are equal" in demo("import", "verify").stdout
    again = import_freepbx(demo, site, *words)
    assert [(one["imported"], one["already_imported"]) for one in again["boxes"]] == [(0, 1), (0, 1), (0, 0)]
    # The same messages are those of app_voicemail.
    source = ("--conf", str(site.conf), "--spool", str(site.spool))
    other = parse_json(demo("import", "app-voicemail", *source, "--box", "1001@default", "--json"))
    assert (other["boxes"][0]["imported"], other["boxes"][0]["already_imported"]) == (0, 1)
    run = parse_json(demo("import", "status", "--json"))[-1]["run"]
    assert parse_json(demo("import", "undo", run, "--yes", "--json"))["boxes"] == 3
    assert parse_json(demo("box", "list", "--json")) == []


def test_bulk_handler_file_says_the_same(demo: Ivr, site: SpoolMaker, tmp_path: Path) -> None:
    file = tmp_path / "extensions.csv"
    file.write_text(
        HEADER
        + "1001,Rosa K.,default,pjsip,yes,4716,rosa@acme.example,attach=yes|delete=no,no,yes,yes,5550,5551\n"
        + '1002,"Groß, Sven",default,pjsip,yes,5839,sven@acme.example,,yes,no,,,\n'
        + "1003,Ida Lund,novm,pjsip,,,,,,,,,\n"
    )
    report = import_freepbx(demo, site, "--extensions", str(file))
    rosa, sven = (parse_json(demo("box", "show", number, "--json")) for number in ("1001", "1002"))
    assert (rosa["require_pin"], rosa["operator_number"], rosa["keys"]) == (False, "5550", {"login": ""})
    assert (sven["require_pin"], sven["name"], rosa["name"]) == (True, "Groß, Sven", "Rosa Klein")
    text = notes(report, "1001@default")
    assert "VmX Locater while unavail; vmx_option_1_number=5551" in text
    assert "its name is 'Rosa K.' in FreePBX" in text
    assert len(listed(demo, "1001")) == 1


def test_what_freepbx_says_of_voicemail_and_has_no_place_is_named(tmp_path: Path) -> None:
    maker = SpoolMaker(tmp_path)
    maker.write_conf(CONF)
    maker.spool.mkdir()
    dump, file, database = (tmp_path / name for name in ("asterisk.sql", "extensions.csv", "astdb.sqlite3"))
    admin = "('OPERATOR_XTN','5550'),('VMX_REPEAT',''),('VM_COLOUR','green')"
    table = "CREATE TABLE `voicemail_admin` (\n  `variable` varchar(30),\n  `value` varchar(80)\n);\n"
    insert = f"INSERT INTO `voicemail_admin` VALUES {admin};\n"
    dump.write_text(DUMP.replace("-- Dump completed", f"{table}{insert}-- Dump completed"))
    file.write_text(
        HEADER.replace("tech,", "tech,voicemail_pager,voicemail_colour,ringtimer,")
        + "1001,Rosa Klein,default,pjsip,555,green,20,yes,4717,rosa@acme.example,attach=yes|saycid=yes|tz=x,,,,,\n"
    )
    write_astdb(database, {"/AMPUSER/1001/vmcolour": "green", "/AMPUSER/1001/ringtimer": "20", "/CW/1001": "ENABLED"})
    found = FreePbx(AppVoicemail(maker.conf, maker.spool), dump, file, database).read_boxes()
    rosa = found.mailboxes["1001@default"]
    assert isinstance(rosa, ConfMailbox)
    assert list(rosa.remarks) == [
        "its PIN is another one in FreePBX; that of voicemail.conf is used",
        "its options are saycid=yes, tz=x in FreePBX; those of voicemail.conf are used",
        "its pager is 555 in FreePBX; that of voicemail.conf is used",
        "voicemail_colour=green: has no equivalent",
        "AMPUSER/1001/vmcolour=green: has no equivalent",
    ]
    assert [note.text for note in found.notes if note.text.startswith("voicemail_admin")] == [
        "voicemail_admin OPERATOR_XTN=5550: the dialplan for FreePBX reads it (docs/moving-in.md)",
        "voicemail_admin VM_COLOUR=green: has no equivalent",
    ]


def test_mail_addresses_of_freepbx_that_voicemail_conf_does_not_have_are_named(tmp_path: Path) -> None:
    maker = SpoolMaker(tmp_path)
    maker.write_conf(CONF)
    maker.spool.mkdir()
    file = tmp_path / "extensions.csv"
    file.write_text(f"{HEADER}1001,Rosa Klein,default,pjsip,yes,4716,rosa@x.example,,,,,,\n")
    rosa = FreePbx(AppVoicemail(maker.conf, maker.spool), extensions=file).read_boxes().mailboxes["1001@default"]
    assert isinstance(rosa, ConfMailbox)
    assert rosa.emails == ("rosa@acme.example",)
    assert list(rosa.remarks) == ["its mail addresses are rosa@x.example in FreePBX; voicemail.conf counts"]


@pytest.mark.parametrize(
    ("option", "content", "message"),
    [
        ("dump", DUMP[: DUMP.index("(great)")], "was cut off (its last line is not '-- Dump completed')"),
        ("dump", DUMP[DUMP.index("CREATE") : DUMP.index("(great)")], "was cut off (it ends within"),
        ("dump", DUMP.replace("`users`", "`others`"), "has no table users: dump the whole database"),
        ("dump", "CREATE TABLE `cdr` (`a` int);\n", "has none of the tables userman_users, users"),
        ("dump", DUMP.replace("('1001','',", "('1001',"), "a row has 3 values for 4 columns"),
        ("dump", DUMP.replace("('1001','',", "('1001',0x4,"), "is no row that is understood"),
        ("dump", gzip.compress(DUMP.encode())[:200], "was cut off"),
        ("extensions", "name,mailbox\nRosa,1001\n", "has not the columns of FreePBX's bulk handler"),
        ("extensions", HEADER + "1001,Rosa,def", "the row of extension 1001 has not all columns"),
        ("dump", DUMP.encode("utf-16"), "is in UTF-16: store it as UTF-8"),
        ("dump", "/*!40101 SET NAMES latin1 */;\n" + DUMP, "dump with --default-character-set=utf8mb4"),
        ("dump", DUMP.replace("`", '"'), "dump without --compatible=ansi"),
        ("extensions", (HEADER + "1001,Rosa,def").encode("utf-16-le"), "is in UTF-16"),
        ("extensions", (HEADER + "1001,Groß,def").encode("latin-1"), "line 2, is not UTF-8"),
        ("astdb", "/AMPUSER/1001/novmpw : yes\n".encode("utf-16"), "is in UTF-16"),
        ("astdb", "no database\n", "is neither astdb.sqlite3 nor the output"),
        ("astdb", b"SQLite format 3\0" + bytes(100), "cannot be read as Asterisk's database"),
    ],
)
def test_wrong_file_is_named(tmp_path: Path, option: str, content: str | bytes, message: str) -> None:
    maker = SpoolMaker(tmp_path)
    maker.write_conf(CONF)
    maker.spool.mkdir()
    file = tmp_path / "file"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    paths: dict[str, Any] = {option: file}
    with pytest.raises((BadInput, NotFound), match=re.escape(message)) as raised:
        FreePbx(AppVoicemail(maker.conf, maker.spool), **paths).read_boxes()
    assert str(file) in str(raised.value)


def test_wrong_file_imports_nothing(demo: Ivr, site: SpoolMaker, tmp_path: Path) -> None:
    file = tmp_path / "cut.sql"
    file.write_text(DUMP[: DUMP.index("(great)")])
    source = ("--conf", str(site.conf), "--spool", str(site.spool), "--dump", str(file))
    assert "was cut off" in demo("import", "freepbx", *source, fails=2).stderr
    assert parse_json(demo("box", "list", "--json")) == []


def test_database_show_is_read_as_text(demo: Ivr, site: SpoolMaker, tmp_path: Path) -> None:
    file = tmp_path / "database.txt"
    file.write_text(
        "/AMPUSER/1001/cidname                : Rosa Klein\n/AMPUSER/1001/novmstar     : yes\n2 results found.\n"
    )
    import_freepbx(demo, site, "--astdb", str(file), "--box", "1001@default", fails=0)
    rosa = parse_json(demo("box", "show", "1001", "--json"))
    assert (rosa["keys"], rosa["require_pin"]) == ({"login": "", "operator": ""}, True)


def test_import_goes_on_after_a_kill(demo: Ivr, site: SpoolMaker, tmp_path: Path) -> None:
    """The same command takes the rest; each message is there once, as it is at the source."""
    for voice in range(28):
        site.message(box="1001@default", voice=voice % 20)
    dump = tmp_path / "asterisk.sql.gz"
    dump.write_bytes(gzip.compress(DUMP.encode()))
    words = ("import", "freepbx", "--conf", str(site.conf), "--spool", str(site.spool), "--dump", str(dump))
    before = kill_import(tmp_path, *words, after=10)
    assert 10 <= before < 30, "it was killed on the way"
    report = parse_json(demo(*words, "--json", fails=3))
    assert sum(box["already_imported"] for box in report["boxes"]) == before
    assert (len(listed(demo, "1001")), len(listed(demo, "1002"))) == (29, 1)
    assert "boxes are equal" in demo("import", "verify").stdout
