"""One small break for as many rows of docs/checklist.md as there can be: what to change, where, into what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Break:
    """`old` stands exactly once in `file`."""

    row: str
    file: str
    old: str
    new: str


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
    Break("F01", FORWARD, "if found and found.id != self._mailbox.id:", "if found:"),
    Break("F02", FORWARD, "TRIES = 3", "TRIES = 5"),
    Break("F03", FORWARD, '== "prepend_forward"', '!= "prepend_forward"'),
    Break("F04", FORWARD, '"cancel": "back-to-messages"', '"cancel": "return-main-menu"'),
    Break("F05", "ivr/mailbox/delivery.py", "copy.length_ms - copy.intro_ms + intro_ms", "copy.length_ms"),
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
    # Callers
    Break("KP01", "ivr/menus/greeting.py", "return SignIn(self.visit, self.mailbox, named=True)", "return None"),
    Break("KP02", "ivr/menus/operator.py", "return Status.BRANCH", "return None"),
    Break('KP03', 'ivr/menus/greeting.py', 'not typed[0].isdigit()', 'typed == "x"'),
    Break("KP04", "ivr/menus/greeting.py", "return Status.EXIT", "return None"),
    Break("KP05", "ivr/menus/greeting.py", "if not tries or not typed or", "if not typed or"),
    Break("KP06", "ivr/menus/announcement.py", "return SignIn(self.visit, self.mailbox, named=True)", "return Status.DONE"),
    Break("KP07", "ivr/menus/announcement.py", ", keys=meant)", ")"),
    Break("KP08", "ivr/menus/full_box.py", "if played.key else Status.FULL", "if False else Status.FULL"),
    Break('KP09', 'ivr/menus/hunt.py', 'leave(context, dialled)', 'leave(context, "0")'),
    Break("KP11", "ivr/menus/review.py", "return Choice.SAVE", "return Choice.AGAIN"),
    Break('KP12', 'ivr/menus/review.py', 'case "listen":', 'case "hear":'),
    Break("KP13", "ivr/menus/review.py", "return Choice.AGAIN", "return Choice.SAVE"),
    Break("KP14", "ivr/menus/caller_review.py", "return Choice.OPERATOR", "return Choice.SAVE"),
    Break("KP15", "ivr/menus/review.py", "ROUNDS = 4", "ROUNDS = 5"),
    Break("C01", "ivr/mailbox/greetings.py", "self._clock.now() >= media.temporary_until", "False"),
    Break("C02", "ivr/menus/salutation.py", "mailbox.settings.skip_greeting or", "False or"),
    Break("C03", "ivr/menus/greeting.py", "return self.mailbox.settings.skip_instructions", "return False"),
    Break("C04", "ivr/menus/salutation.py", "return [name, await menu.sound(_absent(menu))]", "return [await _number(menu)]"),
    Break("C06", "ivr/menus/operator.py", "return (system.operator_context, extension) if exists else None", "return (system.operator_context, extension)"),
    Break('C07', 'ivr/menus/operator.py', 'system.operator_key if own in (None, "") else str(own)', 'system.operator_key'),
    Break('C11', 'ivr/menus/recorder.py', 'await self.call.record(Path(take.path)', "self.call.typeahead.put('1'); await self.call.record(Path(take.path)"),
    Break("C12", "ivr/menus/recorder.py", "(asked or mailbox.settings", "(mailbox.settings"),
    Break("C13", "ivr/menus/recorder.py", "(mailbox.system.silence_hits if own is None else own)", "mailbox.system.silence_hits"),
    Break("C14", "ivr/menus/recorder.py", "await self._hung_up(take, mailbox)", "pass"),
    Break("C16", "ivr/menus/leave.py", "        self._to_operator = choice is Choice.OPERATOR\n        return choice", "        return Choice.AGAIN if choice is Choice.NONE else choice"),
    Break('C17', 'ivr/menus/leave.py', 'self.goodbye("done/message-left", "done/thank-you")', 'self.goodbye()'),
    Break("C18", "ivr/menus/recorder.py", "if length_ms < mailbox.system.min_message_size:", "if length_ms < 0:"),
    Break("C19", "ivr/menus/caller.py", "return FullBox(visit, mailbox)", "return Leave(visit, mailbox)"),
    Break("C20", "ivr/mailbox/room.py", "if most:", "if True:"),
    Break("C22", "ivr/menus/caller.py", "if mailbox.settings.announcement_only:", "if False:"),
    Break("C23", "ivr/menus/caller.py", "(wanted or mailbox.settings.announcement_only)", "wanted"),
    Break("C25", "ivr/mailbox/greetings.py", "return await self.temporary(mailbox) or", "return"),
    Break("H02", "ivr/menus/greeting.py", "or await WayOut(self.visit, self.mailbox).is_digit(key)", ""),
    Break("H03", "ivr/menus/hunt.py", "return not (deny and matches(deny, dialled))", "return True"),
    Break('H04', 'ivr/menus/hunt.py', 'self.say("greeting/transferring")', 'self.say("done/saved")'),
    Break("H05", "ivr/menus/hunt.py", "TRIES = 3", "TRIES = 4"),
    Break("H06", "ivr/mailbox/box.py", "hunt: bool = True", "hunt: bool = False"),
    Break("SI02", "ivr/mailbox/greetings.py", "own = mailbox.settings.media.unavailable or mailbox.settings.greeting_media_id", "own = mailbox.settings.media.unavailable"),
    Break("SI04", "ivr/mailbox/room.py", "left_ms is not None and left_ms < LEAST_MS", "False"),
    # The owner's settings
    Break("KP38", "ivr/menus/settings_menu.py", "OwnRecording(self.session, Purpose.GREETING)", "OwnRecording(self.session, Purpose.NAME)"),
    Break("KP39", "ivr/menus/settings_menu.py", "OwnRecording(self.session, Purpose.NAME)", "OwnRecording(self.session, Purpose.GREETING)"),
    Break("KP40", "ivr/menus/pin_change.py", "await self.call.work(self.mailroom.pins.set_by_owner(self.mailbox, pin))", "pass"),
    Break("KP41", "ivr/menus/settings_menu.py", "OwnRecording(self.session, Purpose.TEMPORARY)", "OwnRecording(self.session, Purpose.GREETING)"),
    Break('KP42', 'ivr/menus/settings_menu.py', '"settings/temporary-removed" if there', '"settings/temporary-removed" if not there'),
    Break('KP43', 'ivr/menus/settings_menu.py', '{"announcement_only": on}', '{"announcement_only": not on}'),
    Break('KP44', 'ivr/menus/settings_menu.py', 'if action == "return_main_menu":', 'if action == "more":'),
    Break("KP45", "ivr/menus/settings_menu.py", "TRIES = 3", "TRIES = 4"),
    Break("S01", "ivr/menus/settings_menu.py", "AT_A_TIME = 5", "AT_A_TIME = 6"),
    Break("S02", "ivr/menus/settings_menu.py", "                tries = 0\n", ""),
    Break('S03', 'ivr/mailbox/sqlite/media.py', "AND source = 'recording'", "AND source != ''"),
    Break("S04", "ivr/menus/pin_change.py", "!= pin:", "is None:"),
    Break("S05", "ivr/menus/own_recording.py", "if choice is Choice.SAVE:", "if choice is not Choice.DISCARD:"),
    Break("S06", "ivr/mailbox/greetings.py", "mailbox.owner.id if mailbox.owner and media.kind is MediaKind.NAME else None", "None"),
    Break("SK08", "ivr/menus/welcome.py", "if not settings.not_configurable:", "if True:"),
    Break("E14", "ivr/menus/welcome.py", "return Wizard(self.session)", "return MainMenu(self.session, first=True)"),
    Break("SI07", "ivr/menus/which_box.py", "if user.voicemail_id and", "if False and"),
    # What follows a message
    Break('N01', 'ivr/notify/mail/recipients.py', '.get("vm_to_email_enabled", True)', '.get("vm_to_email", True)'),
    Break("N10", "ivr/notify/mail/recipients.py", "not box.shared_vmbox or", "True or"),
    Break("SI05", "ivr/notify/mail/recipients.py", "[box.notify_email] if box.notify_email else []", ""),
    Break("W02", "ivr/directory/directory.py", "if connection.execute(sql, (endpoint.account_id, endpoint.user_id)).fetchone():", "if False:"),
    Break('W03', 'ivr/notify/targets.py', 'numbers.append(self._settings.prefix + row["mailbox"])', 'pass'),
    # The REST API
    Break('EP01', 'ivr/api/documents.py', '"saved": counts.saved', '"saved": counts.new'),
    Break("EP06", "ivr/mailbox/sqlite/boxes.py", "WHERE box_id = ? AND deleted_at IS NULL", "WHERE box_id = ? AND deleted_at < 0"),
    Break("EP12", "ivr/mailbox/sqlite/messages.py", "            removal.vanish(connection, before, int(self._clock.now()))", "            assert before"),
    Break("EP13", "ivr/mailbox/sqlite/messages.py", "for copy in copies:\n                self._appear", "for copy in copies[:1]:\n                self._appear"),
    Break("EP15", "ivr/api/messages.py", "page_to_delete(asker, query, box, folder, after)", "page_to_delete(asker, query, box, None, after)"),
    Break("EP24", "ivr/mailbox/replacing.py", "os.replace(new, place)", "pass"),
    Break("ER01", "ivr/api/refusals.py", "errors.NotSignedIn, 401", "errors.NotSignedIn, 400"),
    Break("ER02", "ivr/api/asker.py", "if not self.reaches(found.settings):", "if False:"),
    Break("ER03", "ivr/api/refusals.py", "errors.NotFound, 404", "errors.NotFound, 400"),
    Break('ER04', 'ivr/api/application.py', '", ".join(_verbs(request))', '""'),
    Break('ER05', 'ivr/api/body.py', 'raise BadInput(\'the body must be an object: {"data": {…}}\')', 'return {}'),
    Break("ER06", "ivr/api/refusals.py", "errors.TooLarge, 413", "errors.TooLarge, 400"),
    Break("ER07", "ivr/api/negotiation.py", "mark[1] > 0", "True"),
    Break('A20', 'ivr/mailbox/sqlite/boxes.py', 'for alias in box.settings.get("aliases", ())', 'for alias in ()'),
    Break("A21", "ivr/mailbox/boxes.py", "result.pop(key, None)", "result[key] = None"),
    Break("A25", "ivr/api/wanted.py", "if ids is None or ids == []:", "if ids is None:"),
    Break("A27", "ivr/mailbox/sqlite/listing.py", "return Page(found, found[-1].key)", "return Page(found, one.key)"),
    Break("A30", "ivr/api/ranges.py", "min(size, int(asked[2]) + 1)", "min(size, int(asked[2]))"),
    Break("A36", "ivr/api/documents.py", "counts.new + counts.saved", "counts.new"),
    Break("SI09", "ivr/api/allowed.py", "not self._networks or self._is_one_of_them(scope)", "True"),
    Break("RW01", "ivr/mailbox/sqlite/rows.py", "if seen is not None and revision != seen:", "if False:"),
    Break("RW02", "ivr/mailbox/bulk.py", "message.revision if only_if else None", "None"),
    Break("RW03", "ivr/api/envelope.py", "raise Outdated(str(conflict)) from conflict", "raise"),
    Break("RW04", "ivr/mailbox/sqlite/media.py", "!= media_id:", "is None:"),
    Break("RW05", "ivr/mailbox/delivery.py", "await self.forget_audio(copies)", "pass"),
    Break("RW06", "ivr/mailbox/uploads.py", "await asyncio.to_thread(files.undo)", "pass"),
    Break("RW07", "ivr/mailbox/uploads.py", "quota_bytes=mailbox.quota_bytes", "quota_bytes=0"),
    Break("RW08", "ivr/mailbox/boxes.py", "if size > limit and", "if False and"),
    Break("RW09", "ivr/api/application.py", "Allowed(Head(app),", "Allowed(app,"),
    # The doctor
    Break("TL01", "ivr/doctor/folder.py", "if found.st_mode & stat.S_IRWXO:", "if False:"),
    Break('TL03', 'ivr/doctor/machine.py', 'site.machine.program("ffmpeg")', '"ffmpeg"'),
    Break("TL04", "ivr/doctor/service.py", "if ANSWER in said:", "if said:"),
    Break("TL05", "ivr/doctor/asterisk.py", "if name not in running]", "if False]"),
    Break("TL06", "ivr/doctor/manager.py", "except ActionRefused:", "except ZeroDivisionError:"),
)  # fmt: skip
