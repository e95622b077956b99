"""A call to the phone, before it is answered."""

from __future__ import annotations

from tests.sipphone.agent import Peer
from tests.sipphone.call import PhoneCall
from tests.sipphone.dialog import ALLOW, Dialog
from tests.sipphone.errors import CallRefused, StillUp
from tests.sipphone.line import Line
from tests.sipphone.media import Media
from tests.sipphone.message import Address, Message
from tests.sipphone.sdp import CONTENT_TYPE, Session


class IncomingCall:
    """An INVITE that rings from the moment it came."""

    def __init__(self, line: Line, dialog: Dialog, invite: Message, peer: Peer, offer: Session) -> None:
        self.invite = invite
        """The request, for its headers."""
        self.caller = Address.parse(invite.get("From")).user
        self.caller_name = Address.parse(invite.get("From")).display
        self.is_ringing = True
        self._line, self._dialog, self._peer, self._offer = line, dialog, peer, offer
        self._reply(180, "Ringing")

    async def answer(self) -> PhoneCall:
        """Takes the call; returns when the caller has acknowledged that. CallRefused when the caller gave up."""
        if not self.is_ringing:
            raise CallRefused(487, "Request Terminated")
        media = Media(self._line.changes.fire)
        await media.open()
        local = Session(self._line.agent.address[0], media.port, self._offer.events)
        call = PhoneCall(self._line, self._dialog, media, local)
        if not self.is_ringing:  # the caller gave up while the port was opened
            media.stop()
            raise CallRefused(487, "Request Terminated")
        self.is_ringing = False
        self._line.calls[self._dialog.call_id] = call
        call.begin(self._offer)
        self._reply(200, "OK", (("Content-Type", CONTENT_TYPE),), local.encode())
        await self._line.agent.acknowledged(self.invite)
        return call

    async def reject(self, status: int = 486, reason: str = "Busy Here") -> None:
        """Refuses the call; returns when the caller has acknowledged that."""
        self.reject_now(status, reason)
        await self._line.agent.acknowledged(self.invite)

    async def given_up(self, within_s: float = 10) -> None:
        """Waits until the caller has given up; StillUp when it still rings."""
        if not await self._line.changes.until(lambda: not self.is_ringing, within_s):
            raise StillUp(f"still ringing after {within_s} s")

    def reject_now(self, status: int, reason: str) -> None:
        """Refuses the call if it still rings."""
        if self.is_ringing:
            self.is_ringing = False
            self._reply(status, reason)
            self._line.changes.fire()

    def _reply(self, status: int, reason: str, headers: tuple[tuple[str, str], ...] = (), body: bytes = b"") -> None:
        every = ("Contact", self._dialog.contact), ALLOW
        self._line.agent.answer(
            self.invite,
            self._peer,
            status,
            reason,
            tag=self._dialog.local.params["tag"],
            headers=(*every, *headers),
            body=body,
        )
