"""For each thing the doctor looks at: break it, and the remedy is told."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ivr.directory.people import Account, User
from ivr.doctor.finding import Level
from ivr.mailbox.box import Box
from tests.doctor.conftest import SECRET, TODAY, Clinic
from tests.support.house import FakeClock


def test_an_installation_in_good_health_has_nothing_to_mend(clinic: Clinic) -> None:
    owner = os.geteuid()
    complaints = [f for f in clinic.complaints() if not (owner == 0 and "belongs to root" in f.what)]
    complaints = [f for f in complaints if f.check != "AMI"]  # Which an installation may do without.
    assert complaints == []
    assert {f.check for f in clinic.findings()} == {
        "config", "data folder", "database", "sounds", "clock", "time zones", "disk", "ffmpeg", "service", "asterisk",
        "modules", "secret", "dialplan", "asterisk's rights", "endpoints", "AMI", "REST",
    }  # fmt: skip


def test_it_leaves_nothing_behind(clinic: Clinic) -> None:
    clinic.findings()
    assert [path.name for path in clinic.folder.rglob("*")] == ["takes"]


# -- the machine -----------------------------------------------------------------------------------------------------


def test_no_configuration_file(clinic: Clinic) -> None:
    clinic.config = None
    clinic.says("there is no ivr.toml", "/etc/ivr/ivr.toml", Level.WARNING)


def test_a_secret_that_everybody_may_read(clinic: Clinic) -> None:
    assert clinic.config
    clinic.config.chmod(0o644)
    clinic.says("everybody may read it", f"chmod 640 {clinic.config}")


@pytest.mark.parametrize("section", [{"ami": {"secret": "x"}}, {"mail": {"password": "x"}}], ids=["AMI", "mail"])
def test_any_other_secret_that_everybody_may_read(clinic: Clinic, section: dict[str, dict[str, str]]) -> None:
    assert clinic.config
    clinic.settings |= {"asterisk": {"secret": ""}, **section}
    clinic.settings.get("ami", {})["port"] = 1  # Where nobody listens.
    clinic.config.chmod(0o644)
    clinic.says("everybody may read it", f"chmod 640 {clinic.config}")


def test_no_data_folder(clinic: Clinic, tmp_path: Path) -> None:
    clinic.folder = tmp_path / "elsewhere"
    clinic.says(f"there is no folder {clinic.folder}", "install -d -o ivr -g ivr-asterisk -m 2750")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere; as root the next test shows it")
def test_a_data_folder_that_is_not_ours_to_write(clinic: Clinic) -> None:
    clinic.folder.chmod(0o2550)
    clinic.says("cannot write into", "run as the service's user")
    clinic.folder.chmod(0o2750)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_as_root_it_looks_with_the_services_eyes(clinic: Clinic) -> None:
    for path in (*clinic.folder.parents[:3], clinic.folder.parent):
        path.chmod(0o755)
    os.chown(clinic.folder, 61002, 61000)
    clinic.folder.chmod(0o2550)
    clinic.says("this user (61002) cannot write into", "run as the service's user")


def test_a_data_folder_of_roots(clinic: Clinic) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has folders of root's")
    clinic.says("belongs to root", "chown -R ivr:ivr-asterisk", Level.WARNING)


def test_a_data_folder_that_everybody_may_look_into(clinic: Clinic) -> None:
    clinic.folder.chmod(0o2755)
    clinic.says("everybody may look into", f"chmod 2750 {clinic.folder}")


@pytest.mark.parametrize("mode", [0o2750, 0o0770])
def test_takes_that_asterisks_group_may_not_write(clinic: Clinic, mode: int) -> None:
    (clinic.folder / "takes").chmod(mode)
    clinic.says("Asterisk's group may not record", "chmod 2770")


def test_takes_that_everybody_may_look_into(clinic: Clinic) -> None:
    (clinic.folder / "takes").chmod(0o2775)
    clinic.says("everybody may look into", "chmod 2770")


@pytest.mark.parametrize("name", ["pepper", "asterisk-secret"])
def test_secrets_that_others_may_read(clinic: Clinic, name: str) -> None:
    (clinic.folder / name).write_text("x")
    (clinic.folder / name).chmod(0o640)
    clinic.says("others than the service may read", f"chmod 600 {clinic.folder / name}")


def test_nobody_there_yet(clinic: Clinic) -> None:
    clinic.people(accounts=[], users=[], boxes=[], endpoints=[])
    clinic.says("there is no account yet", "ivr account create", Level.WARNING)


def test_no_sounds(clinic: Clinic, tmp_path: Path) -> None:
    clinic.settings["sounds"] = {"folder": tmp_path / "silent"}
    clinic.says("there are no prompts", "[sounds] folder")


def test_a_sound_that_is_missing(clinic: Clinic, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(clinic.settings["sounds"]["folder"], tmp_path / "sounds")
    (copy / "en" / "tone" / "beep.wav").unlink()
    clinic.settings["sounds"] = {"folder": copy}
    clinic.says("1 recordings of en are not there", "ivr sounds build")


def test_a_sound_that_is_not_the_services_to_read(clinic: Clinic, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(clinic.settings["sounds"]["folder"], tmp_path / "sounds")
    (copy / "en" / "tone" / "beep.wav").chmod(0)
    clinic.settings["sounds"] = {"folder": copy}
    clinic.given_away()
    clinic.says("1 recordings of en are not there, or not the service's to read", "chmod -R a+rX")


def test_a_clock_that_went_back(clinic: Clinic) -> None:
    clinic.broken(clock=FakeClock(TODAY - 86400))
    clinic.says("there are messages from", "timedatectl set-ntp true")


def test_a_clock_that_was_never_set(clinic: Clinic) -> None:
    clinic.people(newest_message_at=0)
    clinic.broken(clock=FakeClock(0))
    clinic.says("which cannot be", "timedatectl set-ntp true")


def test_time_zones_that_there_are_not(clinic: Clinic) -> None:
    clinic.people(accounts=[Account(id="a", name="demo", timezone="Europa/Berlin")])
    clinic.says("account demo has the time zone 'Europa/Berlin'", "ivr account set demo timezone=")
    clinic.people(users=[User(id="u", account_id="a", name="alice", timezone="Mars/Base")])
    clinic.says("user alice has the time zone 'Mars/Base'", "ivr user set alice")
    clinic.people(boxes=[Box(name="Alice", mailbox="1000", timezone="CEST5")])
    clinic.says("box 1000 has the time zone 'CEST5'", "ivr box set 1000")


def test_a_disk_that_is_nearly_full(clinic: Clinic) -> None:
    clinic.broken(free_bytes=lambda _: 5 * 2**20)
    clinic.says("5 MB left", "make room")
    clinic.broken(free_bytes=lambda _: 500 * 2**20)
    clinic.says("500 MB left", "make room", Level.WARNING)


def test_no_ffmpeg(clinic: Clinic) -> None:
    clinic.broken(program=lambda _: None)
    clinic.says("there is no ffmpeg", "apt install ffmpeg", Level.WARNING)


# -- the service -----------------------------------------------------------------------------------------------------


def test_a_service_that_is_down(clinic: Clinic) -> None:
    def refused() -> bytes:
        raise ConnectionRefusedError(111, "Connection refused")

    clinic.service = refused
    clinic.says("nothing answers at 127.0.0.1:4573", "systemctl start ivr")


def test_nobody_where_programs_speak_rest(clinic: Clinic) -> None:
    clinic.rest_answers = False
    clinic.says("nothing answers at 127.0.0.1:8000", "systemctl start ivr", Level.WARNING)


def test_a_service_that_hangs(clinic: Clinic) -> None:
    def hangs() -> bytes:
        raise TimeoutError

    clinic.service = hangs
    clinic.says("is not ivr, or hangs", "ss -ltnp")


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.2\r\n", b""], ids=["another program", "nothing"])
def test_somebody_else_at_our_port(clinic: Clinic, said: bytes) -> None:
    clinic.service = lambda: said
    clinic.says("is not ivr, or hangs", "ss -ltnp")


# -- Asterisk --------------------------------------------------------------------------------------------------------


def test_an_asterisk_that_is_down(clinic: Clinic) -> None:
    clinic.asterisk.down = True
    clinic.says("its console does not answer", "start Asterisk")


def test_an_old_asterisk(clinic: Clinic) -> None:
    clinic.asterisk.version = "Asterisk 16.28.0~dfsg-0+deb11u3 built by nobody"
    clinic.says("Asterisk 16.28.0~dfsg-0", "install Asterisk 22", Level.WARNING)


def test_an_asterisk_that_does_not_say_which(clinic: Clinic) -> None:
    clinic.asterisk.version = "PBX of somebody's"
    clinic.says("an Asterisk whose version nobody can read", "install Asterisk 22", Level.WARNING)


def test_a_module_that_does_not_run(clinic: Clinic) -> None:
    clinic.asterisk.modules.remove("func_pjsip_endpoint")
    clinic.says("not running: func_pjsip_endpoint", "module load func_pjsip_endpoint.so")


@pytest.mark.parametrize(
    ("secret", "what"), [("", "Asterisk has no IVR_SECRET"), ("another", "IVR_SECRET is another than ours")]
)
def test_a_secret_that_asterisk_does_not_know(clinic: Clinic, secret: str, what: str) -> None:
    clinic.asterisk.variables["IVR_SECRET"] = secret
    clinic.says(what, "secret.conf")


def test_a_secret_that_was_never_made(clinic: Clinic) -> None:
    clinic.settings["asterisk"] = {"secret": ""}
    clinic.says("there is no secret", "start 'ivr serve' once")
    assert not (clinic.folder / "asterisk-secret").exists(), "a doctor changes nothing"


def test_a_secret_that_is_not_ours_to_read(clinic: Clinic) -> None:
    clinic.settings["asterisk"] = {"secret": ""}
    (clinic.folder / "asterisk-secret").write_text(SECRET)
    (clinic.folder / "asterisk-secret").chmod(0)
    clinic.given_away()
    clinic.says("asterisk-secret cannot be read", "run ivr doctor as the service's user, or as root")


def test_a_secret_is_never_printed(clinic: Clinic) -> None:
    clinic.asterisk.variables["IVR_SECRET"] = "anothers5ecret"
    shown = str(clinic.findings())
    assert SECRET not in shown
    assert "anothers5ecret" not in shown


def test_a_dialplan_without_ours(clinic: Clinic) -> None:
    del clinic.asterisk.contexts["ivr-check"]
    clinic.says("no context ivr-check", '#include "ivr/extensions.conf"')


def test_a_dialplan_that_calls_elsewhere(clinic: Clinic) -> None:
    clinic.asterisk.variables["IVR_HOST"] = "127.0.0.1:4599"
    clinic.says("it calls the service at 127.0.0.1:4599", "IVR_HOST => 127.0.0.1:4573")


def test_calls_that_are_to_come_over_ari_to_a_service_without_it(clinic: Clinic) -> None:
    clinic.asterisk.variables |= {"IVR_TRANSPORT": "ari", "IVR_APPS": "ivr"}
    clinic.says("over ARI, which the service does not speak", "[ari] password")
    clinic.says("not running: res_ari_channels", "module load res_ari_channels.so")


@pytest.mark.parametrize(("name", "what"), [("IVR_HOST", "the service at no address"),
                                            ("IVR_TAKES", "records into no folder")])  # fmt: skip
def test_a_dialplan_that_was_told_nothing(clinic: Clinic, name: str, what: str) -> None:
    del clinic.asterisk.variables[name]
    clinic.says(what, f"{name} =>")


def test_calls_that_start_a_program_need_no_service(clinic: Clinic) -> None:
    def refuses() -> bytes:
        raise ConnectionRefusedError(111, "Connection refused")

    clinic.service = refuses
    clinic.says("nothing answers at 127.0.0.1:4573", "systemctl start ivr")
    clinic.asterisk.variables |= {"IVR_TRANSPORT": "agi", "IVR_AGI": "ivr-agi"}
    del clinic.asterisk.variables["IVR_HOST"]
    assert not [found for found in clinic.complaints() if found.level is Level.PROBLEM]


def test_a_program_that_is_none(clinic: Clinic, tmp_path: Path) -> None:
    program = tmp_path / "ivr-agi"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o644)
    clinic.asterisk.variables |= {"IVR_TRANSPORT": "agi", "IVR_AGI": str(program)}
    clinic.says(f"it starts {program} for each call, which is no program", "IVR_AGI => ")
    program.chmod(0o755)
    assert not [found for found in clinic.complaints() if found.level is Level.PROBLEM]


def test_a_dialplan_that_records_elsewhere_while_the_service_is_down(clinic: Clinic) -> None:
    clinic.asterisk.variables["IVR_TAKES"] = "/var/lib/ivr/takes"
    clinic.says("records into /var/lib/ivr/takes", f"IVR_TAKES => {clinic.folder / 'takes'}")


def test_a_folder_that_asterisk_cannot_read(clinic: Clinic) -> None:
    clinic.asterisk.reads = False
    clinic.says("neither prompts nor messages are heard", "usermod -aG")


def test_a_folder_that_asterisk_cannot_write(clinic: Clinic) -> None:
    clinic.asterisk.writes = False
    clinic.says("nobody can leave a message", "chmod 2770")


def test_recordings_that_the_service_cannot_read(clinic: Clinic) -> None:
    clinic.asterisk.takes_mode = 0
    clinic.given_away()
    clinic.says("what Asterisk records, the service cannot read", "chmod g+s")
    assert list((clinic.folder / "takes").iterdir()) == []


def test_a_folder_that_was_never_recorded_into(clinic: Clinic) -> None:
    (clinic.folder / "takes").rmdir()
    clinic.says(f"there is no {clinic.folder / 'takes'} yet", "start 'ivr serve' once", Level.WARNING)


def test_a_folder_in_which_the_service_cannot_even_put_something_to_be_read(clinic: Clinic) -> None:
    clinic.given_away()
    clinic.folder.chmod(0o2550)
    clinic.says("Permission denied", "see 'data folder'")
    clinic.folder.chmod(0o2750)


def test_it_is_asterisk_who_is_asked_to_read_and_to_write(clinic: Clinic) -> None:
    """What we may do ourselves says nothing: the file is ours, the copy of it in the folder of takes is Asterisk's."""
    clinic.findings()
    [asked, _] = [command for command in clinic.asterisk.asked if command.startswith("file convert")]
    folder = re.escape(str(clinic.folder))
    assert re.fullmatch(rf'file convert "{folder}/(doctor-\w+\.wav)" "{folder}/takes/\1"', asked)


