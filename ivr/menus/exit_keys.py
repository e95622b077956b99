"""Keys by which a caller leaves a mailbox for another extension of the dialplan: exit keys and the operator.

Exit keys are set by the dialplan, with the meaning they have in app_voicemail (docs/dialplan.md): `*` leads to the
extension `a` of `exit_context` if it exists there, `0` to its `o`; with `digits_context`, every digit that is an
extension there leads to it. They take precedence over the mailbox's own use of these keys.
"""

from __future__ import annotations

from ivr.menus.dialplan_status import Status
from ivr.menus.menu import CallerMenu
from ivr.validation.numbers import is_extension

ASSISTANT_EXTENSION = "a"
OPERATOR_EXTENSION = "o"


class ExitKeys(CallerMenu):
    """The exit keys of one call, while its caller hears the greeting."""

    async def run(self, key: str | None) -> Status | None:
        """Send the call to the extension of `key`; None if the key is no exit key."""
        if key is None or (target := await self._find_target(key)) is None:
            return None
        context, extension = target
        self.call.journal.note("exit key", context=context, extension=extension)
        await self.call.continue_at(context, extension)
        return Status.BRANCH

    async def is_exit_digit(self, key: str) -> bool:
        """Return whether `key` is a single digit that is an extension of `digits_context`."""
        context = self.call.incoming.arguments.digits_context
        return bool(context) and key.isdigit() and len(key) == 1 and await self.call.extension_exists(context, key)

    async def find_operator(self) -> tuple[str, str] | None:
        """Return context and extension of the operator that the dialplan names, if it does."""
        context = self._exit_context
        exists = bool(context) and await self.call.extension_exists(context, OPERATOR_EXTENSION)
        return (context, OPERATOR_EXTENSION) if exists else None

    async def _find_target(self, key: str) -> tuple[str, str] | None:
        arguments = self.call.incoming.arguments
        if await self.is_exit_digit(key):
            return arguments.digits_context, key
        if self.key_map.action_for("greeting", key) != "login" or not self._exit_context:
            return None
        exists = await self.call.extension_exists(self._exit_context, ASSISTANT_EXTENSION)
        return (self._exit_context, ASSISTANT_EXTENSION) if exists else None

    @property
    def _exit_context(self) -> str:
        """The context of o and a. The mailbox's own counts before that of a line of app_voicemail, as it does there."""
        arguments = self.call.incoming.arguments
        own = self.mailbox.settings.exit_context if arguments.options is not None else None
        return own or arguments.exit_context or self.mailbox.exit_context


class Operator(CallerMenu):
    """The operator of a mailbox: that of the dialplan (`exit_context`), else the mailbox's own, else the system's.

    The latter two are extensions of the account's operator context.
    """

    async def run(self) -> Status | None:
        """Send the call to the operator; None, without a prompt, if there is none."""
        target = await self.find_target()
        if target is None:
            return None
        context, extension = target
        self.call.journal.note("operator", context=context, extension=extension)
        await self.say("greeting/transferring")
        await self.call.continue_at(context, extension)
        return Status.BRANCH

    async def find_target(self) -> tuple[str, str] | None:
        """Return context and extension of the operator, if there is one."""
        if dialplan_operator := await ExitKeys(self.call_context, self.mailbox).find_operator():
            return dialplan_operator
        system, own_number = self.mailbox.voicemail_settings, self.mailbox.settings.operator_number
        operator_context = self.mailbox.operator_context
        extension = system.operator_key if own_number in (None, "") else str(own_number)
        if not operator_context or not is_extension(extension):
            return None
        exists = await self.call.extension_exists(operator_context, extension)
        return (operator_context, extension) if exists else None
