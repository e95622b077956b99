"""`python -m bench.mwi`: how soon a phone's light shows a message, and how many lights a second are put right.

On a real Asterisk in a lab of its own, as root on Debian. The first time counts from the moment at which the store has
answered that the message is safe to the NOTIFY's arrival at a subscribed phone.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import statistics
from time import monotonic

from tests.asterisk.conftest import AdminClient
from tests.lab.asterisk_config import SipAccount
from tests.lab.lab import SOUNDS, Lab
from tests.lab.sip_phone import Phone

MESSAGES = 40
BOXES = 2000
ALICE = SipAccount("alice", secrets.token_hex(8), "1000")


async def main() -> None:
    """Prints two rows."""
    lab = Lab((ALICE,))
    admin = AdminClient(lab.environment)
    try:
        lab.start()
        admin.request("create_box", mailbox=ALICE.number)
        soon = sorted(await measure_latencies(lab, admin))
        print("| message light | median | 90 % | worst |\n|---|---|---|---|")
        print(f"| stored → NOTIFY | {statistics.median(soon):.0f} ms | {soon[len(soon) * 9 // 10]:.0f} ms"
              f" | {soon[-1]:.0f} ms |")  # fmt: skip
        for n in range(BOXES):
            admin.request("create_box", mailbox=str(100_000 + n))
        lab.asterisk.kill()
        lab.asterisk.start()
        print(f"| all put right after a restart | {await measure_resync_rate(lab):.0f} boxes a second | | |")
    finally:
        admin.close()
        lab.stop()
        lab.remove()


async def measure_latencies(lab: Lab, admin: AdminClient) -> list[float]:
    """In ms."""
    file = lab.folder / "message.wav"
    file.write_bytes((SOUNDS / "demo" / "dinner.wav").read_bytes())
    about = {"number": ALICE.number, "file": str(file), "caller": "2001", "age_s": 0, "folder": "new"}
    found: list[float] = []
    async with Phone(ALICE.name, ALICE.password, ("127.0.0.1", lab.site.sip_port)) as phone:
        await phone.register()
        await phone.subscribe_mwi()
        for n in range(1, MESSAGES + 1):
            await asyncio.to_thread(admin.request, "create_message", **about)
            stored_s = monotonic()
            summary = await phone.wait_for_notify(lambda summary, n=n: summary.new == n)  # type: ignore[misc]
            found.append(max(0.0, summary.received_s - stored_s) * 1000)
    return found


async def measure_resync_rate(lab: Lab) -> float:
    """As the service's log says."""
    while True:
        found = re.findall(
            rf"light\.all_right .*boxes={BOXES + 1} s=([\d.]+)", (lab.folder / "service.log").read_text()
        )
        if found:
            return (BOXES + 1) / max(float(found[-1]), 0.01)
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    asyncio.run(main())
