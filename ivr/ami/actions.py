"""AMI actions: message lights and calls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ivr.ami.client import AmiClient
from ivr.errors import AmiActionRejected, AmiUnavailable, BadInput
from ivr.validation.numbers import is_context, is_extension

MWI_UPDATE = "MWIUpdate"
MAX_CONCURRENT_UPDATES = 100
"""MWIUpdate actions sent before the first response is awaited."""
ORIGINATE_BATCH_SIZE = 80
"""Mailboxes of one Originate. Each needs one header, and Asterisk accepts 128."""
ORIGINATE_TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True)
class MwiState:
    """Message counts of one mailbox.

    `mailbox`: the name that an AOR lists in `mailboxes`, such as 1000@ivr.
    """

    mailbox: str
    new: int
    old: int


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


ORIGINATE_GRACE_S = 10
"""Seconds to wait beyond the ring time: Asterisk reports the outcome shortly after the call ended."""


async def is_channel_gone(ami: AmiClient, channel: str) -> bool:
    """Return whether the channel no longer exists. Raises `AmiUnavailable` when Asterisk does not respond."""
    try:
        await ami.send({"Action": "Status", "Channel": channel})
    except AmiActionRejected as error:
        if "no such channel" in str(error).lower():
            return True
        raise
    return False


async def is_channel_gone_or_unknown(ami: AmiClient, channel: str) -> bool | None:
    """Return whether the channel no longer exists; None when Asterisk does not respond."""
    try:
        return await is_channel_gone(ami, channel)
    except (AmiUnavailable, BadInput):
        return None


@dataclass(frozen=True, slots=True)
class OriginateTarget:
    """A number and the dialplan context it is dialled in. A number that the context does not match cannot be called.

    Raises `BadInput` for a number or context with characters other than letters, digits and `+ * # . - _`.
    """

    number: str
    context: str

    def __post_init__(self) -> None:
        if not (is_extension(self.number) and is_context(self.context)):
            raise BadInput(
                f"{self.number!r} in {self.context!r} cannot be dialled: use letters, digits and + * # . - _ only"
            )

    @property
    def channel(self) -> str:
        return f"Local/{self.number}@{self.context}/n"


@dataclass(frozen=True, slots=True)
class EndpointTarget:
    """A PJSIP endpoint of this Asterisk. Raises `BadInput` for a name that would be more than one endpoint."""

    endpoint: str

    def __post_init__(self) -> None:
        if not is_context(self.endpoint):
            raise BadInput(f"the endpoint {self.endpoint!r} cannot be called: use letters, digits and . - _ only")

    @property
    def channel(self) -> str:
        return f"PJSIP/{self.endpoint}"


async def extension_exists(ami: AmiClient, context: str, extension: str) -> bool:
    """Return whether the dialplan has `extension` in `context`, literally or by a pattern.

    Raises `AmiUnavailable`, `AmiActionRejected`, `BadInput`.
    """
    target = OriginateTarget(extension, context)
    return await _evaluate(ami, f"DIALPLAN_EXISTS({target.context},{target.number},1)") == "1"


async def has_contact(ami: AmiClient, target: EndpointTarget) -> bool:
    """Return whether a phone is registered at an endpoint, or has a fixed address.

    Raises `AmiUnavailable`, `AmiActionRejected`.
    """
    return bool(await _evaluate(ami, f"PJSIP_DIAL_CONTACTS({target.endpoint})"))


async def _evaluate(ami: AmiClient, function: str) -> str:
    replies = await ami.send({"Action": "Getvar", "Variable": function})
    return str(replies[-1].get("Value", ""))


async def originate(
    ami: AmiClient,
    target: OriginateTarget | EndpointTarget,
    answer_context: str,
    variables: Mapping[str, str],
    *,
    ring_timeout_s: int,
    caller_number: str,
) -> bool:
    """Call the target and return whether it was answered.

    An answered call continues at extension `s` of `answer_context`, with `variables` set on its channel. The action is
    sent once and never repeated. Raises `AmiUnavailable` when the outcome is unknown, `AmiActionRejected`, `BadInput`.
    """
    replies = await ami.send(
        {
            "Action": "Originate",
            "Channel": target.channel,
            "Async": "true",
            "Context": answer_context,
            "Exten": "s",
            "Priority": "1",
            "Timeout": str(ring_timeout_s * 1000),
            "CallerID": f"<{caller_number}>" if is_extension(caller_number) else "",
            "Variable": [f"{name}={value}" for name, value in variables.items()],
        },
        timeout_s=ring_timeout_s + ORIGINATE_GRACE_S,
    )
    return replies[-1].get("Response") == "Success"
