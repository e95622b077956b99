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

from ivr.ami.client import AmiClient

MWI_UPDATE = "MWIUpdate"
MAX_CONCURRENT_UPDATES = 100
"""Updates under way."""
ORIGINATE_BATCH_SIZE = 80
"""Lights of one Originate: each takes a line, and Asterisk takes 128."""
ORIGINATE_TIMEOUT_MS = 10_000

_MAILBOX = re.compile(r"[\w.+*#!-]{1,40}@[\w.+-]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True)
class MwiState:
    """`mailbox` is what an AOR's `mailboxes` says, such as 1000@ivr."""

    mailbox: str
    new: int
    old: int


def is_valid_mailbox(name: str) -> bool:
    """Whether Asterisk, and our dialplan, can take it for a mailbox's name."""
    return _MAILBOX.fullmatch(name) is not None


async def publish(ami: AmiClient, states: Sequence[MwiState]) -> None:
    """Set lights, in this order. Raises `AmiUnavailable`, `AmiActionRejected`."""
    size = MAX_CONCURRENT_UPDATES if ami.supports(MWI_UPDATE) else ORIGINATE_BATCH_SIZE
    for start in range(0, len(states), size):
        some = states[start : start + size]
        if ami.supports(MWI_UPDATE):
            await asyncio.gather(*(_send_mwi_update(ami, lamp) for lamp in some))
        else:
            await _originate_batch(ami, some)


async def _send_mwi_update(ami: AmiClient, state: MwiState) -> None:
    await ami.send(
        {"Action": MWI_UPDATE, "Mailbox": state.mailbox, "NewMessages": str(state.new), "OldMessages": str(state.old)}
    )


async def _originate_batch(ami: AmiClient, states: Sequence[MwiState]) -> None:
    await ami.send(
        {
            "Action": "Originate",
            "Channel": "Local/set@ivr-mwi/n",
            "Application": "NoOp",
            "Async": "false",  # Without it panoramisk fails: it looks for the header.
            "Timeout": str(ORIGINATE_TIMEOUT_MS),
            "Variable": [f"M{n}={lamp.mailbox},N{n}={lamp.new},O{n}={lamp.old}" for n, lamp in enumerate(states, 1)],
        },
        timeout_s=ORIGINATE_TIMEOUT_MS / 1000 + 1,
    )
