"""`ivr doctor` on broken installations: each is named in plain words, and gone after the remedy that was printed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from aiosmtpd.smtp import AuthResult, Envelope
from typer.testing import CliRunner

from ivr import __version__
from tests.doctor.broken_site import IS_ROOT, SERVICE_GROUP, SERVICE_USER, BrokenSite, FakeService, isolate, silence_log
from tests.support.all_commands import command
from tests.support.app_fixture import SOUNDS
from tests.support.fake_smtp_server import FakeSmtpServer

TROUBLESHOOTING = Path(__file__).parents[2] / "docs" / "troubleshooting.md"

ACCOUNT = "0123456789abcdef" * 2

Step = Callable[[BrokenSite], object]


@dataclass(frozen=True)
class Case:
    """A way to break an installation, and what the doctor says of it.

    `follow`: does what the sentence says; None: the printed command is run. `as_root`: only root can break it so.
    """

    damage: Step
    check: str
    what: str
    follow: Step | None = None
    as_root: bool = False


def chmod(name: str, mode: int) -> Step:
    return lambda site: (site.data / name).chmod(mode)


def chown_to_root(name: str, mode: int | None = None) -> Step:
    def damage(site: BrokenSite) -> None:
        os.chown(site.data / name, 0, 0)
        if mode is not None:
            (site.data / name).chmod(mode)

    return damage


def move(source: str, target: str) -> Step:
    return lambda site: (site.folder / source).rename(site.folder / target)


def write(name: str, text: str) -> Step:
    return lambda site: (site.folder / name).write_text(text)


def append(name: str, text: str) -> Step:
    return lambda site: (site.folder / name).write_text((site.folder / name).read_text() + text)


def set_config(section: str, **values: object) -> Step:
    return lambda site: site.write_config(**{section: values})


def change_row(sql: str, *values: object) -> Step:
    return lambda site: site.change_row(sql, *values)


def set_global(name: str, value: str) -> Step:
    return lambda site: site.set_global(name, value)


def remove_global(name: str) -> Step:
    def damage(site: BrokenSite) -> None:
        for file in (site.asterisk / "ivr" / "secret.conf", site.asterisk / "loaded.conf"):
            lines = file.read_text().splitlines(keepends=True)
            file.write_text("".join(line for line in lines if not line.startswith(name)))

    return damage


def all_of(*steps: Step) -> Step:
    return lambda site: [step(site) for step in steps]


def switch_off(section: str, file: str, shown: str, reload: str, port: Callable[[BrokenSite], int]) -> Step:
    """Let Asterisk's manager or HTTP server be off: the port is closed until `file` says otherwise and is reloaded."""

    def damage(site: BrokenSite) -> None:
        site.write_config(**{section: {"port": 9, **({"password": "x"} if section == "ari" else {})}})
        (site.asterisk / file.removesuffix(".conf")).write_text(shown)  # What the console shows.
        (site.asterisk / file).write_text("[general]\nenabled = no\nbindaddr = 127.0.0.1\n;enabled = yes\n")
        site.effects[f"asterisk {reload}"] = lambda: listen(site)

    def listen(site: BrokenSite) -> None:
        lines = (site.asterisk / file).read_text().splitlines()
        assert lines == ["[general]", "enabled = yes", "bindaddr = 127.0.0.1", ";enabled = yes"]
        site.write_config(**{section: {"port": port(site)}})

    return damage


def corrupt_database(site: BrokenSite) -> None:
    shutil.copy(site.data / "state" / "ivr.db", site.folder / "backup.db")
    for name in ("ivr.db-wal", "ivr.db-shm"):
        (site.data / "state" / name).unlink(missing_ok=True)
    (site.data / "state" / "ivr.db").write_bytes(b"this is no database" * 1000)


def restore_database(site: BrokenSite) -> None:
    shutil.copy(site.folder / "backup.db", site.data / "state" / "ivr.db")


def change_pepper(site: BrokenSite) -> None:
    shutil.copy(site.data / "state" / "pepper", site.folder / "pepper")
    (site.data / "state" / "pepper").write_text("another")


def restore_pepper(site: BrokenSite) -> None:
    (site.data / "state" / "pepper").write_text((site.folder / "pepper").read_text())


def set_schema(change: int) -> Step:
    def damage(site: BrokenSite) -> None:
        connection = sqlite3.connect(site.data / "state" / "ivr.db")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute(f"PRAGMA user_version = {version + change}")
        connection.close()

    return damage


def lock_database(site: BrokenSite) -> None:
    site.stack.enter_context(site.locked_database())


def close_locks(site: BrokenSite) -> None:
    site.stack.close()


