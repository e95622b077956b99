"""Calls as Asterisk's manager sees them: whether one is still there, and making one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ivr.ami.client import AmiClient
from ivr.errors import AmiActionRejected, AmiUnavailable, BadInput

_DIALABLE = re.compile(r"[\w.+*#-]+", re.ASCII)
ORIGINATE_GRACE_S = 10
"""Asterisk tells how a call went a moment after it ended."""


async def is_channel_gone(ami: AmiClient, channel: str) -> bool:
    """Whether Asterisk has no such channel any more. Raises `AmiUnavailable` where it cannot be asked."""
    try:
        await ami.send({"Action": "Status", "Channel": channel})
    except AmiActionRejected as refused:
        if "no such channel" in str(refused).lower():
            return True
        raise
    return False


async def is_channel_gone_or_unknown(ami: AmiClient, channel: str) -> bool | None:
    """The same; None where Asterisk cannot be asked."""
    try:
        return await is_channel_gone(ami, channel)
    except (AmiUnavailable, BadInput):
        return None


@dataclass(frozen=True, slots=True)
class OriginateTarget:
    """A number, called through a context of the site's dialplan: what that context has not cannot be called."""

    number: str
    context: str

    def __post_init__(self) -> None:
        for word in (self.number, self.context):
            if not _DIALABLE.fullmatch(word):
                raise BadInput(f"{word!r} cannot be dialled: digits, letters and + * # . - only")


async def originate(
    ami: AmiClient,
    target: OriginateTarget,
    answer_context: str,
    variables: Mapping[str, str],
    *,
    ring_timeout_s: int,
    caller_number: str,
) -> bool:
    """Ring a number for `ring_s`; whoever answers is led to extension `s` of the context `then`. Whether they did.

    Sent once, whatever happens. Raises `AmiUnavailable` where the outcome is not known, `AmiActionRejected`.
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
