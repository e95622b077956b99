"""One message being heard: which stage it is at, where its audio stands, and how it goes on after a key."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from ivr.audio.sound import Sound
from ivr.call.base import FIRST_DIGIT_TIMEOUT_MS
from ivr.menus import seek
from ivr.menus.menu import OwnerMenu
from ivr.prompts.voice import Prompt
from ivr.storage.records import Folder, Message


class PlaybackStage(Enum):
    NUMBER = auto()
    AUDIO = auto()
    ENVELOPE = auto()
    MENU = auto()


STAGE_ORDER = {
    "play_after": (PlaybackStage.NUMBER, PlaybackStage.AUDIO, PlaybackStage.ENVELOPE, PlaybackStage.MENU),
    "play_before": (PlaybackStage.NUMBER, PlaybackStage.ENVELOPE, PlaybackStage.AUDIO, PlaybackStage.MENU),
    "skip": (PlaybackStage.NUMBER, PlaybackStage.AUDIO, PlaybackStage.MENU),
}
"""The order of stages for each `play_envelope_action` (kazoo-behaviour §1.12, design)."""


class MessagePlayback:
    """`menu` lends call and voice; `choices` are what the spoken menu offers."""

    def __init__(
        self, menu: OwnerMenu, message: Message, number: int, folder: Folder, option_prompts: Sequence[Prompt]
    ) -> None:
        self.message = message
        self.played_to_end = False
        self._menu = menu
        self._number = number
        self._folder = folder
        self._option_prompts = option_prompts
        self._stages = STAGE_ORDER[menu.mailbox.settings.envelope]
        self._stage_index = 0
        self._prompt_position_ms = 0
        self._audio_position_ms = 0
        self._audio_started = False

    @property
    def has_audio_started(self) -> bool:
        """Whether any of its audio was heard or passed over."""
        return self._audio_started or self._stage_index > self._stages.index(PlaybackStage.AUDIO)

    @property
    def is_playing(self) -> bool:
        """Whether the key that was just pressed cut the audio itself."""
        return self._stages[self._stage_index] is PlaybackStage.AUDIO

    async def play_until_key(self) -> str | None:
        """Go on from where it stands until a key, or until silence has followed the spoken menu (None)."""
        while True:
            stage = self._stages[self._stage_index]
            if stage is PlaybackStage.AUDIO:
                self._prepare_next_prompts()
            start_ms = self._audio_position_ms if stage is PlaybackStage.AUDIO else self._prompt_position_ms
            played = await self._menu.call.play(await self._render_stage(stage), position_ms=start_ms)
            if stage is PlaybackStage.AUDIO:
                self._audio_position_ms = played.position_ms
                self._audio_started |= not played.typed_ahead
            else:
                self._prompt_position_ms = played.position_ms
            if played.key:
                return played.key
            if stage is PlaybackStage.MENU:
                self._prompt_position_ms = 0
                return await self._menu.call.wait_for_key(FIRST_DIGIT_TIMEOUT_MS)
            self.played_to_end |= stage is PlaybackStage.AUDIO
            self._go_to_stage(self._stage_index + 1)

    def replay(self) -> None:
        """From its number on."""
        self._audio_position_ms = 0
        self._go_to_stage(0)

    def rewind(self, step_ms: int) -> None:
        """Back by `step_ms` from where the audio stands, which is its end once it was played."""
        self._audio_position_ms = seek.rewind(self._audio_position_ms, step_ms)
        self._go_to_stage(self._stages.index(PlaybackStage.AUDIO))

    def fast_forward(self, step_ms: int) -> None:
        """On by `step_ms`; past the end, what comes behind the audio goes on."""
        audio = self._stages.index(PlaybackStage.AUDIO)
        if self._stage_index > audio:
            return
        self._audio_position_ms = seek.fast_forward(self._audio_position_ms, step_ms, self.message.length_ms)
        self._go_to_stage(audio + (self._audio_position_ms >= self.message.length_ms))

    def skip_to_menu(self) -> None:
        """To the spoken menu, from its beginning."""
        self._go_to_stage(self._stages.index(PlaybackStage.MENU))

    def _go_to_stage(self, index: int) -> None:
        self._stage_index = index
        self._prompt_position_ms = 0

    def _prepare_next_prompts(self) -> None:
        """While the audio plays there is time to join what is said behind it, or after a key to the next message."""
        for said in (
            (self._envelope_prompt(),),
            self._option_prompts,
            (self._menu.language.message_number(self._number + 1),),
        ):
            self._menu.call_context.voice.prepare(*said)

    async def _render_stage(self, stage: PlaybackStage) -> list[Sound]:
        match stage:
            case PlaybackStage.NUMBER:
                # What lies in the opened folder needs no word; what this call has made of a message does.
                became = None if self.message.folder == self._folder else self.message.folder
                said = self._menu.language.message_number(self._number, urgent=self.message.urgent, folder=became)
                return [await self._menu.render(said)]
            case PlaybackStage.AUDIO:
                return self._audio_sounds()
            case PlaybackStage.ENVELOPE:
                return [await self._menu.render(self._envelope_prompt())]
            case PlaybackStage.MENU:
                return [await self._menu.render(*self._option_prompts)]

    def _audio_sounds(self) -> list[Sound]:
        message = self.message
        *intro, audio = self._menu.services.delivery.audio(message)
        whole = [Sound(path, message.intro_ms, "(introduction)") for path in intro]
        return [*whole, Sound(audio, message.length_ms - message.intro_ms, f"(message {message.id})")]

    def _envelope_prompt(self) -> Prompt:
        mailbox, rules = self._menu.mailbox, self._menu.language
        left, now = mailbox.local(self.message.time), mailbox.local(self._menu.services.clock.now())
        if mailbox.settings.envelope_type == "caller_and_time":
            return rules.caller_and_time(self.message.caller.number, left, now)
        return rules.received_time(left, now)

    def full_envelope_prompt(self) -> Prompt:
        """All there is to say about it: when, from whom, how long."""
        mailbox, rules = self._menu.mailbox, self._menu.language
        left, now = mailbox.local(self.message.time), mailbox.local(self._menu.services.clock.now())
        who = rules.caller_id(self.message.caller.number)
        return (*rules.received_time(left, now), "envelope/from", *who, *rules.length(self.message.length_ms))
