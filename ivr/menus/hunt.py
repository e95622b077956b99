"""Hunting: a caller dials another extension while the greeting plays.

Any caller can dial here, so a call is only sent into the one dialplan context that the site has set up for it, and only
to extensions that exist there.
"""

from __future__ import annotations

import re

import re2
import structlog

from ivr.mailbox.mailbox import Mailbox
from ivr.menus.dialplan_status import Status
from ivr.menus.menu import CallerMenu

MAX_DIGITS = 20
"""The longest extension, in digits."""
MAX_TRIES = 3
DIALLABLE = re.compile(rf"[0-9]{{1,{MAX_DIGITS}}}")

log = structlog.get_logger()


class Hunt(CallerMenu):
    """Sends the call to an extension that the caller has dialled."""

    @staticmethod
    def is_offered(mailbox: Mailbox) -> bool:
        """Return whether the mailbox allows hunting and the system has a context for it."""
        return mailbox.settings.hunt and bool(mailbox.hunt_context)

    async def run(self, extension: str) -> Status | None:
        """Send the call to `extension`; None, after a prompt, if it is not allowed or does not exist."""
        context = self.mailbox.hunt_context
        if not self._is_allowed(extension) or not await self.call.extension_exists(context, extension):
            self.call.journal.note("hunt rejected", digits=len(extension))  # It may be a PIN.
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
    """Return whether `pattern` is found anywhere in `digits`. An invalid pattern matches nothing.

    The pattern is the owner's and the digits are a caller's, so RE2 is used: its time is linear for every pattern.
    """
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.search(pattern, digits, options=options) is not None
    except (re2.error, UnicodeEncodeError) as error:
        log.warning("hunt.invalid_pattern", pattern=pattern, error=str(error))
        return False
