"""A call that the phone makes, until it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from tests.lab.sip_phone.call import PhoneCall
from tests.lab.sip_phone.dialog import Dialog
from tests.lab.sip_phone.errors import CallRejected, SipTimeout
from tests.lab.sip_phone.phone_state import PhoneState
from tests.lab.sip_phone.rtp_session import RtpSession
from tests.lab.sip_phone.sdp import CONTENT_TYPE, SessionDescription
from tests.lab.sip_phone.sip_message import SipMessage

_CANCEL_TIMEOUT_S = 2.0  # for the end of a call that was taken back


async def place_call(line: PhoneState, dialog: Dialog, headers: Mapping[str, str], within_s: float) -> PhoneCall:
    """Sends the INVITE of a dialog and waits for the answer; whatever goes wrong, the call is taken back."""
    outgoing = await OutgoingCall.begin(line, dialog, headers)
    try:
        response = await asyncio.wait_for(asyncio.shield(outgoing.final), within_s)
        if response.status >= 300:
            raise CallRejected(response.status, response.reason, outgoing.media.playout.heard)
        outgoing.on_answer(response)
    except BaseException as error:
        await outgoing.fail(error, "answer", within_s)
        raise
    return outgoing.call


async def place_early_media_call(
    line: PhoneState, dialog: Dialog, headers: Mapping[str, str], within_s: float
) -> PhoneCall:
    """As `place`, but waits for sound before the answer only; the answer, or the refusal, may come at any time."""
    outgoing = await OutgoingCall.begin(line, dialog, headers, early=True)
    call = outgoing.call
    outgoing.final_response_task = asyncio.create_task(outgoing.wait_for_answer())
    await line.changes.wait_for(lambda: call.is_up or outgoing.final_response_task.done(), within_s)
    if not call.is_up or call.answered_s is not None:
        await outgoing.fail(TimeoutError(), "send early media", within_s)
    return call


class OutgoingCall:
    """A call from its INVITE to its final response."""

    def __init__(self, line: PhoneState, dialog: Dialog, media: RtpSession, early: bool) -> None:
        self.media = media
        self._early = early
        self.local = SessionDescription(line.agent.address[0], media.port)
        self.call = PhoneCall(line, dialog, media, self.local)
        self.final: asyncio.Task[SipMessage]
        self.final_response_task: asyncio.Task[None]
        self._line, self._dialog = line, dialog
        self._remote_sdp = b""
        self._is_cancelled = False

    @classmethod
    async def begin(
        cls, line: PhoneState, dialog: Dialog, headers: Mapping[str, str], *, early: bool = False
    ) -> OutgoingCall:  # fmt: skip
        """Sends the INVITE. With `early`, the sound before the answer is heard, and answered."""
        media = RtpSession(line.changes.notify_all)
        await media.open()
        outgoing = cls(line, dialog, media, early)
        line.calls[dialog.call_id] = outgoing.call
        sent = {"Content-Type": CONTENT_TYPE, **headers}
        body = outgoing.local.encode()
        outgoing.final = asyncio.create_task(dialog.request("INVITE", sent, body, outgoing._on_provisional))
        return outgoing

    async def fail(self, error: BaseException, what: str, within_s: float) -> None:
        """Takes the call back. Raises NoAnswer where it did not do `what` in time."""
        self.media.stop()
        del self._line.calls[self._dialog.call_id]
        await self._cancel()
        if isinstance(error, TimeoutError):
            raise SipTimeout(f"{self._dialog.target} did not {what} within {within_s} s") from None

    async def wait_for_answer(self) -> None:
        """Until the final response; a refusal ends the call."""
        with suppress(SipTimeout):
            response = await self.final
            if self._is_cancelled:
                return
            if response.status < 300:
                self.on_answer(response)
                return
        self.call.end()

    def on_answer(self, response: SipMessage) -> None:
        """Acknowledges the 200; what it says of the sound, or what the ringing said, holds from now on."""
        remote = SessionDescription.parse(response.body or self._remote_sdp)
        self._dialog.confirm(response)
        self._dialog.acknowledge()
        self.call.begin(remote)

    def _on_provisional(self, response: SipMessage) -> None:
        self._remote_sdp = response.body or self._remote_sdp
        if self._early and self._remote_sdp and not self.call.is_up:
            self.call.begin_early(SessionDescription.parse(self._remote_sdp), self._cancel)

    async def _cancel(self) -> None:
        """Ends what the INVITE may have begun; the other side may have answered meanwhile."""
        self._is_cancelled = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_CANCEL_TIMEOUT_S):
                if not self.final.done():
                    await self._dialog.cancel()
                response = await self.final
                if response.status < 300:
                    self._dialog.confirm(response)
                    self._dialog.acknowledge()
                    await self._dialog.request("BYE")
