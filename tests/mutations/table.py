"""One small break for as many rows of docs/checklist.md as there can be: what to change, where, into what."""

from __future__ import annotations

from tests.mutations import callers, doors
from tests.mutations.breaks import Break

__all__ = ["BREAKS", "Break"]

MENUS = "ivr/menus/"
MAIN = f"{MENUS}main_menu.py"
MESSAGE = f"{MENUS}message_menu.py"
SIGN_IN = f"{MENUS}sign_in.py"
FORWARD = f"{MENUS}forward.py"
LISTENING = f"{MENUS}listening.py"
RECEPTION = f"{MENUS}reception.py"
CALL_BACK = f"{MENUS}call_back.py"
STORE = "ivr/mailbox/sqlite/"
CALLER = f"{MENUS}caller.py"
OWNED = "return visit.owns(mailbox) and (wanted or mailbox.settings.announcement_only)"

BREAKS = (
    # Keys
    Break("KP16", SIGN_IN, "self.mailroom.system.max_box_number_length", "1"),
    Break("KP17", SIGN_IN, "self.mailroom.system.max_pin_length", "3"),
    Break("KP18", MAIN, '"hear_new": Folder.NEW', '"hear_new": Folder.SAVED'),
    Break("KP19", MAIN, '"hear_saved": Folder.SAVED', '"hear_saved": Folder.DELETED'),
    Break("KP20", MAIN, 'case "configure" if not', 'case "exit" if not'),
    Break("KP21", MAIN, 'case "exit":', 'case "leave":'),
    Break("KP22", MAIN, "ROUNDS = 4", "ROUNDS = 3"),
    Break("KP23", MESSAGE, "self._become(Folder.SAVED)", "self._become(Folder.NEW)"),
    Break("KP24", MESSAGE, '"replay": self._replay', '"replay": self._next'),
    Break("KP26", MESSAGE, '"prev": self._previous', '"prev": self._next'),
    Break("KP27", MESSAGE, '{"rewind": self._envelope}', "{}"),
    Break("KP28", MESSAGE, '"next": self._next', '"next": self._keep'),
    Break("KP29", MESSAGE, "self._become(Folder.DELETED)", "self._become(Folder.SAVED)"),
    Break("KP31", CALL_BACK, "return Status.BRANCH", "return Status.DONE"),
    Break("KP32", MESSAGE, " or message.id not in self.session.heard", ""),
    Break("KP33", MESSAGE, '"pause": self._pause', '"pause": self._envelope'),
    Break("KP35", FORWARD, '"plain": "forward-plain"', '"plain": "prepend"'),
    Break("KP36", FORWARD, "                    return False", "                    await self._forward_plain()"),
    Break("KP37", FORWARD, 'self.sound("forward/intro")]', 'self.sound("forward/intro")], keys=""'),
    # Entry and signing in
    Break("E01", "ivr/call/arguments.py", '"": Action.LEAVE}', '"": Action.CHECK}'),
    Break("E02", RECEPTION, "else call.answer())", "else call.ring())"),
    Break("E03", f"{MENUS}which_box.py", "if user.voicemail_id and", "if not user.voicemail_id and"),
    Break("E04", CALLER, "return NoSuchBox(visit)", "return SignIn(visit, None, named=True)"),
    Break("E05", CALLER, OWNED, "return False"),
    Break("E06", CALLER, OWNED, "return visit.owns(mailbox)"),
    Break("E07", SIGN_IN, "return self.visit.owns(mailbox) and not asked_anyway", "return False"),
    Break("E08", SIGN_IN, "mailbox.settings.require_pin or ", ""),
    Break("E09", SIGN_IN, " or mailbox.system.force_require_pin", ""),
    Break("E10", SIGN_IN, "not await self.call.work(self.mailroom.pins.has_one(self._mailbox))", "False"),
    Break("E11", SIGN_IN, "range(self.mailroom.system.max_login_attempts)", "range(9)"),
    Break("E12", SIGN_IN, '"login/wrong-pin"', '"login/wrong-pin" if self._mailbox else "entry/invalid"'),
    Break("E13", "ivr/call/port.py", "if len(digits) >= longest:", "if len(digits) > longest:"),
    # Main menu
    Break("M01", "ivr/prompts/english.py", '("count/and", *other)', "other"),
    Break("M02", MAIN, '"exit": True', '"exit": False'),
    Break("M03", MAIN, '"configure": not self.mailbox.settings.not_configurable', '"configure": True'),
    Break("M04", RECEPTION, "for opened in visit.opened:", "for opened in visit.opened[:0]:"),
    Break("M05", MESSAGE, "True\n        return self._home", "True\n        return await self.goodbye()"),
    # Listening
    Break("L01", f"{STORE}rows.py", '("<", "DESC")', '("<", "ASC")'),
    Break("L02", LISTENING, "(Stage.NUMBER, Stage.AUDIO, Stage.ENVELOPE,", "(Stage.NUMBER, Stage.AUDIO,"),
    Break("L03", "ivr/mailbox/box.py", '"skip" if self.skip_envelope else', ""),
    Break("L04", LISTENING, "(Stage.NUMBER, Stage.ENVELOPE, Stage.AUDIO,", "(Stage.NUMBER, Stage.AUDIO,"),
    Break("L05", LISTENING, '== "caller_and_time"', '== "caller"'),
    Break("L06", MESSAGE, 'self.say("done/saved")', 'self.say("done/deleted")'),
    Break("L07", LISTENING, "self._go(0)", "self._go(1)"),
    Break("L08", FORWARD, "forward(self._message, self._destination))", "forward(self._message, self._mailbox))"),
    Break("L09", "ivr/mailbox/walk.py", "self._place = max(0, self._place - 1)", "self._place = 0"),
    Break("L10", f"{MENUS}seek.py", "max(0, position_ms - step_ms)", "position_ms"),
    Break("L11", MESSAGE, 'del self._does["fastforward"]', "pass"),
    Break("L12", f"{STORE}messages.py", "if before.has_audio:", "if folder == Folder.NEW:"),
    Break("L13", CALL_BACK, '"[0-9]{1,15}"', '".*"'),
    Break("L14", MESSAGE, "if self._listening.heard_to_the_end:", "if not self._listening.heard_to_the_end:"),
    Break("L15", MESSAGE, "INVALID_KEYS = 3", "INVALID_KEYS = 4"),
    Break("L16", LISTENING, "self.heard_to_the_end |= stage is Stage.AUDIO", "self.heard_to_the_end = True"),
    Break("L17", MESSAGE, "rewind(self.mailbox.settings.seek_duration_ms)", "rewind(10_000)"),
    # Forwarding
    Break("F01", FORWARD, "if found.id == self._mailbox.id:", "if False:"),
    Break("F02", FORWARD, "TRIES = 3", "TRIES = 5"),
    Break("F03", FORWARD, '== "prepend_forward"', '!= "prepend_forward"'),
    Break("F04", FORWARD, '"cancel": "back-to-messages"', '"cancel": "return-main-menu"'),
    Break("F05", "ivr/mailbox/delivery.py", "length_ms=copy.length_ms + intro_ms", "length_ms=copy.length_ms"),
    Break("F06", FORWARD, "take, intro=False)", "take)"),
    Break("F07", MESSAGE, 'after_forward_action == "save"', 'after_forward_action != "save"'),
    Break("F08", FORWARD, 'self.say("done/forwarded")', 'self.say("done/saved")'),
    # Keys that can be changed
    Break("K01", "ivr/mailbox/keys.py", '"rec_name": "record_name"', '"rec_name": "rec_name"'),
    Break("K02", "ivr/mailbox/keys.py", 'Row("message", "fastforward", "8")', 'Row("message", "fast_forward", "8")'),
    # Messages
    Break("R01", f"{STORE}messages.py", "(folder, before.folder, now,", "(folder, None, now,"),
    Break("R02", "ivr/mailbox/message.py", "62_167_219_200", "0"),
    Break("R03", "ivr/audio/wav.py", "// BYTES_PER_MS", "// 8"),
    Break("R04", "ivr/ids.py", "%Y%m", "%Y%d"),
    Break("R05", "ivr/mailbox/system.py", "int(now) - self.message_retention_duration * DAY_S", "0"),
    Break("R06", "ivr/mailbox/delivery.py", "folder=Folder.NEW, folder_before", "folder=Folder.SAVED, folder_before"),
    Break("R07", f"{STORE}rows.py", "WHERE id = ? AND box_id = ? AND", "WHERE id = ? AND ? != '' AND"),
    Break("R08", f"{STORE}removal.py", "SET deleted_at = ?, revision", "SET stored_at = ?, revision"),
    # Tools and faults
    Break("TL02", "ivr/doctor/rights.py", '"Unable to open output" in said', '"Unable to open" == said'),
    Break("TL07", "ivr/doctor/asterisk.py", "not hmac.compare_digest(told.encode(), ours.encode())", "told == ours"),
    Break("TL08", "ivr/doctor/answers.py", 'startswith("InAuth:")', 'startswith("Aor:")'),
    Break("TL09", "ivr/doctor/answers.py", 'pattern[-1] in ".!"', 'pattern[-1] in "!"'),
    Break("TL10", "ivr/doctor/machine.py", "max(newest, BEFORE_THIS_WAS_WRITTEN)", "BEFORE_THIS_WAS_WRITTEN"),
    Break("TL11", f"{MENUS}menu.py", 'menu.call.journal.note("menu", name=name)', "pass"),
    Break("TL12", "ivr/call/journal.py", "MASK if self._masked else key", "key"),
    Break("TL14", "ivr/cli/watch.py", '"on" if light.new else "off"', '"off" if light.new else "on"'),
    Break("TL16", "ivr/installing/steps.py", "if not place.exists() or self.ours:", "if place:"),
    Break("FT03", "ivr/call/fastagi/server.py", "if len(self._connections) >= self._limits.calls:", "if False:"),
    Break("FT04", "ivr/call/fastagi/connection.py", 'elif line == "HANGUP":', 'elif line == "HANGUPS":'),
    Break("FT05", "ivr/call/fastagi/syntax.py", 'in "\\n\\r\\0"', 'in "\\0"'),
    Break("FT11", "ivr/mailbox/delivery.py", "await asyncio.to_thread(self._recordings.remove, target)", "pass"),
    *callers.BREAKS,
    *doors.BREAKS,
)  # fmt: skip