def copy_prompts(site: BrokenSite) -> None:
    shutil.copytree(SOUNDS / "en", site.folder / "sounds" / "en", copy_function=os.symlink)
    site.write_config(sounds={"folder": str(site.folder / "sounds")})


def unreachable_service(site: BrokenSite) -> None:
    """Nothing listens where the settings say; after `systemctl start ivr` something does."""
    ports = dict(site.sections["fastagi"]), dict(site.sections["api"])
    site.write_config(fastagi={"port": 9}, api={"port": 9})
    site.set_global("IVR_FASTAGI_ADDRESS", "127.0.0.1:9")

    def start() -> None:
        site.write_config(fastagi=ports[0], api=ports[1])
        site.set_global("IVR_FASTAGI_ADDRESS", f"127.0.0.1:{ports[0]['port']}")

    site.effects["systemctl start ivr"] = start


def service_says(**readiness: object) -> Step:
    def damage(site: BrokenSite) -> None:
        site.say_ready(**readiness)
        site.effects["systemctl restart ivr"] = site.say_ready

    return damage


def stop_asterisk(site: BrokenSite) -> None:
    (site.asterisk / "down").touch()
    site.effects["systemctl start asterisk"] = lambda: (site.asterisk / "down").unlink(missing_ok=True)


def remove_module(site: BrokenSite) -> None:
    modules = site.asterisk / "modules"
    lines = modules.read_text().splitlines(keepends=True)
    modules.write_text("".join(line for line in lines if not line.startswith(("func_uri", "res_speech", "app_record"))))


def late_fallback_recording(site: BrokenSite) -> None:
    path = site.data / "takes" / "fallback-demo-4711-2001-1700000000-1.wav"
    path.write_bytes(b"RIFF")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    site.effects["ivr box create 4711 -a demo"] = path.unlink  # The service delivers it.


def earlier_dialplan(site: BrokenSite) -> None:
    site.set_global("IVR_DIALPLAN_VERSION", "0.0.9")
    site.effects["ivr install"] = lambda: site.set_global("IVR_DIALPLAN_VERSION", __version__)


def future_message(site: BrokenSite) -> None:
    site.change_row(
        "INSERT INTO messages (id, account_id, box_id, folder, folder_changed_at, arrival_seq, urgent, time, length_ms,"
        " sample_rate, bytes, intro_ms, history, revision, stored_at) SELECT '209901-' || id, account_id, id, 'new', 1,"
        " 1, 0, 4000000000, 1, 8000, 1, 0, '[]', 1, 4000000000 FROM boxes"
    )
    site.effects["timedatectl set-ntp true"] = lambda: site.change_row("DELETE FROM messages")


def give_up_mail(site: BrokenSite) -> None:
    site.change_row(
        "INSERT INTO outbox (account_id, box_id, kind, target, payload, created_at, due_at, attempts, error)"
        " SELECT account_id, id, 'mail', 'ann@example.org', '{}', 1, ?, 9, 'no such host' FROM boxes",
        2**53,
    )


def no_ffmpeg(site: BrokenSite) -> None:
    program = site.folder / "bin" / "ffmpeg"
    program.unlink()
    for name in ("sh", "cat", "cp", "sed", "chmod"):
        (site.folder / "bin" / name).symlink_to(shutil.which(name) or name)
    os.environ["PATH"] = str(site.folder / "bin")  # `isolate` restores it.
    site.effects["apt install ffmpeg"] = lambda: program.touch(0o755)


def other_endpoint(name: str, lines: int) -> Step:
    """Asterisk's endpoint has another name, or no InAuth line."""

    def damage(site: BrokenSite) -> None:
        text = (site.asterisk / "endpoints").read_text().replace("alice-desk", name)
        (site.asterisk / "endpoints").write_text("\n".join(text.splitlines()[:lines]) + "\n")

    return damage


def unit_is(remedy: str, **properties: str) -> Step:
    """systemd says this of the unit, until a command is run."""

    def damage(site: BrokenSite) -> None:
        site.set_unit(**properties)
        site.effects[remedy] = site.set_unit

    return damage


def unit_missing(site: BrokenSite) -> None:
    unreachable_service(site)
    start = site.effects["systemctl start ivr"]

    def enable() -> None:
        site.set_unit()
        start()

    site.set_unit(LoadState="not-found", ActiveState="inactive", UnitFileState="")
    site.effects["ivr install"] = lambda: site.set_unit(ActiveState="inactive", UnitFileState="disabled")
    site.effects["systemctl enable --now ivr"] = enable


