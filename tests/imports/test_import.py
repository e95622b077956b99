"""`ivr import app-voicemail`: once, whole, verified, and undone."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ivr.audio import wav
from ivr.imports.box_mapping import map_box
from ivr.imports.option_notes import general_notes
from ivr.imports.pin_mapping import PinRules
from ivr.imports.voicemail_conf import read_voicemail_conf
from tests.cli.conftest import Ivr, ivr, parse_json
from tests.imports.spool_maker import FORMATS, SpoolMaker
from tests.lab.sip_phone.speech import speech

__all__ = ["ivr"]

DAY_S = 86_400


@pytest.fixture
def maker(tmp_path: Path) -> SpoolMaker:
    maker = SpoolMaker(tmp_path / "pbx")
    maker.write_conf()
    maker.spool.mkdir(parents=True)
    return maker


@pytest.fixture
def demo(ivr: Ivr) -> Ivr:
    ivr("account", "create", "demo", "--timezone", "Europe/Berlin")
    return ivr


def import_all(ivr: Ivr, maker: SpoolMaker, *words: str, fails: int = 0) -> Any:
    """Import; there is nothing to warn of, unless it fails with 3."""
    source = ("--conf", str(maker.conf), "--spool", str(maker.spool))
    return parse_json(ivr("import", "app-voicemail", *source, *words, "--json", fails=fails))


def kill_import(tmp_path: Path, *words: str, after: int) -> int:
    """Start an import, and kill it when it has stored `after` messages. Return how many are stored then."""
    command = [sys.executable, "-m", "ivr", *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and count_stored(tmp_path) < after:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    return count_stored(tmp_path)


def count_stored(tmp_path: Path) -> int:
    with closing(sqlite3.connect(tmp_path / "data" / "state" / "ivr.db")) as database:
        return int(database.execute("SELECT count(*) FROM messages").fetchone()[0])


def notes(report: Any, box: str) -> str:
    (found,) = (one for one in report["boxes"] if one["box"] == box)
    return "\n".join(f"{note['level']}: {note['text']}" for note in found["notes"])


def listed(ivr: Ivr, number: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = parse_json(ivr("message", "list", number, "--json"))
    return sorted(found, key=lambda message: message["timestamp"])


def audio_of(ivr: Ivr, tmp_path: Path, message_id: str) -> bytes:
    file = tmp_path / "exported.wav"
    ivr("message", "export", "2001", message_id, str(file))
    return wav.read_samples(file)


def test_folders_times_callers_urgency_and_audio_are_taken_over(demo: Ivr, maker: SpoolMaker, tmp_path: Path) -> None:
    for folder in ("INBOX", "Urgent", "Old", "Work", "Cust5", "Deleted"):
        maker.message(folder, voice=len(maker.made) + 1)
    maker.message("INBOX", flag="Urgent", callerid="Unknown", caller=("", ""), category="sales", voice=7)
    report = import_all(demo, maker)
    assert sum(box["imported"] for box in report["boxes"]) == 7
    found = listed(demo, "2001")
    got = [(m["folder"], m["urgent"], m["labels"], m["caller"], m["caller_name"]) for m in found]
    ann = ("5551", "Ann Example")
    assert got == [
        ("new", False, [], *ann),
        ("new", True, [], *ann),
        ("saved", False, [], *ann),
        ("saved", False, ["Work"], *ann),
        ("saved", False, ["Cust5"], *ann),
        ("deleted", False, [], *ann),
        ("new", True, ["sales"], "", ""),
    ]
    assert [m["timestamp"] - 62_167_219_200 for m in found] == [made.time for made in maker.made]
    for voice, message in enumerate(found, 1):
        assert audio_of(demo, tmp_path, message["id"]) == speech(voice, 1500).tobytes()
    verified = parse_json(demo("import", "verify", "--json"))
    assert [box["differences"] for box in verified] == [[], []]
    assert verified[0]["folders"]["INBOX"] == {"messages": 2, "equal": 2, "seconds": 3.0, "seconds_here": 3.0}
    assert [task["kind"] for task in parse_json(demo("outbox", "list", "--json"))] == ["mwi"], "no mail, one light"


def test_second_import_changes_nothing_and_later_messages_are_added(demo: Ivr, maker: SpoolMaker) -> None:
    for suffix in FORMATS:
        maker.message(formats=(suffix,))
    import_all(demo, maker)
    before = listed(demo, "2001")
    assert len(before) == len(FORMATS)
    demo("message", "move", "2001", before[0]["id"], "saved")
    demo("message", "delete", "2001", before[1]["id"], "--yes")
    maker.message("Old", voice=5)
    report = import_all(demo, maker, fails=0)
    assert [(box["imported"], box["already_imported"]) for box in report["boxes"]] == [(1, len(FORMATS)), (0, 0)]
    after = listed(demo, "2001")
    assert {m["id"] for m in after} > {m["id"] for m in before[2:]}
    assert len(after) == len(FORMATS), "the one that was deleted here does not come back"
    verified = parse_json(demo("import", "verify", "--json"))
    assert verified[0]["differences"] == []
    assert len(verified[0]["changed_here"]) == 2


def test_dry_run_shows_what_has_no_place_and_changes_nothing(demo: Ivr, maker: SpoolMaker, tmp_path: Path) -> None:
    maker.write_conf(
        "[general]\nexternnotify=/bin/vm\n[default]\n2001 => 12,Rosa,,pager@a.example,dialout=yes\n"
        "abc => 4716,Letters\n2002 => 2002,Sven\n"
    )
    maker.message()
    broken = maker.message().stem.with_name("msg0001.wav")
    broken.unlink()
    broken.write_text("no audio at all, only some text in it\n")
    maker.message(origmailbox="2098")
    maker.message(box="2999@default", origmailbox="2001")
    source = ("--conf", str(maker.conf), "--spool", str(maker.spool))
    nowhere = str(tmp_path / "missing" / "report.json")
    assert "missing/report.json" in demo("import", "app-voicemail", *source, "--report", nowhere, fails=3).stderr
    demo("box", "show", "2001", fails=3)  # Nothing was imported without its report.
    report = import_all(demo, maker, "--dry-run", "--report", str(tmp_path / "report.json"), fails=4)
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert "externnotify" in str(report["notes"])
    rosa = notes(report, "2001@default")
    for text in (
        "warning: its password cannot be a PIN: another one is generated",
        "warning: dialout=yes",
        "loss: INBOX/msg0001: msg0001.wav cannot be read as audio",
        "info: messages forwarded from 2098: 1; there is no such box",
    ):
        assert text in rosa
    assert "loss: the box is not created: 'abc' cannot be entered at a phone" in notes(report, "abc@default")
    assert "loss: there is no such box here: 1 messages" in notes(report, "2999@default")
    assert "forwarded from" not in notes(report, "2999@default")
    assert "its password is easy to guess (box-number)" in notes(report, "2002@default")
    assert parse_json(demo("box", "list", "--json")) == []
    assert parse_json(demo("import", "status", "--json")) == []


def test_each_option_without_a_place_is_named(demo: Ivr, maker: SpoolMaker) -> None:
    """What means the same as here, and what is blank, needs no line."""
    remarks = {
        "listen-control-forward-key=6": "fastforward",
        "vm-login=custom/login": "sounds.folder",
        "locale=de_DE.UTF-8": "set language",
        "emaildateformat=%A": "dates of mails",
        "silencethreshold=128": "dsp.conf",
        "smdienable=yes": "has no equivalent",
        "operator=yes": "operator_context",
        "tempgreetwarn=off": "always hear",
    }
    quiet = (
        "sendvoicemail=yes",
        "tempgreetwarn=1",
        "messagewrap=no",
        "nextaftercmd=on",
        "volgain=0.0",
        "sayduration=F",
    )
    lines = "".join(f"{option}\n" for option in (*remarks, *quiet, "externnotify=", "pagerbody="))
    general = lines.replace("tempgreetwarn=off\n", "")
    maker.write_conf(
        f"[general]\naliasescontext=more\n{general}[more]\n9001 => 7777@default\n[default]\n"
        f"2001 => 4716,Rosa,,,{'|'.join(remarks)}\n2002 => 4716,Sven,,,{'|'.join(quiet)}|externnotify=|locale=C\n"
    )
    report = import_all(demo, maker, "--dry-run", fails=3)
    rosa, sven = notes(report, "2001@default"), notes(report, "2002@default")
    for option, text in remarks.items():
        assert any(option.partition("=")[0] in line and text in line for line in rosa.splitlines()), option
    assert sven == ""
    whole = [note["text"] for note in report["notes"]]
    assert "alias 9001 of 7777@default: no such box is defined" in whole
    assert {text.partition("=")[0].removeprefix("[general] ") for text in whole if "=" in text} == {
        *("listen-control-forward-key", "vm-login", "emaildateformat", "silencethreshold", "smdienable", "locale")
    }
    assert any(text.startswith("[general] operator") for text in whole), "said once, not for each box"


@pytest.mark.parametrize("option", ["imapserver=mail.example", "odbcstorage=asterisk"])
def test_messages_that_are_stored_elsewhere_are_not_silently_left_behind(
    demo: Ivr, maker: SpoolMaker, option: str
) -> None:
    """The dry run of such a site had found no messages, and said that all was taken over."""
    maker.write_conf(f"[general]\n{option}\n[default]\n2001 => 4716,Rosa\n")
    found = import_all(demo, maker, "--dry-run", fails=4)["notes"]
    assert [note["level"] for note in found if option.partition("=")[0] in note["text"]] == ["loss"]
    maker.message()
    found = import_all(demo, maker, "--dry-run", fails=3)["notes"]
    assert [note["level"] for note in found] == ["warning"], "the option may be left over"


@pytest.mark.parametrize(("format_text", "clock"), [("'vm-at' IMp", "12h"), ("'digits/at' kM", "24h"), ("Q", None)])
def test_format_of_a_time_zone_says_the_clock(demo: Ivr, maker: SpoolMaker, format_text: str, clock: str) -> None:
    maker.write_conf(f"[zonemessages]\nz=UTC|{format_text}\n[default]\n2001 => 4716,Rosa,,,tz=z|review=yes\n")
    import_all(demo, maker, "--only", "boxes")
    assert parse_json(demo("box", "show", "2001", "--json")).get("clock") == clock


def test_limits_are_those_of_app_voicemail_where_it_has_them(tmp_path: Path) -> None:
    """What voicemail.conf does not say is as it is there; what stands in the wrong place has no effect there either."""
    conf = tmp_path / "voicemail.conf"
    conf.write_text(
        "[general]\ndelete=yes\nattachfmt=gsm\n[default]\n"
        "2001 => 4716,Rosa\n2002 => 5839,Sven,,,maxsilence=3|skipms=100|maxgreet=5|attachfmt=gsm|maxsecs=many\n"
    )
    read = read_voicemail_conf(conf, tmp_path)
    rules = PinRules("new", "keep", min_length=4, max_length=6)
    rosa, sven = (map_box(read.mailboxes[f"{number}@default"], read, "demo", rules) for number in ("2001", "2002"))
    limits = {"max_message_count": 200, "max_message_length": 3600, "max_greeting_length": 3600, "silence_hits": 0,
              "seek_duration_ms": 3000}  # fmt: skip
    for mapped in (rosa, sven):
        assert mapped.row.box
        assert {key: mapped.row.box.fields[key] for key in limits} == limits
        assert "delete_after_notify" not in mapped.row.box.fields
    assert [note.text for note in rosa.notes] == []
    in_general = "app_voicemail reads it in [general] only, so it is left out"
    assert [note.text for note in sven.notes] == [
        "maxsecs=many is no number of at most six digits: the default of app_voicemail, 0, is used",
        *(f"{option}: {in_general}" for option in ("maxsilence=3", "skipms=100", "maxgreet=5")),
        "attachfmt=gsm: mails carry MP3",
    ]
    assert [note.text for note in general_notes(read)] == [
        "[general] delete=yes: app_voicemail reads it in a mailbox only, so it is left out",
        "[general] attachfmt=gsm: app_voicemail reads it in a mailbox only, so it is left out",
    ]


def test_options_become_settings_and_passwords_pins(demo: Ivr, maker: SpoolMaker, tmp_path: Path) -> None:
    maker.write_conf(
        "[general]\nmaxsecs=180\nskipms=4000\nmaxgreet=30\n[zonemessages]\nberlin=Europe/Berlin|R\n[default]\n"
        "2001 => 4716,Rosa Klein,rosa@a.example|office@a.example,,tz=berlin|saycid=yes"
        "|envelope=no|operator=yes|attach=no|maxmsg=50|moveheard=no|sendvoicemail=no|exitcontext=lobby|callback=out"
        "|hidefromdir=yes|emailsubject=${VM_CIDNUM} {#1}|emailbody=Dear ${VM_NAME}:\\n${VM_DUR}\n"
        "2002 => -58393817,Sven,,pager@a.example,delete=yes|maxmsg=0|leaveurgent=no|review=yes\n"
        "2003 => 12,Short\n2004 => ,Open\n"
        "2005 => 1234,Weak\n"
    )
    pins = tmp_path / "pins.csv"
    error = demo("import", "app-voicemail", "--conf", str(maker.conf), "--spool", str(maker.spool), fails=2).stderr
    assert "--pins FILE.csv" in error
    assert parse_json(demo("box", "list", "--json")) == [], "nothing half done"
    import_all(demo, maker, "--pins", str(pins), fails=3)
    show = {n: parse_json(demo("box", "show", n, "--json")) for n in ("2001", "2002", "2003", "2004", "2005")}
    expected: dict[str, dict[str, Any]] = {
        "2001": {
            "name": "Rosa Klein", "timezone": "Europe/Berlin", "envelope_type": "caller_and_time",
            "skip_envelope": False, "keys": {}, "oldest_message_first": True, "hunt": False,
            "include_message_on_notify": False, "max_message_count": 100,
            "max_message_length": 180, "seek_duration_ms": 4000, "has_pin": True, "pin_must_change": False,
            "notify_email_addresses": ["office@a.example"], "review": False, "max_greeting_length": 30,
            "after_heard": "keep", "in_directory": False, "may_send_messages": False, "exit_context": "lobby",
            "callback_context": "out",
            "mail_subject": "{{ caller_id.number }} { #1}",
            "mail_text": "Dear {{ owner.first_name }}:\n{{ voicemail.length }}",
        },
        "2002": {
            "short_mail_addresses": ["pager@a.example"], "pin_changeable": False,
            "delete_after_notify": True, "announcement_only": True,
            "callers_may_mark_urgent": False, "has_pin": True, "review": True, "after_heard": "save",
            "may_send_messages": True, "keys": {"operator": ""}, "skip_envelope": False, "envelope_type": "default",
        },
        "2003": {"pin_must_change": True, "has_pin": True},
        "2004": {"has_pin": False},
        "2005": {"pin_must_change": True, "has_pin": True},
    }  # fmt: skip
    for number, settings in expected.items():
        assert {key: show[number][key] for key in settings} == settings
    account, number, pin = pins.read_text().strip().split(",")
    assert (account, number, pin.isdigit(), len(pin) >= 4) == ("demo", "2003", True, True)
    assert pins.stat().st_mode & 0o777 == 0o600
    verified = {box["box"]: box["pin"] for box in parse_json(demo("import", "verify", "--json"))}
    assert list(verified.values()) == ["equal", "equal", "generated", "none", "equal"]
    assert parse_json(demo("user", "show", "Rosa Klein 2001", "--json"))["email"] == "rosa@a.example"


def test_verify_finds_each_difference(demo: Ivr, maker: SpoolMaker, tmp_path: Path) -> None:
    for voice in range(4):
        maker.message(voice=voice)
    maker.greeting("unavail", "gsm")
    import_all(demo, maker)
    assert "all 2 boxes are equal" in demo("import", "verify").stdout
    data = tmp_path / "data"
    messages = listed(demo, "2001")
    other, cut = (next(data.glob(f"*/vm/{messages[n]['id']}.wav")) for n in (0, 1))
    wav.write(other, speech(9, 1500).tobytes())
    wav.write(cut, speech(1, 700).tobytes())
    with sqlite3.connect(data / "state" / "ivr.db") as database:
        database.execute("UPDATE messages SET caller_number = '666' WHERE id = ?", (messages[2]["id"],))
    maker.message(voice=4)
    wav.write(next(data.glob("*/media/*.wav")), speech(8, 1500).tobytes())
    result = demo("import", "verify", fails=1)
    for text in (
        "msg0000: other audio: the correlation is",
        "msg0001: 1.5 s at the source, 0.7 s here",
        "msg0002: caller '5551' there, '666' here",
        "msg0004: it was not imported",
        "greeting unavail: other audio",
    ):
        assert text in result.stderr
    assert "msg0003" not in result.stderr
    assert "1 of 2 boxes differ" in result.stdout


def test_old_messages_stay_for_93_days_from_the_import(demo: Ivr, maker: SpoolMaker) -> None:
    maker.message()
    assert len(listed(demo, "2001") if import_all(demo, maker) else []) == 1, "it was left in 2016"
    demo("purge", "--yes")
    assert len(listed(demo, "2001")) == 1
    (run,) = parse_json(demo("import", "status", "--json"))
    demo("import", "undo", run["run"], "--yes")
    report = import_all(demo, maker, "--retention", "from-message", fails=4)
    assert "loss: INBOX/msg0000: past retention; --retention from-import keeps it" in notes(report, "2001@default")
    assert listed(demo, "2001") == []


def test_message_of_the_future_is_imported_and_named(demo: Ivr, maker: SpoolMaker) -> None:
    maker.message(origtime=str(int(time.time()) + 400 * DAY_S))
    report = import_all(demo, maker, fails=3)
    assert "warning: INBOX/msg0000: its time is in the future" in notes(report, "2001@default")
    assert len(listed(demo, "2001")) == 1


def test_undo_removes_the_import_alone_and_it_can_be_repeated(demo: Ivr, maker: SpoolMaker, tmp_path: Path) -> None:
    maker.message()
    maker.message(box="2002@default")
    maker.greeting("greet")
    maker.greeting("busy", voice=91)
    import_all(demo, maker)
    new = tmp_path / "new.wav"
    wav.write(new, speech(3, 1500).tobytes())
    demo("message", "add", "2001", str(new))
    (run,) = parse_json(demo("import", "status", "--json"))
    assert (run["messages"], run["greetings"], run["boxes"]) == (2, 2, 2)
    assert parse_json(demo("greeting", "show", "2001", "busy", "--json"))["length"] == "1.5 s"
    error = demo("import", "undo", "", "--yes", fails=3).stderr
    assert "there is no import ''" in error, "a variable of a script may be empty"
    undone = parse_json(demo("import", "undo", run["run"][:8], "--yes", "--json"))
    [entry] = parse_json(demo("audit", "list", "--action", "deleted", "--json"))
    assert entry["subject"] == f"import {run['run']}"
    assert (undone["messages"], undone["greetings"], undone["boxes"]) == (2, 2, 1)
    assert undone["remaining"] == "box 2001, user Rosa Klein 2001"
    assert [box["mailbox"] for box in parse_json(demo("box", "list", "--json"))] == ["2001"]
    assert len(listed(demo, "2001")) == 1
    import_all(demo, maker)
    assert len(listed(demo, "2001")) == 2
    demo("purge", "--yes")
    assert "all 2 boxes are equal" in demo("import", "verify").stdout, "what was undone takes no audio with it"


def test_message_twice_in_a_box_is_there_twice(demo: Ivr, maker: SpoolMaker) -> None:
    maker.message(msg_id="1460000000-00000001")
    import_all(demo, maker)
    maker.message("Old", msg_id="1460000000-00000001", voice=2)
    maker.message("Old", msg_id="")
    maker.message("Old", msg_id="")
    report = import_all(demo, maker, fails=0)
    assert (report["boxes"][0]["imported"], report["boxes"][0]["already_imported"]) == (3, 1)
    report = import_all(demo, maker, fails=0)
    assert (report["boxes"][0]["imported"], report["boxes"][0]["already_imported"]) == (0, 4)
    assert len(listed(demo, "2001")) == 4


def test_contexts_without_an_account_and_equal_numbers_are_refused(demo: Ivr, maker: SpoolMaker) -> None:
    maker.write_conf("[default]\n2001 => 4716\n[sales]\n2001 => 4716\n")
    source = ("import", "app-voicemail", "--conf", str(maker.conf), "--spool", str(maker.spool))
    assert "context sales belongs to no account: add --context sales=ACCOUNT" in demo(*source, fails=4).stderr
    error = demo(*source, "--context", "default=demo,sales=demo", fails=4).stderr
    assert "boxes 2001@default and 2001@sales would be one" in error
    assert parse_json(demo("box", "list", "--json")) == []
    demo("account", "create", "other")
    import_all(demo, maker, "--context", "default=demo", "--context", "sales=other")
    boxes = [parse_json(demo("box", "list", "--json", "--account", name)) for name in ("demo", "other")]
    assert [[box["mailbox"] for box in listed] for listed in boxes] == [["2001"], ["2001"]]


def test_names_that_lead_out_of_the_spool_are_left_behind(demo: Ivr, maker: SpoolMaker) -> None:
    maker.message(box="2002@default")
    maker.write_conf("[default]\n2002 => 4716\n../2002 => 4716\n[../spool/default]\n2002 => 4716\n[..]\n2003 => 4716\n")
    (maker.spool / "all boxes\nare equal" / "2004").mkdir(parents=True)
    report = import_all(demo, maker, fails=4)
    assert [(box["box"], box["imported"]) for box in report["boxes"]] == [("2002@default", 1)]
    left = [note["text"].partition(" is left out")[0] for note in report["notes"] if note["level"] == "loss"]
    names = ("../2002@default", "2002@../spool/default", "2003@..", "2004@all boxes\nare equal")
    assert sorted(left) == sorted(f"box {name!r}" for name in names)


def test_boxes_that_would_be_one_are_refused_one_after_the_other_too(demo: Ivr, maker: SpoolMaker) -> None:
    maker.write_conf("[default]\n2001 => 4716\n[sales]\n2001 => 4716\n")
    maker.message(box="2001@sales")
    source = ("import", "app-voicemail", "--conf", str(maker.conf), "--spool", str(maker.spool))
    # The options of the whole site may stand beside a single mailbox.
    demo(*source, "--context", "default=demo,sales=-", "--box", "2001@default")
    error = demo(*source, "--context", "sales=demo", "--box", "2001@sales", fails=4).stderr
    assert "boxes 2001@default and 2001@sales would be one: 2001@default was imported to 2001 of demo" in error
    assert parse_json(demo("message", "list", "2001", "--json")) == []
    # The mailbox of another system is not that one either; one whose context has another name now is.
    maker.write_conf("[sales]\n2001 => 4716\n")
    other = maker.conf.with_name("other.conf")
    other.write_text(maker.conf.read_text())
    demo(*source[:3], str(other), *source[4:], fails=4)
    demo(*source, "--context", "sales=demo")
    assert len(listed(demo, "2001")) == 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--spool", "/nonexistent"), 3, "/nonexistent is no folder"),
        (("--conf", "/nonexistent"), 3, "/nonexistent does not exist"),
        (("--box", "7777@default"), 3, "there is no box 7777@default"),
        (("--context", "nowhere=demo"), 2, "there is no context 'nowhere'"),
        (("--context", "default=none"), 3, "there is no account 'none'"),
        (("--only", "voices"), 2, "--only voices"),
        (("--folders", "Old=new"), 2, "--folders Old=new"),
    ],
)
def test_wrong_input_is_named(demo: Ivr, maker: SpoolMaker, words: tuple[str, ...], code: int, message: str) -> None:
    source = ("--conf", str(maker.conf), "--spool", str(maker.spool))
    assert message in demo("import", "app-voicemail", *source, *words, fails=code).stderr


def test_import_that_was_killed_goes_on_where_it_was(demo: Ivr, maker: SpoolMaker, tmp_path: Path) -> None:
    for voice in range(40):
        maker.message(voice=voice % 4, formats=("wav", "gsm"))
    words = ("import", "app-voicemail", "--conf", str(maker.conf), "--spool", str(maker.spool))
    process = subprocess.Popen(
        [sys.executable, "-m", "ivr", *words],
        env={**os.environ, "IVR_DATA__FSYNC": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not (stored := count_messages(tmp_path)) and process.poll() is None and time.monotonic() < deadline:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert stored, "the import began"
    before = count_messages(tmp_path)
    assert parse_json(demo("import", "status", "--json"))[0]["state"] in ("running or interrupted", "done")
    report = import_all(demo, maker, fails=0)
    assert report["boxes"][0]["already_imported"] == before
    assert report["boxes"][0]["imported"] == 40 - before
    assert len(listed(demo, "2001")) == 40
    assert "all 2 boxes are equal" in demo("import", "verify").stdout


def count_messages(tmp_path: Path) -> int:
    with sqlite3.connect(tmp_path / "data" / "state" / "ivr.db") as database:
        return int(database.execute("SELECT count(*) FROM messages").fetchone()[0])
