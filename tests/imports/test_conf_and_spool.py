"""voicemail.conf and the spool, read as app_voicemail reads them."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.audio import telephony_formats
from ivr.errors import BadInput, NotFound
from ivr.imports.config_file import read_config
from ivr.imports.message_fields import parse_caller
from ivr.imports.spool import read_box
from ivr.imports.voicemail_conf import VoicemailConf, read_voicemail_conf
from ivr.storage.records import Caller
from tests.imports.spool_maker import BEGIN, SpoolMaker

CONF = """\
; a comment
[general]
maxsecs=180 ; seconds
maxsecs=999
;-- a block
maxmsg=7
--; maxmsg = 50
aliasescontext=more
#include "zones.conf"
#tryinclude "missing.conf"

[people](!)
2101 => 4716,Of Template,,,tz=berlin
[default](people)
2102 = 1234,"Meier, Uwe",uwe@a.example
2103 => -5839,A\\;B,a@a.example|b@a.example,p@a.example,Attach=no|emailbody=Hello, ${VM_NAME}|delete=1
2103 => 9999,Twice
2104 => 4716
[default](+)
2105 => *711,Added

[more]
9001@devices => 2102@default
9002 => 2102

[sales]
2102 => ,None
"""


def read(folder: Path, text: str = CONF) -> VoicemailConf:
    (folder / "voicemail.conf").write_text(text)
    (folder / "zones.conf").write_text("[zonemessages]\nberlin=Europe/Berlin|'vm-received' kM\n[general](+)\n")
    return read_voicemail_conf(folder / "voicemail.conf", folder / "spool")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Dear all,\nthe voicemail moves = on Friday.\n",
        "2001 => 4716,Rosa\n",
        "[general]\nstatic=yes\n[default]\nexten => 2001,1,VoiceMail(2001@default)\nsame => n,Hangup()\n",
        "[transport-udp]\ntype=transport\nbind=0.0.0.0:5060\n",
        "\x7fELF\0\0[\1\0=]\n",
    ],
)
def test_other_file_is_no_voicemail_conf(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(BadInput, match=r"file is no voicemail\.conf: it defines no mailbox"):
        read_voicemail_conf(tmp_path / "file", tmp_path / "spool")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONF.encode("utf-16"), r"file is in UTF-16: store it as UTF-8"),
        (b"[general]\nformat=wav\n[default]\nrosa => 4716,Rosa Klein\n", r"If 'rosa' is a mailbox: .* a number"),
    ],
)
def test_conf_that_asterisk_reads_and_ivr_does_not_says_what_to_do(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(BadInput, match=message):
        read_voicemail_conf(tmp_path / "file", tmp_path / "spool")


def test_conf_without_mailboxes_may_have_general_options_and_zones(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("[general]\nformat=wav\n[zonemessages]\nberlin=Europe/Berlin|R\n")
    assert read_voicemail_conf(tmp_path / "file", tmp_path / "spool").general == {"format": "wav"}


def test_conf_is_read_as_asterisk_reads_it(tmp_path: Path) -> None:
    conf = read(tmp_path)
    assert list(conf.mailboxes) == [f"{n}@default" for n in (2101, 2102, 2103, 2104, 2105)] + ["2102@sales"]
    assert (conf.general["maxsecs"], conf.general["maxmsg"]) == ("180", "50"), "the first value counts"
    assert conf.zones == {"berlin": "Europe/Berlin"}
    assert conf.aliases == {"2102@default": ["9001@devices", "9002"]}
    boxes = conf.mailboxes
    assert boxes["2101@default"].fullname == "Of Template"
    assert (boxes["2102@default"].fullname, boxes["2102@default"].emails) == ('"Meier', ('Uwe"',))
    third = boxes["2103@default"]
    assert (third.password, third.fullname) == ("-5839", "A;B")
    assert (third.emails, third.pager) == (("a@a.example", "b@a.example"), "p@a.example")
    assert third.own_options == {"attach": "no", "emailbody": "Hello, ${VM_NAME}", "delete": "1"}
    assert boxes["2105@default"].password == "*711"
    assert any("2103@default is defined twice" in warning for warning in conf.warnings)
    assert any("knows no quotes" in warning for warning in conf.warnings)


def test_password_in_spool_replaces_that_of_the_conf(tmp_path: Path) -> None:
    stored = tmp_path / "spool" / "default" / "2101" / "secret.conf"
    stored.parent.mkdir(parents=True)
    stored.write_text("[general]\npassword = 5839\n")
    assert read(tmp_path).mailboxes["2101@default"].password == "4716"
    text = "[general]\npasswordlocation=spooldir\n[default]\n2101 => 4716\n"
    assert read(tmp_path, text).mailboxes["2101@default"].password == "5839"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("#exec /bin/date\n", BadInput, "#exec is not run"),
        ("#include missing.conf\n", NotFound, "missing.conf does not exist"),
        ("#include voicemail.conf\n", BadInput, "includes itself"),
        ("[a](none)\n", BadInput, "no template"),
        ("[a](+)\n", BadInput, "does not exist"),
        ("#include pipe.conf\n", BadInput, "pipe.conf is not a file"),
        ("#include /dev/zero\n", BadInput, "/dev/zero is not a file"),
        ('#include ""\n', BadInput, "is a folder"),
        ("#include large.conf\n", BadInput, "large.conf has more than 20 MB"),
        # Each section has the lines of the one before it twice.
        ("[s0]\na=1\n" + "".join(f"[s{n}](s{n - 1},s{n - 1})\n" for n in range(1, 40)), BadInput, "such a file is not"),
        # Each looks through all lines before it.
        ("[s]\n" + "".join(f"a{n}+=1\n" for n in range(2_000)), BadInput, "such a file is not"),
    ],
)
def test_conf_that_cannot_be_read_names_the_line(
    tmp_path: Path, text: str, error: type[Exception], message: str
) -> None:
    """Asterisk's user may have written the file, and root reads it."""
    os.mkfifo(tmp_path / "pipe.conf")
    with (tmp_path / "large.conf").open("wb") as file:
        file.truncate(20_000_001)
    with pytest.raises(error, match=message):
        read(tmp_path, text)


