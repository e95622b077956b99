"""Calls over AMI: originates a call and looks up whether a channel still exists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ivr.ami.client import AmiClient
from ivr.errors import AmiActionRejected, AmiUnavailable, BadInput

_DIALABLE = re.compile(r"[\w.+*#-]+", re.ASCII)
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
        for word in (self.number, self.context):
            if not _DIALABLE.fullmatch(word):
                raise BadInput(f"{word!r} cannot be dialled: only letters, digits and + * # . - _ are allowed")


async def originate(
    ami: AmiClient,
    target: OriginateTarget,
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
            "Channel": f"Local/{target.number}@{target.context}/n",
            "Async": "true",
            "Context": answer_context,
            "Exten": "s",
            "Priority": "1",
            "Timeout": str(ring_timeout_s * 1000),
            "CallerID": f"<{caller_number}>" if _DIALABLE.fullmatch(caller_number) else "",
            "Variable": [f"{name}={value}" for name, value in variables.items()],
        },
        timeout_s=ring_timeout_s + ORIGINATE_GRACE_S,
    )
    return replies[-1].get("Response") == "Success"
