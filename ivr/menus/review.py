"""What a person does with what they just recorded: keep it, hear it, say it again (kazoo-behaviour §2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from pathlib import Path

from ivr.audio.sound import Sound
from ivr.mailbox.keys import KeyMap
from ivr.mailbox.store import Take
from ivr.menus.menu import Menu
from ivr.menus.visit import Visit
from ivr.prompts.voice import Meaning

ROUNDS = 4

SPOKEN = {"save": "save-recording", "listen": "listen", "record": "record-again"}
"""What it offers everybody: action → what the key is for."""


class Choice(Enum):
    SAVE = auto()
    AGAIN = auto()
    OPERATOR = auto()
    """Keep it, and on to the operator; only callers have this choice."""
    DISCARD = auto()
    NONE = auto()
    """Four rounds, and nothing was chosen."""


class Review(Menu):
    """`take` has been recorded; `length_ms` is how long it is. `offers`: what is said, and all that can be chosen."""

    def __init__(
        self, visit: Visit, keys: KeyMap, take: Take, length_ms: int, offers: Mapping[str, str] = SPOKEN
    ) -> None:
        super().__init__(visit)
        self._keys = keys
        self._offers = offers
        self._recording = Sound(Path(take.path), length_ms, "(your recording)")
        self._round = 0

    async def run(self) -> Choice:
        while self._round < ROUNDS:
            self._round += 1
            key = await self.ask_key(*self._choices())
            action = self._keys.action("review", key)
            choice = await self._choose(action if action in self._offers else None, key)
            if choice:
                return choice
        return Choice.NONE

    def begin_again(self) -> None:
        """Something was done: what follows is the first round again."""
        self._round = 0

    async def _choose(self, action: str | None, key: str | None) -> Choice | None:
        match action:
            case "save":
                return Choice.SAVE
            case "record":
                return Choice.AGAIN
            case "discard":
                return Choice.DISCARD
            case "listen":
                self.begin_again()
                played = await self.call.play([self._recording])
                if played.key:
                    self.call.unread(played.key)
            case _ if key:
                await self.refuse("entry/invalid")
        return None

    def _choices(self) -> list[Meaning]:
        keys = {said: self._keys.key("review", action) for action, said in self._offers.items()}
        return [self.rules.choice(said, key) for said, key in keys.items() if key]
