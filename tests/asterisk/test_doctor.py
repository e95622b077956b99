"""`ivr doctor`, as an administrator runs it, on a real Asterisk: what it asks, Asterisk answers."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.asterisk.conftest import Desk, Person
from tests.asterisk.rig.config import OPEN_PHONE
from tests.asterisk.rig.lab import Notes
from tests.asterisk.rig.processes import ASTERISK_UID, SERVICE_UID, SHARED_GID, as_service

Findings = list[dict[str, Any]]
once = pytest.mark.only_over("fastagi", "no call is made, and every lab has both roads open")


class Surgery:
    """Runs `ivr doctor` as root, with the settings of the lab's service unless they are changed."""

    def __init__(self, notes: Notes) -> None:
        self._environment = {**notes.environments["0"], "IVR_ASTERISK__CONSOLE": shlex.join(notes.console)}
        self.data = Path(self._environment["IVR_DATA__FOLDER"])
        self.manager = f"127.0.0.1:{self._environment['IVR_AMI__PORT']}"

    def examine(self, **changed: str) -> Findings:
        environment = {**as_service({**self._environment, **changed})["env"]}
        done = subprocess.run(
            [sys.executable, "-m", "ivr", "doctor", "--json"], capture_output=True, text=True, cwd="/", check=False,
            env=environment,
        )  # fmt: skip
        assert done.stderr == ""
        found: Findings = json.loads(done.stdout)
        assert done.returncode == int(any(finding["level"] == "problem" for finding in found))
        return found


def level_of(found: Findings, check: str) -> list[str]:
    return [finding["level"] for finding in found if finding["check"] == check]


def remedies(found: Findings, what: str) -> str:
    """The remedy for what is told so."""
    return " ".join(finding["remedy"] for finding in found if what in finding["what"])


@pytest.fixture
def surgery(notes: Notes) -> Surgery:
    return Surgery(notes)


@pytest.fixture
def ward(tmp_path_factory: pytest.TempPathFactory, notes: Notes) -> Path:
    """A data folder that Asterisk sees, of the service's user, in the group of both."""
    folder = Path(notes.folder) / "inbox" / f"ward-{os.urandom(4).hex()}"
    folder.parent.mkdir(exist_ok=True)
    for path, mode in ((folder, 0o2750), (folder / "takes", 0o2770)):
        path.mkdir()
        os.chown(path, SERVICE_UID, SHARED_GID)
        path.chmod(mode)
    return folder


def test_a_healthy_lab_has_no_problem(surgery: Surgery, alice: Person) -> None:
    alice.moves_in()
    found = surgery.examine()
    mend = [f for f in found if f["level"] == "problem" and OPEN_PHONE not in f["what"]]
    assert mend == []
    for check in ("asterisk", "modules", "secret", "dialplan", "asterisk's rights", "service", "contexts", "sounds",
                  "AMI"):  # fmt: skip
        assert set(level_of(found, check)) == {"ok"}, check
    assert not list(surgery.data.rglob("doctor-*"))
    assert {path.stat().st_uid for path in surgery.data.rglob("*")} <= {SERVICE_UID, ASTERISK_UID}, "nothing is root's"


@once
def test_a_folder_that_asterisk_may_not_read(surgery: Surgery, ward: Path) -> None:
    os.chown(ward, SERVICE_UID, SERVICE_UID)
    found = surgery.examine(IVR_DATA__FOLDER=str(ward))
    assert "usermod -aG" in remedies(found, f"Asterisk cannot read {ward}")


@once
def test_a_folder_that_asterisk_may_not_record_into(surgery: Surgery, ward: Path) -> None:
    (ward / "takes").chmod(0o2750)
    found = surgery.examine(IVR_DATA__FOLDER=str(ward))
    assert "chmod 2770" in remedies(found, f"Asterisk cannot write into {ward / 'takes'}")


