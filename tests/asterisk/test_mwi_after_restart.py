"""Message lights when Asterisk has forgotten them all: in a lab of its own, which may be restarted."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator

import pytest

from tests.lab.asterisk_config import SipAccount
from tests.lab.lab import SOUNDS, Lab
from tests.lab.sip_phone import Phone

MESSAGE = SOUNDS / "demo" / "dinner.wav"
ALICE = SipAccount("alice", secrets.token_hex(8), "1000")

pytestmark = pytest.mark.only_over("fastagi", "no call is made")


@pytest.fixture
def own_lab() -> Iterator[Lab]:
    lab = Lab((ALICE,))
    try:
        lab.run_ivr("account", "create", "lab")
        lab.run_ivr("box", "create", "1000")
        lab.start()
        yield lab
    finally:
        lab.stop()
        lab.remove()


async def subscribe_mwi(lab: Lab) -> tuple[int, int]:
    """What a phone is summary that subscribes now."""
    phone = Phone(ALICE.name, ALICE.password, ("127.0.0.1", lab.site.sip_port))
    async with phone:
        await phone.register()
        await phone.subscribe_mwi()
        summary = await phone.wait_for_notify(lambda _: True)
    return summary.new, summary.old


async def expect_mwi(lab: Lab, new: int, old: int) -> None:
    async with asyncio.timeout(30):
        while await subscribe_mwi(lab) != (new, old):
            await asyncio.sleep(0.2)


async def test_mwi_is_resynced_after_asterisk_restart(
    own_lab: Lab,
) -> None:
    file = own_lab.folder / "message.wav"  # Where the service's user may read it.
    file.write_bytes(MESSAGE.read_bytes())
    await asyncio.to_thread(own_lab.run_ivr, "message", "add", "1000", str(file))
    await expect_mwi(own_lab, 1, 0)
    await asyncio.to_thread(own_lab.asterisk.kill)
    await asyncio.to_thread(own_lab.run_ivr, "message", "add", "1000", str(file))
    await asyncio.to_thread(own_lab.run_ivr, "message", "add", "1000", str(file), "--folder", "saved")
    await asyncio.to_thread(own_lab.asterisk.start)
    await expect_mwi(own_lab, 2, 1)
    await asyncio.to_thread(own_lab.service.kill)
    await asyncio.to_thread(own_lab.run_ivr, "message", "add", "1000", str(file))
    await asyncio.to_thread(own_lab.service.start)
    await expect_mwi(own_lab, 3, 1)
