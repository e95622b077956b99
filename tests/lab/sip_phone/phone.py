"""A SIP user agent for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from tests.lab.sip_phone.call import PhoneCall
from tests.lab.sip_phone.clip_recognition import Vocabulary
from tests.lab.sip_phone.dialog import ALLOW, Dialog, SipCredentials, new_tag
from tests.lab.sip_phone.errors import NotifyMissing, RequestRejected, SipTimeout
from tests.lab.sip_phone.incoming import IncomingCall
from tests.lab.sip_phone.mwi import CONTENT_TYPE as SUMMARY
from tests.lab.sip_phone.mwi import MessageSummary
from tests.lab.sip_phone.outgoing import place_call, place_early_media_call
from tests.lab.sip_phone.phone_state import ChangeSignal, PhoneState
from tests.lab.sip_phone.sdp import SessionDescription
from tests.lab.sip_phone.sip_message import SipAddress, SipMessage, SipSyntaxError
from tests.lab.sip_phone.transactions import Peer, SipTransactionLayer

_CLOSE_TIMEOUT_S = 2.0  # for the server's answer to a farewell


class Phone:
    """One user with a SIP port of its own on 127.0.0.1, to be used with `async with`."""

    def __init__(
        self,
        user: str,
        password: str,
        server: Peer,
        *,
        display_name: str | None = None,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        self.notifies: list[MessageSummary] = []
        """Every message summary we were notified of, in order."""
        self._server = server
        self._credentials = SipAddress(f"sip:{user}@{server[0]}:{server[1]}", display_name or "")
        self._agent = SipTransactionLayer(self._on_request)
        self._line = PhoneState(
            self._agent, SipCredentials(user, password), vocabulary or Vocabulary([]), ChangeSignal(), {}
        )
        self._ringing: dict[str, IncomingCall] = {}  # by branch
        self._arrived: asyncio.Queue[IncomingCall] = asyncio.Queue()
        self._registration: Dialog | None = None
        self._subscription: Dialog | None = None

    async def __aenter__(self) -> Phone:
        await asyncio.to_thread(self._line.vocabulary.prepare)
        await self._agent.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        for ringing in self._ringing.values():
            ringing.reject_if_ringing(480, "Temporarily Unavailable")
        for call in self._line.calls.values():
            await self._close_gracefully(call.hang_up())
        if self._subscription:
            await self._close_gracefully(self._subscribe(self._subscription, 0))
        if self._registration:
            await self._close_gracefully(self._registration.request("REGISTER", {"Expires": "0"}))
        self._agent.close()

    @property
    def uri(self) -> str:
        """What another phone dials to reach this one without a server."""
        return f"sip:{self._line.account.user}@{self._agent.address[0]}:{self._agent.address[1]}"

    async def register(self, expires_s: int = 300) -> None:
        """Registers with the server until the phone is closed; Refused when it does not let us. It is not renewed."""
        dialog = self._dialog(f"sip:{self._server[0]}:{self._server[1]}")
        dialog.remote = self._credentials
        response = await dialog.request("REGISTER", {"Expires": str(expires_s)})
        if response.status >= 300:
            raise RequestRejected(response.status, response.reason)
        self._registration = dialog

    async def subscribe_mwi(self, expires_s: int = 300, *, mailbox_user: str = "") -> None:
        """Subscribes to the message summary of our own mailbox, or `of` another user part of the server's."""
        dialog = self._dialog(
            f"sip:{mailbox_user}@{self._server[0]}:{self._server[1]}" if mailbox_user else self._credentials.uri
        )
        dialog.confirm(await self._subscribe(dialog, expires_s))
        self._subscription = dialog

    async def _subscribe(self, dialog: Dialog, expires_s: int) -> SipMessage:
        response = await dialog.request(
            "SUBSCRIBE", {"Event": "message-summary", "Accept": SUMMARY, "Expires": str(expires_s)}
        )
        if response.status >= 300:
            raise RequestRejected(response.status, response.reason)
        return response

    async def wait_for_notify(
        self, condition: Callable[[MessageSummary], bool], within_s: float = 10, *, since: int = 0
    ) -> MessageSummary:
        """The first summary that fulfils the condition, of those from `notifies[since]` on; waits for it."""
        if await self._line.changes.wait_for(lambda: any(map(condition, self.notifies[since:])), within_s):
            return next(filter(condition, self.notifies[since:]))
        raise NotifyMissing(f"not notified within {within_s} s; came: {self.notifies[since:]}")

    async def dial(
        self,
        number: str,
        *,
        within_s: float = 10,
        diversion: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> PhoneCall:
        """Calls a number, or a whole sip: URI, and waits for the answer.

        A diversion is the number that the call was for, or a whole header. CallRefused is a final failure and carries
        the early media heard; after NoAnswer the call was taken back.
        """
        return await place_call(*self._outgoing(number, diversion, headers), within_s)

    async def dial_early(self, number: str, *, within_s: float = 10) -> PhoneCall:
        """Calls a number, and waits for sound before the answer; the answer may come at any time (`answered`).

        NoAnswer where there is none, or where the answer comes first; the call was taken back then.
        """
        return await place_early_media_call(*self._outgoing(number, None, None), within_s)

    def _outgoing(
        self, number: str, diversion: str | None, headers: Mapping[str, str] | None
    ) -> tuple[PhoneState, Dialog, dict[str, str]]:  # fmt: skip
        uri = number if number.startswith("sip:") else f"sip:{number}@{self._server[0]}:{self._server[1]}"
        extra = dict(headers or {})
        if diversion:
            extra["Diversion"] = (
                diversion if "<" in diversion else f"<sip:{diversion}@{self._server[0]}>;reason=no-answer"
            )
        return self._line, self._dialog(uri), extra

    async def next_call(self, within_s: float = 10) -> IncomingCall:
        """The next call to us, ringing already."""
        try:
            async with asyncio.timeout(within_s):
                return await self._arrived.get()
        except TimeoutError:
            raise SipTimeout(f"no call came within {within_s} s") from None

    def _dialog(self, target: str) -> Dialog:
        return Dialog.outgoing(self._agent, self._line.account, self._credentials, target)

    async def _close_gracefully(self, farewell: Awaitable[object]) -> None:
        """A server that is gone must not keep a test from ending."""
        with suppress(TimeoutError, RequestRejected):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await farewell

    def _on_request(self, request: SipMessage, peer: Peer) -> None:
        """A request of others."""
        call = self._line.calls.get(request.get("Call-ID"))
        within = "tag" in SipAddress.parse(request.get("To")).params
        if request.method == "NOTIFY":
            self._on_notify(request, peer)
        elif request.method == "CANCEL" and request.branch() in self._ringing:
            self._agent.respond(request, peer, 200, "OK", tag=new_tag())
            self._ringing[request.branch()].reject_if_ringing(487, "Request Terminated")
        elif within and call:
            call.handle_request(request, peer)
        elif within or request.method in {"BYE", "CANCEL"}:
            self._agent.respond(request, peer, 481, "Call/Transaction Does Not Exist", tag=new_tag())
        elif request.method == "INVITE":
            self._on_invite(request, peer)
        elif request.method == "OPTIONS":
            self._agent.respond(request, peer, 200, "OK", tag=new_tag(), headers=(ALLOW,))
        else:
            self._agent.respond(request, peer, 501, "Not Implemented", tag=new_tag(), headers=(ALLOW,))

    def _on_invite(self, invite: SipMessage, peer: Peer) -> None:
        try:
            offer = SessionDescription.parse(invite.body)
        except SipSyntaxError:
            self._agent.respond(invite, peer, 488, "Not Acceptable Here", tag=new_tag())
            return
        dialog = Dialog.incoming(self._agent, self._line.account, invite, new_tag())
        incoming = IncomingCall(self._line, dialog, invite, peer, offer)
        self._ringing[invite.branch()] = incoming
        self._arrived.put_nowait(incoming)

    def _on_notify(self, notify: SipMessage, peer: Peer) -> None:
        if notify.get("Event").partition(";")[0].strip() != "message-summary":
            self._agent.respond(notify, peer, 489, "Bad Event", tag=new_tag())
            return
        if notify.body:  # the last one of a subscription may have none
            self.notifies.append(MessageSummary.parse(notify.body))
        self._agent.respond(notify, peer, 200, "OK", tag=new_tag())
        self._line.changes.notify_all()
