"""Where a caller who was put through to a box begins (kazoo-behaviour §1.2, compose)."""

from __future__ import annotations

from ivr.mailbox.mailbox import Mailbox
from ivr.menus.announcement import Announcement
from ivr.menus.context import CallContext, Status
from ivr.menus.leave_message import LeaveMessage
from ivr.menus.mailbox_full import MailboxFull
from ivr.menus.menu import Menu, NextMenu, NextStep
from ivr.menus.sign_in import SignIn


async def entry_menu(call_context: CallContext, mailbox: Mailbox | None) -> NextMenu:
    """The first of these that fits."""
    if mailbox is None:
        return UnknownMailbox(call_context)
    if _should_sign_in(call_context, mailbox):
        return SignIn(call_context, mailbox, mailbox_specified=True)
    if mailbox.settings.announcement_only:
        return Announcement(call_context, mailbox)
    if await call_context.call.run_while_listening(call_context.services.capacity.is_full(mailbox)):
        return MailboxFull(call_context, mailbox)
    return LeaveMessage(call_context, mailbox)


class UnknownMailbox(Menu):
    """A caller reached a number that has no box."""

    async def run(self) -> NextStep:
        return await self.say_goodbye("greeting/no-voicemail", status=Status.NOBOX)


def _should_sign_in(call_context: CallContext, mailbox: Mailbox) -> bool:
    """Whether somebody who was put through to a box is its owner, and wants to hear it rather than talk to it.

    A box that only plays its greeting has nothing to be talked to. Where the box does not say, it depends on how the
    call came: an owner who dialled it wants to hear it, one who fell into it from a ring group or a menu does not.
    """
    if call_context.call.incoming.arguments.options is not None:
        return False  # VoiceMail() always leaves a message.
    wanted = mailbox.settings.check_if_owner
    if wanted is None:
        wanted = not call_context.call.incoming.arguments.reason
    return call_context.is_owner(mailbox) and (wanted or mailbox.settings.announcement_only)
