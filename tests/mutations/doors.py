"""Breaks of what programs meet at the REST door, of what follows a message, and of the doctor."""

from __future__ import annotations

from tests.mutations.breaks import Break

API = "ivr/api/"
STORE = "ivr/mailbox/sqlite/"

BREAKS = (
    # What follows a message
    Break("N01", "ivr/notify/mail/recipients.py", '.get("vm_to_email_enabled", True)', '.get("vm_to_email", True)'),
    Break("N10", "ivr/notify/mail/recipients.py", "not box.shared_vmbox or", "True or"),
    Break("SI05", "ivr/notify/mail/recipients.py", "[box.notify_email] if box.notify_email else []", ""),
    Break("W02", "ivr/directory/directory.py",
          "if connection.execute(sql, (endpoint.account_id, endpoint.user_id)).fetchone():",
          "if False:"),
    Break("W03", "ivr/notify/targets.py", 'numbers.append(self._settings.prefix + row["mailbox"])', "pass"),
    # The REST API
    Break("EP01", f"{API}documents.py", '"saved": counts.saved', '"saved": counts.new'),
    Break("EP06", "ivr/mailbox/sqlite/boxes.py", "WHERE box_id = ? AND deleted_at IS NULL",
          "WHERE box_id = ? AND deleted_at < 0"),
    Break("EP12", "ivr/mailbox/sqlite/messages.py",
          "removal.vanish(connection, before, self._now())",
          "assert before"),
    Break("EP13", "ivr/mailbox/sqlite/messages.py", "for copy in copies:\n                with",
          "for copy in copies[:1]:\n                with"),
    Break("EP15", f"{API}messages.py", "page_to_delete(asker, query, box, folder, after)",
          "page_to_delete(asker, query, box, None, after)"),
    Break("EP24", f"{STORE}uploads.py", "(after.audio, after.length_ms", "(before.audio, after.length_ms"),
    Break("ER01", f"{API}refusals.py", "errors.NotSignedIn, 401", "errors.NotSignedIn, 400"),
    Break("ER02", f"{API}asker.py", "if not self.reaches(found.settings):", "if False:"),
    Break("ER03", f"{API}refusals.py", "errors.NotFound, 404", "errors.NotFound, 400"),
    Break("ER04", f"{API}application.py", '", ".join(_verbs(request))', '""'),
    Break("ER05", f"{API}body.py", "raise BadInput('the body must be an object: {\"data\": {…}}')", "return {}"),
    Break("ER06", f"{API}refusals.py", "errors.TooLarge, 413", "errors.TooLarge, 400"),
    Break("ER07", f"{API}negotiation.py", "mark[1] > 0", "True"),
    Break("A20", "ivr/mailbox/sqlite/boxes.py", 'for alias in box.settings.get("aliases", ())', "for alias in ()"),
    Break("A21", "ivr/mailbox/boxes.py", "result.pop(key, None)", "result[key] = None"),
    Break("A25", f"{API}wanted.py", "if ids is None or ids == []:", "if ids is None:"),
    Break("A27", "ivr/mailbox/sqlite/listing.py", "return Page(found, found[-1].key)", "return Page(found, one.key)"),
    Break("A30", f"{API}ranges.py", "min(size, int(asked[2]) + 1)", "min(size, int(asked[2]))"),
    Break("A36", f"{API}documents.py", "counts.new + counts.saved", "counts.new"),
    Break("SI09", f"{API}allowed.py", "not self._networks or self._is_one_of_them(scope)", "True"),
    Break("RW01", "ivr/mailbox/sqlite/rows.py", "if seen is not None and revision != seen:", "if False:"),
    Break("RW02", "ivr/mailbox/bulk.py", "message.revision if only_if else None", "None"),
    Break("RW03", f"{API}envelope.py", "raise Outdated(str(conflict)) from conflict", "raise"),
    Break("RW04", "ivr/mailbox/sqlite/media.py", "!= media_id:", "is None:"),
    Break("RW05", "ivr/mailbox/delivery.py", "await self.forget_audio(copies)", "pass"),
    Break("RW06", "ivr/mailbox/uploads.py", "await asyncio.to_thread(self._recordings.remove, path)", "pass"),
    Break("RW07", "ivr/mailbox/sqlite/uploads.py", "with room.made(connection, before.box_id,",
          'with room.made(connection, "",'),
    Break("RW08", "ivr/mailbox/boxes.py", "if size > limit and", "if False and"),
    Break("RW09", f"{API}application.py", "Allowed(Head(app),", "Allowed(app,"),
    Break("RW10", "ivr/mailbox/uploads.py", 'audio=f"{message.id}-{self._ids.document()[:8]}", ', ""),
    Break("RW11", f"{STORE}sweeping.py", 'Shelf.MEDIA: ("SELECT id FROM media WHERE id = ?", ',
          'Shelf.MEDIA: ("SELECT ?", '),
    Break("RW12", "ivr/mailbox/sweeping/rules.py", "HEARD_OUT_S = 3600", "HEARD_OUT_S = -1"),
    # The quota on every way in
    Break("QU01", f"{STORE}messages.py", "room.made(connection, moved.box_id,", 'room.made(connection, "",'),
    Break("QU02", f"{STORE}room.py", "raise BoxFull(", "assert BoxFull("),
    Break("QU03", "ivr/mailbox/delivery.py", "purged = await self._messages.add_copies(copies, message, seen=seen)",
          "purged = [gone for one in copies for gone in await self._messages.add_copies([one], message, seen=seen)]"),
    Break("QU04", f"{STORE}room.py", "counters.size(connection, box_id) <= held:", "False:"),
    Break("QU05", f"{STORE}room.py", "if said:", "if False:"),
    Break("QU06", f"{STORE}room.py", "return int((row and row[0]) or 0) * MEGABYTE", "return 0"),
    Break("QU08", "ivr/menus/forward.py", 'return "forward/box-full"', "return None"),
    Break("QU09", "ivr/menus/apology.py", '(BoxFull, "forward/box-full")', '(BoxFull, "message/gone")'),
    Break("QU10", "ivr/menus/forward.py", "behind=self._message.bytes", "behind=0"),
    Break("QU11", "ivr/mailbox/bulk.py", '(BoxFull, "mailbox_full")', '(BoxFull, CONFLICT)'),
    Break("QU12", f"{API}refusals.py", 'errors.BoxFull, 409, "mailbox_full"', 'errors.BoxFull, 503, "mailbox_full"'),
    Break("QU13", f"{STORE}media.py", "with room.made(connection, media.box_id,", 'with room.made(connection, "",'),
    # The doctor
    Break("TL01", "ivr/doctor/folder.py", "if found.st_mode & stat.S_IRWXO:", "if False:"),
    Break("TL03", "ivr/doctor/machine.py", 'site.machine.program("ffmpeg")', '"ffmpeg"'),
    Break("TL04", "ivr/doctor/service.py", "if ANSWER in said:", "if said:"),
    Break("TL05", "ivr/doctor/asterisk.py", "if name not in running]", "if False]"),
    Break("TL06", "ivr/doctor/manager.py", "except ActionRefused:", "except ZeroDivisionError:"),
)  # fmt: skip
