"""The playback of one message: its current stage, the position of its audio, and where it continues after a key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum, auto

from ivr.audio.formats import Sound
from ivr.call.base import FIRST_DIGIT_TIMEOUT_MS, PlayResult
from ivr.errors import HungUp
from ivr.menus.menu import OwnerMenu
from ivr.menus.message_envelope import MessageEnvelope
from ivr.prompts.voice import Prompt
from ivr.storage.records import AuditAction, Folder, Message

MAX_PAUSE_MS = 60_000


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
"""The order of the stages for each value of `play_envelope_action`."""


def rewind_position_ms(position_ms: int, step_ms: int) -> int:
    """Return the position `step_ms` earlier, but not before the start."""
    return max(0, position_ms - step_ms)


def fast_forward_position_ms(position_ms: int, step_ms: int, length_ms: int) -> int:
    """Return the position `step_ms` later, but not after the end."""
    return min(length_ms, position_ms + step_ms)


class MessagePlayback:
    """The playback of one message.

    `menu`: supplies the call and renders prompts. `number`: position of the message in its folder, from 1.
    `find_option_prompts`: the options that are read out after the message. It is called behind the message's number,
    so that no key waits for what they depend on.
    """

    def __init__(
        self,
        menu: OwnerMenu,
        message: Message,
        number: int,
        folder: Folder,
        find_option_prompts: Callable[[], Awaitable[Sequence[Prompt]]],
    ) -> None:
        self.message = message
        menu.services.delivery.prefetch_audio(message)  # While its number is said.
        self.played_to_end = False
        self._menu = menu
        self._number = number
        self._folder = folder
        self._find_option_prompts = find_option_prompts
        self.envelope = MessageEnvelope(menu, message)
        self._stages = STAGE_ORDER[menu.mailbox.settings.envelope_placement]
        self._stage_index = 0
        self._prompt_position_ms = 0
        self._audio_position_ms = 0
        self._audio_started = False
        self._is_recorded = False
        """Whether the audit log has that the message was heard."""
        self.has_started = False
        """Whether any stage was played or skipped."""

    @property
    def has_audio_started(self) -> bool:
        """Whether any of the audio was played or skipped."""
        return self._audio_started or self._stage_index > self._stages.index(PlaybackStage.AUDIO)

    @property
    def is_playing(self) -> bool:
        """Whether the last key interrupted the audio itself."""
        return self._stages[self._stage_index] is PlaybackStage.AUDIO

    async def play_until_key(self) -> str | None:
        """Continue at the current position until a key. None: the spoken menu was followed by silence."""
        while True:
            stage = self._stages[self._stage_index]
            if stage is PlaybackStage.AUDIO:
                await self._prepare_next_prompts()
            start_ms = self._audio_position_ms if stage is PlaybackStage.AUDIO else self._prompt_position_ms
            played = await self._play(stage, start_ms)
            self.has_started |= not played.typed_ahead
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

    async def _play(self, stage: PlaybackStage, start_ms: int) -> PlayResult:
        """Play a stage. Audio that has begun to play is recorded, also when the caller hangs up meanwhile."""
        sounds = await self._render_stage(stage)
        try:
            played = await self._menu.call.play(sounds, position_ms=start_ms)
        except HungUp:
            self._record_heard(stage)
            raise
        if not played.typed_ahead:
            self._record_heard(stage)
        return played

    def _record_heard(self, stage: PlaybackStage) -> None:
        if stage is PlaybackStage.AUDIO and not self._is_recorded:
            self._is_recorded = True
            self._menu.session.record_soon(AuditAction.HEARD, self.message.id)

    def replay(self) -> None:
        """Go to the message's number, and to the start of its audio."""
        self._audio_position_ms = 0
        self._go_to_stage(0)

    def rewind(self, step_ms: int) -> None:
        """Go back by `step_ms` from the position of the audio, which is its end once it was played."""
        self._audio_position_ms = rewind_position_ms(self._audio_position_ms, step_ms)
        self._go_to_stage(self._stages.index(PlaybackStage.AUDIO))

    def fast_forward(self, step_ms: int) -> None:
        """Go forward by `step_ms`; past the end of the audio, go to the stage after it."""
        audio_index = self._stages.index(PlaybackStage.AUDIO)
        if self._stage_index > audio_index:
            return
        length_ms = self.message.length_ms
        self._audio_position_ms = fast_forward_position_ms(self._audio_position_ms, step_ms, length_ms)
        self._go_to_stage(audio_index + (self._audio_position_ms >= length_ms))

    def skip_to_menu(self) -> None:
        """Go to the start of the spoken menu."""
        self._go_to_stage(self._stages.index(PlaybackStage.MENU))

    def _go_to_stage(self, index: int) -> None:
        self._stage_index = index
        self._prompt_position_ms = 0

    async def _prepare_next_prompts(self) -> None:
        """Render the next prompts while the audio plays: those after it, and the number of the next message."""
        next_number = self._menu.language.message_number(self._number + 1)
        for prompts in (await self._find_option_prompts(), (next_number,)):
            self._menu.call_context.voice.prepare(*prompts)

    async def _render_stage(self, stage: PlaybackStage) -> list[Sound]:
        match stage:
            case PlaybackStage.NUMBER:
                # The folder is announced only if this call has moved the message out of the opened one.
                moved_to = None if self.message.folder == self._folder else self.message.folder
                prompt = self._menu.language.message_number(self._number, urgent=self.message.urgent, folder=moved_to)
                return [await self._menu.render(prompt)]
            case PlaybackStage.AUDIO:
                return await self._audio_sounds()
            case PlaybackStage.ENVELOPE:
                return await self.envelope.short_sounds()
            case PlaybackStage.MENU:
                return [await self._menu.render(*await self._find_option_prompts())]

    async def _audio_sounds(self) -> list[Sound]:
        message = self.message
        fetched = self._menu.services.delivery.fetch_audio(message)
        *intro, audio = await self._menu.call.run_while_listening(fetched)
        intro_sounds = [Sound(path, message.intro_ms, "(introduction)") for path in intro]
        return [*intro_sounds, Sound(audio, message.length_ms - message.intro_ms, f"(message {message.id})")]
