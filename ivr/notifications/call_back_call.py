"""Calls back who left a message, asked for without a phone in the hand: the owner's own phone rings first.

When it is answered, the call goes on in the context for call-backs, as if the phone had dialled there.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum

import structlog

from ivr.ami import actions
from ivr.ami.actions import EndpointTarget
from ivr.ami.client import AmiClient
from ivr.errors import AmiActionRejected, AmiUnavailable, BadInput
from ivr.mailbox.call_back_rules import CallBackRefusal, extensions_to_dial, find_refusal
from ivr.mailbox.caller_id import identify
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Message

CALL_BACK_CONTEXT = "ivr-call-back"
"""Context of `asterisk-conf/` in which the answered phone continues."""
RING_TIMEOUT_S = 30
QUICK_FAILURE_S = 1.0
"""A phone that fails within this time, as a busy one, is reported as such."""

log = structlog.get_logger()


class CallBackFailure(StrEnum):
    """Why the owner's phone does not ring."""

    NO_ANSWER = "no-answer"
    """The phone is not registered, or rejects the call."""
    RINGS_ALREADY = "rings-already"
    NOT_POSSIBLE = "not-possible"
    """Asterisk's manager interface is not connected, or this Asterisk lacks `CALL_BACK_CONTEXT`."""


class CallBackCalls:
    """Places the calls, one at a time for each phone."""

    def __init__(
        self,
        ami: AmiClient,
        *,
        ring_timeout_s: int = RING_TIMEOUT_S,
        quick_failure_s: float = QUICK_FAILURE_S,
    ) -> None:
        self._ami = ami
        self._ring_timeout_s = ring_timeout_s
        self._quick_failure_s = quick_failure_s
        self._calls: dict[str, asyncio.Task[bool]] = {}

    async def call(self, mailbox: Mailbox, message: Message, endpoint: str) -> CallBackRefusal | CallBackFailure | None:
        """Let the owner's phone ring. Return None as soon as it does, else why it does not."""
        if refusal := find_refusal(mailbox, message, by_own_phone=True):
            return refusal
        try:
            phone = EndpointTarget(endpoint)
            extension = await self._find_extension(mailbox, message)
            if extension is None:
                return CallBackRefusal.NO_SUCH_NUMBER
            if not await actions.extension_exists(self._ami, CALL_BACK_CONTEXT, "s"):
                log.warning(
                    "call_back.failed", box=mailbox.id, error=f"the dialplan has no context {CALL_BACK_CONTEXT}"
                )
                return CallBackFailure.NOT_POSSIBLE
            if not await actions.has_contact(self._ami, phone):
                return CallBackFailure.NO_ANSWER
        except (AmiUnavailable, AmiActionRejected, BadInput) as error:
            log.warning("call_back.failed", box=mailbox.id, error=str(error))
            return CallBackFailure.NOT_POSSIBLE
        if endpoint in self._calls:
            return CallBackFailure.RINGS_ALREADY
        call = asyncio.create_task(self._originate(mailbox, message, phone, extension))
        self._calls[endpoint] = call
        call.add_done_callback(lambda _: self._calls.pop(endpoint))
        done, _ = await asyncio.wait({call}, timeout=self._quick_failure_s)
        return CallBackFailure.NO_ANSWER if done and not call.result() else None

    async def _find_extension(self, mailbox: Mailbox, message: Message) -> str | None:
        """Return the first form of the number that the context for call-backs has."""
        for extension in extensions_to_dial(mailbox, message):
            if await actions.extension_exists(self._ami, mailbox.callback_context, extension):
                return extension
        return None

    async def _originate(self, mailbox: Mailbox, message: Message, phone: EndpointTarget, extension: str) -> bool:
        """Return whether the owner has answered."""
        variables = {
            "IVR_BOX_NUMBER": mailbox.number,
            "IVR_CALL_BACK_CONTEXT": mailbox.callback_context,
            "IVR_CALL_BACK_EXTENSION": extension,
        }
        try:
            is_answered = await actions.originate(
                self._ami,
                phone,
                CALL_BACK_CONTEXT,
                variables,
                ring_timeout_s=self._ring_timeout_s,
                caller_number=identify(message.caller).number,
            )
        except (AmiUnavailable, AmiActionRejected, BadInput) as error:
            log.warning("call_back.failed", box=mailbox.id, error=str(error))
            return False
        log.info(
            "call_back.answered" if is_answered else "call_back.not_answered", box=mailbox.id, endpoint=phone.endpoint
        )
        return is_answered
