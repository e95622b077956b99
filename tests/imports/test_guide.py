"""The programs and commands of docs/moving-in.md, run as they stand there."""

from __future__ import annotations

import imaplib
import mailbox
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.mime.audio import MIMEAudio
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

import pytest

from tests.cli.conftest import Ivr, ivr
from tests.imports.spool_maker import SpoolMaker
from tests.imports.test_import import audio_of, demo, import_all, listed, maker
from tests.lab.sip_phone.speech import speech

__all__ = ["demo", "ivr", "maker"]

GUIDE = (Path(__file__).parents[2] / "docs" / "moving-in.md").read_text()
START_S = 30
UNPRIVILEGED_UID = 65_534


def imap_mail(maker: SpoolMaker, *voices: int, suffix: str = "WAV", file: str = "", **changed: str) -> bytes:
    """Return a mail as app_voicemail's IMAP storage writes it. `changed`: headers, with _ for -."""
    at = 1_460_000_000 + sum(voices)
    fields = {
        "Message-Num": "1", "Server-Name": "pbx", "Context": "default", "Extension": "2001", "Flag": "",
        "Priority": "2", "Caller-channel": "PJSIP/ann-00000001", "Caller-ID-Num": "5551",
        "Caller-ID-Name": "=?UTF-8?Q?Anna_Gro=C3=9F?=", "Duration": "1", "Category": "",
        "Message-Type": "Message", "Orig-date": "Thu Apr  7 03:33:20 AM UTC 2016",
        "Orig-time": str(at), "Message-ID": f"{at}-{sum(voices):08x}",
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }  # fmt: skip
    mail = MIMEMultipart()
    mail.attach(MIMEText("Dear Rosa:\n\nYou have a message."))
    for position, voice in enumerate(voices):
        audio = MIMEAudio(maker.audio(suffix, voice).read_bytes(), "x-wav")
        name = file or f"msg{'intro' if position else ''}0000.{suffix}"
        audio.add_header("Content-Disposition", "attachment", filename=name)
        mail.attach(audio)
    head = [
        "Date: Thu, 07 Apr 2016 03:33:20 +0000", 'From: "PBX" <asterisk@pbx>', 'To: "Rosa" <rosa@acme.example>',
        "Subject: New message 1 in mailbox 2001", "Message-ID: <Asterisk-1-1460000000-2001-77@pbx>",
        *(f"X-Asterisk-VM-{name}: {value}" for name, value in fields.items()), "X-Asterisk-CallerID: 5551",
    ]  # fmt: skip
    return "\n".join(head).encode() + b"\n" + mail.as_bytes()


def to_maildir(maildir: Path, mails: list[tuple[bytes, str]]) -> None:
    """Write mails with their flags."""
    mailbox.Maildir(maildir)
    for number, (content, flags) in enumerate(mails):
        (maildir / "cur" / f"{number}.mail:2,{flags}").write_bytes(content)


def to_imap(maildir: Path, mails: list[tuple[bytes, str]]) -> None:
    """Write mails to a real IMAP server, and copy them from there as the guide says."""
    with dovecot(maildir.with_name("imap")) as port:
        with imaplib.IMAP4("127.0.0.1", port, timeout=60) as client:
            client.login("rosa", "secret")
            for content, flags in mails:
                words = [word for flag, word in (("S", r"\Seen"), ("T", r"\Deleted")) if flag in flags]
                status, _ = client.append("INBOX", f"({' '.join(words)})", "", content.replace(b"\n", b"\r\n"))
                assert status == "OK"
        (text,) = re.findall(r"```text\n(IMAPAccount.*?)```", GUIDE, re.DOTALL)
        text = text.replace("SSLType IMAPS", f"SSLType None\nPort {port}\nAuthMechs LOGIN")
        text = text.replace("imap.acme.example", "127.0.0.1").replace('"cat rosa.password"', '"echo secret"')
        (maildir.parent / "mbsync.conf").write_text(text)
        maildir.mkdir()
        (command,) = re.findall(r"^    (mbsync .*)$", GUIDE, re.MULTILINE)
        environment = {**os.environ, "HOME": str(maildir.parent)}
        subprocess.run(command.split(), check=True, cwd=maildir.parent, timeout=60, env=environment)


