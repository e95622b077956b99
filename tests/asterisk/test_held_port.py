"""While the service is away a stranger cannot take its place, if something holds its port as systemd does."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.asterisk.conftest import AdminClient, PhoneUser
from tests.asterisk.test_fallback_recordings import claim_spare
from tests.lab.lab import LabInfo
from tests.lab.processes import ServiceProcess
from tests.service.test_passed_sockets import STRANGER

STRANGER_UID = 61_003


@pytest.fixture
def held_service(lab: LabInfo) -> Iterator[tuple[int, ServiceProcess]]:
    """The number of a spare service whose port the test holds, and the service, which does not run yet."""
    if lab.transport != "fastagi":
        pytest.skip("over ARI the service listens at no port of its own")
    number = claim_spare(lab)
    environment = lab.spare_environments[number]
    with socket.create_server(("127.0.0.1", int(environment["IVR_FASTAGI__PORT"]))) as listener:
        service = ServiceProcess(environment, Path(lab.folder) / f"service-spare-{number}.log", listener=listener)
        yield number, service
        service.stop()


async def test_call_meets_the_service_and_no_stranger(
    alice: PhoneUser, lab: LabInfo, held_service: tuple[int, ServiceProcess]
) -> None:
    number, service = held_service
    environment = lab.spare_environments[number]
    await asyncio.to_thread(service.start)
    admin = AdminClient(environment)
    alice.create_user_and_box(admin=admin)
    admin.close()
    await asyncio.to_thread(service.kill)
    command = [sys.executable, "-I", "-S", "-c", STRANGER, environment["IVR_FASTAGI__PORT"]]
    await asyncio.to_thread(
        subprocess.run, command, user=STRANGER_UID, group=STRANGER_UID, extra_groups=[], check=True
    )  # It ends with an error if it can listen.
    start = asyncio.create_task(asyncio.to_thread(service.start))
    call = await alice.dial(f"*7{number:02}")
    await start
    await call.expect("count/no-messages")  # Signed in by her own phone, without a PIN.
    await call.hang_up()
