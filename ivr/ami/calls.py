"""Calls as Asterisk's manager sees them: whether one is still there, and making one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ivr.ami.manager import Manager
from ivr.errors import ActionRefused, AsteriskAway, BadInput

_PLAIN = re.compile(r"[\w.+*#-]+", re.ASCII)
SLACK_S = 10
"""Asterisk tells how a call went a moment after it ended."""


async def channel_is_gone(manager: Manager, channel: str) -> bool:
    """Whether Asterisk has no such channel any more. Raises `AsteriskAway` where it cannot be asked."""
    try:
        await manager.ask({"Action": "Status", "Channel": channel})
    except ActionRefused as refused:
        if "no such channel" in str(refused).lower():
            return True
        raise
    return False


async def gone_or_unknown(manager: Manager, channel: str) -> bool | None:
    """The same; None where Asterisk cannot be asked."""
    try:
        return await channel_is_gone(manager, channel)
    except (AsteriskAway, BadInput):
        return None


@dataclass(frozen=True, slots=True)
class Destination:
    """A number, called through a context of the site's dialplan: what that context has not cannot be called."""

    number: str
    context: str

    def __post_init__(self) -> None:
        for word in (self.number, self.context):
            if not _PLAIN.fullmatch(word):
                raise BadInput(f"{word!r} cannot be dialled: digits, letters and + * # . - only")


async def call(
    manager: Manager, destination: Destination, then: str, variables: Mapping[str, str], *,
    ring_s: int, caller_number: str,
) -> bool:  # fmt: skip
    """Ring a number for `ring_s`; whoever answers is led to extension `s` of the context `then`. Whether they did.

    Sent once, whatever happens. Raises `AsteriskAway` where the outcome is not known, `ActionRefused`.
    """
    replies = await manager.ask(
        {
            "Action": "Originate", "Channel": f"Local/{destination.number}@{destination.context}/n", "Async": "true",
            "Context": then, "Exten": "s", "Priority": "1", "Timeout": str(ring_s * 1000),
            "CallerID": f"<{caller_number}>" if _PLAIN.fullmatch(caller_number) else "",
            "Variable": [f"{name}={value}" for name, value in variables.items()],
        },
        within_s=ring_s + SLACK_S,
    )  # fmt: skip
    return replies[-1].get("Response") == "Success"
