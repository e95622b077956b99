"""What became of a caller, as the dialplan is told besides IVR_STATUS (docs/dialplan.md)."""

from __future__ import annotations

from ivr.call.arguments import Action
from ivr.call.base import Call
from ivr.menus.context import Status
from ivr.storage.records import Message

VM_STATUS = {Status.DONE: "SUCCESS", Status.BRANCH: "USEREXIT", Status.EXIT: "USEREXIT"}
"""In the words of app_voicemail; every other end is FAILED. A caller who hangs up is told apart by `kept`."""


async def report_message_left(call: Call, message: Message) -> None:
    """A message was kept, whatever the caller does now."""
    await call.set_variable("IVR_MESSAGE_ID", message.id)
    if _is_app_voicemail_call(call):
        await call.set_variable("VMSTATUS", "SUCCESS")


async def report_owner_login(call: Call) -> None:
    """Somebody who came to leave a message wants to hear some: should we die now, nobody is to ask them for one."""
    if call.incoming.arguments.action is Action.LEAVE:
        await call.set_variable("IVR_OWNER_LOGIN", "true")


async def report_call_ended(call: Call, status: Status | None) -> None:
    """The call is about to go back to the dialplan, or is over."""
    if _is_app_voicemail_call(call) and status and status is not Status.HANGUP:
        await call.set_variable("VMSTATUS", VM_STATUS.get(status, "FAILED"))


def _is_app_voicemail_call(call: Call) -> bool:
    """Whether the call came by a line that was one of VoiceMail()."""
    asked = call.incoming.arguments
    return asked.options is not None and asked.action is Action.LEAVE
