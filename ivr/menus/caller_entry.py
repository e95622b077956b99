"""Where a caller begins who was put through to a mailbox: leaving a message, or one of the menus that take none."""

from __future__ import annotations

import structlog

from ivr.call.arguments import Recipient
from ivr.errors import StoreError
from ivr.mailbox.mailbox import Mailbox
from ivr.menus.context import CallContext, find_recipients
from ivr.menus.dialplan_status import Status
from ivr.menus.greeting import play_greeting, render_introduction
from ivr.menus.leave_message import LeaveMessage
from ivr.menus.menu import CallerMenu, Menu, NextMenu, NextStep
from ivr.menus.sign_in import SignIn

log = structlog.get_logger()


async def entry_menu(call_context: CallContext, mailbox: Mailbox | None) -> NextMenu:
    """Return the caller's first menu: the first of these whose condition holds.

    Of several mailboxes the first is called: it greets. A full one does not keep the message from the others.
    """
    if mailbox is None or not mailbox.settings.enabled:
        return UnknownMailbox(call_context)
    if _should_sign_in(call_context, mailbox):
        return SignIn(call_context, mailbox, mailbox_specified=True)
    if mailbox.settings.announcement_only:
        return Announcement(call_context, mailbox)
    recipients = await call_context.call.run_while_listening(_find_recipients(call_context, mailbox))
    if not recipients:
        return MailboxFull(call_context, mailbox)
    return LeaveMessage(call_context, mailbox, recipients)


async def _find_recipients(call_context: CallContext, called: Mailbox) -> list[Mailbox]:
    """Return the mailboxes that a caller's message is for: those of the dialplan and of `copy_to` that are not full.

    The owners of full ones are notified.
    """
    arguments, copy_to = call_context.call.incoming.arguments, called.settings.copy_to
    own_copies = [Recipient(number, called.account_id) for number in copy_to]
    found = [called, *await find_recipients(call_context, (*arguments.copies, *own_copies))]
    recipients: list[Mailbox] = []
    for mailbox in {mailbox.id: mailbox for mailbox in found}.values():
        if await call_context.services.capacity.is_full(mailbox):
            log.warning("dialplan.recipient", number=mailbox.number, reason="the mailbox is full")
            await _notify_owner(call_context, mailbox)
        else:
            recipients.append(mailbox)
    return recipients


async def _notify_owner(call_context: CallContext, mailbox: Mailbox) -> None:
    """Enqueue the notification that the mailbox is full. A failure does not stop the call."""
    try:
        await call_context.services.messages.enqueue_box_full(mailbox.account_id, mailbox.id)
    except StoreError as error:
        log.warning("box.full_notification_failed", box=mailbox.id, error=str(error))


def _should_sign_in(call_context: CallContext, mailbox: Mailbox) -> bool:
    """Return whether the caller is the owner and wants to hear their messages, not to leave one.

    A mailbox that only plays its greeting takes no messages, so its owner always signs in. Where the mailbox has no
    setting, it depends on how the call came: an owner who dialled the mailbox wants to hear it, an owner who reached it
    from a ring group or a menu does not.
    """
    if call_context.call.incoming.arguments.options is not None:
        return False  # VoiceMail() always leaves a message.
    check_owner = mailbox.settings.check_if_owner
    if check_owner is None:
        check_owner = not call_context.call.incoming.arguments.reason
    return call_context.is_owner(mailbox) and (check_owner or mailbox.settings.announcement_only)


class UnknownMailbox(Menu):
    """A caller reached a number that has no mailbox, or one that is disabled."""

    async def run(self) -> NextStep:
        return await self.say_goodbye("greeting/no-voicemail", status=Status.NOBOX)


class Announcement(CallerMenu):
    """A mailbox that only plays its greeting. Keys other than those to sign in and to continue are ignored."""

    async def run(self) -> NextStep:
        keys = self.key_map.key_for("greeting", "login") + self.key_map.key_for("greeting", "continue")
        played = await play_greeting(self, keys=keys)
        match self.key_map.action_for("greeting", played.key):
            case "login":
                self.call.ignore_repeats(played.key or "")
                return SignIn(self.call_context, self.mailbox, mailbox_specified=True, parent=self)
            case "continue":
                return Status.EXIT
            case _:
                return Status.DONE


class MailboxFull(CallerMenu):
    """A mailbox that takes no more messages: the caller hears so before speaking. Only the key to sign in works."""

    async def run(self) -> NextStep:
        prefix, suffix = await render_introduction(self), [await self.render("greeting/mailbox-full")]
        played = await play_greeting(self, prefix=prefix, suffix=suffix, keys=self.key_map.key_for("greeting", "login"))
        if not played.key:
            return Status.FULL
        self.call.ignore_repeats(played.key)
        return SignIn(self.call_context, self.mailbox, mailbox_specified=True, parent=self)
