"""A call that the phone makes, until it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from tests.sipphone.call import PhoneCall
from tests.sipphone.dialog import Dialog
from tests.sipphone.errors import CallRefused, NoAnswer
from tests.sipphone.line import Line
from tests.sipphone.media import Media
from tests.sipphone.message import Message
from tests.sipphone.sdp import CONTENT_TYPE, Session

_PATIENCE_S = 2.0  # for the end of a call that was taken back


async def place(line: Line, dialog: Dialog, headers: Mapping[str, str], within_s: float) -> PhoneCall:
    """Sends the INVITE of a dialog and waits for the answer; whatever goes wrong, the call is taken back."""
    outgoing = await Outgoing.begin(line, dialog, headers)
    try:
        response = await asyncio.wait_for(asyncio.shield(outgoing.final), within_s)
        if response.status >= 300:
            raise CallRefused(response.status, response.reason, outgoing.media.playout.heard)
        outgoing.is_answered(response)
    except BaseException as error:
        await outgoing.fail(error, "answer", within_s)
        raise
    return outgoing.call


async def listen_in(line: Line, dialog: Dialog, headers: Mapping[str, str], within_s: float) -> PhoneCall:
    """As `place`, but waits for sound before the answer only; the answer, or the refusal, may come at any time."""
    outgoing = await Outgoing.begin(line, dialog, headers, early=True)
    call = outgoing.call
    outgoing.ends = asyncio.create_task(outgoing.waits_for_the_answer())
    await line.changes.until(lambda: call.is_up or outgoing.ends.done(), within_s)
    if not call.is_up or call.answered_s is not None:
        await outgoing.fail(TimeoutError(), "send early media", within_s)
    return call


class Outgoing:
    """A call from its INVITE to its final response."""

    def __init__(self, line: Line, dialog: Dialog, media: Media, early: bool) -> None:
        self.media = media
        self._early = early
        self.local = Session(line.agent.address[0], media.port)
        self.call = PhoneCall(line, dialog, media, self.local)
        self.final: asyncio.Task[Message]
        self.ends: asyncio.Task[None]
        self._line, self._dialog = line, dialog
        self._described = b""
        self._is_taken_back = False

    @classmethod
    async def begin(
        cls, line: Line, dialog: Dialog, headers: Mapping[str, str], *, early: bool = False
    ) -> Outgoing:  # fmt: skip
        """Sends the INVITE. With `early`, the sound before the answer is heard, and answered."""
        media = Media(line.changes.fire)
        await media.open()
        outgoing = cls(line, dialog, media, early)
        line.calls[dialog.call_id] = outgoing.call
        sent = {"Content-Type": CONTENT_TYPE, **headers}
        body = outgoing.local.encode()
        outgoing.final = asyncio.create_task(dialog.request("INVITE", sent, body, outgoing._is_ringing))
        return outgoing

    async def fail(self, error: BaseException, what: str, within_s: float) -> None:
        """Takes the call back. Raises NoAnswer where it did not do `what` in time."""
        self.media.stop()
        del self._line.calls[self._dialog.call_id]
        await self._take_back()
        if isinstance(error, TimeoutError):
            raise NoAnswer(f"{self._dialog.target} did not {what} within {within_s} s") from None

    async def waits_for_the_answer(self) -> None:
        """Until the final response; a refusal ends the call."""
        with suppress(NoAnswer):
            response = await self.final
            if self._is_taken_back:
                return
            if response.status < 300:
                self.is_answered(response)
                return
        self.call.end()

    def is_answered(self, response: Message) -> None:
        """Acknowledges the 200; what it says of the sound, or what the ringing said, holds from now on."""
        remote = Session.parse(response.body or self._described)
        self._dialog.confirm(response)
        self._dialog.acknowledge()
        self.call.begin(remote)

    def _is_ringing(self, response: Message) -> None:
        self._described = response.body or self._described
        if self._early and self._described and not self.call.is_up:
            self.call.begin_early(Session.parse(self._described), self._take_back)

    async def _take_back(self) -> None:
        """Ends what the INVITE may have begun; the other side may have answered meanwhile."""
        self._is_taken_back = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                if not self.final.done():
                    await self._dialog.cancel()
                response = await self.final
                if response.status < 300:
                    self._dialog.confirm(response)
                    self._dialog.acknowledge()
                    await self._dialog.request("BYE")