def test_pattern_of_include_does_not_walk_the_folders_below(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "near.conf").write_text("[default]\n2101 => 4716\n")
    (tmp_path / "a" / "b" / "far.conf").write_text("[default]\n2102 => 4716\n")
    assert list(read(tmp_path, "#include **/*.conf\n").mailboxes) == ["2101@default"]


@given(text=st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_of_a_conf_is_read_or_rejected(tmp_path: Path, text: str) -> None:
    (tmp_path / "any.conf").write_bytes(text.encode())
    with contextlib.suppress(BadInput, NotFound):
        assert read_config(tmp_path / "any.conf").files


@pytest.mark.parametrize(
    ("text", "number", "name"),
    [
        ('"Ann Example" <5551>', "5551", "Ann Example"),
        ("Ann <5551>", "5551", "Ann"),
        ("<5551>", "5551", ""),
        ("5551", "5551", ""),
        ("+49 (30) 123", "+49 (30) 123", ""),
        ("Unknown", "", ""),
        ('"Unknown" <unknown>', "", ""),
        ("", "", ""),
        ('"5551" <5551>', "5551", ""),
        ('"O\\"Neil; Bob" <5551>', "5551", 'O"Neil; Bob'),
        ('"Müller" <sip:ann@example.com>', "sip:ann@example.com", "Müller"),
        ("=?utf-8?q?M=C3=BCller?= <5551>", "5551", "Müller"),
        ('"Ann <the one>" <5551>', "5551", "Ann <the one>"),
        ("Ann <5551", "5551", "Ann"),
        # Names that callers made up: no character set, no base64.
        ("=?\u00e9?q?x?= <5551>", "5551", "=?\u00e9?q?x?="),
        ("=?utf-8?b?4'yT?= <5551>", "5551", "=?utf-8?b?4'yT?="),
        ('"<" <5551>', "5551", "<"),
        ("Ann <a>b>", "", "Ann <a>b>"),
    ],
)
def test_callers_are_read_in_all_forms(text: str, number: str, name: str) -> None:
    assert parse_caller(text) == Caller(number, name)


def test_folders_greetings_and_times_are_read(tmp_path: Path) -> None:
    maker = SpoolMaker(tmp_path)
    maker.message("INBOX", formats=("gsm", "wav", "WAV"))
    maker.message("Urgent")
    maker.message("Work", flag="Urgent", callerid='"A;B" <1>')
    maker.message("Old", origtime="", msg_id=f"{BEGIN}-00000007")
    maker.message("tmp")
    maker.message("Odd")
    maker.greeting("unavail", "gsm")
    maker.greeting("greet")
    orphan = maker.spool / "default/2001/INBOX/msg0007.wav"
    shutil.copy(maker.audio("wav"), orphan)
    box = read_box(maker.spool, "2001", "default")
    found = {message.name: message for message in box.messages}
    assert list(found) == ["INBOX/msg0000", "Old/msg0000", "Urgent/msg0000", "Work/msg0000"]
    assert [path.suffix for path in found["INBOX/msg0000"].audio] == [".wav", ".WAV", ".gsm"]
    assert [found[name].is_urgent for name in found] == [False, False, True, True]
    assert found["Work/msg0000"].caller == Caller("1", "A;B"), "a semicolon is no comment here"
    assert found["Old/msg0000"].time == BEGIN
    assert set(box.greetings) == {"unavail", "greet"}
    assert len(box.problems) == 2
    assert "Odd: app_voicemail has no such folder" in " ".join(box.problems)
    assert "msg0007" in " ".join(box.problems)


def test_identity_of_messages_does_not_depend_on_their_number(tmp_path: Path) -> None:
    maker = SpoolMaker(tmp_path)
    first = maker.message(voice=1)
    second = maker.message(voice=2)
    third = maker.message(voice=3, msg_id="")
    before = {m.fields["origtime"]: m.source_id for m in read_box(maker.spool, "2001", "default").messages}
    assert len(set(before.values())) == 3
    for path in first.stem.parent.glob("msg0000.*"):
        path.unlink()
    for old, new in ((second, first), (third, second)):
        for path in old.stem.parent.glob(f"{old.stem.name}.*"):
            path.rename(new.stem.with_name(new.stem.name + path.suffix))
    after = {m.fields["origtime"]: m.source_id for m in read_box(maker.spool, "2001", "default").messages}
    assert after == {time: before[time] for time in after}
    assert len(after) == 2


def test_message_that_moves_while_it_is_read_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maker = SpoolMaker(tmp_path)
    maker.message(voice=1)
    maker.message(voice=2)
    message = read_box(maker.spool, "2001", "default").messages[0]
    text, other = (message.stem.with_name(f"msg000{n}.txt") for n in (0, 1))
    decode = telephony_formats.decode

    def decode_and_move(path: Path) -> bytes:
        other.replace(text)
        return decode(path)

    monkeypatch.setattr(telephony_formats, "decode", decode_and_move)
    with pytest.raises(NotFound, match="moved while it was read"):
        message.read_audio()


def test_longer_file_is_used_where_the_best_one_is_cut_off(tmp_path: Path) -> None:
    maker = SpoolMaker(tmp_path)
    maker.message(formats=("gsm",), ms=6000)
    message = maker.made[0]
    cut = message.stem.with_name("msg0000.wav")
    cut.write_bytes(maker.audio("wav", ms=6000).read_bytes()[:8000])
    audio = read_box(maker.spool, "2001", "default").messages[0].read_audio()
    assert (audio.file, len(audio.samples) // 16) == ("msg0000.gsm", 6000)
    assert audio.reasons == ("msg0000.wav has 0.5 s",)


def test_fields_of_messages_that_are_not_known_are_named(tmp_path: Path) -> None:
    maker = SpoolMaker(tmp_path)
    maker.message()
    text = maker.message().stem.with_suffix(".txt")
    text.write_text(f"{text.read_text()}rdnis=Unknown\npriority=2\ncolour=green\nblank=\n")
    box = read_box(maker.spool, "2001", "default")
    assert box.notes == ["fields of messages that have no place here: colour (1)"]


def test_links_and_files_in_the_place_of_folders_are_named(tmp_path: Path) -> None:
    """They were left out without a word, with all messages behind them."""
    spool = tmp_path / "spool"
    box = spool / "default" / "2001"
    (tmp_path / "disk" / "INBOX").mkdir(parents=True)
    box.mkdir(parents=True)
    (box / "INBOX").symlink_to(tmp_path / "disk" / "INBOX")
    (box / "Old").symlink_to(tmp_path / "not-mounted")
    (box / "Work").write_text("")
    (spool / "default" / "2002").symlink_to(tmp_path / "disk")
    (spool / "default" / "2003").write_text("")
    (spool / "default" / "2004").symlink_to(box)
    problems = {number: read_box(spool, number, "default").problems for number in ("2001", "2002", "2003", "2004")}
    names = ["INBOX is a link, which", "Old is a link, which", "Work is no folder"]
    assert len(problems["2001"]) == 3
    assert all(name in problem for name, problem in zip(names, problems["2001"], strict=True))
    assert "2002 is a link out of the spool" in problems["2002"][0]
    assert "2003 is no folder" in problems["2003"][0]
    (spool / "sales").symlink_to(tmp_path / "not-mounted")
    assert "sales is no folder, or a link that leads nowhere" in read_box(spool, "2001", "sales").problems[0]
    assert problems["2004"] == [], "its messages are those of another mailbox of the spool"
