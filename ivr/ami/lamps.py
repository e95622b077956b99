"""Message lights at Asterisk: how many new and old messages a mailbox has, for the phones that subscribe to it.

`MWIUpdate` where this Asterisk has it (res_mwi_external_ami, which Debian does not build). Else one Originate of a
`Local/` channel into our dialplan sets many: `[ivr-mwi]` runs MinivmMWI for each and answers only then, so that the
reply means that all are set. Setting a light twice is harmless, so this Originate may be repeated.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ivr.ami.manager import Manager

UPDATE = "MWIUpdate"
AT_ONCE = 100
"""Updates under way."""
A_BATCH = 80
"""Lights of one Originate: each takes a line, and Asterisk takes 128."""
BATCH_MS = 10_000

_MAILBOX = re.compile(r"[\w.+*#!-]{1,40}@[\w.+-]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Lamp:
    """`mailbox` is what an AOR's `mailboxes` says, such as 1000@ivr."""

    mailbox: str
    new: int
    old: int


def is_mailbox(name: str) -> bool:
    """Whether Asterisk, and our dialplan, can take it for a mailbox's name."""
    return _MAILBOX.fullmatch(name) is not None


async def show(manager: Manager, lamps: Sequence[Lamp]) -> None:
    """Set lights, in this order. Raises `AsteriskAway`, `ActionRefused`."""
    size = AT_ONCE if manager.has(UPDATE) else A_BATCH
    for start in range(0, len(lamps), size):
        some = lamps[start : start + size]
        if manager.has(UPDATE):
            await asyncio.gather(*(_update(manager, lamp) for lamp in some))
        else:
            await _originate(manager, some)


async def _update(manager: Manager, lamp: Lamp) -> None:
    await manager.ask(
        {"Action": UPDATE, "Mailbox": lamp.mailbox, "NewMessages": str(lamp.new), "OldMessages": str(lamp.old)}
    )


async def _originate(manager: Manager, lamps: Sequence[Lamp]) -> None:
    await manager.ask(
        {
            "Action": "Originate", "Channel": "Local/set@ivr-mwi/n", "Application": "NoOp",
            "Async": "false",  # Without it panoramisk fails: it looks for the header.
            "Timeout": str(BATCH_MS),
            "Variable": [f"M{n}={lamp.mailbox},N{n}={lamp.new},O{n}={lamp.old}" for n, lamp in enumerate(lamps, 1)],
        },
        within_s=BATCH_MS / 1000 + 1,
    )  # fmt: skip
