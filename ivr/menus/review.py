"""The menu after a recording: save it, listen to it, record it again."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from pathlib import Path

import structlog

from ivr.audio.formats import Sound
from ivr.errors import StoreError
from ivr.mailbox.key_map import KeyMap
from ivr.mailbox.mailbox import Mailbox
from ivr.menus import menu
from ivr.menus.context import CallContext
from ivr.menus.menu import Menu
from ivr.prompts.voice import Prompt
from ivr.storage.records import Take

MAX_ROUNDS = 4

DEFAULT_OPTIONS = {"save": "save-recording", "listen": "listen", "record": "record-again"}
"""The options of every review: action → prompt of the tables `to` and `short`."""


class ReviewChoice(Enum):
    SAVE = auto()
    RECORD_AGAIN = auto()
    OPERATOR = auto()
    """Save, then go to the operator; offered to callers only."""
    DISCARD = auto()
    NONE = auto()
    """Nothing was chosen in four rounds."""


class Review(Menu):
    """The review of one take. `options`: the actions that are read out, and the only ones that can be chosen."""

    def __init__(
        self,
        call_context: CallContext,
        key_map: KeyMap,
        take: Take,
        length_ms: int,
        options: Mapping[str, str] = DEFAULT_OPTIONS,
    ) -> None:
        super().__init__(call_context)
        self._key_map = key_map
        self._options = options
        self._recording = Sound(Path(take.path), length_ms, "(your recording)")
        self._round = 0

    async def run(self) -> ReviewChoice:
        while self._round < MAX_ROUNDS:
            self._round += 1
            key = await self.ask_key(*self._option_prompts())
            action = self._key_map.action_for("review", key)
            choice = await self._apply_action(action if action in self._options else None, key)
            if choice:
                return choice
        return ReviewChoice.NONE

    def reset_rounds(self) -> None:
        """Count the rounds from the first again, after a key that had an effect."""
        self._round = 0

    async def _apply_action(self, action: str | None, key: str | None) -> ReviewChoice | None:
        match action:
            case "save":
                return ReviewChoice.SAVE
            case "record":
                return ReviewChoice.RECORD_AGAIN
            case "discard":
                return ReviewChoice.DISCARD
            case "listen":
                self.reset_rounds()
                played = await self.call.play([self._recording])
                if played.key:
                    self.call.push_back(played.key)
            case _ if key:
                await self.reject("entry/invalid")
        return None

    def _option_prompts(self) -> list[Prompt]:
        keys = {option: self._key_map.key_for("review", action) for action, option in self._options.items()}
        return [self.language.menu_option(option, key) for option, key in keys.items() if key]


log = structlog.get_logger()


class CallerReview(Review):
    """The review of a caller's message. `urgent`: whether it is marked already."""

    def __init__(
        self,
        call_context: CallContext,
        mailbox: Mailbox,
        take: Take,
        length_ms: int,
        *,
        urgent: bool,
        has_operator: bool,
    ) -> None:
        super().__init__(call_context, mailbox.key_map, take, length_ms)
        self.urgent = urgent
        self._take = take
        self._can_mark_urgent = mailbox.settings.callers_may_mark_urgent
        self._has_operator = has_operator
        self._update_options()

    def _update_options(self) -> None:
        mark_urgent = {"urgent": "mark-normal" if self.urgent else "mark-urgent"} if self._can_mark_urgent else {}
        operator = {"operator": "operator"} if self._has_operator else {}
        self._options = {**DEFAULT_OPTIONS, **mark_urgent, **operator}

    async def _apply_action(self, action: str | None, key: str | None) -> ReviewChoice | None:
        match action:
            case "urgent":
                await self._set_urgent(not self.urgent)
                return None
            case "operator":
                return ReviewChoice.OPERATOR
            case _:
                return await super()._apply_action(action, key)

    async def _set_urgent(self, urgent: bool) -> None:
        """Store the mark in the take, so that a message recovered after a crash has it too."""
        try:
            await self.call.run_while_listening(self.services.takes.mark_urgent(self._take, urgent))
        except StoreError as error:
            log.warning("take.mark_urgent_failed", take=self._take.id, error=str(error))
            await self.reject(menu.prompt_for(error))
            return
        self.urgent = urgent
        self._update_options()
        self.reset_rounds()
        await self.say("done/marked-urgent" if urgent else "done/marked-normal")