def add_token(expires_in_days: int | None, user: str | None = None) -> Step:
    def damage(site: BrokenSite) -> None:
        expires_at = None if expires_in_days is None else int(time.time()) + expires_in_days * 86_400
        site.change_row(
            "INSERT INTO tokens (hash, account_id, user_id, label, kind, created_at, expires_at)"
            " SELECT ?, id, ?, 'crm', 'api_key', 1, ? FROM accounts",
            "ab" * 32, user, expires_at,
        )  # fmt: skip

    return damage


def mail_server(site: BrokenSite, **options: Any) -> FakeSmtpServer:
    server = FakeSmtpServer(**options)
    server.start()
    site.stack.callback(server.stop)
    return server


def mail_login_wrong(site: BrokenSite) -> None:
    def check(*words: Any) -> AuthResult:
        return AuthResult(success=words[-1].password == b"right", handled=False)

    server = mail_server(site, auth_required=True, auth_require_tls=False, authenticator=check)
    site.write_config(mail={"host": "127.0.0.1", "port": server.port, "username": "ivr", "password": "wrong"})


def mail_settings_wrong(**settings: object) -> Step:
    """A mail server is there; these settings are wrong."""

    def damage(site: BrokenSite) -> None:
        site.write_config(mail={"host": "127.0.0.1", "port": mail_server(site).port, **settings})

    return damage


class _RefusesSender(FakeSmtpServer):
    async def handle_MAIL(self, _: object, __: object, envelope: Envelope, address: str, ___: object) -> str:
        if address.endswith("@localhost"):
            return "550 5.1.8 sender domain does not exist"
        envelope.mail_from = address
        return "250 OK"


def mail_sender_refused(site: BrokenSite) -> None:
    server = _RefusesSender()
    server.start()
    site.stack.callback(server.stop)
    site.write_config(mail={"host": "127.0.0.1", "port": server.port})


def configure_mail(site: BrokenSite) -> None:
    site.write_config(mail={"host": "127.0.0.1", "port": mail_server(site).port})


def free_space(megabytes: int) -> Step:
    def damage(site: BrokenSite) -> None:
        usage = shutil._ntuple_diskusage(10**12, 10**12, megabytes * 2**20)
        site.stack.enter_context(mock.patch("shutil.disk_usage", return_value=usage))

    return damage


def tls(days: int = 90, *further: Step) -> Step:
    """The REST API has a certificate for so many days, its key belongs to the service, and then this happens."""

    def damage(site: BrokenSite) -> None:
        make_certificate(site, days=days)
        certificate, key = (site.folder / "etc" / "tls" / f"{name}.pem" for name in ("cert", "key"))
        site.service.presents(certificate, key)
        site.write_config(
            health={"port": site.service.rest.server_address[1]},  # The page /readyz of the test speaks HTTP.
            api={
                "tls_certificate": str(certificate), "tls_key": str(key),
                "port": site.service.tls.server_address[1],
            },
        )  # fmt: skip
        for step in further:
            step(site)

    return damage


def make_certificate(site: BrokenSite, name: str = "", days: int = 90) -> None:
    folder = site.folder / "etc" / "tls"
    folder.mkdir(exist_ok=True)
    key, request, certificate = (str(folder / f"{name}{end}") for end in ("key.pem", "request.pem", "cert.pem"))
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]
    for line in (
        ["openssl", "req", *new, "-keyout", key, "-out", request],
        ["openssl", "x509", "-req", "-in", request, "-signkey", key, "-days", str(days), "-out", certificate],
    ):
        subprocess.run(line, check=True, capture_output=True)
    os.chmod(key, 0o640)
    if IS_ROOT:
        os.chown(key, -1, SERVICE_GROUP)


def present_former_certificate(site: BrokenSite) -> None:
    """The certificate was renewed, and the service was not restarted."""
    folder = site.folder / "etc" / "tls"
    make_certificate(site, "former")
    site.service.presents(folder / "formercert.pem", folder / "formerkey.pem")
    restarted = folder / "cert.pem", folder / "key.pem"
    site.effects["systemctl restart ivr"] = lambda: site.service.presents(*restarted)


def serve_without_tls(site: BrokenSite) -> None:
    """The certificate was set, and the service was not restarted."""
    site.write_config(api={"port": site.service.rest.server_address[1]})
    site.effects["systemctl restart ivr"] = lambda: site.write_config(api={"port": site.service.tls.server_address[1]})


def chown_key_to_root(site: BrokenSite) -> None:
    os.chown(site.folder / "etc" / "tls" / "key.pem", 0, 0)


def unset_key(site: BrokenSite) -> None:
    del site.sections["api"]["tls_key"]
    site.write_config()


def renew_certificate(site: BrokenSite) -> None:
    make_certificate(site)


def write_ami_secret(site: BrokenSite, secret: str) -> None:
    file = site.data / "state" / "ami-secret"
    file.write_text(secret)
    file.chmod(0o600)
    if IS_ROOT:
        os.chown(file, SERVICE_USER, SERVICE_GROUP)


