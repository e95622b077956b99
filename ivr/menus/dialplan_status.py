"""What the dialplan reads after a call: IVR_STATUS, and the variables of app_voicemail (docs/dialplan.md)."""

from __future__ import annotations

from enum import StrEnum

from ivr.call.arguments import Action
from ivr.call.base import Call
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Message


class Status(StrEnum):
    """How a call ended: the value of IVR_STATUS."""

    DONE = "DONE"
    HANGUP = "HANGUP"
    BRANCH = "BRANCH"
    """The dialplan continues at the extension that the service has set."""
    NOACCOUNT = "NOACCOUNT"
    NOBOX = "NOBOX"
    FULL = "FULL"
    """The mailbox takes no more messages, and the caller has heard so."""
    NOMESSAGE = "NOMESSAGE"
    """The recording was shorter than the minimum."""
    EXIT = "EXIT"
    """The caller pressed the key that skips the mailbox, or has left a request of the dialplan."""
    NOACCESS = "NOACCESS"
    """Too many wrong PINs, or the owner's own phone needs a PIN that the mailbox does not have."""
    SKIPPED = "SKIPPED"
    ERROR = "ERROR"


VM_STATUS = {Status.DONE: "SUCCESS", Status.BRANCH: "USEREXIT", Status.EXIT: "USEREXIT"}
"""Values of app_voicemail's VMSTATUS; every other status is FAILED. A caller who left a message and then hung up has
SUCCESS already, from `report_message_left`."""


async def report_message_left(call: Call, message: Message) -> None:
    """Set IVR_MESSAGE_ID to the id of the stored message. It stays set, whatever the caller does next."""
    await call.set_variable("IVR_MESSAGE_ID", message.id)
    if _is_app_voicemail_call(call):
        await call.set_variable("VMSTATUS", "SUCCESS")


async def report_authenticated(call: Call, mailbox: Mailbox) -> None:
    """Set the variables of VMAuthenticate(): the number of the mailbox whose PIN was entered, and its account."""
    call.journal.note("authenticated", box=mailbox.id)
    await call.set_variable("AUTH_CONTEXT", mailbox.account.name)
    await call.set_variable("AUTH_MAILBOX", mailbox.number)


async def report_owner_login(call: Call) -> None:
    """Mark a call that came to leave a message but now signs in.

    If the service dies from here on, the dialplan must not ask this caller for a message.
    """
    if call.incoming.arguments.action is Action.LEAVE:
        await call.set_variable("IVR_OWNER_LOGIN", "true")


async def report_call_ended(call: Call, status: Status | None) -> None:
    """Set VMSTATUS before the call returns to the dialplan. A hang-up changes nothing."""
    if _is_app_voicemail_call(call) and status and status is not Status.HANGUP:
        await call.set_variable("VMSTATUS", VM_STATUS.get(status, "FAILED"))


def _is_app_voicemail_call(call: Call) -> bool:
    """Return whether the dialplan line used to be a VoiceMail() call: only these have options."""
    arguments = call.incoming.arguments
    return arguments.options is not None and arguments.action is Action.LEAVE
