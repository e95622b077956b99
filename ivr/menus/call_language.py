"""Which language a call is spoken in: the codes that count, the first that has prompts is spoken.

A caller hears the language of the mailbox, an owner their own. The dialplan's argument `language` comes first for both.
"""

from __future__ import annotations

from ivr.call.incoming import IncomingCall
from ivr.directory.models import Account, User
from ivr.mailbox.mailbox import Mailbox

ASTERISK_DEFAULT = "en"
"""The language of every channel that no dialplan and no endpoint has given one: it says nothing about the caller."""

Preferred = tuple[str | None, ...]


def caller_languages(incoming: IncomingCall, account: Account, user: User | None, mailbox: Mailbox | None) -> Preferred:
    """Return the languages for a caller. `user`: to whom the caller's phone belongs. `mailbox`: None if unknown."""
    return (
        incoming.arguments.language,
        mailbox.settings.language if mailbox else None,
        channel_language(incoming),
        user.language if user else None,
        mailbox.owner.language if mailbox and mailbox.owner else None,
        account.language,
    )


def owner_languages(incoming: IncomingCall, mailbox: Mailbox, user: User | None) -> Preferred:
    """Return the languages for the owner of a mailbox. `user`: who is signed in, None if the mailbox has no owner."""
    return (
        incoming.arguments.language,
        user.language if user else None,
        mailbox.settings.language,
        channel_language(incoming),
        mailbox.account.language,
    )


def channel_language(incoming: IncomingCall) -> str | None:
    """Return the language that dialplan or endpoint gave the channel; None if it is Asterisk's default."""
    return None if incoming.language.lower() == ASTERISK_DEFAULT else incoming.language
