"""A call to the phone, before it is answered."""

from __future__ import annotations

from tests.lab.sip_phone.call import PhoneCall
from tests.lab.sip_phone.dialog import ALLOW, Dialog
from tests.lab.sip_phone.errors import CallRejected, NotHungUp
from tests.lab.sip_phone.phone_state import PhoneState
from tests.lab.sip_phone.rtp_session import RtpSession
from tests.lab.sip_phone.sdp import CONTENT_TYPE, SessionDescription
from tests.lab.sip_phone.sip_message import SipAddress, SipMessage
from tests.lab.sip_phone.transactions import Peer


class IncomingCall:
    """An INVITE that rings from the moment it came."""

    def __init__(
        self, line: PhoneState, dialog: Dialog, invite: SipMessage, peer: Peer, offer: SessionDescription
    ) -> None:
        self.invite = invite
        """The request, for its headers."""
        self.caller = SipAddress.parse(invite.get("From")).user
        self.caller_name = SipAddress.parse(invite.get("From")).display
        self.is_ringing = True
        self._line, self._dialog, self._peer, self._offer = line, dialog, peer, offer
        self._reply(180, "Ringing")

    async def answer(self) -> PhoneCall:
        """Takes the call; returns when the caller has acknowledged that. CallRefused when the caller gave up."""
        if not self.is_ringing:
            raise CallRejected(487, "Request Terminated")
        media = RtpSession(self._line.changes.notify_all)
        await media.open()
        local = SessionDescription(self._line.agent.address[0], media.port, self._offer.telephone_event_payload)
        call = PhoneCall(self._line, self._dialog, media, local)
        if not self.is_ringing:  # the caller gave up while the port was opened
            media.stop()
            raise CallRejected(487, "Request Terminated")
        self.is_ringing = False
        self._line.calls[self._dialog.call_id] = call
        call.begin(self._offer)
        self._reply(200, "OK", (("Content-Type", CONTENT_TYPE),), local.encode())
        await self._line.agent.wait_for_ack(self.invite)
        return call

    async def reject(self, status: int = 486, reason: str = "Busy Here") -> None:
        """Refuses the call; returns when the caller has acknowledged that."""
        self.reject_if_ringing(status, reason)
        await self._line.agent.wait_for_ack(self.invite)

    async def redirect(self, number: str) -> None:
        """Forwards the call to a number of the caller's server; returns when the caller has acknowledged that."""
        self.is_ringing = False
        self._reply(302, "Moved Temporarily", contact=f"<sip:{number}@{self._peer[0]}:{self._peer[1]}>")
        self._line.changes.notify_all()
        await self._line.agent.wait_for_ack(self.invite)

    async def wait_until_cancelled(self, within_s: float = 10) -> None:
        """Waits until the caller has given up; StillUp when it still rings."""
        if not await self._line.changes.wait_for(lambda: not self.is_ringing, within_s):
            raise NotHungUp(f"still ringing after {within_s} s")

    def reject_if_ringing(self, status: int, reason: str) -> None:
        """Refuses the call if it still rings."""
        if self.is_ringing:
            self.is_ringing = False
            self._reply(status, reason)
            self._line.changes.notify_all()

    def _reply(
        self,
        status: int,
        reason: str,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        *,
        contact: str = "",
    ) -> None:
        every = ("Contact", contact or self._dialog.contact), ALLOW
        self._line.agent.respond(
            self.invite,
            self._peer,
            status,
            reason,
            tag=self._dialog.local.params["tag"],
            headers=(*every, *headers),
            body=body,
        )
