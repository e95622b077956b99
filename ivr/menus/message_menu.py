"""The messages of one folder, one after another, and what each key does while they play.

`MessageMenu._actions` binds each action of the key map's menu "message" to the method that performs it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum, auto
from functools import partial

import structlog

from ivr.errors import IvrError, NotFound, PastRetention
from ivr.mailbox.folder_cursor import FolderCursor
from ivr.mailbox.mailbox import Mailbox
from ivr.menus import menu
from ivr.menus.call_back import AnswerSender, CallBackToCaller
from ivr.menus.choose_folder import ChooseFolder
from ivr.menus.compose import Compose
from ivr.menus.context import OwnerSession
from ivr.menus.forward import Forward
from ivr.menus.menu import NextMenu, NextStep, OwnerMenu
from ivr.menus.message_playback import MAX_PAUSE_MS, MessagePlayback
from ivr.menus.recipients import find_sender
from ivr.prompts.voice import Prompt
from ivr.storage.records import AuditAction, ChangeReason, Folder, Message

MAX_SILENT_ROUNDS = 4
"""Rounds without a key, after which the call ends."""
MAX_INVALID_KEYS = 3
"""Keys without an action in a row, after which the call ends."""

SPOKEN_ACTIONS = ("keep", "replay", "forward", "delete", "callback", "file_message", "reply", "return_main_menu")
"""The actions that the menu reads out, in the order of their keys. The other keys work too."""
KEY_ORDER = "123456789*#0"
REPEATABLE_ACTIONS = {"replay", "prev", "rewind", "next", "fastforward", "envelope"}
"""Actions whose keys may be pressed twice in quick succession. Repeating any other would do harm."""

log = structlog.get_logger()


class KeyResult(Enum):
    """Where the menu continues after a key."""

    STAY = auto()
    """With the current message, at its current position."""
    ADVANCE = auto()
    """With the message at the cursor; the folder of the current one is settled."""


class MessageMenu(OwnerMenu):
    """`parent` is the main menu, to which it returns. `preferred`: a message of the folder that is played first.

    `autoplay`: the owner has not chosen these messages. Keys pressed before the first of them is announced are
    therefore meant for the main menu.
    """

    def __init__(
        self,
        session: OwnerSession,
        folder: Folder,
        *,
        parent: NextMenu,
        autoplay: bool = False,
        preferred: Message | None = None,
    ) -> None:
        super().__init__(session)
        self._folder = folder
        self._preferred = preferred
        self._parent = parent
        self._autoplay = autoplay
        self._cursor: FolderCursor
        self._playback: MessagePlayback
        self._senders: dict[str, Mailbox | None] = {}
        """The mailbox that a reply to the message goes to, by the id of the message, once it was looked for."""
        """The mailbox that a reply to the current message goes to."""
        self._actions: dict[str, Callable[[], Awaitable[KeyResult | NextStep]]] = {
            "keep": self._save,
            "replay": self._replay,
            "forward": self._forward,
            "prev": self._previous,
            "rewind": self._rewind,
            "next": self._next,
            "delete": self._delete_or_restore,
            "fastforward": self._fast_forward,
            "callback": self._answer_sender,
            "return_main_menu": self._return_to_main_menu,
            "pause": self._pause,
            "envelope": self._envelope,
            "file_message": self._file,
            "reply": self._reply,
        }
        if not self.mailbox.settings.is_voicemail_ff_rw_enabled:
            self._actions |= {"rewind": self._envelope}
            del self._actions["fastforward"]

    async def run(self) -> NextStep:
        now = self.services.clock.now()
        self._cursor = await self.call.run_while_listening(
            FolderCursor.open(self.services.messages, self.mailbox, self._folder, now, self._preferred)
        )
        short = False
        while message := await self.call.run_while_listening(self._cursor.current_message()):
            result = await self._handle_message(message, short)
            if not isinstance(result, KeyResult):
                return result
            short = True
        return self._parent

    async def _handle_message(self, message: Message, short: bool) -> KeyResult | NextStep:
        """Play one message and act on keys until one of them leaves it. `short`: the menu is read in its short form."""
        self.call.journal.note("message", id=message.id, folder=message.folder)
        self._senders.clear()  # A mailbox may have been disabled since.
        self._playback = MessagePlayback(
            self, message, self._cursor.message_number, self._folder, partial(self._option_prompts, message, short)
        )
        self.services.delivery.prefetch_found(partial(self._cursor.following_messages, 1))
        result: KeyResult | NextStep = KeyResult.STAY
        silent_rounds = invalid_keys = 0
        try:
            while result is KeyResult.STAY:
                key = await self._next_key()
                if key and self._autoplay and self._belongs_to_main_menu(key):
                    self.call.push_back(key)
                    return self._parent
                self._autoplay = self._autoplay and not self._playback.has_audio_started
                action_name = self.key_map.action_for("message", key) or ""
                if key and action_name not in REPEATABLE_ACTIONS:
                    self.call.ignore_repeats(key)
                if action := self._actions.get(action_name):
                    silent_rounds = invalid_keys = 0
                    result = await self._run_action(action)
                elif key:
                    invalid_keys += 1
                    if invalid_keys == MAX_INVALID_KEYS:
                        await self.say("entry/too-many-invalid")
                        await self.call.hang_up()
                    await self.reject("entry/invalid")
                else:
                    silent_rounds += 1
                    if silent_rounds == MAX_SILENT_ROUNDS:
                        result = await self.say_goodbye()
            return result
        finally:
            if self._playback.played_to_end:
                self.session.heard_message_ids.add(message.id)
            if result is not KeyResult.ADVANCE:
                await self._autosave_heard(message)

    def _belongs_to_main_menu(self, key: str) -> bool:
        """Return whether `key` is meant for the main menu: it came before the first message was announced, or while
        it was announced and it is the key for new or saved messages, which an owner who knows that menu presses."""
        if not self._playback.has_started:
            return True
        action = self.key_map.action_for("main", key)
        return not self._playback.has_audio_started and action in ("hear_new", "hear_saved")

    async def _next_key(self) -> str | None:
        try:
            return await self._playback.play_until_key()
        except IvrError as error:
            await self.report_error(error, menu.prompt_for_message_error(error))
            self._playback.skip_to_menu()
            return None

    async def _run_action(self, action: Callable[[], Awaitable[KeyResult | NextStep]]) -> KeyResult | NextStep:
        try:
            return await action()
        except IvrError as error:
            await self.report_error(error, menu.prompt_for_message_error(error))
            if isinstance(error, NotFound | PastRetention):
                return KeyResult.ADVANCE
            self._playback.skip_to_menu()
            return KeyResult.STAY

    async def _autosave_heard(self, message: Message) -> None:
        """Save a new message that was played to its end but left without a decision. Others stay where they are, and so
        does each in a mailbox that keeps what was heard."""
        if self.mailbox.settings.after_heard == "keep":
            return
        if message.folder is not Folder.NEW or message.id not in self.session.heard_message_ids:
            return
        try:
            await self.services.messages.move_to_folder(
                self.mailbox.id, message.id, Folder.SAVED, ChangeReason.PLAYED, required_folder=Folder.NEW
            )
            self.call.journal.note("folder", message=message.id, folder=Folder.SAVED)
        except IvrError as error:
            log.warning("message.autosave_failed", message=message.id, error=str(error))

    async def _find_sender(self) -> Mailbox | None:
        """Return the mailbox that a reply to the message goes to; None: there is none."""
        message = self._playback.message
        if message.id not in self._senders:
            self._senders[message.id] = await self.call.run_while_listening(find_sender(self.session, message))
        return self._senders[message.id]

    async def _option_prompts(self, message: Message, short: bool) -> list[Prompt]:
        sender = await self._find_sender()
        keys = {action: self.key_map.key_for("message", action) for action in SPOKEN_ACTIONS}
        can_call = CallBackToCaller.is_offered(self.session, message)
        if not can_call and not sender:
            keys["callback"] = ""
        if not sender:
            keys["reply"] = ""
        if not self.mailbox.voicemail_settings.folder_labels:
            keys["file_message"] = ""
        offered = sorted((KEY_ORDER.index(key), action) for action, key in keys.items() if key)
        prompt_names = {"delete": "restore"} if message.folder is Folder.DELETED else {}
        if sender and not keys["reply"]:
            prompt_names["callback"] = "callback-or-reply" if can_call else "reply"
        return [
            self.language.menu_option(prompt_names.get(action, action).replace("_", "-"), keys[action], short=short)
            for _, action in offered
        ]

    # -- the actions of the keys -----------------------------------------------------------------------------------

    async def _save(self) -> KeyResult:
        return await self._move_to_folder(Folder.SAVED, "done/saved")

    async def _delete_or_restore(self) -> KeyResult:
        if self._playback.message.folder is not Folder.DELETED:
            return await self._move_to_folder(Folder.DELETED, "done/deleted")
        message_id = self._playback.message.id
        await self.call.run_while_listening(
            self.services.messages.restore_from_deleted(self.mailbox.id, message_id, ChangeReason.DTMF)
        )
        self.call.journal.note("restored", message=message_id)
        self.session.record(AuditAction.RESTORED, [message_id])
        self._cursor.advance()
        await self.say("done/restored")
        return KeyResult.ADVANCE

    async def _move_to_folder(self, folder: Folder, confirmation: Prompt) -> KeyResult:
        message_id, folder_before = self._playback.message.id, self._playback.message.folder
        await self.call.run_while_listening(
            self.services.messages.move_to_folder(self.mailbox.id, message_id, folder, ChangeReason.DTMF)
        )
        if folder is Folder.DELETED:
            self.session.record(AuditAction.DELETED, [message_id])
        elif folder is not folder_before:
            self.session.record_soon(AuditAction.MOVED, message_id)
        self.call.journal.note("folder", message=message_id, folder=folder)
        self._cursor.advance()
        await self.say(confirmation)
        return KeyResult.ADVANCE

    async def _file(self) -> KeyResult:
        """Save the message under the label of the folder that the owner chooses."""
        label = await ChooseFolder(self.session).run()
        if label is None:
            self._playback.skip_to_menu()
            return KeyResult.STAY
        message_id = self._playback.message.id
        await self.call.run_while_listening(
            self.services.messages.set_marks(self.mailbox.id, message_id, labels=[label])
        )
        self.session.record_soon(AuditAction.CHANGED, message_id)
        self.call.journal.note("label", message=message_id, label=label)
        return await self._save()

    async def _replay(self) -> KeyResult:
        self._playback.replay()
        return KeyResult.STAY

    async def _previous(self) -> KeyResult:
        self._cursor.retreat()
        return KeyResult.ADVANCE

    async def _next(self) -> KeyResult:
        if await self.call.run_while_listening(self._cursor.try_advance()):
            return KeyResult.ADVANCE
        await self.say("message/no-more")
        self._playback.skip_to_menu()
        return KeyResult.STAY

    async def _rewind(self) -> KeyResult:
        self._playback.rewind(self.mailbox.settings.seek_duration_ms)
        return KeyResult.STAY

    async def _fast_forward(self) -> KeyResult:
        self._playback.fast_forward(self.mailbox.settings.seek_duration_ms)
        return KeyResult.STAY

    async def _pause(self) -> KeyResult:
        """Wait for a key. The pause key resumes, any other key is handled as usual."""
        if self._playback.is_playing:
            key = await self.call.wait_for_key(MAX_PAUSE_MS)
            if key and self.key_map.action_for("message", key) != "pause":
                self.call.push_back(key)
        return KeyResult.STAY

    async def _envelope(self) -> KeyResult:
        played = await self.call.play(await self._playback.envelope.full_sounds())
        if played.key:
            self.call.push_back(played.key)
        return KeyResult.STAY

    async def _return_to_main_menu(self) -> NextStep:
        return self._parent

    async def _forward(self) -> KeyResult | NextStep:
        forwarded = await Forward(self.session, self._playback.message).run()
        match self.mailbox.settings.after_forward_action if forwarded else "prompt":
            case "save":
                return await self._save()
            case "delete":
                return await self._move_to_folder(Folder.DELETED, "done/deleted")
        self._playback.skip_to_menu()
        return KeyResult.STAY

    async def _answer_sender(self) -> KeyResult | NextStep:
        """Call back or reply, as the owner chooses where both are possible and a reply has no key of its own."""
        if not await self._find_sender() or self.key_map.key_for("message", "reply"):
            return await self._call_back()
        if not CallBackToCaller.is_offered(self.session, self._playback.message):
            return await self._reply()
        match await AnswerSender(self.session).run():
            case "call_sender":
                return await self._call_back()
            case "send_reply":
                return await self._reply()
        self._playback.skip_to_menu()
        return KeyResult.STAY

    async def _reply(self) -> KeyResult | NextStep:
        if sender := await self._find_sender():
            await Compose(self.session, sender).run()
        else:
            await self.reject("compose/no-sender")
        self._playback.skip_to_menu()
        return KeyResult.STAY

    async def _call_back(self) -> KeyResult | NextStep:
        next_step = await CallBackToCaller(self.session, self._playback.message).run()
        if next_step:
            return next_step
        self._playback.replay()
        return KeyResult.STAY
