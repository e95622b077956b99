"""Whether an owner may call back who left a message, and in which forms the number may be dialled.

A caller can leave a message with any number as caller id. Therefore a call-back only goes to the one dialplan context
that the site has set up for it, only to up to 15 digits that exist there in one of the forms of `callback_forms`, and
from outside phones only if the system allows it.
"""

from __future__ import annotations

from enum import StrEnum

from ivr.mailbox.caller_id import NumberPlan, dial_forms, identify
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Message


class CallBackRefusal(StrEnum):
    """Why a caller is not called back."""

    NOT_AVAILABLE = "not-available"
    """Call-back is disabled, or the caller has no number."""
    NOT_ALLOWED = "not-allowed"
    NO_SUCH_NUMBER = "no-such-number"
    """The context for call-backs has no such extension."""


def find_refusal(mailbox: Mailbox, message: Message, *, by_own_phone: bool) -> CallBackRefusal | None:
    """Return why an owner may not call back; None: they may. `by_own_phone`: a phone of the installation calls.

    The page always calls by such a phone, which rings first, whatever has opened the session.
    """
    system = mailbox.voicemail_settings
    if system.should_disable_callback or not identify(message.caller).number:
        return CallBackRefusal.NOT_AVAILABLE
    if not mailbox.callback_context or not (by_own_phone or not system.should_disable_offnet_callback):
        return CallBackRefusal.NOT_ALLOWED
    return None if extensions_to_dial(mailbox, message) else CallBackRefusal.NO_SUCH_NUMBER


def extensions_to_dial(mailbox: Mailbox, message: Message) -> list[str]:
    """Return the forms of the caller's number to look for in the context for call-backs, in order."""
    system = mailbox.voicemail_settings
    plan = NumberPlan(system.country_code, system.international_prefix, system.national_prefix)
    return dial_forms(identify(message.caller).number, plan, system.callback_forms)