def ami_secret_differs(site: BrokenSite) -> None:
    """The service has the secret that `ivr install` once wrote, and Asterisk another one."""
    write_ami_secret(site, "former")
    site.write_config(ami={"secret": ""})
    site.effects["ivr install"] = lambda: write_ami_secret(site, "word")


def ami_not_configured(site: BrokenSite) -> None:
    site.write_config(ami={"secret": ""})
    site.effects["ivr install"] = lambda: write_ami_secret(site, "word")


def set_misspelt(site: BrokenSite) -> None:
    text = site.config.read_text()
    site.config.write_text(text.replace("[fastagi]", "[fastagi]\n  max_cals=500"))


def close_prompts(site: BrokenSite) -> None:
    folder = site.folder / "sounds" / "en" / "month"
    folder.unlink() if folder.is_symlink() else shutil.rmtree(folder)
    shutil.copytree(SOUNDS / "en" / "month", folder)
    folder.chmod(0o700)


def dialplan_not_included(site: BrokenSite) -> None:
    """After `dialplan reload` Asterisk has our contexts only if the file has our line."""
    file, loaded, aside = (
        site.asterisk / "extensions.conf",
        site.asterisk / "contexts" / "ivr-check",
        site.folder / "aside",
    )
    file.write_text("[general]\nstatic=yes\n[globals]\nA=b\n[from-phones]\n")
    loaded.rename(aside)

    def reload() -> None:
        if '[globals]\n#include "ivr/extensions.conf"\nA=b\n' in file.read_text():
            aside.rename(loaded)

    site.effects["asterisk dialplan reload"] = reload


def asterisk_cannot(what: str, remedy: str) -> Step:
    """Asterisk's user lacks a right in the data folder until a command is run."""

    def damage(site: BrokenSite) -> None:
        mark = site.asterisk / f"cannot-{what}"
        mark.touch()
        site.effects[remedy] = lambda: mark.unlink(missing_ok=True)

    return damage


def recordings_of_root(mode: int) -> Step:
    """An administrator has copied the recordings of an account here."""

    def damage(site: BrokenSite) -> None:
        folder = site.data / ACCOUNT / "vm"
        folder.mkdir(parents=True)
        (folder / "1.wav").touch()
        folder.parent.chmod(0o2750)
        os.chown(folder.parent, SERVICE_USER, SERVICE_GROUP)
        folder.chmod(mode)

    return damage


def restart_by_hand(site: BrokenSite) -> None:
    site.service.answers()


OPEN_CONTEXT = """[ Context 'out' created by 'pbx_config' ]
  '_X.' =>          1. Dial(PJSIP/${EXTEN}@trunk)                    [extensions.conf:9]
-= 1 extension (1 priority) in 1 context. =-
"""
BOUNDED_CONTEXT = OPEN_CONTEXT.replace("_X.", "_1XXX")

LEAVE = "Gosub(ivr-leave,s,1(number=${EXTEN:1},reason=busy))"


def open_line(site: BrokenSite) -> None:
    """A line of the site's own, which Asterisk has loaded from the file that `dialplan reload` reads again."""
    file = site.asterisk / "extensions.conf"
    file.write_text("\n" * 8 + f"exten => _X.,1,{LEAVE}\n")

    def load() -> None:
        line = file.read_text().splitlines()[8].removeprefix("exten => _X.,1,")
        shown = OPEN_CONTEXT.replace("Dial(PJSIP/${EXTEN}@trunk)", line)
        (site.asterisk / "contexts" / "from-trunk").write_text(shown)

    load()
    site.effects["asterisk dialplan reload"] = load


