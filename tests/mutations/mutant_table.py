"""One small break for as many rows of docs/dev/checklist.md as there can be: what to change, where, into what."""

from __future__ import annotations

from tests.mutations import api_mutants, caller_mutants
from tests.mutations.mutants import Mutant

__all__ = ["MUTANTS", "Mutant"]

MENUS = "ivr/menus/"
MAIN = f"{MENUS}main_menu.py"
MESSAGE = f"{MENUS}message_menu.py"
SIGN_IN = f"{MENUS}sign_in.py"
FORWARD = f"{MENUS}forward.py"
RECIPIENTS = f"{MENUS}recipients.py"
CALL_BACK = f"{MENUS}call_back.py"

MUTANTS = (
    # Keys
    Mutant("KP16", "ivr/menus/sign_in.py", "max_digits=MAX_BOX_NUMBER_LENGTH", "max_digits=1"),
    Mutant("KP17", "ivr/menus/sign_in.py", "max_digits=MAX_PIN_LENGTH", "max_digits=3"),
    Mutant("KP18", MAIN, '"hear_new": Folder.NEW', '"hear_new": Folder.SAVED'),
    Mutant("KP19", MAIN, '"hear_saved": Folder.SAVED', '"hear_saved": Folder.DELETED'),
    Mutant("KP20", MAIN, 'case "configure" if not', 'case "exit" if not'),
    Mutant("KP21", MAIN, 'case "exit":', 'case "leave":'),
    Mutant("KP22", MAIN, "ROUNDS = 4", "ROUNDS = 3"),
    Mutant("KP23", "ivr/menus/message_menu.py", "_move_to_folder(Folder.SAVED,", "_move_to_folder(Folder.NEW,"),
    Mutant("KP24", MESSAGE, '"replay": self._replay', '"replay": self._next'),
    Mutant("KP26", MESSAGE, '"prev": self._previous', '"prev": self._next'),
    Mutant("KP27", MESSAGE, '{"rewind": self._envelope}', "{}"),
    Mutant("KP28", MESSAGE, '"next": self._next', '"next": self._keep'),
    Mutant(
        "KP29",
        MESSAGE,
        "DELETED:\n            return await self._move_to_folder(Folder.DELETED,",
        "DELETED:\n            return await self._move_to_folder(Folder.SAVED,",
    ),
    Mutant("KP31", CALL_BACK, "return Status.BRANCH", "return Status.DONE"),
    Mutant("KP32", MESSAGE, " or message.id not in self.session.heard", ""),
    Mutant("KP33", MESSAGE, '"pause": self._pause', '"pause": self._envelope'),
    Mutant("KP35", FORWARD, '"plain": "forward-plain"', '"plain": "prepend"'),
    Mutant("KP36", "ivr/menus/recipients.py", 'if action == "cancel" or key == CANCEL_KEY:', "if False:"),
    Mutant("KP37", "ivr/menus/forward.py", 'self.render("forward/intro")]', 'self.render("forward/intro")], keys=""'),
    # Entry and signing in
    Mutant("E01", "ivr/call/arguments.py", '"": Action.LEAVE,', '"": Action.CHECK,'),
    Mutant("E02", "ivr/menus/call_handler.py", "await call.answer()", "await call.send_progress()"),
    Mutant("E03", "ivr/menus/context.py", "if user.voicemail_id and", "if not user.voicemail_id and"),
    Mutant(
        "E04",
        "ivr/menus/caller_entry.py",
        "return UnknownMailbox(call_context)",
        "return SignIn(call_context, None, mailbox_specified=True)",
    ),
    Mutant(
        "E05",
        "ivr/menus/caller_entry.py",
        "return call_context.is_owner(mailbox) and (check_owner or mailbox.settings.announcement_only)",
        "return False",
    ),
    Mutant(
        "E06",
        "ivr/menus/caller_entry.py",
        "return call_context.is_owner(mailbox) and (check_owner or mailbox.settings.announcement_only)",
        "return call_context.is_owner(mailbox)",
    ),
    Mutant(
        "E07", "ivr/menus/sign_in.py", "return self.call_context.is_owner(mailbox) and not pin_required", "return False"
    ),
    Mutant("E08", SIGN_IN, "mailbox.settings.require_pin or ", ""),
    Mutant("E09", "ivr/menus/sign_in.py", " or mailbox.voicemail_settings.force_require_pin", ""),
    Mutant(
        "E10",
        "ivr/menus/sign_in.py",
        "not await self.call.run_while_listening(self.services.pins.has_pin(mailbox))",
        "False",
    ),
    Mutant("E11", "ivr/menus/sign_in.py", "range(self._account_settings.max_login_attempts)", "range(9)"),
    Mutant("E12", SIGN_IN, '"login/wrong-pin"', '"login/wrong-pin" if self._mailbox else "entry/invalid"'),
    Mutant("E13", "ivr/call/base.py", "if len(digits) > max_digits:", "if False:"),
    # Main menu
    Mutant("M01", "ivr/prompts/language_rules.py", '("count/and", *other)', "other"),
    Mutant("M02", MAIN, '"exit": True', '"exit": False'),
    Mutant("M03", MAIN, '"configure": not self.mailbox.settings.not_configurable', '"configure": True'),
    Mutant("M04", "ivr/menus/call_handler.py", "call_context.opened_mailboxes\n", "()\n"),
    Mutant(
        "M05",
        "ivr/menus/message_menu.py",
        "short = True\n        return self._parent",
        "short = True\n        return await self.say_goodbye()",
    ),
    # Listening
    Mutant("L01", "ivr/storage/sqlite/message_rows.py", '("<", "DESC")', '("<", "ASC")'),
    Mutant(
        "L02",
        "ivr/menus/message_playback.py",
        "(PlaybackStage.NUMBER, PlaybackStage.AUDIO, PlaybackStage.ENVELOPE,",
        "(PlaybackStage.NUMBER, PlaybackStage.AUDIO,",
    ),
    Mutant("L03", "ivr/mailbox/box_settings.py", '"skip" if self.skip_envelope else', ""),
    Mutant(
        "L04",
        "ivr/menus/message_playback.py",
        "(PlaybackStage.NUMBER, PlaybackStage.ENVELOPE, PlaybackStage.AUDIO,",
        "(PlaybackStage.NUMBER, PlaybackStage.AUDIO,",
    ),
    Mutant("L05", "ivr/menus/message_envelope.py", '== "caller_and_time"', '== "caller"'),
    Mutant("L06", "ivr/menus/message_menu.py", '"done/saved"', '"done/deleted"'),
    Mutant("L07", "ivr/menus/message_playback.py", "self._go_to_stage(0)", "self._go_to_stage(1)"),
    Mutant("L08", FORWARD, "(self._message, first, take", "(self._message, self._mailbox, take"),
    Mutant("L09", "ivr/mailbox/folder_cursor.py", "self._index = max(0, self._index - 1)", "self._index = 0"),
    Mutant("L10", "ivr/menus/message_playback.py", "max(0, position_ms - step_ms)", "position_ms"),
    Mutant("L11", "ivr/menus/message_menu.py", 'del self._actions["fastforward"]', "pass"),
    Mutant(
        "L12",
        "ivr/storage/sqlite/messages.py",
        "if before.has_audio:\n            events",
        "if folder == Folder.NEW:\n            events",
    ),
    Mutant("L13", "ivr/mailbox/caller_id.py", 'r"\\+?[0-9]+", number)', 'r".*", number)'),
    Mutant(
        "L14", "ivr/menus/message_menu.py", "if self._playback.played_to_end:", "if not self._playback.played_to_end:"
    ),
    Mutant("L15", MESSAGE, "INVALID_KEYS = 3", "INVALID_KEYS = 4"),
    Mutant(
        "L16",
        "ivr/menus/message_playback.py",
        "self.played_to_end |= stage is PlaybackStage.AUDIO",
        "self.played_to_end = True",
    ),
    Mutant("L17", MESSAGE, "rewind(self.mailbox.settings.seek_duration_ms)", "rewind(10_000)"),
    # Forwarding
    Mutant("F01", RECIPIENTS, "if mailbox.id == self.mailbox.id:", "if False:"),
    Mutant("F02", RECIPIENTS, "TRIES = 3", "TRIES = 5"),
    Mutant("F03", FORWARD, '== "prepend_forward"', '!= "prepend_forward"'),
    Mutant("F04", FORWARD, '"cancel": "back-to-messages"', '"cancel": "return-main-menu"'),
    Mutant("F05", "ivr/mailbox/delivery.py", "length_ms=copy.length_ms + intro_ms", "length_ms=copy.length_ms"),
    Mutant("F06", "ivr/menus/forward.py", "if await self._record_intro():", "if await self._record_intro() or True:"),
    Mutant("F07", MESSAGE, 'case "save":', 'case "delete":'),
    Mutant("F08", FORWARD, 'self.say("done/forwarded",', 'self.say("done/saved",'),
    # Keys that can be changed
    Mutant("K01", "ivr/mailbox/key_map.py", '"rec_name": "record_name"', '"rec_name": "rec_name"'),
    Mutant(
        "K02",
        "ivr/mailbox/key_map.py",
        'KeyBinding("message", "fastforward", "8")',
        'KeyBinding("message", "fast_forward", "8")',
    ),
    # Messages
    Mutant("R01", "ivr/storage/sqlite/messages.py", "(folder, before.folder, now,", "(folder, None, now,"),
    Mutant("R02", "ivr/storage/records/messages.py", "62_167_219_200", "0"),
    Mutant("R03", "ivr/audio/wav.py", "// BYTES_PER_MS", "// 8"),
    Mutant("R04", "ivr/ids.py", "%Y%m", "%Y%d"),
    Mutant("R05", "ivr/mailbox/voicemail_settings.py", "int(now) - self.message_retention_duration * DAY_S", "0"),
    Mutant(
        "R06",
        "ivr/mailbox/delivery.py",
        "folder=Folder.NEW,\n            folder_before",
        "folder=Folder.SAVED,\n            folder_before",
    ),
    Mutant(
        "R07", "ivr/storage/sqlite/message_rows.py", "WHERE id = ? AND box_id = ? AND", "WHERE id = ? AND ? != '' AND"
    ),
    Mutant("R08", "ivr/storage/sqlite/removal.py", "SET deleted_at = ?, revision", "SET stored_at = ?, revision"),
    # Tools and faults
    Mutant("TL02", "ivr/doctor/permissions.py", '"Unable to open output" in output', '"Unable to open" == output'),
    Mutant(
        "TL07", "ivr/doctor/asterisk.py", "not hmac.compare_digest(theirs.encode(), ours.encode())", "theirs == ours"
    ),
    Mutant("TL08", "ivr/doctor/console.py", 'startswith("InAuth:")', 'startswith("Aor:")'),
    Mutant("TL09", "ivr/doctor/console.py", 'pattern[-1] in ".!"', 'pattern[-1] in "!"'),
    Mutant("TL10", "ivr/health/checks.py", "elif now < newest:", "elif now < 0:"),
    Mutant("TL11", f"{MENUS}menu.py", 'menu.call.journal.note("menu", name=name)', "pass"),
    Mutant("TL12", "ivr/call/journal.py", "MASK if self._mask_enabled else key", "key"),
    Mutant("TL14", "ivr/cli/watch.py", '"on" if light.new else "off"', '"off" if light.new else "on"'),
    Mutant("TL16", "ivr/install/installed_files.py", "if digest == recorded or (", "if True or ("),
    Mutant(
        "FT03",
        "ivr/call/fastagi/server.py",
        "is_full = len(self._connections) - len(self._silent) >= self._limits.max_calls",
        "is_full = False",
    ),
    Mutant("FT04", "ivr/call/fastagi/connection.py", 'elif line == "HANGUP":', 'elif line == "HANGUPS":'),
    Mutant("FT05", "ivr/call/fastagi/protocol.py", 'in "\\n\\r\\0"', 'in "\\0"'),
    Mutant("FT11", "ivr/mailbox/delivery.py", "await asyncio.to_thread(self._recordings.remove, target)", "pass"),
    *caller_mutants.MUTANTS,
    *api_mutants.MUTANTS,
)