def test_an_asterisk_that_cannot_be_asked_to_read_and_write(clinic: Clinic) -> None:
    convert, ask = "No such command 'file convert' (type 'core show help file convert')\n", clinic.asterisk.ask
    clinic.asterisk.ask = lambda command: convert if command.startswith("file") else ask(command)  # type: ignore[method-assign]
    clinic.says("could not be asked", "module load res_convert.so", Level.WARNING)


def test_prompts_of_the_dialplan_that_asterisk_cannot_read(clinic: Clinic) -> None:
    clinic.asterisk.hears_prompts = False
    clinic.says("while the service is down callers hear nothing", "IVR_SOUNDS =>", Level.WARNING)


def test_a_phone_that_anybody_can_be(clinic: Clinic) -> None:
    clinic.asterisk.endpoints["alice-desk"] = False
    clinic.says("alice-desk need not authenticate", "auth = alice-desk")


def test_a_phone_that_asterisk_does_not_know(clinic: Clinic) -> None:
    clinic.asterisk.endpoints = {"alice": True, "alice-desk-2": True}
    clinic.says("no PJSIP endpoint alice-desk", "ivr endpoint remove alice-desk", Level.WARNING)


def context(name: str, *lines: str) -> str:
    return "\n".join([f"[ Context '{name}' created by 'pbx_config' ]", *lines, "-= 1 extension in 1 context. =-", ""])