CASES: dict[str, Case] = {
    # -- settings
    "settings readable by all": Case(
        all_of(set_config("mail", password="secret"), lambda site: site.config.chmod(0o644)),
        "config",
        "contains a secret, and every user can read it",
    ),
    "settings unreadable by the service": Case(
        all_of(lambda site: os.chown(site.config, 0, 0), lambda site: site.config.chmod(0o600)),
        "config",
        "the user of the service cannot read",
        as_root=True,
    ),
    "settings misspelt": Case(
        append("etc/ivr.toml", "[voicemaill]\nmin_message_size = 500\n"), "config", "did you mean voicemail?"
    ),
    "setting misspelt": Case(set_misspelt, "config", "did you mean fastagi.max_calls?"),
    "setting unknown": Case(
        append("etc/ivr.toml", "[weather]\ncity = 'x'\n"), "config", "unknown", lambda site: site.write_config()
    ),
    "setting of a wrong type": Case(
        set_config("fastagi", max_calls="many"), "config", "max_calls", set_config("fastagi", max_calls=500)
    ),
    "settings are no TOML": Case(
        append("etc/ivr.toml", "host = \n"), "config", "ivr.toml", lambda site: site.write_config()
    ),
    # -- data folder
    "data folder missing": Case(move("data", "elsewhere"), "data folder", "does not exist", move("elsewhere", "data")),
    "data folder open to all": Case(chmod("", 0o2755), "data folder", "every user can access"),
    "data folder not writable": Case(chmod("", 0o2550), "data folder", "cannot write to", as_root=True),
    "takes not writable by Asterisk's group": Case(chmod("takes", 0o2750), "data folder", "group cannot record to"),
    "takes of another group": Case(
        lambda site: os.chown(site.data / "takes", -1, 0), "data folder", "group cannot record to", as_root=True
    ),
    "takes open to all": Case(chmod("takes", 0o2777), "data folder", "every user can access"),
    "takes of another user": Case(
        chown_to_root("takes", 0o2700), "data folder", "the service cannot write to", as_root=True
    ),
    "recordings of root": Case(recordings_of_root(0o750), "recordings", "the service cannot write to", as_root=True),
    "recordings not readable by Asterisk": Case(
        all_of(
            recordings_of_root(0o2700), lambda site: os.chown(site.data / ACCOUNT / "vm", SERVICE_USER, SERVICE_GROUP)
        ),
        "recordings",
        "Asterisk cannot read",
        as_root=True,
    ),
    "pepper readable by others": Case(chmod("state/pepper", 0o644), "secrets", "other users than that of the service"),
    "secret readable by others": Case(
        chmod("state/asterisk-secret", 0o640), "secrets", "other users than that of the service"
    ),
    "pepper of root": Case(
        chown_to_root("state/pepper", 0o600), "secrets", "the user of the service cannot read", as_root=True
    ),
    # -- database
    "database of root": Case(chown_to_root("state/ivr.db", 0o600), "database", "which belongs to user 0", as_root=True),
    "database read-only": Case(chmod("state/ivr.db", 0o440), "database", "nothing can be stored", as_root=True),
    "database damaged": Case(corrupt_database, "database", "not a database", restore_database),
    "database newer": Case(set_schema(90), "database", "newer version of ivr", set_schema(-90)),
    "database locked": Case(lock_database, "database", "locked by another process", close_locks),
    "database missing": Case(
        move("data/state/ivr.db", "ivr.db"),
        "database",
        "contains no database of ivr yet",
        move("ivr.db", "data/state/ivr.db"),
    ),
    "pepper missing": Case(
        move("data/state/pepper", "pepper"), "pepper", "no PIN can be verified", move("pepper", "data/state/pepper")
    ),
    "pepper changed": Case(change_pepper, "pepper", "every PIN is wrong", restore_pepper),
    "zone of the account unknown": Case(
        change_row("UPDATE accounts SET timezone = 'Europe/Berlinn'"), "time zones", "unknown time zone"
    ),
    "zone of a user unknown": Case(
        change_row("UPDATE users SET timezone = 'Mars/Olympus'"), "time zones", "user alice has the unknown time zone"
    ),
    "zone of a box unknown": Case(
        change_row("UPDATE boxes SET settings = json_set(settings, '$.timezone', 'CEST7')"),
        "time zones",
        "box 1000 has the unknown time zone",
    ),
    "clock behind the messages": Case(future_message, "clock", "but there are messages from"),
    "mail given up": Case(give_up_mail, "outbox", "could not be delivered"),
    "recording of the dialplan not delivered": Case(
        late_fallback_recording,
        "recordings",
        "fallback-demo-4711-2001-1700000000-1.wav",
    ),
    # -- prompts, programs
    "prompt unreadable": Case(
        all_of(copy_prompts, close_prompts),
        "sounds",
        "recordings of language en are missing or unreadable",
        as_root=True,
    ),
    "prompts missing": Case(
        set_config("sounds", folder="/nowhere"), "sounds", "/nowhere", set_config("sounds", folder=str(SOUNDS))
    ),
    "prompt missing": Case(
        all_of(copy_prompts, move("sounds/en/month", "month")),
        "sounds",
        "recordings of language en are missing",
        move("month", "sounds/en/month"),
    ),
    "ffmpeg missing": Case(no_ffmpeg, "ffmpeg", "ffmpeg is not installed"),
    # -- the service
    "service stopped": Case(unreachable_service, "service", "no connection to 127.0.0.1:9"),
    "another program on the port": Case(
        lambda site: site.service.answers(b"SSH-2.0-OpenSSH\r\n"),
        "service",
        "is used by another program",
        restart_by_hand,
    ),
    "service of an earlier version": Case(service_says(version="0.0.1"), "service", "version 0.0.1 still runs"),
    "service on another folder": Case(service_says(data_folder=[1, 2]), "service", "works with another folder"),
    "service not ready": Case(service_says(failing=["database"]), "service", "is not ready: database"),
    # -- TLS of the REST API
    "TLS certificate missing": Case(
        tls(90, move("etc/tls/cert.pem", "aside.pem")),
        "REST TLS",
        "does not exist",
        move("aside.pem", "etc/tls/cert.pem"),
    ),
    "TLS key missing": Case(
        tls(90, move("etc/tls/key.pem", "aside.pem")),
        "REST TLS",
        "does not exist",
        move("aside.pem", "etc/tls/key.pem"),
    ),
    "TLS key not set": Case(
        tls(90, unset_key),
        "REST TLS",
        "tls_certificate is set, but tls_key is not",
        lambda site: site.write_config(api={"tls_key": str(site.folder / "etc" / "tls" / "key.pem")}),
    ),
    "TLS key of root": Case(
        tls(90, chown_key_to_root), "REST TLS", "the user of the service cannot read", as_root=True
    ),
    "TLS folder closed": Case(
        tls(90, lambda site: (site.folder / "etc" / "tls").chmod(0o700)),
        "REST TLS",
        "because of a folder above it",
        as_root=True,
    ),
    "TLS key readable by all": Case(
        tls(90, chown_key_to_root, lambda site: (site.folder / "etc" / "tls" / "key.pem").chmod(0o644)),
        "REST TLS",
        "every user can read",
        as_root=True,
    ),
    "TLS key of another certificate": Case(
        tls(90, lambda site: make_certificate(site, "other"), move("etc/tls/otherkey.pem", "etc/tls/key.pem")),
        "REST TLS",
        "does not belong to the certificate",
        renew_certificate,
    ),
    "TLS key with a passphrase": Case(
        tls(90, append("etc/tls/key.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n")),
        "REST TLS",
        "needs a passphrase",
        renew_certificate,
    ),
    "TLS certificate is no PEM": Case(
        tls(90, write("etc/tls/cert.pem", "x")), "REST TLS", "in PEM format", renew_certificate
    ),
    "TLS certificate renewed without a restart": Case(
        tls(90, present_former_certificate), "REST TLS", "presents another certificate than"
    ),
    "TLS set without a restart": Case(tls(90, serve_without_tls), "REST TLS", "does not speak TLS"),
    "TLS certificate expired": Case(tls(0), "REST TLS", "clients reject it", renew_certificate),
    "TLS certificate expires soon": Case(tls(29), "REST TLS", "expires on", renew_certificate),
    # -- systemd
    "unit missing": Case(unit_missing, "unit", "systemd has no ivr.service"),
    "unit masked": Case(unit_is("systemctl enable --now ivr", LoadState="masked"), "unit", "is masked"),
    "unit with an error": Case(
        unit_is("", LoadState="bad-setting"),
        "unit",
        "cannot read ivr.service (bad-setting)",
        lambda site: site.set_unit(),
    ),
    "unit failed": Case(
        unit_is("systemctl restart ivr", ActiveState="failed", Result="exit-code"), "unit", "has failed (exit-code)"
    ),
    "unit changed": Case(
        unit_is("systemctl restart ivr", NeedDaemonReload="yes"), "unit", "changed since systemd read"
    ),
    "unit not enabled": Case(
        unit_is("systemctl enable ivr", UnitFileState="disabled"), "unit", "does not start with the machine"
    ),
    # -- disk
    "disk full": Case(free_space(0), "disk", "0 MB free for", close_locks),
    "disk nearly full": Case(free_space(900), "disk", "900 MB free for", close_locks),
    # -- tokens, webhooks, mail
    "token expired": Case(add_token(-1), "tokens", "(crm) expired on"),
    "token expires soon": Case(add_token(3), "tokens", "(crm) expires on", change_row("DELETE FROM tokens")),
    "token of a deleted user": Case(add_token(None, "f" * 32), "tokens", "belongs to a user who was deleted"),
    "webhook to a private address": Case(
        change_row(
            "UPDATE accounts SET settings = json_set(settings, '$.webhook', json('{\"url\":\"http://10.0.0.5/\"}'))"
        ),
        "webhooks",
        "10.0.0.5 is not a public address",
        set_config("notifications", webhook_networks=["10.0.0.0/8"]),
    ),
    "mail server unreachable": Case(
        mail_settings_wrong(port=9), "mail", "127.0.0.1:9: Connection refused", configure_mail
    ),
    "mail server without TLS": Case(
        mail_settings_wrong(security="starttls"), "mail", "STARTTLS", set_config("mail", security="none")
    ),
    "mail server's CA file missing": Case(
        mail_settings_wrong(security="starttls", ca_file="/nowhere.pem"),
        "mail",
        "/nowhere.pem",
        set_config("mail", security="none", ca_file="/etc/hostname"),
    ),
    "mail login wrong": Case(mail_login_wrong, "mail", "rejects the login", set_config("mail", password="right")),
    "mail sender refused": Case(
        mail_sender_refused,
        "mail",
        "rejects the sender voicemail@localhost",
        set_config("mail", sender="vm@example.org"),
    ),
    "mail not configured": Case(
        change_row("UPDATE users SET email = 'alice@example.org'"), "mail", "no mail server is set", configure_mail
    ),
    "mail templates missing": Case(
        mail_settings_wrong(template_folder="/nowhere"),
        "mail",
        "the folder of your templates, /nowhere,",
        set_config("mail", template_folder="/etc"),
    ),
    # -- Asterisk
    "Asterisk stopped": Case(stop_asterisk, "asterisk", "its console does not reply"),
    "Asterisk too old": Case(
        write("asterisk/version", "Asterisk 18.10.0 built by x\n"),
        "asterisk",
        "Asterisk 18.10.0",
        write("asterisk/version", "Asterisk 22.10.1 built by x\n"),
    ),
    "modules missing": Case(remove_module, "modules", "not running: res_speech, app_record"),
    "dialplan not included": Case(dialplan_not_included, "dialplan", "the context ivr-check does not exist"),
    "secret differs": Case(set_global("IVR_SECRET", "wrong"), "secret", "differs between Asterisk and the service"),
    "secret missing in Asterisk": Case(remove_global("IVR_SECRET"), "secret", "Asterisk has no IVR_SECRET"),
    "dialplan calls another port": Case(
        set_global("IVR_FASTAGI_ADDRESS", "127.0.0.1:4000"), "dialplan", "it calls the service at 127.0.0.1:4000"
    ),
    "dialplan records elsewhere": Case(
        set_global("IVR_TAKES_FOLDER", "/tmp/takes"), "dialplan", "where the service finds nothing"
    ),
    "dialplan of another version": Case(
        earlier_dialplan,
        "dialplan version",
        "dialplan is of ivr 0.0.9",
    ),
    "account of the dialplan unknown": Case(set_global("IVR_ACCOUNT", "acme"), "account", "no account has this name"),
    "number passed on as it is dialled": Case(open_line, "arguments", "passes ${EXTEN:1} on as it comes"),
    "phone unknown to Asterisk": Case(other_endpoint("bob-desk", 3), "endpoints", "has no PJSIP endpoint alice-desk"),
    "phone without authentication": Case(
        other_endpoint("alice-desk", 1),
        "endpoints",
        "alice-desk does not authenticate",
        append("asterisk/endpoints", "     InAuth:  alice-desk/alice-desk\n"),
    ),
    "context open to any number": Case(
        all_of(set_config("voicemail", callback_context="out"), write("asterisk/contexts/out", OPEN_CONTEXT)),
        "contexts",
        "callers can dial any number",
        write("asterisk/contexts/out", BOUNDED_CONTEXT),
    ),
    "context missing": Case(
        set_config("voicemail", operator_context="desk"),
        "contexts",
        "the dialplan has no context desk",
        set_config("voicemail", operator_context=""),
    ),
    "AMI secret wrong": Case(
        set_config("ami", secret="wrong"), "AMI", "rejects the user", set_config("ami", secret="word")
    ),
    "AMI port closed": Case(
        set_config("ami", port=9), "AMI", "no connection to", lambda s: s.write_config(ami={"port": s.service.ami.port})
    ),
    "AMI not configured": Case(ami_not_configured, "AMI", "phones have no message lights"),
    "data folder not readable by Asterisk": Case(
        asterisk_cannot("read", "ivr install"),
        "asterisk's rights",
        "plays neither prompts nor messages",
    ),
    "takes not writable by Asterisk": Case(
        asterisk_cannot("write", "ivr install"), "asterisk's rights", "callers cannot leave messages"
    ),
    "recordings of Asterisk not readable": Case(
        asterisk_cannot("convert", "asterisk module load res_convert.so"), "asterisk's rights", "could not be tested"
    ),
    "AMI secret differs": Case(ami_secret_differs, "AMI", "rejects the user"),
    "AMI switched off": Case(
        switch_off(
            "ami",
            "manager.conf",
            "  Manager (AMI):             No\n  TCP Bindaddress:           Disabled\n",
            "manager reload",
            lambda site: site.service.ami.port,
        ),
        "AMI",
        "it is switched off in manager.conf",
    ),
    "AMI at another port": Case(
        all_of(
            set_config("ami", port=9),
            lambda site: write("asterisk/manager", f"  TCP Bindaddress:           127.0.0.1:{site.service.ami.port}\n")(
                site
            ),
        ),
        "AMI",
        "Asterisk listens at 127.0.0.1:",
    ),
    "ARI switched off": Case(
        switch_off(
            "ari",
            "http.conf",
            "HTTP Server Status:\nServer Disabled\n",
            "module reload http",
            lambda site: site.service.rest.server_address[1],
        ),
        "ARI",
        "it is switched off in http.conf",
    ),
    "ARI at another port": Case(
        all_of(
            set_config("ari", password="x", port=9),
            lambda site: write(
                "asterisk/http", f"Server Enabled and Bound to 127.0.0.1:{site.service.rest.server_address[1]}\n"
            )(site),
        ),
        "ARI",
        "Asterisk listens at 127.0.0.1:",
    ),
    "ARI port closed": Case(
        set_config("ari", password="x", port=9), "ARI", "no connection to", set_config("ari", password="")
    ),
    "ARI is another program": Case(
        lambda site: site.write_config(ari={"password": "x", "port": site.sections["fastagi"]["port"]}),
        "ARI",
        "is not Asterisk's HTTP server",
        set_config("ari", password=""),
    ),
}


