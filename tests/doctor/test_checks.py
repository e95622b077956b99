"""Each check: its finding and its remedy if something is broken."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from pydantic import BaseModel

from ivr.directory.models import Account, User
from ivr.directory.peppers import PepperUsage
from ivr.doctor.console import ConsoleUnavailable, RemoteConsole
from ivr.doctor.host import check_health
from ivr.health.finding import Finding, Level
from ivr.install.asterisk_start import AsteriskStart
from ivr.mailbox.box_settings import BoxSettings
from ivr.storage.postgresql.url import DatabaseUrl
from ivr.validation.fields import STORED
from tests.doctor.conftest import SECRET, TODAY, DoctorFixture
from tests.support.app_fixture import FakeClock
from tests.support.fake_smtp_server import FakeSmtpServer

T = TypeVar("T", bound=BaseModel)


def test_healthy_installation_has_no_findings(doctor: DoctorFixture) -> None:
    owner = os.geteuid()
    complaints = [f for f in doctor.problems() if not (owner == 0 and "belongs to root" in f.what)]
    complaints = [f for f in complaints if f.check != "AMI"]  # Which an installation may do without.
    assert complaints == []
    assert {f.check for f in doctor.findings()} == {
        "config", "data folder", "database", "sounds", "clock", "time zones", "disk", "ffmpeg", "service", "asterisk",
        "modules", "secret", "dialplan", "dialplan version", "account", "arguments", "asterisk's rights", "endpoints",
        "AMI", "REST",
    }  # fmt: skip


def test_doctor_leaves_no_files(doctor: DoctorFixture) -> None:
    doctor.findings()
    assert sorted(path.name for path in doctor.folder.rglob("*")) == ["state", "takes"]


# -- the machine -----------------------------------------------------------------------------------------------------


def test_missing_configuration_file_is_reported(doctor: DoctorFixture) -> None:
    doctor.config = None
    doctor.assert_finding("there is no ivr.toml", "/etc/ivr/ivr.toml", Level.WARNING)


def test_world_readable_secret_is_reported(doctor: DoctorFixture) -> None:
    assert doctor.config
    doctor.config.chmod(0o644)
    doctor.assert_finding("every user can read it", f"chmod 640 {doctor.config}")


@pytest.mark.parametrize("section", [{"ami": {"secret": "x"}}, {"mail": {"password": "x"}}], ids=["AMI", "mail"])
def test_any_world_readable_secret_is_reported(doctor: DoctorFixture, section: dict[str, dict[str, str]]) -> None:
    assert doctor.config
    doctor.settings |= {"asterisk": {"secret": ""}, **section}
    doctor.settings.get("ami", {})["port"] = 1  # A port on which no program listens.
    doctor.config.chmod(0o644)
    doctor.assert_finding("every user can read it", f"chmod 640 {doctor.config}")


def test_missing_data_folder_is_reported(doctor: DoctorFixture, tmp_path: Path) -> None:
    doctor.folder = tmp_path / "elsewhere"
    doctor.assert_finding(f"{doctor.folder} does not exist", "on a new machine: ivr install")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere; as root the next test shows it")
def test_unwritable_data_folder_is_reported(doctor: DoctorFixture) -> None:
    doctor.folder.chmod(0o2550)
    doctor.assert_finding("cannot write to", "run as the user of the service")
    doctor.folder.chmod(0o2750)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_doctor_as_root_checks_with_rights_of_service_user(doctor: DoctorFixture) -> None:
    for path in doctor.folder.parents[:-2]:
        path.chmod(0o755)
    os.chown(doctor.folder, 61002, 61000)
    doctor.folder.chmod(0o2550)
    doctor.assert_finding("user 61002 cannot write to", f"chmod 2750 {doctor.folder}")


def test_data_folder_owned_by_root_is_reported(doctor: DoctorFixture) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has folders of root's")
    doctor.assert_finding("belongs to root", "chown -R ivr ", Level.WARNING)


def test_world_readable_data_folder_is_reported(doctor: DoctorFixture) -> None:
    doctor.folder.chmod(0o2755)
    doctor.assert_finding("every user can access", f"chmod 2750 {doctor.folder}")


@pytest.mark.parametrize("mode", [0o2750, 0o0770])
def test_takes_folder_unwritable_by_asterisk_group_is_reported(doctor: DoctorFixture, mode: int) -> None:
    (doctor.folder / "takes").chmod(mode)
    doctor.assert_finding("Asterisk's group cannot record", "chmod 2770")


def test_world_readable_takes_folder_is_reported(doctor: DoctorFixture) -> None:
    (doctor.folder / "takes").chmod(0o2775)
    doctor.assert_finding("every user can access", "chmod 2770")


@pytest.mark.parametrize(
    ("mode", "what"), [(0o750, "others than the service"), (0o711, "others"), (0o500, "cannot use")]
)
def test_wrong_mode_of_private_folder_is_reported(doctor: DoctorFixture, mode: int, what: str) -> None:
    (doctor.folder / "state").chmod(mode)
    doctor.assert_finding(what, f"chmod 700 {doctor.folder / 'state'}")


def test_private_file_at_its_earlier_place_is_reported(doctor: DoctorFixture) -> None:
    (doctor.folder / "state" / "ivr.db").touch()
    (doctor.folder / "pepper").touch()
    doctor.assert_finding(f"{doctor.folder / 'pepper'} is where an earlier version of ivr had it", "move it to")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_settings_that_asterisk_can_read_are_reported(doctor: DoctorFixture) -> None:
    assert doctor.config
    user = pwd.getpwnam("daemon")
    doctor.chown_to_unprivileged_user()
    for path in (doctor.folder, *doctor.folder.iterdir()):
        os.chown(path, user.pw_uid, 61_000)
    os.chown(doctor.config, 0, 61_000)
    doctor.config.chmod(0o640)
    doctor.assert_finding("contains a secret, and the group that Asterisk is in can read it", "ivr install && ")
    os.chown(doctor.config, 0, user.pw_gid)
    assert not any("Asterisk is in" in finding.what for finding in doctor.findings())


@pytest.mark.parametrize(
    "name", ["pepper", "pepper.0123456789abcdef", "asterisk-secret", "asterisk-secret.previous", "ami-secret"]
)
def test_readable_secret_file_is_reported(doctor: DoctorFixture, name: str) -> None:
    path = doctor.folder / "state" / name
    path.write_text("x")
    path.chmod(0o640)
    doctor.assert_finding("other users than that of the service can read", f"chmod 600 {path}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("name", ["ivr.db", "ivr.db-wal", "ivr.db-shm"])
def test_database_file_of_another_user_is_reported(doctor: DoctorFixture, name: str) -> None:
    path = doctor.folder / "state" / name
    path.write_bytes(b"")
    path.chmod(0o640)
    doctor.chown_to_unprivileged_user()
    doctor.assert_finding(f"cannot write {path}", f"chown --reference={doctor.folder}")
    os.chown(path, 61002, 61000)
    assert not any("cannot write" in finding.what for finding in doctor.findings())


def test_changed_pepper_is_reported(doctor: DoctorFixture) -> None:
    doctor.change_records(is_pepper_right=False)
    doctor.assert_finding("every PIN is wrong", "restore it from FILE of a backup (data/pepper there)")


def test_lost_earlier_pepper_is_reported(doctor: DoctorFixture) -> None:
    doctor.change_records(peppers=[PepperUsage("0123", 3, is_current=False, is_lost=True)])
    doctor.assert_finding(
        "3 PINs and passwords need the pepper 0123", "restore it from FILE of a backup (data/pepper.0123 there)"
    )


def test_earlier_pepper_in_use_is_said(doctor: DoctorFixture) -> None:
    doctor.change_records(peppers=[PepperUsage("0123", 3, is_current=False, is_lost=False)])
    assert any("3 PINs and passwords still need the former pepper" in finding.what for finding in doctor.findings())


def test_missing_account_is_reported(doctor: DoctorFixture) -> None:
    doctor.change_records(accounts=[], users=[], boxes=[], endpoints=[])
    doctor.assert_finding("there is no account yet", "create one, of a NAME of yours", Level.WARNING)


@pytest.mark.parametrize("is_able", [True, False])
def test_address_that_the_mail_server_cannot_take_is_named(doctor: DoctorFixture, is_able: bool) -> None:
    server = FakeSmtpServer(enable_SMTPUTF8=is_able)
    server.start()
    doctor.settings["mail"] = {"host": "127.0.0.1", "port": server.port}
    for address in ("a@b\xfccher.example", "\xfc@x.example"):
        doctor.change_records(boxes=[BoxSettings(name="Alice", mailbox="1000", notify_email_addresses=[address])])
        found = [finding.what for finding in doctor.findings() if "SMTPUTF8" in finding.what]
        assert bool(found) == (not is_able and address == "\xfc@x.example")
        assert all(f"mail to {address} is given up" in what for what in found)
    server.stop()


@pytest.mark.parametrize("where", ["system", "account", "box"])
def test_mail_link_without_address_of_api_is_reported(doctor: DoctorFixture, where: str) -> None:
    doctor.settings["mail"] = {"host": "127.0.0.1"}
    if where == "system":
        doctor.settings["voicemail"] = {"mail_audio": "link"}
    elif where == "account":
        doctor.change_records(accounts=[Account(id="a", name="demo", settings={"mail_audio": "link"})])
    else:
        doctor.change_records(boxes=[BoxSettings(name="Alice", mailbox="1000", mail_audio="link")])
    doctor.assert_finding("mail_audio is link", "public_url", Level.WARNING)
    doctor.settings["api"] = {"public_url": "https://voicemail.example.org"}
    assert not [finding for finding in doctor.findings() if "mail_audio" in finding.what]


def test_missing_sounds_folder_is_reported(doctor: DoctorFixture, tmp_path: Path) -> None:
    doctor.settings["sounds"] = {"folder": tmp_path / "silent"}
    doctor.assert_finding("there are no prompts", "folder in [sounds]")


def test_missing_prompt_is_reported(doctor: DoctorFixture, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(doctor.settings["sounds"]["folder"], tmp_path / "sounds")
    (copy / "en" / "tone" / "beep.ulaw").unlink()
    doctor.settings["sounds"] = {"folder": copy}
    doctor.assert_finding("1 recordings of language en are missing", "chmod -R a+rX")


def test_unreadable_prompt_is_reported(doctor: DoctorFixture, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(doctor.settings["sounds"]["folder"], tmp_path / "sounds")
    (copy / "en" / "tone" / "beep.ulaw").chmod(0)
    doctor.settings["sounds"] = {"folder": copy}
    doctor.chown_to_unprivileged_user()
    doctor.assert_finding("1 recordings of language en are missing or unreadable", "chmod -R a+rX")


def test_voice_of_each_language_is_reported(doctor: DoctorFixture) -> None:
    found = [finding.what for finding in doctor.findings() if finding.check == "sounds"]
    assert any(text.endswith("/en, voice kokoro:af_heart") for text in found)
    assert any(text.endswith("/es, voice kokoro:ef_dora") for text in found)


def test_prompt_that_only_another_language_lacks_is_a_warning(doctor: DoctorFixture, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(doctor.settings["sounds"]["folder"], tmp_path / "sounds")
    doctor.settings["sounds"] = {"folder": copy}
    (copy / "es" / "done" / "saved.ulaw").unlink()
    doctor.assert_finding("1 recordings of language es are missing or unreadable", "chmod -R a+rX", Level.WARNING)
    catalogue = copy / "es" / "catalogue.toml"
    catalogue.write_text(catalogue.read_text().replace('saved = "Guardado."\n', "", 1))
    doctor.assert_finding("lacks 1 prompts, such as done/saved", "ivr sounds build --language es", Level.WARNING)


def test_language_without_prompts_is_reported_with_who_has_it(doctor: DoctorFixture) -> None:
    users = [stored(User, name=name, account_id="a" * 32, language="ja") for name in ("kenji", "yuki")]
    doctor.change_records(users=users)
    doctor.assert_finding(
        "language ja of user kenji, user yuki has no prompts", "choose LANGUAGE, one of en, es", Level.WARNING
    )


def test_clock_that_is_in_doubt_since_the_last_run_of_retention_is_reported(doctor: DoctorFixture) -> None:
    doctor.change_records(trusted_time=TODAY - 60 * 86400)
    doctor.assert_finding("retention ran last at", "ivr purge --confirm-clock", Level.WARNING)


def test_clock_set_back_is_reported(doctor: DoctorFixture) -> None:
    doctor.change_host(clock=FakeClock(TODAY - 86400))
    doctor.assert_finding("there are messages from", "systemctl enable --now systemd-timesyncd || apt install chrony")


def test_unset_clock_is_reported(doctor: DoctorFixture) -> None:
    doctor.change_records(newest_message_at=0)
    doctor.change_host(clock=FakeClock(0))
    doctor.assert_finding("which is too early", "systemctl enable --now systemd-timesyncd || apt install chrony")


def stored(model: type[T], **values: Any) -> T:
    """Return a document as it is read from the database, where an earlier version may have stored it."""
    return model.model_validate(values, context=STORED)


def test_unknown_time_zones_are_reported(doctor: DoctorFixture) -> None:
    doctor.change_records(accounts=[stored(Account, id="a", name="demo", timezone="Europa/Berlin")])
    doctor.assert_finding("account demo has the unknown time zone 'Europa/Berlin'", "ivr account set demo timezone=")
    doctor.change_records(users=[stored(User, id="u", account_id="a", name="alice", timezone="Mars/Base")])
    doctor.assert_finding("user alice has the unknown time zone 'Mars/Base'", "ivr user set alice")
    doctor.change_records(boxes=[stored(BoxSettings, name="Alice", mailbox="1000", timezone="CEST5")])
    doctor.assert_finding("box 1000 has the unknown time zone 'CEST5'", "ivr box set 1000")


def test_nearly_full_disk_is_reported(doctor: DoctorFixture) -> None:
    doctor.change_host(free_bytes=lambda _: 5 * 2**20)
    doctor.assert_finding("5 MB free", "to a larger disk")
    doctor.change_host(free_bytes=lambda _: 500 * 2**20)
    doctor.assert_finding("500 MB free", "to a larger disk", Level.WARNING)


def test_kernel_that_cannot_restrict_decoders_is_reported(doctor: DoctorFixture) -> None:
    doctor.change_host(missing_protection=lambda: "other files: the kernel has no Landlock")
    what = "a hostile upload that takes ffmpeg over is not kept from other files"
    doctor.assert_finding(what, "kernel with Landlock", Level.WARNING)
    [finding] = [one for one in doctor.problems() if what in one.what]
    install, _, package = finding.command.partition("linux-image-")
    assert install == "apt install "
    for architecture, image in (
        ("amd64", "amd64"),
        ("i386", "686-pae"),
        ("armhf", "armmp"),
        ("ppc64el", "powerpc64le"),
    ):
        printed = package.replace("dpkg --print-architecture", f"echo {architecture}")
        assert subprocess.run(["sh", "-c", f"printf %s {printed}"], capture_output=True, text=True).stdout == image


AS_POSTGRES = "runuser -u postgres --"
PG_FAULTS = [
    ("PostgreSQL has no such database", 'database "ivr" does not exist', f"{AS_POSTGRES} createdb --owner=voice ivr"),
    ("PostgreSQL refuses the user", 'role "voice" does not exist', f"{AS_POSTGRES} createuser --pwprompt voice"),
    (
        "PostgreSQL refuses the user", 'role "voice" is not permitted to log in',
        f"{AS_POSTGRES} psql -c 'ALTER ROLE \"voice\" LOGIN'",
    ),
    (
        "PostgreSQL refuses the user", 'Peer authentication failed for user "voice"',
        f"${{EDITOR:-editor}} \"$({AS_POSTGRES} psql -Atc 'SHOW hba_file')\" && systemctl reload postgresql",
    ),
    (
        "PostgreSQL refuses the user", 'permission denied for database "ivr"',
        f"{AS_POSTGRES} psql -c 'ALTER DATABASE \"ivr\" OWNER TO \"voice\"'",
    ),
    (
        "PostgreSQL refuses a statement", "permission denied for table boxes",
        f"{AS_POSTGRES} psql -c 'ALTER DATABASE \"ivr\" OWNER TO \"voice\"'",
    ),
    (
        "PostgreSQL has no free connection", "too many clients",
        f"{AS_POSTGRES} psql -c 'ALTER SYSTEM SET max_connections = 200' && systemctl restart postgresql",
    ),
    ("PostgreSQL does not answer", "connection refused", "systemctl start postgresql"),
]  # fmt: skip


def postgresql_finding(doctor: DoctorFixture, address: str, what: str, details: str) -> Finding:
    error = f"{what} ({DatabaseUrl(address)}; {details}): the remedy"
    [found] = [one for one in check_health(replace(doctor.installation(), database_error=error)) if what in one.what]
    return found


@pytest.mark.parametrize(("what", "details", "command"), PG_FAULTS, ids=[details for _, details, _ in PG_FAULTS])
def test_remedy_for_postgresql_fits_the_machine_the_cluster_and_the_user(
    doctor: DoctorFixture, monkeypatch: pytest.MonkeyPatch, what: str, details: str, command: str
) -> None:
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_name="voice", pw_gid=os.getgid()))
    restart = "systemctl restart ivr"
    for url in ("postgresql://voice@localhost/ivr", "postgresql:///ivr", "postgresql://[::1]/ivr"):
        found = postgresql_finding(doctor, url, what, details)
        assert (found.command, found.fill_in) == (f"{command} && {restart}", ()), url
        assert found.remedy == f"the remedy: {found.command}"
    found = postgresql_finding(doctor, "postgresql://voice@192.0.2.7,192.0.2.8/ivr", what, details)
    assert found.command == "", "what is on another machine is no command for this one"
    assert found.remedy == f"the remedy; on the machine of PostgreSQL: {command}; then here: {restart}"
    found = postgresql_finding(doctor, "postgresql://voice@/ivr?host=/run/postgresql&port=5433", what, details)
    assert ("--port=5433" in found.command) == (AS_POSTGRES in command)
    assert "/run/postgresql:5433/ivr" in found.what


def test_user_that_no_address_and_no_system_names_is_asked_for(
    doctor: DoctorFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: {}[uid])
    for what, details, command in PG_FAULTS:
        found = postgresql_finding(doctor, "postgresql:///ivr", what, details)
        assert found.fill_in == (("USER",) if "voice" in command else ())
        assert ("of USER, which database.url does not name" in found.remedy) == bool(found.fill_in)
        assert "None" not in found.command + found.remedy
        assert "''" not in found.command


def test_box_with_an_unknown_zone_is_named_with_its_account(doctor: DoctorFixture) -> None:
    """Its number may be that of a box of another account."""
    box = stored(BoxSettings, name="Bob", mailbox="1000", timezone="Europe/Nowhere")
    doctor.change_records(boxes=[box], box_accounts=["the demo"])
    [finding] = [one for one in doctor.problems() if one.check == "time zones"]
    assert finding.command == "ivr box set 1000 -a 'the demo' timezone=Europe/Berlin"


def test_object_store_without_space_is_reported_with_what_frees_some(doctor: DoctorFixture) -> None:
    doctor.change_host(find_audio_error=lambda _: "s3://ivr has no space left: free space in the object store")
    doctor.assert_finding("s3://ivr has no space left", "free space in the object store; this deletes")
    [finding] = [one for one in doctor.problems() if one.check == "audio store"]
    assert finding.command == "ivr purge --yes"


def test_slow_object_store_is_reported_with_what_waits_for_it(doctor: DoctorFixture) -> None:
    doctor.change_host(find_audio_error=lambda _: "s3://ivr is slow (3.0 s to read three bytes): look at its load")
    doctor.assert_finding("callers and owners wait that long for what is not in the cache", "look at its load")


def test_missing_ffmpeg_is_reported(doctor: DoctorFixture) -> None:
    doctor.change_host(find_program=lambda _: None)
    doctor.assert_finding("ffmpeg is not installed", "apt install ffmpeg", Level.WARNING)


# -- the service -----------------------------------------------------------------------------------------------------


def test_stopped_service_is_reported(doctor: DoctorFixture) -> None:
    def refused() -> bytes:
        raise ConnectionRefusedError(111, "Connection refused")

    doctor.service = refused
    doctor.assert_finding("no connection to 127.0.0.1:4573", "systemctl start ivr")


def test_closed_rest_port_is_reported(doctor: DoctorFixture) -> None:
    doctor.rest_response = False
    doctor.assert_finding("no connection to 127.0.0.1:8000", "systemctl start ivr", Level.WARNING)


def test_service_of_an_earlier_version_is_reported(doctor: DoctorFixture) -> None:
    doctor.readiness["version"] = "0.0.9"
    doctor.assert_finding("version 0.0.9 still runs", "systemctl restart ivr", Level.WARNING)


def test_service_with_a_data_folder_that_was_moved_is_reported(doctor: DoctorFixture) -> None:
    doctor.readiness["data_folder"] = [1, 2]
    doctor.assert_finding("works with another folder", "systemctl restart ivr")


def test_service_that_is_not_ready_is_reported(doctor: DoctorFixture) -> None:
    doctor.readiness["failing"] = ["database"]
    doctor.assert_finding("the running service is not ready: database", "systemctl restart ivr")


def test_hanging_service_is_reported(doctor: DoctorFixture) -> None:
    def hangs() -> bytes:
        raise TimeoutError

    doctor.service = hangs
    doctor.assert_finding("does not respond", "systemctl restart ivr")


def test_foreign_process_on_service_port_is_reported(doctor: DoctorFixture) -> None:
    doctor.service = lambda: b"SSH-2.0-OpenSSH_9.2\r\n"
    doctor.assert_finding("is used by another program", "ss -ltnp")


def test_service_that_says_nothing_is_reported(doctor: DoctorFixture) -> None:
    doctor.service = lambda: b""
    doctor.assert_finding("does not respond", "systemctl restart ivr")


# -- Asterisk --------------------------------------------------------------------------------------------------------


def test_stopped_asterisk_is_reported(doctor: DoctorFixture) -> None:
    doctor.asterisk.down = True
    doctor.assert_finding("its console does not reply", "start Asterisk")


def test_old_asterisk_version_is_reported(doctor: DoctorFixture) -> None:
    doctor.asterisk.version = "Asterisk 16.28.0~dfsg-0+deb11u3 built by root"
    doctor.assert_finding("Asterisk 16.28.0~dfsg-0", "install Asterisk 22", Level.WARNING)


def test_unknown_asterisk_version_is_reported(doctor: DoctorFixture) -> None:
    doctor.asterisk.version = "PBX of another vendor"
    doctor.assert_finding("an Asterisk of unknown version", "install Asterisk 22", Level.WARNING)


def test_missing_asterisk_module_is_reported(doctor: DoctorFixture) -> None:
    doctor.asterisk.modules.remove("func_pjsip_endpoint")
    doctor.assert_finding("not running: func_pjsip_endpoint", "module load func_pjsip_endpoint.so")


@pytest.mark.parametrize(("secret", "what"), [("", "Asterisk has no IVR_SECRET"), ("another", "IVR_SECRET differs")])
def test_secret_missing_in_asterisk_is_reported(doctor: DoctorFixture, secret: str, what: str) -> None:
    doctor.asterisk.variables["IVR_SECRET"] = secret
    doctor.assert_finding(what, "secret.conf")


def test_missing_secret_file_is_reported(doctor: DoctorFixture) -> None:
    doctor.settings["asterisk"] = {"secret": ""}
    doctor.assert_finding("contains no secret yet", "start the service")
    assert not (doctor.folder / "state" / "asterisk-secret").exists(), "a doctor changes nothing"


def test_unreadable_secret_file_is_reported(doctor: DoctorFixture) -> None:
    doctor.settings["asterisk"] = {"secret": ""}
    (doctor.folder / "state" / "asterisk-secret").write_text(SECRET)
    (doctor.folder / "state" / "asterisk-secret").chmod(0)
    doctor.chown_to_unprivileged_user()
    doctor.assert_finding("asterisk-secret cannot be read", "sudo ivr doctor")


def test_a_secret_is_never_printed(doctor: DoctorFixture) -> None:
    doctor.asterisk.variables["IVR_SECRET"] = "anothers5ecret"
    shown = str(doctor.findings())
    assert SECRET not in shown
    assert "anothers5ecret" not in shown


def test_missing_dialplan_context_is_reported(doctor: DoctorFixture) -> None:
    del doctor.asterisk.contexts["ivr-check"]
    doctor.assert_finding("the context ivr-check does not exist", '#include "ivr/extensions.conf"')


def test_dialplan_with_other_service_address_is_reported(doctor: DoctorFixture) -> None:
    doctor.asterisk.variables["IVR_FASTAGI_ADDRESS"] = "127.0.0.1:4599"
    doctor.assert_finding("it calls the service at 127.0.0.1:4599", "IVR_FASTAGI_ADDRESS => 127.0.0.1:4573")


def test_ari_dialplan_without_ari_settings_is_reported(doctor: DoctorFixture) -> None:
    doctor.asterisk.variables |= {"IVR_TRANSPORT": "ari", "IVR_STASIS_APPS": "ivr"}
    doctor.assert_finding("the service has no ARI password", "set password in [ari]")
    doctor.assert_finding("not running: res_ari_channels", "module load res_ari_channels.so")


@pytest.mark.parametrize(
    ("listening", "called", "right"),
    [
        ("::1", "127.0.0.1:4573", "[::1]:4573"),
        ("10.1.0.5", "127.0.0.1:4573", "10.1.0.5:4573"),
        ("127.0.0.1", "[::1]:4573", "127.0.0.1:4573"),
        ("0.0.0.0", "[::1]:4573", "127.0.0.1:4573"),
        ("::1", "[0:0::1]:4573", ""),
        ("0.0.0.0", "10.1.0.5:4573", ""),
        ("10.1.0.5", "voicemail.example:4573", ""),
    ],
)
def test_dialplan_that_calls_where_the_service_does_not_listen_is_reported(
    doctor: DoctorFixture, listening: str, called: str, right: str
) -> None:
    doctor.settings["fastagi"] = {"host": listening}
    doctor.asterisk.variables["IVR_FASTAGI_ADDRESS"] = called
    if right:
        doctor.assert_finding(f"it calls the service at {called}", f"IVR_FASTAGI_ADDRESS => {right}")
    else:
        assert not [one for one in doctor.problems() if one.check == "dialplan"]


@pytest.mark.parametrize(("name", "what"), [("IVR_FASTAGI_ADDRESS", "the service at no address"),
                                            ("IVR_TAKES_FOLDER", "records to no folder")])  # fmt: skip
def test_missing_dialplan_global_is_reported(doctor: DoctorFixture, name: str, what: str) -> None:
    del doctor.asterisk.variables[name]
    doctor.assert_finding(what, f"{name} =>")


def test_calls_that_start_a_program_need_no_service(doctor: DoctorFixture) -> None:
    def refuses() -> bytes:
        raise ConnectionRefusedError(111, "Connection refused")

    doctor.service = refuses
    doctor.assert_finding("no connection to 127.0.0.1:4573", "systemctl start ivr")
    doctor.asterisk.variables |= {"IVR_TRANSPORT": "agi", "IVR_AGI_PROGRAM": "ivr-agi"}
    del doctor.asterisk.variables["IVR_FASTAGI_ADDRESS"]
    assert not [found for found in doctor.problems() if found.level is Level.PROBLEM]


def test_missing_agi_program_is_reported(doctor: DoctorFixture, tmp_path: Path) -> None:
    program = tmp_path / "ivr-agi"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o644)
    doctor.asterisk.variables |= {"IVR_TRANSPORT": "agi", "IVR_AGI_PROGRAM": str(program)}
    doctor.assert_finding(f"it starts {program} for each call, which is not an executable file", "IVR_AGI_PROGRAM => ")
    program.chmod(0o755)
    assert not [found for found in doctor.problems() if found.level is Level.PROBLEM]


def test_fallback_folder_mismatch_is_reported(doctor: DoctorFixture) -> None:
    doctor.asterisk.variables["IVR_TAKES_FOLDER"] = "/var/lib/ivr/takes"
    doctor.assert_finding("records to /var/lib/ivr/takes", f"IVR_TAKES_FOLDER => {doctor.folder / 'takes'}")


def test_folder_unreadable_by_asterisk_is_reported(doctor: DoctorFixture) -> None:
    doctor.asterisk.can_read = False
    doctor.assert_finding("it plays neither prompts nor messages", "usermod -aG")


def test_asterisk_that_drops_its_groups_is_reported_with_a_remedy_that_works(doctor: DoctorFixture) -> None:
    """usermod changes nothing for an Asterisk that was started with -G."""
    doctor.asterisk.can_read = False
    start = AsteriskStart("the running process 4711", "asterisk", "asterisk", frozenset({101}))
    doctor.change_host(find_asterisk_start=lambda: start)
    doctor.assert_finding(
        "it plays neither prompts nor messages", "started with -G asterisk (the running process 4711)"
    )
    assert not any("usermod" in finding.remedy for finding in doctor.findings())


def test_unreadable_folder_of_the_right_group_is_reported_with_its_mode(doctor: DoctorFixture) -> None:
    doctor.asterisk.can_read = False
    start = AsteriskStart("the running process 4711", process_groups=frozenset({doctor.folder.stat().st_gid}))
    doctor.change_host(find_asterisk_start=lambda: start)
    doctor.assert_finding("it plays neither prompts nor messages", "chmod 2750")


def test_calls_from_outside_without_an_account_are_reported(doctor: DoctorFixture) -> None:
    second = Account(id="b", name="second")
    assert doctor.record_counts
    doctor.change_records(accounts=[*doctor.record_counts.accounts, second])
    doctor.assert_finding("the dialplan names none", "Set(IVR_ACCOUNT=NAME)", Level.WARNING)
    doctor.asterisk.contexts["from-trunk"] = show_dialplan_output(
        "from-trunk", "  '_X.' =>          1. Set(IVR_ACCOUNT=second)     [extensions.conf:3]"
    )
    assert not any(finding.check == "account" and finding.remedy for finding in doctor.findings())


def test_an_account_that_does_not_exist_is_reported(doctor: DoctorFixture) -> None:
    doctor.asterisk.variables["IVR_ACCOUNT"] = "unknown"
    doctor.assert_finding("'unknown', and no account has this name", "IVR_ACCOUNT => one of demo")


def test_folder_unwritable_by_asterisk_is_reported(doctor: DoctorFixture) -> None:
    doctor.asterisk.can_write = False
    doctor.assert_finding("callers cannot leave messages", "chmod 2770")


def test_recordings_unreadable_by_service_are_reported(doctor: DoctorFixture) -> None:
    doctor.asterisk.takes_mode = 0
    doctor.chown_to_unprivileged_user()
    doctor.assert_finding("the service cannot read recordings of Asterisk", "chmod g+s")
    assert list((doctor.folder / "takes").iterdir()) == []


def test_missing_takes_folder_is_reported(doctor: DoctorFixture) -> None:
    (doctor.folder / "takes").rmdir()
    doctor.assert_finding(f"{doctor.folder / 'takes'} does not exist yet", "start the service", Level.WARNING)


def test_takes_folder_unwritable_by_service_is_reported(doctor: DoctorFixture) -> None:
    doctor.chown_to_unprivileged_user()
    doctor.folder.chmod(0o2550)
    doctor.assert_finding("Permission denied", "see 'data folder'")
    doctor.folder.chmod(0o2750)


def test_folder_access_is_tested_by_asterisk_itself(doctor: DoctorFixture) -> None:
    """The sample belongs to us, its copy in the folder of takes to Asterisk."""
    doctor.findings()
    [conversion, _] = [command for command in doctor.asterisk.commands if command.startswith("file convert")]
    folder = re.escape(str(doctor.folder))
    assert re.fullmatch(rf'file convert "{folder}/(doctor-\w+\.wav)" "{folder}/takes/\1"', conversion)


def test_untestable_folder_access_is_reported(doctor: DoctorFixture) -> None:
    convert, ask = "No such command 'file convert' (type 'core show help file convert')\n", doctor.asterisk.run_command
    doctor.asterisk.run_command = lambda command: convert if command.startswith("file") else ask(command)  # type: ignore[method-assign]
    doctor.assert_finding("could not be tested", "module load res_convert.so", Level.WARNING)


def test_prompts_unreadable_by_asterisk_are_reported(doctor: DoctorFixture) -> None:
    doctor.asterisk.can_read_prompts = False
    doctor.assert_finding("while the service is down callers hear nothing", "IVR_SOUNDS_FOLDER", Level.WARNING)


def test_unauthenticated_endpoint_is_reported(doctor: DoctorFixture) -> None:
    doctor.asterisk.endpoints["alice-desk"] = False
    doctor.assert_finding("alice-desk does not authenticate", "auth = alice-desk")


def test_endpoint_unknown_to_asterisk_is_reported(doctor: DoctorFixture) -> None:
    doctor.asterisk.endpoints = {"alice": True, "alice-desk-2": True}
    doctor.assert_finding("no PJSIP endpoint alice-desk", "ivr endpoint remove alice-desk", Level.WARNING)


def show_dialplan_output(name: str, *lines: str) -> str:
    return "\n".join([f"[ Context '{name}' created by 'pbx_config' ]", *lines, "-= 1 extension in 1 context. =-", ""])


BOUNDED_CONTEXT = "  '_1XXX' =>        1. Dial(PJSIP/${EXTEN},20)     [extensions.conf:15]"


@pytest.mark.parametrize("pattern", ["_X.", "_0!", "_[0-9]."])
def test_unbounded_context_is_reported(doctor: DoctorFixture, pattern: str) -> None:
    doctor.settings["voicemail"] = {"callback_context": "back"}
    open_line = f"  '{pattern}' =>          1. Dial(PJSIP/${{EXTEN}}@trunk)     [extensions.conf:16]"
    doctor.asterisk.contexts["back"] = show_dialplan_output("back", BOUNDED_CONTEXT, open_line)
    doctor.assert_finding(f"through {pattern} in [back]", "_1XXX")


def test_context_including_unbounded_context_is_reported(doctor: DoctorFixture) -> None:
    assert doctor.record_counts
    [account] = doctor.record_counts.accounts
    doctor.change_records(accounts=[account.model_copy(update={"settings": {"callback_context": "back"}})])
    doctor.asterisk.contexts["back"] = show_dialplan_output(
        "back", BOUNDED_CONTEXT, "  Include =>        'out'         [pbx_config]"
    )
    doctor.asterisk.contexts["out"] = show_dialplan_output(
        "out", "  '_X.' =>   1. Dial(PJSIP/${EXTEN}@trunk)   [pbx_config]"
    )
    doctor.assert_finding("through _X. in [out]", "fixed length")


def test_context_of_new_message_calls_is_checked(doctor: DoctorFixture) -> None:
    """An owner names the number that is called there."""
    doctor.settings["notifications"] = {"call_context": "out"}
    line = "  '_X.' =>   1. Dial(PJSIP/${EXTEN}@trunk)   [pbx_config]"
    doctor.asterisk.contexts["out"] = show_dialplan_output("out", line)
    doctor.assert_finding("[notifications] call_context: callers can dial any number", "fixed length")


@pytest.mark.parametrize("pattern", ["_0900XXXXXX", "_0[1-9]XXXXXXX", "_190nxxzxx"])
def test_pattern_of_a_million_numbers_is_a_warning(doctor: DoctorFixture, pattern: str) -> None:
    doctor.settings["voicemail"] = {"callback_context": "back"}
    line = f"  '{pattern}' =>   1. Dial(PJSIP/${{EXTEN}}@trunk)   [pbx_config]"
    doctor.asterisk.contexts["back"] = show_dialplan_output("back", BOUNDED_CONTEXT, line)
    doctor.assert_finding(f"through {pattern} in [back]", "premium-rate", Level.WARNING)


def test_bounded_context_has_no_finding(doctor: DoctorFixture) -> None:
    doctor.settings["voicemail"] = {"callback_context": "back"}
    doctor.asterisk.contexts["back"] = show_dialplan_output("back", BOUNDED_CONTEXT)
    assert "[back] has no unbounded pattern" in str(doctor.findings())


def test_missing_context_is_reported(doctor: DoctorFixture) -> None:
    doctor.settings["voicemail"] = {"callback_context": "nowhere"}
    doctor.assert_finding("the dialplan has no context nowhere", "add [nowhere]")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs programs of other users with more rights than theirs")
@pytest.mark.parametrize("as_argument", [False, True], ids=["program", "script"])
def test_root_does_not_run_a_console_command_that_others_can_change(tmp_path: Path, as_argument: bool) -> None:
    folder = tmp_path / "of-alice"
    folder.mkdir()
    program = folder / "asterisk"
    program.write_text("#!/bin/sh\necho ran\n")
    program.chmod(0o755)
    remote = RemoteConsole(f"/bin/sh {program}" if as_argument else str(program))
    assert remote.run_command("core show version") == "ran\n"
    os.chown(folder, 61002, -1)
    with pytest.raises(ConsoleUnavailable, match=r"root does not run .*of-alice can be changed by other users"):
        remote.run_command("core show version")