BOUNDED = "  '_1XXX' =>        1. Dial(PJSIP/${EXTEN},20)     [extensions.conf:15]"


@pytest.mark.parametrize("pattern", ["_X.", "_0!", "_[0-9]."])
def test_a_context_that_lets_strangers_call_anywhere(clinic: Clinic, pattern: str) -> None:
    clinic.settings["voicemail"] = {"callback_context": "back"}
    open_line = f"  '{pattern}' =>          1. Dial(PJSIP/${{EXTEN}}@trunk)     [extensions.conf:16]"
    clinic.asterisk.contexts["back"] = context("back", BOUNDED, open_line)
    clinic.says(f"through {pattern} in [back]", "_1XXX")


def test_a_context_that_takes_such_a_one_in(clinic: Clinic) -> None:
    assert clinic.census
    [account] = clinic.census.accounts
    clinic.people(accounts=[account.model_copy(update={"settings": {"callback_context": "back"}})])
    clinic.asterisk.contexts["back"] = context("back", BOUNDED, "  Include =>        'out'         [pbx_config]")
    clinic.asterisk.contexts["out"] = context("out", "  '_X.' =>   1. Dial(PJSIP/${EXTEN}@trunk)   [pbx_config]")
    clinic.says("through _X. in [out]", "fixed length")


def test_a_bounded_context_is_fine(clinic: Clinic) -> None:
    clinic.settings["voicemail"] = {"callback_context": "back"}
    clinic.asterisk.contexts["back"] = context("back", BOUNDED)
    assert "[back] is bounded" in str(clinic.findings())


def test_a_context_that_there_is_not(clinic: Clinic) -> None:
    clinic.settings["voicemail"] = {"callback_context": "nowhere"}
    clinic.says("the dialplan has no context nowhere", "make [nowhere]")
