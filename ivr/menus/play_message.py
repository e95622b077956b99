"""Playing one message, and nothing else, where the dialplan says so."""

from __future__ import annotations

import structlog

from ivr.audio.formats import Sound
from ivr.errors import IvrError, NotFound
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message_reference import id_prefix
from ivr.menus.context import CallContext
from ivr.menus.dialplan_status import Status
from ivr.menus.menu import CallerMenu, NextStep
from ivr.menus.message_playback import MAX_PAUSE_MS, fast_forward_position_ms, rewind_position_ms
from ivr.storage.records import AuditAction, ChangeReason, Folder, Message

PLAYBACK_STATUS_VARIABLE = "VOICEMAIL_PLAYBACKSTATUS"
"""SUCCESS or FAILED, as VoiceMailPlayMsg() sets it."""

log = structlog.get_logger()


class PlayMessage(CallerMenu):
    """Plays the message that the dialplan names, with the keys for rewind, fast-forward and pause.

    Any other key ends it. A new message that was played to its end is saved, as at the owner's phone.
    """

    def __init__(self, call_context: CallContext, mailbox: Mailbox) -> None:
        super().__init__(call_context, mailbox)
        self._length_ms = 0

    async def run(self) -> NextStep:
        try:
            message = await self.call.run_while_listening(self._find(self.call.incoming.arguments.message))
            await self._play(message)
        except IvrError as error:
            log.warning("message.not_played", box=self.mailbox.id, error=str(error))
            await self.call.set_variable(PLAYBACK_STATUS_VARIABLE, "FAILED")
            return Status.NOMESSAGE if isinstance(error, NotFound) else Status.ERROR
        await self.call.set_variable(PLAYBACK_STATUS_VARIABLE, "SUCCESS")
        return Status.DONE

    async def _find(self, name: str) -> Message:
        """Return the message with this id or reference. Raises `NotFound`, `PastRetention`."""
        not_before = self.mailbox.voicemail_settings.retention_cutoff(self.services.clock.now())
        if prefix := id_prefix(name):
            return await self.services.messages.find_by_id_prefix(self.mailbox.id, prefix, not_before)
        return await self.services.messages.get(self.mailbox.id, name, not_before)

    async def _play(self, message: Message) -> None:
        self.call.journal.note("message", id=message.id, folder=message.folder)
        await self._record_heard(message)
        position_ms: int | None = 0
        while position_ms is not None and position_ms < message.length_ms:
            *intro, audio = await self.call.run_while_listening(self.services.delivery.fetch_audio(message))
            sounds = [Sound(path, message.intro_ms, "(introduction)") for path in intro]
            sounds.append(Sound(audio, message.length_ms - message.intro_ms, f"(message {message.id})"))
            played = await self.call.play(sounds, position_ms=position_ms)
            if played.key is None:
                await self._save_heard(message)
                return
            position_ms = await self._next_position(played.key, played.position_ms, message.length_ms)

    async def _next_position(self, key: str, position_ms: int, length_ms: int) -> int | None:
        """Return where the message goes on after a key; None ends it."""
        step_ms = self.mailbox.settings.seek_duration_ms
        match self.key_map.action_for("message", key):
            case "rewind":
                return rewind_position_ms(position_ms, step_ms)
            case "fastforward":
                return fast_forward_position_ms(position_ms, step_ms, length_ms)
            case "replay":
                return 0
            case "pause":
                await self.call.wait_for_key(MAX_PAUSE_MS)
                return position_ms
            case _:
                return None

    async def _record_heard(self, message: Message) -> None:
        actor = self.call_context.actor(self.mailbox, "dialplan")
        await self.services.audit_log.record(
            actor, AuditAction.HEARD, account_id=message.account_id, box_id=message.box_id, subjects=[message.id]
        )

    async def _save_heard(self, message: Message) -> None:
        if message.folder is Folder.NEW and self.mailbox.settings.after_heard == "save":
            await self.call.run_while_listening(
                self.services.messages.move_to_folder(
                    self.mailbox.id, message.id, Folder.SAVED, ChangeReason.PLAYED, required_folder=Folder.NEW
                )
            )
