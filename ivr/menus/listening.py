"""One message being heard: which stage it is at, where its audio stands, and how it goes on after a key."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from ivr.audio.sound import Sound
from ivr.call.port import FIRST_DIGIT_MS
from ivr.mailbox.message import Folder, Message
from ivr.menus import seek
from ivr.menus.menu import OwnerMenu
from ivr.prompts.voice import Meaning


class Stage(Enum):
    NUMBER = auto()
    AUDIO = auto()
    ENVELOPE = auto()
    MENU = auto()


STAGES = {
    "play_after": (Stage.NUMBER, Stage.AUDIO, Stage.ENVELOPE, Stage.MENU),
    "play_before": (Stage.NUMBER, Stage.ENVELOPE, Stage.AUDIO, Stage.MENU),
    "skip": (Stage.NUMBER, Stage.AUDIO, Stage.MENU),
}
"""The order of stages for each `play_envelope_action` (kazoo-behaviour §1.12, design)."""


class Listening:
    """`menu` lends call and voice; `choices` are what the spoken menu offers."""

    def __init__(
        self, menu: OwnerMenu, message: Message, number: int, folder: Folder, choices: Sequence[Meaning]
    ) -> None:
        self.message = message
        self.heard_to_the_end = False
        self._menu = menu
        self._number = number
        self._folder = folder
        self._choices = choices
        self._stages = STAGES[menu.mailbox.settings.envelope]
        self._at = 0
        self._prompt_ms = 0
        self._audio_ms = 0
        self._begun = False

    @property
    def audio_has_begun(self) -> bool:
        """Whether any of its audio was heard or passed over."""
        return self._begun or self._at > self._stages.index(Stage.AUDIO)

    @property
    def is_playing(self) -> bool:
        """Whether the key that was just pressed cut the audio itself."""
        return self._stages[self._at] is Stage.AUDIO

    async def until_key(self) -> str | None:
        """Go on from where it stands until a key, or until silence has followed the spoken menu (None)."""
        while True:
            stage = self._stages[self._at]
            if stage is Stage.AUDIO:
                self._prepare_what_may_follow()
            start_ms = self._audio_ms if stage is Stage.AUDIO else self._prompt_ms
            played = await self._menu.call.play(await self._sounds(stage), position_ms=start_ms)
            if stage is Stage.AUDIO:
                self._audio_ms = played.position_ms
                self._begun |= not played.typed_ahead
            else:
                self._prompt_ms = played.position_ms
            if played.key:
                return played.key
            if stage is Stage.MENU:
                self._prompt_ms = 0
                return await self._menu.call.wait(FIRST_DIGIT_MS)
            self.heard_to_the_end |= stage is Stage.AUDIO
            self._go(self._at + 1)

    def replay(self) -> None:
        """From its number on."""
        self._audio_ms = 0
        self._go(0)

    def rewind(self, step_ms: int) -> None:
        """Back by `step_ms` from where the audio stands, which is its end once it was played."""
        self._audio_ms = seek.back(self._audio_ms, step_ms)
        self._go(self._stages.index(Stage.AUDIO))

    def fast_forward(self, step_ms: int) -> None:
        """On by `step_ms`; past the end, what comes behind the audio goes on."""
        audio = self._stages.index(Stage.AUDIO)
        if self._at > audio:
            return
        self._audio_ms = seek.forward(self._audio_ms, step_ms, self.message.length_ms)
        self._go(audio + (self._audio_ms >= self.message.length_ms))

    def to_menu(self) -> None:
        """To the spoken menu, from its beginning."""
        self._go(self._stages.index(Stage.MENU))

    def _go(self, stage: int) -> None:
        self._at = stage
        self._prompt_ms = 0

    def _prepare_what_may_follow(self) -> None:
        """While the audio plays there is time to join what is said behind it, or after a key to the next message."""
        for said in ((self._envelope(),), self._choices, (self._menu.rules.message_number(self._number + 1),)):
            self._menu.visit.voice.prepare(*said)

    async def _sounds(self, stage: Stage) -> list[Sound]:
        match stage:
            case Stage.NUMBER:
                # What lies in the opened folder needs no word; what this call has made of a message does.
                became = None if self.message.folder == self._folder else self.message.folder
                said = self._menu.rules.message_number(self._number, urgent=self.message.urgent, folder=became)
                return [await self._menu.sound(said)]
            case Stage.AUDIO:
                return self._audio()
            case Stage.ENVELOPE:
                return [await self._menu.sound(self._envelope())]
            case Stage.MENU:
                return [await self._menu.sound(*self._choices)]

    def _audio(self) -> list[Sound]:
        message = self.message
        *intro, audio = self._menu.mailroom.delivery.audio(message)
        whole = [Sound(path, message.intro_ms, "(introduction)") for path in intro]
        return [*whole, Sound(audio, message.length_ms - message.intro_ms, f"(message {message.id})")]

    def _envelope(self) -> Meaning:
        mailbox, rules = self._menu.mailbox, self._menu.rules
        left, now = mailbox.local(self.message.time), mailbox.local(self._menu.mailroom.clock.now())
        if mailbox.settings.envelope_type == "caller_and_time":
            return rules.call_from(self.message.caller.number, left, now)
        return rules.received(left, now)

    def full_envelope(self) -> Meaning:
        """All there is to say about it: when, from whom, how long."""
        mailbox, rules = self._menu.mailbox, self._menu.rules
        left, now = mailbox.local(self.message.time), mailbox.local(self._menu.mailroom.clock.now())
        who = rules.who(self.message.caller.number)
        return (*rules.received(left, now), "envelope/from", *who, *rules.length(self.message.length_ms))
