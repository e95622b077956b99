"""What became of a caller, as the dialplan is told besides IVRSTATUS (docs/dialplan.md)."""

from __future__ import annotations

from ivr.call.arguments import Action
from ivr.call.port import Call
from ivr.mailbox.message import Message
from ivr.menus.visit import Status

VM_STATUS = {Status.DONE: "SUCCESS", Status.BRANCH: "USEREXIT", Status.EXIT: "USEREXIT"}
"""In the words of app_voicemail; every other end is FAILED. A caller who hangs up is told apart by `kept`."""


async def kept(call: Call, message: Message) -> None:
    """A message was kept, whatever the caller does now."""
    await call.tell("IVRMESSAGE", message.id)
    if _was_voicemail(call):
        await call.tell("VMSTATUS", "SUCCESS")


async def listens(call: Call) -> None:
    """Somebody who came to leave a message wants to hear some: should we die now, nobody is to ask them for one."""
    if call.arrival.arguments.action is Action.LEAVE:
        await call.tell("IVRLISTENS", "true")


async def ended(call: Call, status: Status | None) -> None:
    """The call is about to go back to the dialplan, or is over."""
    if _was_voicemail(call) and status and status is not Status.HANGUP:
        await call.tell("VMSTATUS", VM_STATUS.get(status, "FAILED"))


def _was_voicemail(call: Call) -> bool:
    """Whether the call came by a line that was one of VoiceMail()."""
    asked = call.arrival.arguments
    return asked.options is not None and asked.action is Action.LEAVE
