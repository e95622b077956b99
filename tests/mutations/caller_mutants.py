"""Mutants of the caller's menus and the settings menu."""

from __future__ import annotations

from tests.mutations.mutants import Mutant

MENUS = "ivr/menus/"

MUTANTS = (
    # Callers
    Mutant(
        "KP01",
        f"{MENUS}greeting.py",
        "return SignIn(self.call_context, self.mailbox, mailbox_specified=True, parent=self._parent)",
        "return None",
    ),
    Mutant(
        "KP02",
        "ivr/menus/exit_keys.py",
        "await self.call.continue_at(context, extension)\n        return Status.BRANCH\n\n    async def find_target",
        "await self.call.continue_at(context, extension)\n        return None\n\n    async def find_target",
    ),
    Mutant("KP03", "ivr/menus/greeting.py", "not dialled[0].isdigit()", 'dialled == "x"'),
    Mutant("KP04", f"{MENUS}greeting.py", "return Status.EXIT", "return None"),
    Mutant("KP05", "ivr/menus/greeting.py", "if not tries_left or not dialled or", "if not dialled or"),
    Mutant(
        "KP06",
        "ivr/menus/caller_entry.py",
        'mailbox_specified=True, parent=self)\n            case "continue"',
        'mailbox_specified=True, parent=None)\n            case "continue"',
    ),
    Mutant("KP07", "ivr/menus/caller_entry.py", "await play_greeting(self, keys=keys)", "await play_greeting(self)"),
    Mutant(
        "KP08", "ivr/menus/caller_entry.py", "if not played.key:\n            return Status.FULL", "return Status.FULL"
    ),
    Mutant("KP09", f"{MENUS}hunt.py", "continue_at(context, extension)", 'continue_at(context, "0")'),
    Mutant("KP11", f"{MENUS}review.py", "return ReviewChoice.SAVE", "return ReviewChoice.RECORD_AGAIN"),
    Mutant("KP12", f"{MENUS}review.py", 'case "listen":', 'case "hear":'),
    Mutant("KP13", f"{MENUS}review.py", "return ReviewChoice.RECORD_AGAIN", "return ReviewChoice.SAVE"),
    Mutant("KP14", f"{MENUS}review.py", "return ReviewChoice.OPERATOR", "return ReviewChoice.SAVE"),
    Mutant("KP15", f"{MENUS}review.py", "MAX_ROUNDS = 4", "MAX_ROUNDS = 5"),
    Mutant("C01", "ivr/mailbox/greetings.py", "self._clock.now() >= media.temporary_until", "False"),
    Mutant("C02", "ivr/menus/greeting.py", "if mailbox.settings.skip_greeting:", "if False:"),
    Mutant("C03", f"{MENUS}greeting.py", "return self.mailbox.settings.skip_instructions", "return False"),
    Mutant(
        "C04",
        "ivr/menus/greeting.py",
        "return [name, await menu.render(_absence_prompt(menu))]",
        "return [await _render_number_greeting(menu)]",
    ),
    Mutant(
        "C06",
        "ivr/menus/exit_keys.py",
        "return (operator_context, extension) if exists else None",
        "return (operator_context, extension)",
    ),
    Mutant(
        "C07",
        "ivr/menus/exit_keys.py",
        'system.operator_key if own_number in (None, "") else str(own_number)',
        "system.operator_key",
    ),
    Mutant(
        "C11",
        f"{MENUS}recorder.py",
        "silence_ms=silence_ms)\n",
        "silence_ms=silence_ms)\n                self.call.push_back('1')\n",
    ),
    Mutant("C12", "ivr/menus/recorder.py", "1000 * argument_s if argument_s else mailbox.max", "mailbox.max"),
    Mutant(
        "C13",
        "ivr/menus/recorder.py",
        "(mailbox.voicemail_settings.silence_hits if own_hits is None else own_hits)",
        "mailbox.voicemail_settings.silence_hits",
    ),
    Mutant(
        "C14",
        "ivr/menus/recorder.py",
        "            await self._store_or_discard(take, mailbox)\n            raise",
        "            raise",
    ),
    Mutant(
        "C16",
        "ivr/menus/leave_message.py",
        "        self._operator_chosen = choice is ReviewChoice.OPERATOR\n        return choice",
        "        return ReviewChoice.RECORD_AGAIN if choice is ReviewChoice.NONE else choice",
    ),
    Mutant(
        "C17",
        "ivr/menus/leave_message.py",
        'self.say_goodbye("done/message-left", "done/thank-you")',
        "self.say_goodbye()",
    ),
    Mutant(
        "C18",
        "ivr/mailbox/recording_check.py",
        "if length_ms < mailbox.min_recording_ms:",
        "if length_ms < 0:",
    ),
    Mutant(
        "C19",
        "ivr/menus/caller_entry.py",
        "return MailboxFull(call_context, mailbox)",
        "return LeaveMessage(call_context, mailbox, [mailbox])",
    ),
    Mutant(
        "C20", "ivr/mailbox/mailbox.py", "0 < self.max_messages <= self.messages", "self.max_messages <= self.messages"
    ),
    Mutant("C22", "ivr/menus/caller_entry.py", "if mailbox.settings.announcement_only:", "if False:"),
    Mutant("C23", "ivr/menus/caller_entry.py", "(check_owner or mailbox.settings.announcement_only)", "check_owner"),
    Mutant("C25", "ivr/mailbox/greetings.py", "await self.find_temporary_greeting(mailbox)\n            or ", ""),
    Mutant("H02", f"{MENUS}hunt.py", "[0-9]{{1,{MAX_DIGITS}}}", "[0-9]{{2,{MAX_DIGITS}}}"),
    Mutant("H03", f"{MENUS}hunt.py", "return not (deny and matches(deny, extension))", "return True"),
    Mutant("H04", f"{MENUS}hunt.py", 'self.say("greeting/transferring")', 'self.say("done/saved")'),
    Mutant("H05", f"{MENUS}hunt.py", "MAX_TRIES = 3", "MAX_TRIES = 4"),
    Mutant("H06", "ivr/mailbox/box_settings.py", "hunt: bool = True", "hunt: bool = False"),
    Mutant(
        "SI02",
        "ivr/mailbox/greetings.py",
        "media_id = mailbox.settings.media.unavailable or mailbox.settings.greeting_media_id",
        "media_id = mailbox.settings.media.unavailable",
    ),
    Mutant(
        "SI04",
        "ivr/mailbox/mailbox.py",
        "self.has_too_many_messages or self.is_out_of_space",
        "self.has_too_many_messages",
    ),
    # The owner's settings
    Mutant(
        "KP38",
        f"{MENUS}settings_menu.py",
        "RecordGreeting(self.session, RecordingPurpose.GREETING)",
        "RecordGreeting(self.session, RecordingPurpose.NAME)",
    ),
    Mutant(
        "KP39",
        f"{MENUS}settings_menu.py",
        "RecordGreeting(self.session, RecordingPurpose.NAME)",
        "RecordGreeting(self.session, RecordingPurpose.GREETING)",
    ),
    Mutant(
        "KP40",
        f"{MENUS}settings_menu.py",
        "await self.services.pins.set_by_owner(self.mailbox, pin, is_checked=True)",
        "pass",
    ),
    Mutant(
        "KP41",
        f"{MENUS}settings_menu.py",
        "RecordGreeting(self.session, RecordingPurpose.TEMPORARY_GREETING)",
        "RecordGreeting(self.session, RecordingPurpose.GREETING)",
    ),
    Mutant(
        "KP42",
        "ivr/menus/settings_menu.py",
        '"settings/temporary-removed" if removed',
        '"settings/temporary-removed" if not removed',
    ),
    Mutant("KP43", f"{MENUS}settings_menu.py", '{"announcement_only": on}', '{"announcement_only": not on}'),
    Mutant("KP44", "ivr/menus/settings_menu.py", 'if action == "return_main_menu":', 'if action == "more":'),
    Mutant("KP45", f"{MENUS}settings_menu.py", "MAX_TRIES = 3", "MAX_TRIES = 4"),
    Mutant("S01", f"{MENUS}settings_menu.py", "CHOICES_PER_PAGE = 5", "CHOICES_PER_PAGE = 6"),
    Mutant("S02", f"{MENUS}settings_menu.py", "                tries = 0\n", ""),
    Mutant("S03", "ivr/storage/sqlite/media.py", "AND source = 'recording'", "AND source != ''"),
    Mutant("S04", f"{MENUS}settings_menu.py", "!= pin:", "is None:"),
    Mutant(
        "S05",
        "ivr/menus/greeting_recording.py",
        "if choice is ReviewChoice.SAVE:",
        "if choice is not ReviewChoice.DISCARD:",
    ),
    Mutant(
        "S06",
        "ivr/mailbox/greetings.py",
        "mailbox.named_user.id if mailbox.named_user and media.kind is MediaKind.NAME else None",
        "None",
    ),
    Mutant("SK08", "ivr/menus/sign_in.py", "if not settings.not_configurable:", "if True:"),
    Mutant(
        "E14",
        "ivr/menus/sign_in.py",
        "return Wizard(self.session)",
        "return MainMenu(self.session, just_signed_in=True)",
    ),
    Mutant("SI07", "ivr/menus/context.py", "if user.voicemail_id and", "if False and"),
)
