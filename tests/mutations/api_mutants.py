"""Mutants of notifications, the REST API and the doctor."""

from __future__ import annotations

from tests.mutations.mutants import Mutant

API = "ivr/api/"

MUTANTS = (
    # What follows a message
    Mutant(
        "N01", "ivr/notifications/mail/subscriber.py", '.get("vm_to_email_enabled", True)', '.get("vm_to_email", True)'
    ),
    Mutant("N10", "ivr/notifications/mail/subscriber.py", "not box.shared_vmbox or", "True or"),
    Mutant("SI05", "ivr/notifications/mail/subscriber.py", "[box.notify_email] if box.notify_email else []", ""),
    Mutant(
        "W02",
        "ivr/storage/sqlite/directory.py",
        "if connection.execute(sql, (endpoint.account_id, endpoint.user_id)).fetchone():",
        "if False:",
    ),
    Mutant("W03", "ivr/notifications/mwi_targets.py", ", *self._with_prefix([box.mailbox])]", "]"),
    # The REST API
    Mutant("EP01", "ivr/api/serializers.py", '"saved": counts.saved', '"saved": counts.new'),
    Mutant(
        "EP06",
        "ivr/storage/sqlite/boxes.py",
        "WHERE box_id = ? AND deleted_at IS NULL",
        "WHERE box_id = ? AND deleted_at < 0",
    ),
    Mutant(
        "EP12",
        "ivr/storage/sqlite/messages.py",
        "message_rows.set_box(connection, before, box_id, to_uri, now)",
        "assert before",
    ),
    Mutant(
        "EP13",
        "ivr/storage/sqlite/messages.py",
        "for copy in copies:\n                with",
        "for copy in copies[:1]:\n                with",
    ),
    Mutant(
        "EP15",
        f"{API}messages.py",
        "fetch_page_to_delete(principal, query, box, folder, after)",
        "fetch_page_to_delete(principal, query, box, None, after)",
    ),
    Mutant("EP24", "ivr/storage/sqlite/media.py", "(after.audio, after.length_ms", "(before.audio, after.length_ms"),
    Mutant("ER01", "ivr/api/error_responses.py", "errors.Unauthorized, 401", "errors.Unauthorized, 400"),
    Mutant("ER02", "ivr/api/auth.py", "if not self.can_access(mailbox.settings):", "if False:"),
    Mutant("ER03", "ivr/api/error_responses.py", "errors.NotFound, 404", "errors.NotFound, 400"),
    Mutant(
        "ER04",
        "ivr/api/asgi.py",
        '", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))',
        '""',
    ),
    Mutant(
        "ER05",
        "ivr/api/request_body.py",
        "raise BadInput('JSON body is not an object: send {\"data\": {…}}')",
        "return {}",
    ),
    Mutant("ER06", "ivr/api/error_responses.py", "errors.PayloadTooLarge, 413", "errors.PayloadTooLarge, 400"),
    Mutant("ER07", f"{API}audio_headers.py", "if quality > 0:", "if True:"),
    Mutant("A20", "ivr/storage/sqlite/boxes.py", 'for alias in box.settings.get("aliases", ())', "for alias in ()"),
    Mutant("A21", "ivr/mailbox/boxes.py", "result.pop(key, None)", "result[key] = None"),
    Mutant("A25", "ivr/api/messages.py", "if ids is None or ids == []:", "if ids is None:"),
    Mutant(
        "A27",
        "ivr/storage/sqlite/listing.py",
        "return Page(items, items[-1].sort_key)",
        "return Page(items, candidate.sort_key)",
    ),
    Mutant("A30", f"{API}audio_headers.py", "min(size, int(match[2]) + 1)", "min(size, int(match[2]))"),
    Mutant("A36", "ivr/api/serializers.py", "counts.new + counts.saved", "counts.new"),
    Mutant("SI09", "ivr/api/middleware.py", "not self._networks or self._is_allowed(scope)", "True"),
    Mutant(
        "RW01",
        "ivr/storage/sqlite/message_rows.py",
        "if expected_revision is not None and revision != expected_revision:",
        "if False:",
    ),
    Mutant("RW02", "ivr/mailbox/bulk.py", "message.revision if precondition else None", "None"),
    Mutant("RW03", f"{API}envelope.py", "raise PreconditionFailed(str(conflict)) from conflict", "raise"),
    Mutant("RW04", "ivr/storage/sqlite/media.py", "!= media_id:", "is None:"),
    Mutant("RW05", "ivr/mailbox/delivery.py", "await self.delete_audio_files(copies)", "pass"),
    Mutant("RW06", "ivr/mailbox/uploads.py", "await asyncio.to_thread(self._recordings.remove, path)", "pass"),
    Mutant(
        "RW07",
        "ivr/storage/sqlite/media.py",
        "with counters.make_space(connection, before.box_id,",
        'with counters.make_space(connection, "",',
    ),
    Mutant("RW08", "ivr/mailbox/boxes.py", "if size > limit and", "if False and"),
    Mutant(
        "RW09",
        "ivr/api/asgi.py",
        "MethodOverrideMiddleware(HeadMiddleware(routed))",
        "MethodOverrideMiddleware(routed)",
    ),
    Mutant(
        "RW10", "ivr/mailbox/uploads.py", '            audio=f"{message.id}-{self._ids.new_document_id()[:8]}",\n', ""
    ),
    Mutant(
        "RW11",
        "ivr/storage/sqlite/retention.py",
        'MediaDirectory.MEDIA: ("SELECT id FROM media WHERE id = ?", ',
        'MediaDirectory.MEDIA: ("SELECT ?", ',
    ),
    Mutant("RW12", "ivr/retention/rules.py", "REPLACED_AUDIO_GRACE_S = 3600", "REPLACED_AUDIO_GRACE_S = -1"),
    # The quota on every way in
    Mutant(
        "QU01",
        "ivr/storage/sqlite/messages.py",
        "counters.make_space(connection, copy.box_id, self._timestamp(), exclude_ids",
        'counters.make_space(connection, "", self._timestamp(), exclude_ids',
    ),
    Mutant("QU02", "ivr/storage/sqlite/counters.py", "raise BoxFull(", "assert BoxFull("),
    Mutant(
        "QU03",
        "ivr/mailbox/delivery.py",
        "purged = await self._messages.copy_to_boxes(copies, message, expected_revision=expected_revision)",
        "purged = [gone for one in copies for gone in await self._messages.copy_to_boxes([one], message)]",
    ),
    Mutant("QU04", "ivr/storage/sqlite/counters.py", "used_bytes(connection, box_id) <= bytes_before:", "False:"),
    Mutant("QU05", "ivr/storage/sqlite/counters.py", "if exempt_from_quota:", "if False:"),
    Mutant("QU06", "ivr/storage/sqlite/counters.py", "return int((row and row[0]) or 0) * MEGABYTE", "return 0"),
    Mutant("QU08", "ivr/menus/recipients.py", "return self._prompts.full", 'return ""'),
    Mutant("QU09", "ivr/menus/menu.py", '(BoxFull, "forward/box-full")', '(BoxFull, "message/gone")'),
    Mutant("QU10", "ivr/menus/forward.py", "reserved_bytes=self._message.bytes", "reserved_bytes=0"),
    Mutant("QU11", "ivr/mailbox/bulk.py", '(BoxFull, "mailbox_full")', "(BoxFull, CONFLICT)"),
    Mutant(
        "QU12",
        "ivr/api/error_responses.py",
        'errors.BoxFull, 409, "mailbox_full"',
        'errors.BoxFull, 503, "mailbox_full"',
    ),
    Mutant(
        "QU13",
        "ivr/storage/sqlite/media.py",
        "with counters.make_space(connection, media.box_id,",
        'with counters.make_space(connection, "",',
    ),
    # The doctor
    Mutant("TL01", "ivr/health/folders.py", "if status.st_mode & stat.S_IRWXO:", "if False:"),
    Mutant("TL03", "ivr/doctor/host.py", 'installation.host.find_program("ffmpeg")', '"ffmpeg"'),
    Mutant("TL04", "ivr/doctor/running_service.py", "if SKIPPED_STATUS in response:", "if response:"),
    Mutant("TL05", "ivr/doctor/asterisk.py", "if name not in running]", "if False]"),
    Mutant("TL06", "ivr/doctor/connections.py", "except AmiActionRejected:", "except ZeroDivisionError:"),
)
