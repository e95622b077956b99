"""`ivr doctor`, as an administrator runs it, on a real Asterisk: what it asks, Asterisk answers."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.asterisk.conftest import AdminClient, PhoneUser, wait_until
from tests.lab.asterisk_config import LATER_GLOBAL, UNAUTHENTICATED_PHONE
from tests.lab.lab import LabInfo
from tests.lab.processes import ASTERISK_UID, SERVICE_UID, SHARED_GID, as_service_user
from tests.site.machine import CHECKOUT

Findings = list[dict[str, Any]]
run_once = pytest.mark.only_over("fastagi", "no call is made, and every lab has both roads open")


class DoctorRunner:
    """Runs `ivr doctor` as root, with the settings of the lab's service unless they are changed."""

    def __init__(self, lab: LabInfo) -> None:
        self._environment = {**lab.environments["0"], "IVR_ASTERISK__CONSOLE_COMMAND": shlex.join(lab.console_command)}
        self.data = Path(self._environment["IVR_DATA__FOLDER"])
        self.manager = f"127.0.0.1:{self._environment['IVR_AMI__PORT']}"

    def run(self, **changed: str) -> Findings:
        environment = {**as_service_user({**self._environment, **changed})["env"]}
        done = subprocess.run(
            [sys.executable, "-m", "ivr", "doctor", "--json"], capture_output=True, text=True, cwd="/", check=False,
            env=environment,
        )  # fmt: skip
        assert done.stderr == ""
        found: Findings = json.loads(done.stdout)
        assert done.returncode == int(any(finding["level"] == "problem" for finding in found))
        return found


def finding_level(found: Findings, check: str) -> list[str]:
    return [finding["level"] for finding in found if finding["check"] == check]


def remedies(found: Findings, text: str) -> str:
    """Return the remedy of the finding with this text."""
    return " ".join(finding["remedy"] for finding in found if text in finding["what"])


@pytest.fixture
def doctor(lab: LabInfo) -> DoctorRunner:
    return DoctorRunner(lab)


@pytest.fixture
def shared_data_folder(tmp_path_factory: pytest.TempPathFactory, lab: LabInfo) -> Path:
    """A data folder that Asterisk sees, of the service's user, in the group of both."""
    folder = Path(lab.folder) / "inbox" / f"ward-{os.urandom(4).hex()}"
    folder.parent.mkdir(exist_ok=True)
    for path, mode in ((folder, 0o2750), (folder / "takes", 0o2770)):
        path.mkdir()
        os.chown(path, SERVICE_UID, SHARED_GID)
        path.chmod(mode)
    return folder


async def test_healthy_lab_has_no_problems(doctor: DoctorRunner, alice: PhoneUser) -> None:
    alice.create_user_and_box()
    found = doctor.run()
    mend = [f for f in found if f["level"] == "problem" and UNAUTHENTICATED_PHONE not in f["what"]]
    assert mend == []
    for check in (
        "asterisk", "modules", "secret", "dialplan", "dialplan version", "asterisk's rights", "service", "contexts",
        "sounds", "AMI",
    ):  # fmt: skip
        assert set(finding_level(found, check)) == {"ok"}, check
    left = {*doctor.data.rglob("doctor-*")}  # Those of another test's doctor are gone soon.
    await wait_until(lambda: not left & {*doctor.data.rglob("doctor-*")})
    owners = {path.stat().st_uid for path in doctor.data.rglob("*") if not path.name.startswith("doctor-")}
    assert owners <= {SERVICE_UID, ASTERISK_UID}, "nothing is root's"


@run_once
def test_data_folder_unreadable_by_asterisk_is_reported(doctor: DoctorRunner, shared_data_folder: Path) -> None:
    os.chown(shared_data_folder, SERVICE_UID, SERVICE_UID)
    found = doctor.run(IVR_DATA__FOLDER=str(shared_data_folder))
    assert "started with -G asterisk" in remedies(found, f"Asterisk cannot read {shared_data_folder}")


@run_once
def test_takes_folder_unwritable_by_asterisk_is_reported(doctor: DoctorRunner, shared_data_folder: Path) -> None:
    (shared_data_folder / "takes").chmod(0o2750)
    found = doctor.run(IVR_DATA__FOLDER=str(shared_data_folder))
    assert "chmod 2770" in remedies(found, f"Asterisk cannot write to {shared_data_folder / 'takes'}")


@run_once
def test_recordings_unreadable_by_service_are_reported(doctor: DoctorRunner, shared_data_folder: Path) -> None:
    """Asterisk records as its own user: only the doctor who asks it to can find out."""
    os.chown(shared_data_folder / "takes", ASTERISK_UID, SHARED_GID)
    (shared_data_folder / "takes").chmod(0o700)
    found = doctor.run(IVR_DATA__FOLDER=str(shared_data_folder))
    assert "chmod g+s" in remedies(found, "the service cannot read recordings of Asterisk")
    assert list((shared_data_folder / "takes").iterdir()) == []


