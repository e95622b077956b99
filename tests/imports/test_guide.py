"""The programs and commands of docs/moving-in.md, run as they stand there."""

from __future__ import annotations

import imaplib
import importlib.metadata
import mailbox
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.mime.audio import MIMEAudio
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

import pytest

from tests.cli.conftest import Ivr, ivr, parse_json
from tests.imports.kazoo_stand_in import KazooStandIn
from tests.imports.spool_maker import SpoolMaker
from tests.imports.test_app_voicemail_database import Tables, tables
from tests.imports.test_freepbx import CONF as FREEPBX_CONF
from tests.imports.test_fusionpbx import Site, site
from tests.imports.test_import import audio_of, demo, import_all, listed, maker
from tests.imports.test_kazoo import kazoo
from tests.lab.sip_phone.speech import speech

__all__ = ["demo", "ivr", "kazoo", "maker", "site", "tables"]

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


def typed(heading: str) -> list[str]:
    """Return the commands of the first block behind a heading of the guide, or behind a paragraph that begins so."""
    text = GUIDE[GUIDE.index(heading) :]
    (block, *_) = re.findall(r"(?:^    .+\n)+", text, re.MULTILINE)
    return [line.removeprefix("    ") for line in block.replace("\\\n", " ").splitlines()]


class Newcomer:
    """Types commands of the guide in a folder. `here`: what stands here in the place of a name of the guide.

    `source`: options that say where the files of the PBX are.
    """

    def __init__(
        self, ivr: Ivr, folder: Path, *source: str, home: Path | None = None, here: Mapping[str, str] = {}
    ) -> None:
        self._ivr = ivr
        self._folder = folder
        self._source = source
        self._environment = {**os.environ, "HOME": str(home or folder)}
        self._here = here

    def run(self, command: str, *, fails: int = 0) -> str:
        """Run a command; return what it prints."""
        for name, value in self._here.items():
            command = command.replace(name, value)
        if not command.startswith("ivr "):
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", command], check=True, capture_output=True, text=True,
                cwd=self._folder, env=self._environment, timeout=120,
            )  # fmt: skip
            return done.stdout
        words = shlex.split(command)[1:]
        source = self._source if words[:2] != ["import", "verify"] and "--spool" not in words else ()
        result = self._ivr(*words, *source, fails=fails)
        return result.stdout + result.stderr


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """Start a MariaDB on a Unix socket. The value runs SQL, and returns a home folder whose programs reach it."""
    for program in ("mariadb-install-db", "mariadbd", "mysqldump"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed: apt install mariadb-server")
    if os.geteuid():
        pytest.skip("MariaDB is started as root")
    home = tmp_path_factory.mktemp("home")
    with tempfile.TemporaryDirectory(prefix="ivr-mariadb-") as name:
        options = ["--no-defaults", f"--datadir={name}/data", "--user=root"]
        install = ["mariadb-install-db", *options, "--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(install, check=True, capture_output=True, timeout=120)
        (home / ".my.cnf").write_text(f"[client]\nsocket={name}/socket\nuser=root\n")
        server = ["mariadbd", *options, f"--socket={name}/socket", "--skip-networking", f"--pid-file={name}/pid"]

        def run(sql: str) -> Path:
            client = ["mariadb", f"--defaults-file={home}/.my.cnf", "--default-character-set=utf8mb4"]
            subprocess.run(client, input=sql, text=True, check=True, timeout=60)
            return home

        with Path(name, "log").open("wb") as log, subprocess.Popen(server, stdout=log, stderr=log) as process:
            try:
                deadline = time.monotonic() + START_S
                while process.poll() is None and not Path(name, "socket").exists():
                    assert time.monotonic() < deadline, Path(name, "log").read_text()
                    time.sleep(0.05)
                yield run
            finally:
                process.terminate()


FREEPBX_TABLES = r"""
DROP DATABASE IF EXISTS asterisk; CREATE DATABASE asterisk DEFAULT CHARACTER SET utf8mb4; USE asterisk;
CREATE TABLE users (extension varchar(20) NOT NULL DEFAULT '' PRIMARY KEY, password varchar(20), name varchar(50),
  voicemail varchar(50), ringtimer int,
  busy_cid varchar(20) NOT NULL DEFAULT '', mohclass varchar(80) DEFAULT 'default');
INSERT INTO users (extension, name, voicemail) VALUES ('1001', 'Rosa Klein', 'default'),
  ('1002', 'Sven \'the (great); one\' Groß', 'default'), ('1003', 'Ida Lund', 'novm'), ('1009', 'No Box', 'default');
CREATE TABLE userman_users (id int AUTO_INCREMENT PRIMARY KEY, username varchar(250), permissions longblob,
  default_extension varchar(45) NOT NULL DEFAULT 'none', email varchar(100));
INSERT INTO userman_users (username, permissions, default_extension, email) VALUES
  ('sven', x'00ff27225c0a1a00', '1002', 'sven@acme.example'), ('admin', NULL, 'none', NULL);
CREATE TABLE voicemail_admin (variable varchar(30) PRIMARY KEY, value varchar(80));
INSERT INTO voicemail_admin VALUES ('OPERATOR_XTN', '5550'), ('VMX_REPEAT', '');
CREATE TABLE kvblobstore (content longblob);
INSERT INTO kvblobstore VALUES (x'27292c28003b0a2d2d');
CREATE VIEW numbers AS SELECT * FROM users;
CREATE TRIGGER with_name BEFORE INSERT ON users FOR EACH ROW SET NEW.name = CONCAT(NEW.name, ';');
"""
# As `contrib/ast-db-manage` of Asterisk has them.
ASTERISK_TABLES = """
DROP DATABASE IF EXISTS asterisk; CREATE DATABASE asterisk DEFAULT CHARACTER SET latin1; USE asterisk;
CREATE TABLE voicemail (uniqueid int AUTO_INCREMENT PRIMARY KEY, context varchar(80) NOT NULL,
  mailbox varchar(80) NOT NULL, password varchar(80) NOT NULL, fullname varchar(80), email varchar(80),
  pager varchar(80), attach enum('yes','no'), deletevoicemail enum('yes','no'), sayduration int, maxmsg int,
  volgain decimal(5,2), stamp datetime);
INSERT INTO voicemail (context, mailbox, password, fullname, email, attach, maxmsg, volgain, stamp) VALUES
  ('default', '2001', '4716', 'Rosa Groß', 'rosa@acme.example', 'yes', 50, 0.0, now());
CREATE TABLE voicemail_messages (dir varchar(255) NOT NULL, msgnum int NOT NULL, context varchar(80),
  macrocontext varchar(80), callerid varchar(80), origtime int, duration int, recording longblob, flag varchar(30),
  category varchar(30), mailboxuser varchar(30), mailboxcontext varchar(30), msg_id varchar(40),
  PRIMARY KEY (dir, msgnum));
"""


def test_commands_for_app_voicemail_work_as_they_stand(
    demo: Ivr, maker: SpoolMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    maker.message()
    maker.greeting("busy")
    source = ("--conf", str(maker.conf), "--spool", str(maker.spool))
    newcomer = Newcomer(demo, tmp_path, *source, here={"default=acme": "default=demo"})
    dry_run, run, verify = typed("# Moving in")
    assert "would import 1 of 1 messages of 2 boxes" in newcomer.run(dry_run)
    assert "1 of 1 messages of 2 boxes; verify it: ivr import verify" in newcomer.run(run)
    assert "all 2 boxes are equal" in newcomer.run(verify)
    back = tmp_path / "back"
    back.mkdir()
    newcomer = Newcomer(demo, tmp_path, here={"/var/spool/asterisk/voicemail": f"{back} --conf {maker.conf}"})
    dry_run, run = typed("## The way back")
    newcomer.run(dry_run)
    assert [*back.iterdir()] == []
    newcomer.run(run)
    assert {path.name for path in back.glob("default/2001/*.wav")} == {"busy.wav"}
    assert {path.name for path in back.glob("default/2001/INBOX/*.txt")} == {"msg0000.txt"}


def test_commands_for_freepbx_work_as_they_stand(
    demo: Ivr, maker: SpoolMaker, mariadb: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    maker.write_conf(FREEPBX_CONF)
    maker.message(box="1001@default")
    maker.message("Urgent", box="1002@default", voice=2)
    (dump,) = re.findall(r"\(`(mysqldump asterisk [^`]+)`\)", GUIDE)
    source = ("--conf", str(maker.conf), "--spool", str(maker.spool))
    newcomer = Newcomer(demo, tmp_path, *source, home=mariadb(FREEPBX_TABLES))
    newcomer.run(dump)
    dry_run, run, verify = typed("## FreePBX")
    assert "would import 2 of 2 messages of 3 boxes" in newcomer.run(dry_run, fails=3), "a device is its user's mailbox"
    printed = newcomer.run(run, fails=3)
    assert "2 of 2 messages of 3 boxes; verify it: ivr import verify" in printed
    assert "extension 1009: FreePBX has voicemail for it" in printed
    assert "all 3 boxes are equal" in newcomer.run(verify)
    sven = parse_json(demo("box", "show", "1002", "--json"))
    assert sven["name"] == "Sven 'the (great); one' Groß"
    assert parse_json(demo("user", "show", sven["owner_id"], "--json"))["email"] == "sven@acme.example"


def fill_tables(mariadb: Callable[[str], Path], maker: SpoolMaker) -> Path:
    """Have two messages and a greeting of mailbox 2001 in tables; return the home folder of `mariadb`."""
    maker.write_conf("[general]\nformat = wav\n")
    rows = [
        f"('/var/spool/asterisk/voicemail/default/2001/{folder}', {number}, '\"Ann O\\'ß\" <5551>',"
        f" {1_460_000_000 + voice}, 1, x'{maker.audio('wav', voice).read_bytes().hex()}', '1460000000-0000000{voice}')"
        for folder, number, voice in (("INBOX", 0, 1), ("Urgent", 0, 2), ("unavail", -1, 8))
    ]
    columns = "dir, msgnum, callerid, origtime, duration, recording, msg_id"
    return mariadb(f"{ASTERISK_TABLES}INSERT INTO voicemail_messages ({columns}) VALUES {', '.join(rows)};")


def test_commands_for_a_mariadb_that_runs_work_as_they_stand(
    demo: Ivr, maker: SpoolMaker, mariadb: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = fill_tables(mariadb, maker) / ".my.cnf"
    mariadb(
        "CREATE OR REPLACE USER asterisk@localhost IDENTIFIED BY 'geh%eim';"
        " GRANT SELECT ON asterisk.* TO asterisk@localhost;"
    )
    options = tmp_path / ".my.cnf"
    options.write_text(root.read_text().replace("user=root", 'password="geh%eim"'))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    newcomer = Newcomer(demo, tmp_path, "--conf", str(maker.conf), "--spool", str(maker.spool))
    _, dry_run = typed("A server that runs is read by its address")
    assert "would import 2 of 2 messages of 1 boxes" in newcomer.run(dry_run)
    address = "mysql://asterisk@localhost/asterisk"
    for changed, status, problem in (
        (address.replace("asterisk@", "asterisk:geh%eim@"), 2, "has a password, which everybody on"),
        (f"{address}/more", 2, "write it as 'mysql://USER@HOST/DATABASE'"),
        ("mysql://asterisk@localhost", 2, "write it as 'mysql://USER@HOST/DATABASE'"),
        ("mysql://asterisk@localhost:x/asterisk", 2, "write it as 'mysql://USER@HOST/DATABASE'"),
        (address.replace("asterisk@", "stranger@"), 5, "put the password under [client] into ~/.my.cnf"),
        ("mysql://asterisk@127.0.0.1:1/asterisk", 5, "database asterisk of 127.0.0.1 cannot be opened"),
        (f"{address}2", 5, "database asterisk2 of localhost cannot be opened"),
    ):
        assert problem in newcomer.run(dry_run.replace(address, changed), fails=status)
    wrong_table = dry_run.replace("--messages-table voicemail_messages", "--messages-table voicemessages")
    assert "has no table voicemessages, or the user may not see it" in newcomer.run(wrong_table, fails=3)
    assert "2 of 2 messages of 1 boxes" in newcomer.run(dry_run.replace(" --dry-run", ""))
    assert "all 1 boxes are equal" in newcomer.run("ivr import verify")
    first, second = listed(demo, "2001")
    assert (first["caller_name"], first["urgent"], second["urgent"]) == ("Ann O'ß", False, True)
    assert audio_of(demo, tmp_path, first["id"]) == speech(1, 1500).tobytes()


def test_commands_for_tables_of_mariadb_work_as_they_stand(
    demo: Ivr, maker: SpoolMaker, mariadb: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = fill_tables(mariadb, maker)
    source = ("--conf", str(maker.conf), "--spool", str(maker.spool))
    newcomer = Newcomer(demo, tmp_path, *source, home=home)
    dump, dry_run = typed("**MariaDB, MySQL.**")
    newcomer.run(dump)
    assert "would import 2 of 2 messages of 1 boxes" in newcomer.run(dry_run), "a volume of 0.00 is no remark"
    assert "2 of 2 messages of 1 boxes" in newcomer.run(dry_run.replace(" --dry-run", ""))
    assert "all 1 boxes are equal" in newcomer.run("ivr import verify")
    first, second = listed(demo, "2001")
    assert (first["caller_name"], first["urgent"], second["urgent"]) == ("Ann O'ß", False, True)
    assert audio_of(demo, tmp_path, first["id"]) == speech(1, 1500).tobytes()
    for option, problem in (
        ("--skip-quote-names", "without quotes: dump without --skip-quote-names"),
        ("--xml", "is XML: dump without --xml"),
        ("--default-character-set=latin1", "is in latin1: dump with --default-character-set=utf8mb4"),
        ("--hex-blob --complete-insert --skip-extended-insert --insert-ignore --compact", ""),
    ):
        newcomer.run(dump.replace("mysqldump", f"mysqldump {option}"))
        assert problem in newcomer.run(dry_run, fails=2 if problem else 0)
    mariadb("CREATE DATABASE other; CREATE TABLE other.voicemail LIKE asterisk.voicemail;")
    newcomer.run("mysqldump --databases asterisk other | gzip > voicemail.sql.gz")
    mariadb("DROP DATABASE other;")
    assert "has table voicemail twice: dump one database" in newcomer.run(dry_run, fails=2)


def test_commands_for_kazoo_work_as_they_stand(
    demo: Ivr, kazoo: KazooStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "api-key").rename("kazoo.key")
    here = {"https://kazoo.example:8443/v2": kazoo.url, "ACCOUNT-ID": kazoo.app.account.id}
    newcomer = Newcomer(demo, tmp_path, here=here)
    dry_run, run, verify = typed("## Kazoo")
    assert "would import 3 of 3 messages of 2 boxes" in newcomer.run(dry_run, fails=3)
    assert "3 of 3 messages of 2 boxes; verify it: ivr import verify" in newcomer.run(run, fails=3)
    assert "all 2 boxes are equal" in newcomer.run(verify)
    assert (tmp_path / "pins.csv").read_text().startswith("demo,2002,"), "its PIN had two digits there"


def test_commands_for_fusionpbx_work_as_they_stand(demo: Ivr, site: Site, tmp_path: Path) -> None:
    site.file(f"msg_{site.message(1)}.wav", 1)
    site.message(2, "saved", message_base64=site.text(2))
    database = "host=127.0.0.1 dbname=fusionpbx user=fusionpbx"
    newcomer = Newcomer(demo, tmp_path, here={database: site.dsn, "/var/lib/freeswitch/storage": str(site.storage)})
    pip, password, dry_run, run, verify = typed("## FusionPBX")
    assert_psycopg_comes_by(pip)
    assert password == "export PGPASSWORD=..."
    assert "would import 2 of 2 messages of 2 boxes" in newcomer.run(dry_run)
    assert "2 of 2 messages of 2 boxes; verify it: ivr import verify" in newcomer.run(run)
    assert "all 2 boxes are equal" in newcomer.run(verify)


def test_commands_for_tables_of_postgresql_work_as_they_stand(
    demo: Ivr, tables: Tables, maker: SpoolMaker, tmp_path: Path
) -> None:
    tables.row("INBOX", 0, "WAV", voice=1)
    here = {"host=127.0.0.1 dbname=asterisk user=asterisk": tables.dsn}
    newcomer = Newcomer(demo, tmp_path, "--conf", str(maker.conf), "--spool", str(maker.spool), here=here)
    pip, password, dry_run = typed("## Realtime mailboxes")
    assert_psycopg_comes_by(pip)
    assert password == "export PGPASSWORD=..."
    assert "would import 1 of 1 messages of 1 boxes" in newcomer.run(dry_run, fails=3)
    assert "1 of 1 messages of 1 boxes" in newcomer.run(dry_run.replace(" --dry-run", ""), fails=3)
    assert "all 1 boxes are equal" in newcomer.run("ivr import verify")


def assert_psycopg_comes_by(command: str) -> None:
    """pip installs what is missing of an extra of a package that is installed."""
    (extra,) = re.findall(r"/opt/ivr/bin/pip install 'ivr-voicemail\[([\w-]+)\]'", command)
    needed = [one for one in importlib.metadata.requires("ivr-voicemail") or () if f'extra == "{extra}"' in one]
    assert any(one.startswith("psycopg[binary]") for one in needed), needed
