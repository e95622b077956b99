"""What all menus share: saying something, taking a key.

Two movements only: a menu is called and comes back, or its `run` returns where to go, and it never comes back.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any, Protocol, TypeAlias

from ivr.audio.sound import Sound
from ivr.call.port import FIRST_DIGIT_MS, NEXT_DIGIT_MS, Entry
from ivr.errors import HungUp
from ivr.mailbox.mailbox import Mailbox
from ivr.menus.visit import Session, Status, Visit
from ivr.prompts.voice import Meaning


class Place(Protocol):
    """A menu that one goes to and never comes back from."""

    async def run(self) -> Next:
        """Attend to the caller; gives where to go from here."""


Next: TypeAlias = Place | Status
"""Where to go: another menu, or out of the call."""


class Menu:
    """One menu of one call. One that is called and comes back has a `run` with an answer of its own kind.

    The call's record says when each was entered: no menu can forget to say so.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "run" in cls.__dict__:
            setattr(cls, "run", _noted(cls.__dict__["run"]))  # noqa: B010 - mypy wants no method assigned.

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.call = visit.call
        self.mailroom = visit.mailroom
        self.rules = visit.voice.rules

    async def sound(self, *meanings: Meaning) -> Sound:
        """What `meanings` sound like, as one file."""
        return await self.visit.sound(*meanings)

    async def say(self, *meanings: Meaning) -> None:
        """Say something; a key cuts it short and is meant for what comes next."""
        played = await self.call.play([await self.sound(*meanings)])
        if played.key:
            self.call.unread(played.key)

    async def refuse(self, *meanings: Meaning) -> None:
        """Say no. What was typed ahead was typed for a yes, so it is forgotten."""
        self.call.forget_keys()
        await self.say(*meanings)

    async def ask_key(self, *meanings: Meaning) -> str | None:
        """Say something and wait for one key; None when none came."""
        return await self.take_key([await self.sound(*meanings)])

    async def take_key(self, sounds: Sequence[Sound]) -> str | None:
        """Play sounds and wait for one key; None when none came."""
        return (await self.call.play(sounds)).key or await self.call.wait(FIRST_DIGIT_MS)

    async def ask_digits(self, prompt: Meaning, longest: int, *, secret: bool = False) -> Entry:
        """Say something and collect digits."""
        next_ms = self.call.arrival.arguments.interdigit_timeout or NEXT_DIGIT_MS
        return await self.call.ask([await self.sound(prompt)], longest, next_ms=next_ms, secret=secret)

    async def goodbye(self, *meanings: Meaning, status: Status = Status.DONE) -> Status:
        """Say the last words. Nobody need hear them out."""
        try:
            await self.say(*(meanings or ("done/goodbye",)))
        except HungUp:
            return Status.HANGUP
        return status


def _noted(run: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """`run`, which notes first that its menu is entered."""

    @wraps(run)
    async def noted(menu: Menu, *args: Any, **how: Any) -> Any:
        name = re.sub(r"(?<!^)(?=[A-Z])", " ", type(menu).__name__).lower()
        menu.call.journal.note("menu", name=name)
        return await run(menu, *args, **how)

    return noted


class OwnerMenu(Menu):
    """A menu of somebody who is signed in to a box."""

    def __init__(self, session: Session) -> None:
        super().__init__(session.visit)
        self.session = session
        self.mailbox = session.mailbox
        self.keys = session.mailbox.keys


class CallerMenu(Menu):
    """A menu of somebody who has reached the box `mailbox` from outside it."""

    def __init__(self, visit: Visit, mailbox: Mailbox) -> None:
        super().__init__(visit)
        self.mailbox = mailbox
        self.keys = mailbox.keys
