"""Message lights when Asterisk has forgotten them all: in a lab of its own, which may be restarted."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator

import pytest

from tests.asterisk.rig.config import Device
from tests.asterisk.rig.lab import SOUNDS, Lab
from tests.sipphone import Phone

MESSAGE = SOUNDS / "demo" / "dinner.wav"
ALICE = Device("alice", secrets.token_hex(8), "1000")

pytestmark = pytest.mark.only_over("fastagi", "no call is made")


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab((ALICE,))
    try:
        lab.ivr("account", "create", "lab")
        lab.ivr("box", "create", "1000")
        lab.start()
        yield lab
    finally:
        lab.stop()
        lab.remove()


async def light(lab: Lab) -> tuple[int, int]:
    """What a phone is told that subscribes now."""
    phone = Phone(ALICE.name, ALICE.password, ("127.0.0.1", lab.site.sip_port))
    async with phone:
        await phone.register()
        await phone.subscribe_mwi()
        told = await phone.notified(lambda _: True)
    return told.new, told.old


async def becomes(lab: Lab, new: int, old: int) -> None:
    async with asyncio.timeout(30):
        while await light(lab) != (new, old):
            await asyncio.sleep(0.2)


async def test_lights_are_right_again_after_asterisk_was_killed_and_messages_came_meanwhile(
    lab: Lab,
) -> None:
    file = lab.folder / "message.wav"  # Where the service's user may read it.
    file.write_bytes(MESSAGE.read_bytes())
    await asyncio.to_thread(lab.ivr, "message", "add", "1000", str(file))
    await becomes(lab, 1, 0)
    await asyncio.to_thread(lab.asterisk.kill)
    await asyncio.to_thread(lab.ivr, "message", "add", "1000", str(file))
    await asyncio.to_thread(lab.ivr, "message", "add", "1000", str(file), "--folder", "saved")
    await asyncio.to_thread(lab.asterisk.start)
    await becomes(lab, 2, 1)
    await asyncio.to_thread(lab.service.kill)
    await asyncio.to_thread(lab.ivr, "message", "add", "1000", str(file))
    await asyncio.to_thread(lab.service.start)
    await becomes(lab, 3, 1)
