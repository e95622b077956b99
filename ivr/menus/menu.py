"""What all menus share: saying something, taking a key.

Two movements only: a menu is called and comes back, or its `run` returns where to go, and it never comes back.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any, Protocol, TypeAlias

from ivr.audio.sound import Sound
from ivr.call.base import FIRST_DIGIT_TIMEOUT_MS, INTERDIGIT_TIMEOUT_MS, DigitsResult
from ivr.errors import HungUp
from ivr.mailbox.mailbox import Mailbox
from ivr.menus.context import CallContext, OwnerSession, Status
from ivr.prompts.voice import Prompt


class NextMenu(Protocol):
    """A menu that one goes to and never comes back from."""

    async def run(self) -> NextStep:
        """Attend to the caller; gives where to go from here."""


NextStep: TypeAlias = NextMenu | Status
"""Where to go: another menu, or out of the call."""


class Menu:
    """One menu of one call. One that is called and comes back has a `run` with an answer of its own kind.

    The call's record says when each was entered: no menu can forget to say so.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "run" in cls.__dict__:
            setattr(cls, "run", _journal_menu_entry(cls.__dict__["run"]))  # noqa: B010 - mypy wants no method assigned.

    def __init__(self, call_context: CallContext) -> None:
        self.call_context = call_context
        self.call = call_context.call
        self.services = call_context.services
        self.language = call_context.voice.language

    async def render(self, *prompts: Prompt) -> Sound:
        """What `meanings` sound like, as one file."""
        return await self.call_context.render(*prompts)

    async def say(self, *prompts: Prompt) -> None:
        """Say something; a key cuts it short and is meant for what comes next."""
        played = await self.call.play([await self.render(*prompts)])
        if played.key:
            self.call.push_back(played.key)

    async def reject(self, *prompts: Prompt) -> None:
        """Say no. What was typed ahead was typed for a yes, so it is forgotten."""
        self.call.flush_digits()
        await self.say(*prompts)

    async def ask_key(self, *prompts: Prompt) -> str | None:
        """Say something and wait for one key; None when none came."""
        return await self.read_key([await self.render(*prompts)])

    async def read_key(self, sounds: Sequence[Sound]) -> str | None:
        """Play sounds and wait for one key; None when none came."""
        return (await self.call.play(sounds)).key or await self.call.wait_for_key(FIRST_DIGIT_TIMEOUT_MS)

    async def ask_digits(self, prompt: Prompt, max_digits: int, *, secret: bool = False) -> DigitsResult:
        """Say something and collect digits."""
        next_ms = self.call.incoming.arguments.interdigit_timeout or INTERDIGIT_TIMEOUT_MS
        return await self.call.collect_digits(
            [await self.render(prompt)], max_digits, interdigit_timeout_ms=next_ms, secret=secret
        )

    async def say_goodbye(self, *prompts: Prompt, status: Status = Status.DONE) -> Status:
        """Say the last words. Nobody need hear them out."""
        try:
            await self.say(*(prompts or ("done/goodbye",)))
        except HungUp:
            return Status.HANGUP
        return status


def _journal_menu_entry(run: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """`run`, which notes first that its menu is entered."""

    @wraps(run)
    async def noted(menu: Menu, *args: Any, **how: Any) -> Any:
        name = re.sub(r"(?<!^)(?=[A-Z])", " ", type(menu).__name__).lower()
        menu.call.journal.note("menu", name=name)
        return await run(menu, *args, **how)

    return noted


class OwnerMenu(Menu):
    """A menu of somebody who is signed in to a box."""

    def __init__(self, session: OwnerSession) -> None:
        super().__init__(session.call_context)
        self.session = session
        self.mailbox = session.mailbox
        self.key_map = session.mailbox.keys


class CallerMenu(Menu):
    """A menu of somebody who has reached the box `mailbox` from outside it."""

    def __init__(self, call_context: CallContext, mailbox: Mailbox) -> None:
        super().__init__(call_context)
        self.mailbox = mailbox
        self.key_map = mailbox.keys
