"""Message Waiting Indication over AMI: publishes the message counts of mailboxes to the subscribed phones.

The action `MWIUpdate` is used where Asterisk has it (module res_mwi_external_ami, which Debian does not build).
Otherwise one Originate of a `Local/` channel into context `[ivr-mwi]` publishes a batch: the dialplan runs MinivmMWI
for each mailbox and answers afterwards, so the response means that the whole batch is published. Publishing is
idempotent, so this Originate may be repeated.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ivr.ami.client import AmiClient

MWI_UPDATE = "MWIUpdate"
MAX_CONCURRENT_UPDATES = 100
"""MWIUpdate actions sent before the first response is awaited."""
ORIGINATE_BATCH_SIZE = 80
"""Mailboxes of one Originate. Each needs one header, and Asterisk accepts 128."""
ORIGINATE_TIMEOUT_MS = 10_000

_MAILBOX = re.compile(r"[\w.+*#!-]{1,40}@[\w.+-]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True)
class MwiState:
    """Message counts of one mailbox.

    `mailbox`: the name that an AOR lists in `mailboxes`, such as 1000@ivr.
    """

    mailbox: str
    new: int
    old: int


def is_valid_mailbox(name: str) -> bool:
    """Return whether Asterisk and our dialplan accept the string as a mailbox name."""
    return _MAILBOX.fullmatch(name) is not None


async def publish(ami: AmiClient, states: Sequence[MwiState]) -> None:
    """Publish the states in the given order. Raises `AmiUnavailable`, `AmiActionRejected`."""
    size = MAX_CONCURRENT_UPDATES if ami.supports(MWI_UPDATE) else ORIGINATE_BATCH_SIZE
    for start in range(0, len(states), size):
        batch = states[start : start + size]
        if ami.supports(MWI_UPDATE):
            await asyncio.gather(*(_send_mwi_update(ami, state) for state in batch))
        else:
            await _originate_batch(ami, batch)


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
            "Async": "false",  # panoramisk reads this header and fails without it.
            "Timeout": str(ORIGINATE_TIMEOUT_MS),
            "Variable": [
                f"MAILBOX{n}={state.mailbox},NEW{n}={state.new},OLD{n}={state.old}" for n, state in enumerate(states, 1)
            ],
        },
        timeout_s=ORIGINATE_TIMEOUT_MS / 1000 + 1,
    )
