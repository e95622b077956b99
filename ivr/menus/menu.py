"""Base classes of the menus: playing prompts, reading keys and digits, reporting errors.

Navigation has two forms. A menu is either called, and its `run` returns a result; or it is entered for good, and its
`run` returns the next menu or the status that ends the call.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any, Protocol, TypeAlias

import structlog

from ivr.audio.formats import Sound
from ivr.call.base import FIRST_DIGIT_TIMEOUT_MS, INTERDIGIT_TIMEOUT_MS, DigitsResult
from ivr.errors import (
    BoxDeleted,
    BoxFull,
    HungUp,
    InvalidAudio,
    IvrError,
    NotFound,
    PastRetention,
    RecordingFailed,
    StoreError,
    StoreUnsure,
    UnplayableSound,
)
from ivr.mailbox.mailbox import Mailbox
from ivr.menus.context import CallContext, OwnerSession
from ivr.menus.dialplan_status import Status
from ivr.prompts.language import Language
from ivr.prompts.voice import Prompt

log = structlog.get_logger()


class NextMenu(Protocol):
    """A menu that is entered for good."""

    async def run(self) -> NextStep:
        """Serve the caller; return where the call continues."""


NextStep: TypeAlias = NextMenu | Status
"""Where a call continues: another menu, or its end."""


class Menu:
    """One menu of one call. The call's journal has an entry for each menu that is entered."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "run" in cls.__dict__:
            setattr(cls, "run", _journal_menu_entry(cls.__dict__["run"]))  # noqa: B010 - mypy wants no method assigned.

    def __init__(self, call_context: CallContext) -> None:
        self.call_context = call_context
        self.call = call_context.call
        self.services = call_context.services

    @property
    def language(self) -> Language:
        """The rules of the language that the call is spoken in now."""
        return self.call_context.voice.language

    async def render(self, *prompts: Prompt) -> Sound:
        """Return `prompts` as one sound file."""
        return await self.call_context.render(*prompts)

    async def say(self, *prompts: Prompt) -> None:
        """Play `prompts`. A key interrupts them and goes to the next prompt or entry."""
        played = await self.call.play([await self.render(*prompts)])
        if played.key:
            self.call.push_back(played.key)

    async def reject(self, *prompts: Prompt) -> None:
        """Discard the keys typed ahead, which assumed another answer, and play `prompts`."""
        self.call.flush_digits()
        await self.say(*prompts)

    async def report_error(self, error: IvrError, prompt: Prompt) -> None:
        """Log `error`, note it in the journal, and reject with `prompt`."""
        log.warning("menu.failed", error=str(error), kind=type(error).__name__)
        self.call.journal.note("failed", error=str(error))
        await self.reject(prompt)

    async def ask_key(self, *prompts: Prompt) -> str | None:
        """Play `prompts` and wait for one key; None when none came."""
        return await self.read_key([await self.render(*prompts)])

    async def read_key(self, sounds: Sequence[Sound]) -> str | None:
        """Play `sounds` and wait for one key; None when none came. A key that comes twice counts once."""
        key = (await self.call.play(sounds)).key or await self.call.wait_for_key(FIRST_DIGIT_TIMEOUT_MS)
        if key:
            self.call.ignore_repeats(key)
        return key

    async def ask_digits(self, *prompts: Prompt, max_digits: int, secret: bool = False) -> DigitsResult:
        """Play `prompts` and collect digits (`Call.collect_digits`). Secret digits are masked in the journal.

        A menu must leave an entry that is cancelled, and reject one that is too long.
        """
        interdigit_timeout_ms = self.call.incoming.arguments.interdigit_timeout or INTERDIGIT_TIMEOUT_MS
        return await self.call.collect_digits(
            [await self.render(*prompts)], max_digits, interdigit_timeout_ms=interdigit_timeout_ms, secret=secret
        )

    async def say_goodbye(self, *prompts: Prompt, status: Status = Status.DONE) -> Status:
        """Play the last prompts of a call and return its status. Hanging up during them is a hang-up."""
        try:
            await self.say(*(prompts or ("done/goodbye",)))
        except HungUp:
            return Status.HANGUP
        return status


def _journal_menu_entry(run: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Wrap `run` so that it notes the menu in the journal first: class MainMenu is noted as "main menu"."""

    @wraps(run)
    async def run_with_journal_entry(menu: Menu, *args: Any, **kwargs: Any) -> Any:
        name = re.sub(r"(?<!^)(?=[A-Z])", " ", type(menu).__name__).lower()
        menu.call.journal.note("menu", name=name)
        return await run(menu, *args, **kwargs)

    return run_with_journal_entry


class OwnerMenu(Menu):
    """A menu for an owner who is signed in to a mailbox."""

    def __init__(self, session: OwnerSession) -> None:
        super().__init__(session.call_context)
        self.session = session
        self.mailbox = session.mailbox
        self.key_map = session.mailbox.key_map


class CallerMenu(Menu):
    """A menu for a caller who has reached `mailbox` and is not signed in."""

    def __init__(self, call_context: CallContext, mailbox: Mailbox) -> None:
        super().__init__(call_context)
        self.mailbox = mailbox
        self.key_map = mailbox.key_map

    @property
    def is_owner_busy(self) -> bool:
        """Whether the dialplan says that the owner is on the phone."""
        return self.call.incoming.arguments.is_owner_busy


PROMPTS_BY_ERROR: tuple[tuple[type[IvrError], str], ...] = (
    (UnplayableSound, "message/unplayable"),
    (InvalidAudio, "message/unplayable"),
    (BoxDeleted, "greeting/no-voicemail"),
    (StoreUnsure, "problem/later"),
    (StoreError, "problem/not-done"),
    (RecordingFailed, "problem/not-recorded"),
    (IvrError, "problem/later"),
)
"""The first row that matches the error's class is used; the last one matches every error."""


ERROR_PROMPTS = frozenset(prompt for _, prompt in PROMPTS_BY_ERROR) | {"tone/beep"}
"""Rendered at the start of the service, with the beep, so that they can be played when the disk is full."""


PROMPTS_BY_MESSAGE_ERROR: tuple[tuple[type[IvrError], str], ...] = (
    (BoxDeleted, "greeting/no-voicemail"),
    (BoxFull, "forward/box-full"),
    (NotFound, "message/gone"),
    (PastRetention, "message/gone"),
)
"""Errors that mean something else where an owner works on a message."""


def prompt_for(error: IvrError) -> str:
    """Return the key of the prompt for `error`."""
    return next(prompt for kind, prompt in PROMPTS_BY_ERROR if isinstance(error, kind))


def prompt_for_message_error(error: IvrError) -> str:
    """Return the key of the prompt for `error`, which an action on a message has raised."""
    return next((prompt for kind, prompt in PROMPTS_BY_MESSAGE_ERROR if isinstance(error, kind)), prompt_for(error))
