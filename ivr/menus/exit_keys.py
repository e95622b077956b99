"""Where keys lead that the dialplan has given a meaning, as those of app_voicemail have (docs/dialplan.md).

`*` leads to the extension a of `exit_context`, where that has one, and 0 to its o (see `operator`); with
`digits_context` any digit that is an extension there leads to it. They win over what the box says of these keys.
"""

from __future__ import annotations

from ivr.menus.context import Status
from ivr.menus.menu import CallerMenu

ASSISTANT_EXTENSION = "a"
OPERATOR_EXTENSION = "o"


class DialplanExit(CallerMenu):
    """Ways back into the dialplan."""

    async def run(self, key: str | None) -> Status | None:
        """Send the call there; None where the key leads nowhere."""
        if key is None or (place := await self._find_target(key)) is None:
            return None
        context, extension = place
        self.call.journal.note("way out", context=context, extension=extension)
        await self.call.continue_at(context, extension)
        return Status.BRANCH

    async def is_exit_digit(self, key: str) -> bool:
        """Whether this single digit is one that leads out."""
        context = self.call.incoming.arguments.digits_context
        return bool(context) and key.isdigit() and len(key) == 1 and await self.call.extension_exists(context, key)

    async def find_operator(self) -> tuple[str, str] | None:
        """The operator that the dialplan names, as context and extension."""
        context = self.call.incoming.arguments.exit_context
        exists = bool(context) and await self.call.extension_exists(context, OPERATOR_EXTENSION)
        return (context, OPERATOR_EXTENSION) if exists else None

    async def _find_target(self, key: str) -> tuple[str, str] | None:
        arguments = self.call.incoming.arguments
        if await self.is_exit_digit(key):
            return arguments.digits_context, key
        if self.key_map.action("greeting", key) != "login" or not arguments.exit_context:
            return None
        exists = await self.call.extension_exists(arguments.exit_context, ASSISTANT_EXTENSION)
        return (arguments.exit_context, ASSISTANT_EXTENSION) if exists else None
