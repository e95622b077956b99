"""What the dialplan asks about a mailbox: whether it exists, what is in it, and whose it is. Nothing is heard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from ivr.mailbox.mailbox import Mailbox
from ivr.menus.context import CallContext
from ivr.menus.dialplan_status import Status
from ivr.menus.menu import Menu, NextStep
from ivr.storage.records import FolderCounts

INFO_VARIABLE = "IVR_INFO"

log = structlog.get_logger()


class MailboxInfo(Menu):
    """Sets IVR_INFO to the attribute that the dialplan asks for; "" where there is none. `mailbox`: None if unknown."""

    def __init__(self, call_context: CallContext, mailbox: Mailbox | None) -> None:
        super().__init__(call_context)
        self._mailbox = mailbox if mailbox and mailbox.settings.enabled else None

    async def run(self) -> NextStep:
        attribute = self.call.incoming.arguments.attribute.lower()
        if attribute not in (EXISTS, *ATTRIBUTES):
            log.warning("dialplan.attribute", attribute=attribute, known=", ".join((EXISTS, *ATTRIBUTES)))
            await self.call.set_variable(INFO_VARIABLE, "")
            return Status.SKIPPED
        value = ""
        if attribute == EXISTS:
            value = "1" if self._mailbox else "0"
        elif self._mailbox:
            value = await ATTRIBUTES[attribute](self, self._mailbox)
        await self.call.set_variable(INFO_VARIABLE, value)
        return Status.DONE if self._mailbox else Status.NOBOX

    async def _count(self, mailbox: Mailbox) -> FolderCounts:
        not_before = mailbox.voicemail_settings.retention_cutoff(self.services.clock.now())
        return await self.services.messages.expire_and_count(mailbox.account_id, mailbox.id, not_before)

    async def new(self, mailbox: Mailbox) -> str:
        return str((await self._count(mailbox)).new)

    async def old(self, mailbox: Mailbox) -> str:
        return str((await self._count(mailbox)).saved)

    async def urgent(self, mailbox: Mailbox) -> str:
        return str((await self._count(mailbox)).urgent_new)

    async def email(self, mailbox: Mailbox) -> str:
        settings = mailbox.settings
        of_owner = mailbox.owner.email if mailbox.owner else None
        return str(of_owner or next(iter(settings.notify_email_addresses), None) or settings.notify_email or "")

    async def full_name(self, mailbox: Mailbox) -> str:
        return mailbox.settings.name

    async def time_zone(self, mailbox: Mailbox) -> str:
        return str(mailbox.zone_info)

    async def language_code(self, mailbox: Mailbox) -> str:
        return mailbox.language

    async def greeting(self, mailbox: Mailbox) -> str:
        """Return which greeting of their own the owner has: temporary, busy or unavailable."""
        greetings, media = self.services.greetings, mailbox.settings.media
        if await greetings.find_temporary_greeting(mailbox):
            return "temporary"
        if not await greetings.find_greeting(mailbox, busy=self.call.incoming.arguments.is_owner_busy):
            return ""
        return "busy" if self.call.incoming.arguments.is_owner_busy and media.busy else "unavailable"


EXISTS = "exists"
ATTRIBUTES: dict[str, Callable[[MailboxInfo, Mailbox], Awaitable[str]]] = {
    "count": MailboxInfo.new,
    "new": MailboxInfo.new,
    "old": MailboxInfo.old,
    "urgent": MailboxInfo.urgent,
    "email": MailboxInfo.email,
    "fullname": MailboxInfo.full_name,
    "tz": MailboxInfo.time_zone,
    "language": MailboxInfo.language_code,
    "greeting": MailboxInfo.greeting,
}
"""The names are those of VM_INFO() where it has one. There is no attribute for the PIN: only its hash is stored."""
