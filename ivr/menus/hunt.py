"""Hunting: a caller dials another extension from within the greeting (kazoo-behaviour §1.7).

Strangers dial here, so it leads into one context that the site made for it, to what exists there, and nowhere else.
"""

from __future__ import annotations

import re

import re2
import structlog

from ivr.mailbox.mailbox import Mailbox
from ivr.menus.context import Status
from ivr.menus.menu import CallerMenu

MAX_DIGITS = 20
"""Digits."""
MAX_TRIES = 3
DIALLABLE = re.compile(rf"[0-9]{{1,{MAX_DIGITS}}}")

log = structlog.get_logger()


class Hunt(CallerMenu):
    """Sends the call to an extension that the caller dialled."""

    @staticmethod
    def is_offered(mailbox: Mailbox) -> bool:
        """Whether the box lets callers hunt, and there is something to be found."""
        return mailbox.settings.hunt and bool(mailbox.system.hunt_context)

    async def run(self, extension: str) -> Status | None:
        """Send the call there; None where it may not go, or nothing is there, and the caller was told."""
        context = self.mailbox.system.hunt_context
        if not self._is_allowed(extension) or not await self.call.extension_exists(context, extension):
            self.call.journal.note("hunt refused", dialled=extension)
            await self.reject("greeting/hunt-invalid")
            return None
        self.call.journal.note("hunt", extension=extension)
        self.call.flush_digits()
        await self.say("greeting/transferring")
        await self.call.continue_at(context, extension)
        return Status.BRANCH

    def _is_allowed(self, extension: str) -> bool:
        allow, deny = self.mailbox.settings.hunt_allow, self.mailbox.settings.hunt_deny
        if not DIALLABLE.fullmatch(extension) or (allow and not matches(allow, extension)):
            return False
        return not (deny and matches(deny, extension))


def matches(pattern: str, digits: str) -> bool:
    """Whether `pattern` is found anywhere in `digits`; what is no pattern matches nothing (kazoo-behaviour §1.7).

    An owner's pattern is run on a stranger's digits, so by RE2, which no pattern can make slow.
    """
    quiet = re2.Options()
    quiet.log_errors = False
    try:
        return re2.search(pattern, digits, options=quiet) is not None
    except re2.error as fault:
        log.warning("hunt.no_pattern", pattern=pattern, fault=str(fault))
        return False
