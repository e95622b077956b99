"""`ivr export app-voicemail`: the way back, once, whole, and into a spool that is in use."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.audio import telephony_formats, wav
from ivr.audio.telephony_encoders import encode, suffix_of
from ivr.imports import message_fields, spool
from ivr.imports.import_target import folder_of
from ivr.imports.message_text import folder_name, format_caller, format_text, unplaced_labels
from ivr.imports.source import ImportOptions
from ivr.imports.spool_writer import SpoolDraft, SpoolWriter
from ivr.imports.verification import correlation
from ivr.storage.files import fsync
from ivr.storage.records import Caller, Message
from ivr.validation.text import to_single_line
from tests.cli.conftest import Ivr, ivr, parse_json
from tests.imports.spool_maker import SpoolMaker
from tests.lab.sip_phone.speech import speech

__all__ = ["ivr"]

CONF = "[general]\nformat = wav49|gsm|wav\n[default]\n2001 => 4716,Rosa Klein\n2002 => 58391,Sven\n"

FIELDS = ("category", "msg_id", "origmailbox")


@pytest.fixture
def maker(tmp_path: Path) -> SpoolMaker:
    maker = SpoolMaker(tmp_path / "pbx")
    maker.write_conf(CONF)
    maker.spool.mkdir(parents=True)
    return maker


@pytest.fixture
def demo(ivr: Ivr) -> Ivr:
    ivr("account", "create", "demo", "--timezone", "Europe/Berlin")
    return ivr


def import_all(ivr: Ivr, conf: Path, folder: Path, *words: str, fails: int = 0) -> Any:
    source = ("--conf", str(conf), "--spool", str(folder))
    return parse_json(ivr("import", "app-voicemail", *source, *words, "--json", fails=fails))


def export_all(ivr: Ivr, maker: SpoolMaker, folder: Path, *words: str, fails: int = 0) -> Any:
    target = ("--conf", str(maker.conf), "--spool", str(folder))
    return parse_json(ivr("export", "app-voicemail", *target, *words, "--json", fails=fails))


def described(box: spool.SpoolBox) -> list[tuple[Any, ...]]:
    """Everything of the messages of a spool that a person would notice, in the order of their times."""
    return sorted(
        (
            m.time,
            m.folder,
            m.caller,
            m.is_urgent,
            m.fields["category"],
            m.fields["msg_id"],
            m.origin,
            m.read_audio().samples,
        )
        for m in box.messages
    )


def greeting_samples(box: spool.SpoolBox, name: str) -> bytes:
    found = box.greetings[name].read_audio()
    assert found
    return found.samples


def test_import_export_import_keeps_everything(demo: Ivr, maker: SpoolMaker, tmp_path: Path, ivr: Ivr) -> None:
    for folder in message_fields.FOLDERS:
        maker.message(folder, voice=len(maker.made) + 1)
    maker.message("Old", flag="Urgent", callerid='"Groß, \\"Uwe\\"" <+49301>', category="sales")
    maker.message("Old", origmailbox="2002")
    maker.message("INBOX", callerid="Unknown", box="2002@default")
    for name, voice in (("unavail", 91), ("temp", 92), ("greet", 93), ("busy", 94)):
        maker.greeting(name, voice=voice)
    import_all(demo, maker.conf, maker.spool)
    back = tmp_path / "back"
    back.mkdir()
    dry = export_all(demo, maker, back, "--dry-run")
    assert [*back.iterdir()] == []
    report = export_all(demo, maker, back)
    assert report == dry
    assert [box["written"] for box in report] == [len(message_fields.FOLDERS) + 2, 1]
    for number in ("2001", "2002"):
        before, after = (spool.read_box(folder, number, "default") for folder in (maker.spool, back))
        assert described(after) == described(before)
        assert after.problems == []
        for name, greeting in before.greetings.items():
            assert greeting_samples(after, name) == telephony_formats.decode(greeting.files[0])
    names = sorted(path.name for path in (back / "default" / "2001" / "INBOX").iterdir())
    assert names == ["msg0000.WAV", "msg0000.gsm", "msg0000.txt", "msg0000.wav"]
    again = export_all(demo, maker, back)
    assert [(box["written"], box["already_exported"], box["greetings"]) for box in again] == [(0, 14, []), (0, 1, [])]
    # The same service takes none of them for another message; another one imports all of them.
    assert [box["imported"] for box in import_all(demo, maker.conf, back, fails=0)["boxes"]] == [0, 0]
    demo("account", "create", "other")
    report = import_all(demo, maker.conf, back, "--context", "default=other")
    assert [box["imported"] for box in report["boxes"]] == [14, 1]
    assert "all 2 boxes are equal" in demo("import", "verify").stdout
    one, other = (listed(demo, account) for account in ("demo", "other"))
    assert one == other
    assert [message[-1] for message in one if message[-1]] == ["Sven (2002)"]


def listed(ivr: Ivr, account: str) -> list[list[Any]]:
    keys = ("timestamp", "folder", "caller", "caller_name", "urgent", "labels", "length", "forwarded_by")
    found = parse_json(ivr("message", "list", "2001", "--account", account, "--json"))
    return sorted(([message[key] for key in keys] for message in found), key=str)


def test_spool_that_was_imported_shows_what_happened_here(demo: Ivr, maker: SpoolMaker, tmp_path: Path) -> None:
    for voice in range(4):
        maker.message(voice=voice)
    import_all(demo, maker.conf, maker.spool)
    heard, deleted, *_ = sorted(parse_json(demo("message", "list", "2001", "--json")), key=lambda m: m["timestamp"])
    demo("message", "move", "2001", heard["id"], "saved")
    demo("message", "delete", "2001", deleted["id"], "--yes")
    new = tmp_path / "new.wav"
    wav.write(new, speech(7, 2000).tobytes())
    demo("message", "add", "2001", str(new), "--caller", "5552")
    greeting = tmp_path / "greeting.wav"
    wav.write(greeting, speech(8, 2000).tobytes())
    maker.greeting("unavail", "gsm")
    demo("greeting", "set", "2001", "unavailable", str(greeting))
    demo("box", "pin", "2001", given="91827\n91827\n")
    demo("box", "create", "2005", "--pin", "91827", "name=New, Box")
    report, _, added = export_all(demo, maker, maker.spool, fails=3)
    assert [report[key] for key in ("written", "moved", "in_place", "removed")] == [1, 1, 2, 1]
    assert "its PIN here is not that of voicemail.conf" in str(report["notes"])
    assert "the line 2005 => PIN,New  Box," in str(added["notes"])
    box = spool.read_box(maker.spool, "2001", "default")
    assert sorted((m.time, m.folder) for m in box.messages)[:4] == [
        (made.time, folder) for made, folder in zip(maker.made, ("Old", "Deleted", "INBOX", "INBOX"), strict=True)
    ]
    (written,) = (m for m in box.messages if m.time > maker.made[-1].time)
    assert (written.name, written.caller) == ("INBOX/msg0004", Caller("5552"))
    assert written.read_audio().samples == speech(7, 2000).tobytes()
    assert {path.suffix for path in box.greetings["unavail"].files} == {".wav", ".WAV", ".gsm"}
    assert greeting_samples(box, "unavail") == speech(8, 2000).tobytes()
    assert (box.path / "unavail-before-export.gsm").exists()
    # What its owner does there afterwards is not undone.
    for file in written.stem.parent.glob(f"{written.stem.name}.*"):
        file.unlink()
    report, *_ = export_all(demo, maker, maker.spool, fails=3)
    assert [report[key] for key in ("written", "moved", "removed", "already_exported")] == [0, 0, 0, 4]


def test_each_format_is_read_again(tmp_path: Path) -> None:
    samples = speech(3, 3000).tobytes()
    for name in ("wav", "WAV", "wav49", "gsm", "ulaw", "alaw", "sln", "sln16", "g722"):
        suffix = suffix_of(name)
        assert suffix
        file = tmp_path / f"{name}-audio.{suffix}"
        file.write_bytes(encode(samples, suffix))
        decoded = telephony_formats.decode(file)
        assert abs(len(decoded) - len(samples)) < 400, name
        delays = range(0, 64, 2) if suffix == "g722" else [0]  # Its filters delay the sound by some samples.
        assert max(correlation(samples, decoded[delay:]) for delay in delays) > 0.95, name
    assert suffix_of("g729") is None


@given(
    st.text(st.characters(codec="utf-8", exclude_characters='\\"<>='), max_size=40),
    st.from_regex(r"\+?[0-9]{1,20}", fullmatch=True) | st.just(""),
)
def test_callers_are_read_as_they_were_written(name: str, number: str) -> None:
    name = to_single_line(name)
    text = format_caller(Caller(number, name))
    read = message_fields.parse_caller(text)
    assert "\n" not in text
    assert read.number == number
    if name.lower() not in message_fields.NO_CALLER and name != number:
        assert read.name == name


@given(
    folder=st.sampled_from(message_fields.FOLDERS),
    category=st.sampled_from(["", "sales", "Old", "INBOX", "Deleted", "Urgent", "a;b", "Groß"]),
    time=st.integers(1, message_fields.LATEST_TIME - 1),
    is_urgent=st.booleans(),
    seconds=st.integers(1, 3600),
)
def test_text_of_a_message_is_read_as_it_was_written(
    folder: str, category: str, time: int, is_urgent: bool, seconds: int
) -> None:
    """Spool, ivr, spool: the same folder, category, time, caller, urgency, duration and id."""
    is_urgent = folder == message_fields.URGENT or (is_urgent and folder != message_fields.INBOX)
    fields = {"category": category, "flag": "Urgent" if is_urgent else "", "callerid": '"Ann; B" <+49301>'}
    with tempfile.TemporaryDirectory() as root:
        stem = Path(root) / "default" / "2001" / folder / "msg0000"
        stem.parent.mkdir(parents=True)
        read = spool.SpoolMessage(
            folder=folder, fields=fields, time=time, modified_at=time, stem=stem, text=b"", audio=()
        )
        stored = Message(
            id="-" * 32,
            account_id="",
            box_id="",
            folder=folder_of(ImportOptions("app-voicemail", {}), read),
            time=time,
            length_ms=seconds * 1000,
            bytes=seconds * 16_000,
            caller=read.caller,
            urgent=read.is_urgent,
            labels=read.labels,
        )
        assert folder_name(stored) == folder
        stem.with_suffix(".txt").write_bytes(format_text(stored, f"{time}-0000abcd", seconds * 16_000))
        stem.with_suffix(".wav").touch()
        (again,) = spool.read_box(Path(root), "2001", "default").messages
    assert (again.fields["category"], again.fields["flag"]) == (category, fields["flag"])
    assert (again.caller, again.is_urgent, again.labels) == (read.caller, read.is_urgent, read.labels)
    assert (again.time, again.call_id, again.expected_s) == (time, f"{time}-0000abcd", seconds)
    assert unplaced_labels(stored) == []


def test_writer_waits_for_the_lock_and_takes_that_of_a_killed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = SpoolWriter(tmp_path, "2001", "default")
    writer.prepare()
    draft = SpoolDraft("one", "INBOX", {"wav": b"audio", "txt": b"text"})
    writer.add([draft])
    inbox = tmp_path / "default" / "2001" / "INBOX"
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    (inbox / ".lock").write_text(f"ivr export, process {process.pid}\n")
    writer.add([draft])
    assert sorted(os.listdir(inbox)) == ["msg0000.txt", "msg0000.wav", "msg0001.txt", "msg0001.wav"]
    (inbox / ".lock").touch()  # As Asterisk writes it.
    monkeypatch.setattr("ivr.imports.spool_writer.LOCK_TIMEOUT_S", 0.05)
    with pytest.raises(Exception, match="stays locked"):
        writer.add([draft])
    assert (inbox / ".lock").exists()
    assert len(os.listdir(inbox)) == 5


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, "2001", "default")
    writer.prepare()
    files = {"wav": b"audio", "txt": b"text"}
    writer.add([SpoolDraft("one", "INBOX", files)])
    box = tmp_path / "default" / "2001"
    inbox, old, tmp = box / "INBOX", box / "Old", box / "tmp"
    old.mkdir()
    (tmp / "ivr-draft-two.wav").write_bytes(b"other")  # Named, and then killed before its .txt file was.
    os.link(tmp / "ivr-draft-two.wav", inbox / "msg0001.wav")
    (tmp / "ivr-draft-three.wav").write_bytes(b"begun")
    for suffix in files:  # Moved, and killed before it was removed where it had been.
        os.link(inbox / f"msg0000.{suffix}", old / f"msg0000.{suffix}")
    (tmp / "of-app-voicemail.wav").touch()
    writer.prepare()
    assert sorted(os.listdir(inbox)) == ["msg0000.txt", "msg0000.wav"]
    assert os.listdir(old) == []
    assert os.listdir(tmp) == ["of-app-voicemail.wav"]


def test_export_that_cannot_write_changes_nothing_and_says_why(demo: Ivr, maker: SpoolMaker, tmp_path: Path) -> None:
    maker.message()
    import_all(demo, maker.conf, maker.spool)
    back = tmp_path / "back"
    (back / "default" / "elsewhere").mkdir(parents=True)
    (back / "default" / "2001").symlink_to("elsewhere")
    report, _ = export_all(demo, maker, back, "--box", "2001", "--box", "2002", fails=4)
    assert "is a link to another folder" in str(report["notes"])
    assert [*(back / "default" / "elsewhere").iterdir()] == []
    words = ("export", "app-voicemail", "--conf", str(maker.conf))
    assert "nowhere is no folder: name the spool" in demo(*words, "--spool", "/nowhere", fails=3).stderr
    demo("account", "create", "other")
    demo("box", "create", "2001", "--account", "other", "--pin", "91827")
    error = demo(*words, "--spool", str(back), fails=4).stderr
    assert "box 2001 of other was not imported" in error
    error = demo(*words, "--spool", str(back), "--context", "other=default", fails=4).stderr
    assert "several boxes would be 2001@default" in error


@pytest.mark.parametrize(
    ("context", "code", "message"),
    [
        ("demo=../outside", 2, "'../outside' is not the name of a dialplan context"),
        ("demo=..", 2, "cannot be a context with mailboxes"),
        ("demo=general", 2, "cannot be a context with mailboxes"),
        ("other=default", 3, "there is no account 'other'"),
    ],
)
def test_export_writes_to_folders_of_the_spool_alone(
    demo: Ivr, maker: SpoolMaker, tmp_path: Path, context: str, code: int, message: str
) -> None:
    demo("box", "create", "2005", "--pin", "91827")
    back = tmp_path / "back"
    back.mkdir()
    words = ("export", "app-voicemail", "--conf", str(maker.conf), "--spool", str(back), "--context", context)
    assert message in demo(*words, fails=code).stderr
    assert [path.name for path in (*back.iterdir(), *tmp_path.glob("outside"))] == []


@pytest.mark.parametrize("written", [3, 18, 22])
def test_full_disk_of_the_spool_leaves_no_drafts_and_the_export_goes_on(
    demo: Ivr, maker: SpoolMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """The drafts of an export that failed kept the disk full, and app_voicemail could take no message."""
    for voice in range(4):
        maker.message(voice=voice)
    maker.message("Old", voice=5)
    maker.greeting("unavail")
    import_all(demo, maker.conf, maker.spool)
    back = tmp_path / "back"
    back.mkdir()
    count = 0

    def fsync_until_full(path: Path) -> None:
        nonlocal count
        count += path.is_file()
        if count > written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(path)

    with monkeypatch.context() as full:
        full.setattr("ivr.imports.spool_writer.fsync", fsync_until_full)
        target = ("export", "app-voicemail", "--conf", str(maker.conf), "--spool", str(back))
        error = demo(*target, fails=1).stderr
    assert f"ivr: {back}/default/2001: No space left on device: free some space, then run the command again" in error
    assert [path for path in back.rglob("*") if path.name.startswith((".lock", "ivr-draft-"))] == []
    export_all(demo, maker, back)
    there, here = (spool.read_box(folder, "2001", "default") for folder in (back, maker.spool))
    assert described(there) == described(here)


@pytest.mark.parametrize("placed", [("wav",), ("wav", "gsm")])
def test_greeting_of_an_export_that_was_killed_does_not_take_the_place_of_the_kept_one(
    tmp_path: Path, placed: tuple[str, ...]
) -> None:
    """The kill came after new files had their names, and before it was recorded: the same greeting is written again."""
    box = tmp_path / "default" / "2001"
    box.mkdir(parents=True)
    for suffix in ("wav", "gsm"):
        (box / f"unavail.{suffix}").write_bytes(b"before")
    writer, files = SpoolWriter(tmp_path, "2001", "default"), {"wav": b"new", "gsm": b"also new"}
    writer.prepare()
    writer.replace_greeting("unavail", files)
    for suffix in {"wav", "gsm"} - {*placed}:
        (box / f"unavail.{suffix}").unlink()
    writer.prepare()
    assert writer.replace_greeting("unavail", files) == []
    assert {path.name: path.read_bytes() for path in box.iterdir() if path.is_file()} == {
        "unavail.wav": b"new", "unavail.gsm": b"also new",
        "unavail-before-export.wav": b"before", "unavail-before-export.gsm": b"before",
    }  # fmt: skip


def test_message_that_a_killed_export_has_moved_to_deleted_is_not_moved_again(demo: Ivr, maker: SpoolMaker) -> None:
    """The kill came after the move, and before it was recorded. Its owner has restored it there since."""
    maker.message()
    import_all(demo, maker.conf, maker.spool)
    (message,) = parse_json(demo("message", "list", "2001", "--json"))
    demo("message", "delete", "2001", message["id"], "--yes")
    box = maker.spool / "default" / "2001"
    (box / "INBOX").rename(box / "Deleted")
    export_all(demo, maker, maker.spool)
    (box / "Deleted").rename(box / "INBOX")
    export_all(demo, maker, maker.spool)
    assert [one.folder for one in spool.read_box(maker.spool, "2001", "default").messages] == ["INBOX"]