@once
def test_recordings_that_the_service_may_not_read(surgery: Surgery, ward: Path) -> None:
    """Asterisk records as its own user: only the doctor who asks it to can find out."""
    os.chown(ward / "takes", ASTERISK_UID, SHARED_GID)
    (ward / "takes").chmod(0o700)
    found = surgery.examine(IVR_DATA__FOLDER=str(ward))
    assert "chmod g+s" in remedies(found, "what Asterisk records, the service cannot read")
    assert list((ward / "takes").iterdir()) == []


@once
def test_a_folder_that_asterisk_does_not_see(surgery: Surgery) -> None:
    """As on another machine, or in a container, without a shared mount."""
    data = Path("/var/tmp") / f"ivr-unseen-{os.urandom(4).hex()}"
    try:
        for path, mode in ((data, 0o2750), (data / "takes", 0o2770)):
            path.mkdir()
            os.chown(path, SERVICE_UID, SHARED_GID)
            path.chmod(mode)
        found = surgery.examine(IVR_DATA__FOLDER=str(data))
        assert "at this same path" in remedies(found, "neither prompts nor messages are heard")
    finally:
        subprocess.run(["rm", "-r", str(data)], check=True)


@once
def test_the_manager_lets_us_in(surgery: Surgery) -> None:
    assert [f["what"] for f in surgery.examine() if f["check"] == "AMI"] == [f"ivr is let in at {surgery.manager}"]


@once
def test_the_manager_has_another_secret(surgery: Surgery) -> None:
    found = surgery.examine(IVR_AMI__SECRET="another")
    assert "the secret of [ivr] in manager.conf" in remedies(found, "refuses the user ivr")


@once
def test_the_manager_does_not_know_the_user(surgery: Surgery) -> None:
    found = surgery.examine(IVR_AMI__USER="nobody")
    assert "the secret of [nobody] in manager.conf" in remedies(found, "refuses the user nobody")


@once
def test_no_manager_listens(surgery: Surgery) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    found = surgery.examine(IVR_AMI__PORT=port)
    assert "enabled = yes" in remedies(found, f"nothing answers at 127.0.0.1:{port}")


@once
def test_something_else_than_a_manager_listens(surgery: Surgery, notes: Notes) -> None:
    found = surgery.examine(IVR_AMI__PORT=str(notes.agi_port))
    assert "see host and port of [ami]" in remedies(found, "is not Asterisk's manager")


@once
def test_another_secret(surgery: Surgery) -> None:
    found = surgery.examine(IVR_ASTERISK__SECRET="another")
    assert "secret.conf" in remedies(found, "another than ours")


@once
def test_another_port(surgery: Surgery) -> None:
    found = surgery.examine(IVR_FASTAGI__PORT="9")
    assert "systemctl start ivr" in remedies(found, "nothing answers at 127.0.0.1:9")
    assert "IVR_HOST => 127.0.0.1:9" in remedies(found, "it calls the service at")


@once
def test_an_asterisk_that_does_not_answer(surgery: Surgery) -> None:
    found = surgery.examine(IVR_ASTERISK__CONSOLE="/bin/false")
    assert "start Asterisk" in remedies(found, "console does not answer")


@once
def test_a_phone_that_need_not_authenticate(surgery: Surgery, desk: Desk) -> None:
    if not any(OPEN_PHONE in f["what"] for f in surgery.examine()):
        desk.ask("user", name=OPEN_PHONE)
    assert f"auth = {OPEN_PHONE}" in remedies(surgery.examine(), f"{OPEN_PHONE} need not authenticate")


@once
def test_a_context_that_reaches_anywhere(surgery: Surgery) -> None:
    found = surgery.examine(IVR_VOICEMAIL__CALLBACK_CONTEXT="anywhere")
    assert "_1XXX" in remedies(found, "_X. in [anywhere]")
    assert "make [nowhere]" in remedies(
        surgery.examine(IVR_VOICEMAIL__CALLBACK_CONTEXT="nowhere"), "no context nowhere"
    )