@run_once
def test_data_folder_invisible_to_asterisk_is_reported(doctor: DoctorRunner) -> None:
    """As on another machine, or in a container, without a shared mount."""
    data = Path("/var/tmp") / f"ivr-unseen-{os.urandom(4).hex()}"
    try:
        for path, mode in ((data, 0o2750), (data / "takes", 0o2770)):
            path.mkdir()
            os.chown(path, SERVICE_UID, SHARED_GID)
            path.chmod(mode)
        found = doctor.run(IVR_DATA__FOLDER=str(data))
        assert "at the same path" in remedies(found, "it plays neither prompts nor messages")
    finally:
        subprocess.run(["rm", "-r", str(data)], check=True)


@run_once
def test_asterisk_knows_each_console_command_of_the_documents(lab: LabInfo) -> None:
    text = "".join(page.read_text() for page in (CHECKOUT / "docs").glob("*.md"))
    commands = sorted(
        {first or second for first, second in re.findall(r"""asterisk -rx (?:'([^']+)'|"([^"]+)")""", text)}
    )
    assert len(commands) > 6
    for line in commands:
        asked = [*lab.console_command, "-rx", line]
        printed = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
        assert not re.search("No such command|Incomplete command|Unable to connect", printed), printed


@run_once
def test_ami_login_succeeds(doctor: DoctorRunner) -> None:
    assert [f["what"] for f in doctor.run() if f["check"] == "AMI"] == [f"ivr can log in at {doctor.manager}"]


@run_once
def test_wrong_ami_secret_is_reported(doctor: DoctorRunner) -> None:
    found = doctor.run(IVR_AMI__SECRET="another")
    assert "the secret of [ivr] in manager.conf" in remedies(found, "rejects the user ivr")


@run_once
def test_unknown_ami_user_is_reported(doctor: DoctorRunner) -> None:
    found = doctor.run(IVR_AMI__USER="unknown")
    assert "the secret of [unknown] in manager.conf" in remedies(found, "rejects the user unknown")


@run_once
def test_closed_ami_port_is_reported(doctor: DoctorRunner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    found = doctor.run(IVR_AMI__PORT=port)
    assert "enabled = yes" in remedies(found, f"no connection to 127.0.0.1:{port}")


@run_once
def test_foreign_service_on_ami_port_is_reported(doctor: DoctorRunner, lab: LabInfo) -> None:
    found = doctor.run(IVR_AMI__PORT=str(lab.agi_port))
    assert "check host and port in [ami]" in remedies(found, "is not Asterisk's manager")


@run_once
def test_secret_differing_from_dialplan_is_reported(doctor: DoctorRunner) -> None:
    found = doctor.run(IVR_ASTERISK__SECRET="another")
    assert "secret.conf" in remedies(found, "IVR_SECRET differs")


@run_once
def test_fastagi_port_differing_from_dialplan_is_reported(doctor: DoctorRunner) -> None:
    found = doctor.run(IVR_FASTAGI__PORT="9")
    assert "systemctl start ivr" in remedies(found, "no connection to 127.0.0.1:9")
    assert "IVR_FASTAGI_ADDRESS => 127.0.0.1:9" in remedies(found, "it calls the service at")


@run_once
def test_unresponsive_asterisk_is_reported(doctor: DoctorRunner) -> None:
    found = doctor.run(IVR_ASTERISK__CONSOLE_COMMAND="/bin/false")
    assert "start Asterisk" in remedies(found, "console does not reply")


@run_once
def test_unauthenticated_phone_is_reported(doctor: DoctorRunner, admin: AdminClient) -> None:
    if not any(UNAUTHENTICATED_PHONE in f["what"] for f in doctor.run()):
        admin.request("create_user", name=UNAUTHENTICATED_PHONE)
    assert f"auth = {UNAUTHENTICATED_PHONE}" in remedies(doctor.run(), f"{UNAUTHENTICATED_PHONE} does not authenticate")


@run_once
def test_unbounded_context_is_reported(doctor: DoctorRunner) -> None:
    found = doctor.run(IVR_VOICEMAIL__CALLBACK_CONTEXT="anywhere")
    assert "_1XXX" in remedies(found, "_X. in [anywhere]")
    assert "add [nowhere]" in remedies(doctor.run(IVR_VOICEMAIL__CALLBACK_CONTEXT="nowhere"), "no context nowhere")


@run_once
def test_what_follows_the_included_dialplan_is_still_global(lab: LabInfo) -> None:
    """Our contexts end with their file, so the site's line is in [globals] again."""
    command = [*lab.console_command, "-rx", "dialplan show globals"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"{LATER_GLOBAL}=1" in printed
