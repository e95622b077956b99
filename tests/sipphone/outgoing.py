"""A call that the phone makes, until it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from .call import PhoneCall
from .dialog import Dialog
from .errors import CallRefused, NoAnswer
from .line import Line
from .media import Media
from .message import Message
from .sdp import CONTENT_TYPE, Session

_PATIENCE_S = 2.0  # for the end of a call that was taken back


async def place(line: Line, dialog: Dialog, headers: Mapping[str, str], within_s: float) -> PhoneCall:
    """Sends the INVITE of a dialog and waits for the answer; whatever goes wrong, the call is taken back."""
    media = Media(line.changes.fire)
    await media.open()
    local = Session(line.agent.address[0], media.port)
    call = line.calls[dialog.call_id] = PhoneCall(line, dialog, media, local)
    early = [b""]
    invite = asyncio.create_task(
        dialog.request(
            "INVITE",
            {"Content-Type": CONTENT_TYPE, **headers},
            local.encode(),
            lambda response: early.append(response.body),
        )
    )
    try:
        response = await asyncio.wait_for(asyncio.shield(invite), within_s)
        if response.status >= 300:
            raise CallRefused(response.status, response.reason, media.playout.heard)
        remote = Session.parse(response.body or next(filter(None, reversed(early)), b""))
        dialog.confirm(response)
        dialog.acknowledge()
        call.begin(remote)
    except BaseException as error:
        media.stop()
        del line.calls[dialog.call_id]
        await _take_back(dialog, invite)
        if isinstance(error, TimeoutError):
            raise NoAnswer(f"{dialog.target} did not answer within {within_s} s") from None
        raise
    return call


async def _take_back(dialog: Dialog, invite: asyncio.Task[Message]) -> None:
    """Ends what a failed INVITE may have begun; the other side may have answered meanwhile."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            if not invite.done():
                await dialog.cancel()
            response = await invite
            if response.status < 300:
                dialog.confirm(response)
                dialog.acknowledge()
                await dialog.request("BYE")