@cache
def documented_rows() -> dict[str, str]:
    """The rows of the table in docs/troubleshooting.md, by what is wrong."""
    text = TROUBLESHOOTING.read_text().split("## What `ivr doctor` says")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ", 1) for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: row[1] for row in rows[1:]}


@pytest.fixture(scope="module")
def service() -> Iterator[FakeService]:
    service = FakeService()
    yield service
    service.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with an account, a user with a phone, and a mailbox."""
    folder = tmp_path_factory.mktemp("template") / "data"
    with pytest.MonkeyPatch.context() as patch:
        silence_log(patch)
        for name, value in {"DATA__FOLDER": str(folder), "PINS__BCRYPT_COST": "4", "DATA__FSYNC": "false"}.items():
            patch.setenv(f"IVR_{name}", value)
        for words in (
            "account create demo --timezone Europe/Berlin",
            "user create alice",
            "endpoint add alice-desk alice",
            "box create 1000 --owner alice --pin 4716 is_setup=true",
        ):
            result = CliRunner().invoke(command, words.split())
            assert result.exit_code == 0, result.output
    (folder / "state" / "asterisk-secret").write_text("c0ffee" * 10)
    (folder / "state" / "asterisk-secret").chmod(0o600)
    return folder


@pytest.fixture
def site(template: Path, service: FakeService, monkeypatch: pytest.MonkeyPatch) -> Iterator[BrokenSite]:
    """A healthy site. Its folder lies where the user of the service can reach it."""
    folder = Path(tempfile.mkdtemp(prefix="ivr site ", dir="/var/tmp"))
    folder.chmod(0o755)
    site = BrokenSite(folder, template, service)
    isolate(monkeypatch, site)
    with site.stack:
        yield site
    shutil.rmtree(folder)


def test_healthy_site_has_no_finding(site: BrokenSite) -> None:
    assert [one for one in site.findings() if IS_ROOT or "belongs to root" not in one["what"]] == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("name", CASES)
def test_broken_installation_is_named_and_healthy_after_the_printed_remedy(name: str, site: BrokenSite) -> None:
    case = CASES[name]
    if case.as_root and not IS_ROOT:
        pytest.skip("only root can give files to another user")
    case.damage(site)
    before = site.state()
    found = [one for one in site.findings() if one["check"] == case.check and case.what in one["what"]]
    assert found, f"not named; said: {site.findings()}"
    assert found[0]["remedy"]
    assert site.state() == before, "the doctor changes nothing"
    assert documented_rows().get(name) == site.documented(found[0], case.what)
    if case.follow:
        assert not found[0]["command"], f"the printed command is to be run: {found[0]['command']}"
        case.follow(site)
    else:
        assert found[0]["command"], f"no command: {found[0]}"
        site.run_as_printed(found[0]["command"])
    assert site.findings() == []


def test_command_stands_below_the_sentence_that_it_follows(site: BrokenSite) -> None:
    CASES["modules missing"].damage(site)
    lines = site.printed().splitlines()
    [number] = [number for number, line in enumerate(lines) if line.startswith("problem")]
    assert "load them in modules.conf" in lines[number]
    assert lines[number + 1].strip().startswith("# asterisk -rx 'module load res_speech.so'; asterisk -rx 'module load")


def test_troubleshooting_page_lists_exactly_what_is_tried_here() -> None:
    assert documented_rows().keys() == CASES.keys()
    assert len(CASES) >= 50