@contextmanager
def dovecot(folder: Path) -> Iterator[int]:
    """Serve IMAP on a free port until the end of the context. The user `rosa` has the password `secret`."""
    for program in ("dovecot", "mbsync"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed: apt install dovecot-imapd isync")
    if os.geteuid():
        pytest.skip("dovecot is started as root")
    with tempfile.TemporaryDirectory(prefix="ivr-imap-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "mail").mkdir()
        os.chown(folder / "mail", UNPRIVILEGED_UID, UNPRIVILEGED_UID)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        (folder / "dovecot.conf").write_text(
            f"base_dir = {folder}/run\nstate_dir = {folder}/state\nlog_path = {folder}/log\nprotocols = imap\n"
            "listen = 127.0.0.1\nssl = no\ndisable_plaintext_auth = no\n"
            f"mail_location = maildir:{folder}/mail\n"
            "passdb {\n  driver = static\n  args = password=secret\n}\n"
            "userdb {\n  driver = static\n"
            f"  args = uid={UNPRIVILEGED_UID} gid={UNPRIVILEGED_UID} home={folder}\n}}\n"
            "service imap-login {\n  chroot =\n"
            f"  inet_listener imap {{\n    port = {port}\n  }}\n  inet_listener imaps {{\n    port = 0\n  }}\n}}\n"
            "service anvil {\n  chroot =\n}\nservice stats {\n  chroot =\n}\n"
        )
        with subprocess.Popen(["dovecot", "-F", "-c", str(folder / "dovecot.conf")]) as process:
            try:
                wait_for_port(port, process, folder / "log")
                yield port
            finally:
                process.terminate()


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers. Fails with its log."""
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail(log.read_text() if log.exists() else "the server has not started")


def mails_to_spool(folder: Path, maildir: Path, spool: Path, *words: str) -> str:
    """Run the program of the guide; return what it prints."""
    (program,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    (folder / "mails_to_spool.py").write_text(program)
    command = [sys.executable, str(folder / "mails_to_spool.py"), str(maildir), str(spool), *words]
    return subprocess.run(command, check=True, text=True, capture_output=True, timeout=120).stdout


@pytest.mark.parametrize("bring", [to_maildir, to_imap])
def test_messages_in_imap_come_by_the_program_of_the_guide(
    demo: Ivr, maker: SpoolMaker, tmp_path: Path, bring: Callable[[Path, list[tuple[bytes, str]]], None]
) -> None:
    """Mails become a spool, which is imported as any other; a message with its introduction becomes two."""
    mails = [
        (imap_mail(maker, 1, Flag="Urgent"), ""),
        (imap_mail(maker, 2), "S"),
        (imap_mail(maker, 3, 4), ""),
        (imap_mail(maker, 5, Message_ID="", Category="sales"), "ST"),
        (imap_mail(maker, 90, Message_Type="unavail", file="unavail.WAV"), "S"),
    ]
    bring(tmp_path / "mails", mails)
    assert mails_to_spool(tmp_path, tmp_path / "mails", maker.spool) == ""
    assert mails_to_spool(tmp_path, tmp_path / "mails", maker.spool) == "", "again, for what came since"
    report = import_all(demo, maker, "--box", "2001@default")
    assert report["boxes"][0]["greetings"] == ["unavail"]
    found = listed(demo, "2001")
    assert [(m["folder"], m["urgent"], m["labels"], m["caller"], m["caller_name"]) for m in found] == [
        ("new", True, [], "5551", "Anna Groß"),
        ("saved", False, [], "5551", "Anna Groß"),
        ("deleted", False, ["sales"], "5551", "Anna Groß"),
        ("new", False, ["introduction"], "5551", "Anna Groß"),
        ("new", False, [], "5551", "Anna Groß"),
    ]
    assert "boxes are equal" in demo("import", "verify").stdout


def test_mail_of_an_attacker_writes_no_file_but_a_message(demo: Ivr, maker: SpoolMaker, tmp_path: Path) -> None:
    """An attacker can send mails to the mailbox: no header is a path, a line or a number before a check."""
    huge = "9" * 5_000
    left_out = [
        *(imap_mail(maker, 1, Extension=name) for name in ("../../etc", "/tmp/x", "..", ".", "", "a/b", "a\tb", huge)),
        *(imap_mail(maker, 1, Context=name) for name in ("..", "../..", "/", "a\n b", "\x1b[2J", "ü")),
        *(imap_mail(maker, 1, Message_Type=name) for name in ("../../../evil", "secret.conf", "/x", "unavail/..")),
        *(imap_mail(maker, 1, file=name) for name in ("msg0000.txt", "msg.conf", "msg", "x.wav/..", "m." + huge)),
        imap_mail(maker),
        imap_mail(maker, 1).replace(b"base64", b"x-none").replace(b"multipart/mixed", b"text/plain"),
    ]
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(3_000))
    forged = imap_mail(
        maker, 7, Caller_ID_Name='\x1b[31mEve"\n origtime=1', Caller_ID_Num="666>\n flag=Urgent", Duration=huge,
        Category="x\n msg_id=../../y", Orig_time=huge, Message_ID="../../etc/passwd", Flag="Urgent\n ../x",
    )  # fmt: skip
    twice = imap_mail(maker, 8).replace(b"X-Asterisk-CallerID", b"X-Asterisk-VM-Extension: 2002\nX-Asterisk-CallerID")
    to_maildir(tmp_path / "mails", [(mail, "") for mail in (*left_out, b"X: y\n" + nested, forged, twice)])
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(maker.spool)}
    printed = mails_to_spool(tmp_path, tmp_path / "mails", maker.spool)
    assert printed.isascii()
    assert printed.count("left out: ") == len(left_out) + 1
    written = {path for path in tmp_path.rglob("*") if not path.is_relative_to(maker.spool)}
    assert written - before == {tmp_path / "mails_to_spool.py"}
    spool = sorted(str(path.relative_to(maker.spool)) for path in maker.spool.rglob("*") if path.is_file())
    assert spool == [f"default/2001/INBOX/msg000{n}.{suffix}" for n in (0, 1) for suffix in ("WAV", "txt")]
    import_all(demo, maker, "--box", "2001@default", fails=3)
    by_caller = {message["caller"]: message for message in listed(demo, "2001")}
    assert by_caller.keys() == {"5551", "666 flag=Urgent"}
    eve = by_caller["666 flag=Urgent"]
    assert (eve["caller_name"], eve["urgent"], eve["folder"]) == ("[31mEve origtime=1", False, "new")
    assert audio_of(demo, tmp_path, by_caller["5551"]["id"]) != speech(7, 1500).tobytes()


def test_folder_that_app_voicemail_does_not_have_is_refused(maker: SpoolMaker, tmp_path: Path) -> None:
    to_maildir(tmp_path / "mails", [(imap_mail(maker, 1), "")])
    with pytest.raises(subprocess.CalledProcessError) as failed:
        mails_to_spool(tmp_path, tmp_path / "mails", maker.spool, "../work")
    assert "'../work' is no folder of app_voicemail" in failed.value.stderr
    mails_to_spool(tmp_path, tmp_path / "mails", maker.spool, "Work")
    assert [path.name for path in maker.spool.glob("default/2001/*")] == ["Work"]
