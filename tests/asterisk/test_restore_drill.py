"""A backup during a call, the machine gone, the backup restored: the phone plays what had been left before."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.asterisk.conftest import AdminClient, PhoneUser, wait_until
from tests.asterisk.test_fallback_recordings import SpareService, spare_service, speech_of
from tests.lab.lab import LabInfo
from tests.lab.processes import SERVICE_UID, SHARED_GID, as_service_user

__all__ = ["spare_service"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it restores a folder of the service's user")


async def test_phone_plays_after_restore_what_was_left_before_backup(
    alice: PhoneUser, bob: PhoneUser, lab: LabInfo, spare_service: SpareService
) -> None:
    environment = lab.spare_environments[spare_service.index]
    data = Path(environment["IVR_DATA__FOLDER"])
    alice.create_user_and_box(admin=spare_service.admin, require_pin=True)
    message = alice.create_message()
    caller = await bob.dial(spare_service.dial_prefix + alice.number)
    await caller.expect("greeting/person-at")
    await caller.press("1")
    await caller.expect("tone/beep", whole=True)
    await caller.say(speech_of(bob).samples)
    await wait_until(lambda: [take for take in spare_service.takes.glob("*.wav") if take.stat().st_size])

    backup = _folder_of_service(Path(lab.folder) / f"backup-{alice.name}")
    await _ivr(as_service_user(environment), "backup", str(backup))
    await asyncio.to_thread(spare_service.service.kill)
    await caller.hang_up()
    spare_service.admin.close()
    await asyncio.to_thread(_lose, data)

    root = {"env": {**os.environ, **environment}}
    await _ivr(root, "restore", str(backup), "--replace", "--no-config")
    await asyncio.to_thread(spare_service.start)
    spare_service.admin = AdminClient(environment)
    call = await alice.dial(spare_service.dial_prefix)
    await call.expect("login/enter-pin")
    await call.press("1379#")
    await call.expect("count/you-have")
    await call.expect(message, within_s=25)
    await call.hang_up()


def _folder_of_service(folder: Path) -> Path:
    """Create a folder that the user of the service can write to."""
    folder.mkdir()
    os.chown(folder, SERVICE_UID, SHARED_GID)
    return folder


def _lose(data: Path) -> None:
    """Delete everything but what the dialplan records to."""
    for path in data.iterdir():
        if path.name != "takes":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for take in (data / "takes").glob("*.wav"):
        if not take.name.startswith("fallback-"):
            take.unlink()


async def _ivr(options: dict[str, Any], *words: str) -> None:
    command = [sys.executable, "-m", "ivr", *words]
    run = partial(subprocess.run, command, capture_output=True, text=True, check=False, **options)
    done: subprocess.CompletedProcess[str] = await asyncio.to_thread(run)
    assert done.returncode == 0, done.stderr
