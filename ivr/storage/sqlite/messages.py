"""Messages, in SQLite: each method is one transaction, with its counters and outbox tasks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from ivr.clock import Clock, RetentionClock
from ivr.errors import BoxDeleted, IvrError, NotFound, PreconditionFailed
from ivr.storage.database import Database
from ivr.storage.records import ChangeReason, Folder, FolderCounts, Message, OpenFolder, TaskKind
from ivr.storage.sqlite import counters, events, message_rows, removal
from ivr.storage.sqlite.edge_recordings import insert_edge_recording

TASK_KIND_BY_FOLDER = {
    Folder.NEW: TaskKind.MOVED_TO_NEW,
    Folder.SAVED: TaskKind.SAVED,
    Folder.DELETED: TaskKind.DELETED,
}
"""The event of a message that enters a folder."""

EXPIRE_BATCH_SIZE = 1000
"""Messages that are hidden in one transaction before counting."""

log = structlog.get_logger()


class SqliteMessages:
    """The `MessageStore` of one database file."""

    def __init__(self, database: Database, clock: Clock, retention_clock: RetentionClock) -> None:
        self._database = database
        self._clock = clock
        self._retention_clock = retention_clock

    # -- reading -----------------------------------------------------------------------------------------------------

    async def get(self, box_id: str, message_id: str, not_before: int) -> Message:
        row = await self._database.read_row(message_rows.MESSAGE_BY_ID, message_id, box_id)
        return message_rows.message_within_retention(row, message_id, not_before)

    async def get_many(self, box_id: str, ids: Sequence[str], not_before: int) -> list[Message | IvrError]:
        return await self._database.read(lambda c: message_rows.messages_by_ids(c, box_id, ids, not_before))

    def recall(self, box_id: str, message_id: str, not_before: int) -> Message | None:
        row = self._database.recall_row(message_rows.MESSAGE_BY_ID, message_id, box_id)
        return None if row is None else message_rows.message_within_retention(row, message_id, not_before)

    async def find_by_id_prefix(self, box_id: str, prefix: str, not_before: int) -> Message:
        values = (prefix, f"{prefix}{message_rows.AFTER_ANY_ID}", box_id)
        row = await self._database.read_row(message_rows.MESSAGE_BY_ID_PREFIX, *values)
        return message_rows.message_within_retention(row, prefix, not_before)

    async def counts(self, box_id: str) -> FolderCounts:
        return await self._database.read(lambda c: counters.read_counts(c, box_id))

    async def expire_and_count(self, account_id: str, box_id: str, not_before: int) -> FolderCounts:
        not_before -= int(self._retention_clock.lead_s())

        def read_counts_if_current(connection: sqlite3.Connection) -> FolderCounts | None:
            if message_rows.messages_older_than(connection, account_id, not_before, 1):
                return None
            return counters.read_counts(connection, box_id)

        if (counts := await self._database.read(read_counts_if_current)) is None:
            await self.expire(account_id, not_before, EXPIRE_BATCH_SIZE)
            counts = await self.counts(box_id)
        return counts

    async def used_bytes(self, box_id: str, *, exclude_folder: Folder | None = None) -> int:
        return await self._database.read(lambda c: counters.used_bytes(c, box_id, exclude_folder))

    async def open_folder(
        self, box_id: str, folder: Folder, *, oldest_first: bool, not_before: int
    ) -> tuple[OpenFolder, Message | None]:
        def open_and_read_first(connection: sqlite3.Connection) -> tuple[OpenFolder, Message | None]:
            as_of = message_rows.last_arrival_seq(connection, box_id)
            opened = OpenFolder(box_id, folder, oldest_first, as_of, not_before)
            return opened, message_rows.next_message(connection, opened, None)

        return await self._database.read(open_and_read_first)

    async def next_message(self, folder: OpenFolder, after: tuple[bool, int, str] | None) -> Message | None:
        return await self._database.read(lambda c: message_rows.next_message(c, folder, after))

    async def list_page(
        self, box_id: str, folder: Folder | None, not_before: int, after: str | None, limit: int
    ) -> list[Message]:
        page = (box_id, folder, not_before, after, limit)
        return await self._database.read(lambda c: message_rows.message_page(c, *page))

    async def list_soft_deleted(self, box_id: str, limit: int) -> list[Message]:
        return await self._database.read(lambda c: removal.list_soft_deleted(c, box_id, limit))

    async def is_known(self, message_id: str) -> bool:
        return await self._database.read(lambda c: removal.is_known(c, message_id))

    # -- changing ----------------------------------------------------------------------------------------------------

    async def add(
        self,
        message: Message,
        take_id: str | None = None,
        *,
        suppress_notifications: bool = False,
        exempt_from_quota: bool = False,
        edge_call_id: str = "",
    ) -> list[Message]:
        def insert_message(connection: sqlite3.Connection) -> list[Message]:
            with counters.make_space(
                connection,
                message.box_id,
                self._timestamp(),
                exclude_ids=(message.id,),
                exempt_from_quota=exempt_from_quota,
            ) as purged:
                if edge_call_id:
                    insert_edge_recording(connection, message, edge_call_id)
                self._insert_and_announce(connection, message, take_id, suppress_notifications=suppress_notifications)
            return purged

        purged = await self._database.write(insert_message, boxes=[message.box_id])
        log.info("message.stored", message=message.id, box=message.box_id, length_ms=message.length_ms)
        counters.log_purged(purged)
        return purged

    async def move_to_folder(
        self,
        box_id: str,
        message_id: str,
        folder: Folder,
        reason: ChangeReason,
        *,
        required_folder: Folder | None = None,
        expected_revision: int | None = None,
        precondition: Callable[[Message], bool] | None = None,
        not_before: int | None = None,
    ) -> Message:
        def move_message(connection: sqlite3.Connection) -> tuple[Message, Message]:
            before = message_rows.message_by_id(
                connection, box_id, message_id, not_before, expected_revision=expected_revision
            )
            if precondition and not precondition(before):
                raise PreconditionFailed("it was changed meanwhile: read it again")
            if before.folder == folder or (required_folder and before.folder != required_folder):
                return before, before
            return before, self._move_to_folder(connection, before, folder, reason)

        return _log_folder_change(*await self._database.write(move_message, boxes=[box_id]), reason)

    async def set_marks(
        self,
        box_id: str,
        message_id: str,
        *,
        urgent: bool | None = None,
        labels: Sequence[str] | None = None,
        expected_revision: int | None = None,
    ) -> Message:
        def mark_message(connection: sqlite3.Connection) -> Message:
            before = message_rows.message_by_id(connection, box_id, message_id, expected_revision=expected_revision)
            new_labels = before.labels if labels is None else tuple(labels)
            marked = replace(before, urgent=before.urgent if urgent is None else urgent, labels=new_labels)
            if marked == before:
                return before
            after = message_rows.set_marks(connection, marked)
            counters.adjust_for_message(connection, before, before.folder, -1)
            counters.adjust_for_message(connection, after, after.folder, 1)
            events.enqueue_mwi(connection, before.account_id, before.box_id, self._timestamp())
            return after

        return await self._database.write(mark_message, boxes=[box_id])

    async def restore_from_deleted(self, box_id: str, message_id: str, reason: ChangeReason) -> Message:
        def restore_message(connection: sqlite3.Connection) -> tuple[Message, Message]:
            before = message_rows.message_by_id(connection, box_id, message_id)
            if before.folder != Folder.DELETED:
                return before, before
            return before, self._move_to_folder(connection, before, before.folder_before or Folder.NEW, reason)

        return _log_folder_change(*await self._database.write(restore_message, boxes=[box_id]), reason)

    async def undelete(self, box_id: str, message_id: str, reason: ChangeReason) -> Message:
        now = self._timestamp()

        def undelete_message(connection: sqlite3.Connection) -> list[Message]:
            if not removal.is_soft_deleted(connection, box_id, message_id):
                return []
            with counters.make_space(connection, box_id, now, exclude_ids=(message_id,)) as purged:
                removal.undelete(connection, box_id, message_id, now)
            return purged

        counters.log_purged(await self._database.write(undelete_message, boxes=[box_id]))
        return await self.restore_from_deleted(box_id, message_id, reason)

    async def copy_to_boxes(
        self, copies: Sequence[Message], original: Message, *, expected_revision: int | None = None
    ) -> list[Message]:
        def insert_copies(connection: sqlite3.Connection) -> list[Message]:
            if (revision := expected_revision) is not None:
                message_rows.message_by_id(connection, original.box_id, original.id, expected_revision=revision)
            all_purged: list[Message] = []
            unpurgeable = [original.id, *(copy.id for copy in copies)]
            for copy in copies:
                with counters.make_space(connection, copy.box_id, self._timestamp(), exclude_ids=unpurgeable) as purged:
                    self._insert_and_announce(connection, copy, None, suppress_notifications=True)
                all_purged += purged
            return all_purged

        boxes = [original.box_id, *(copy.box_id for copy in copies)]
        purged = await self._database.write(insert_copies, boxes=boxes)
        for copy in copies:
            log.info("message.copied", message=copy.id, box=copy.box_id, source=original.box_id)
        counters.log_purged(purged)
        return purged

    async def transfer_to_box(
        self, message: Message, box_id: str, to_uri: str, *, expected_revision: int | None = None
    ) -> tuple[Message, list[Message]]:
        now = self._timestamp()

        def transfer_message(connection: sqlite3.Connection) -> tuple[Message, list[Message]]:
            before = message_rows.message_by_id(
                connection, message.box_id, message.id, expected_revision=expected_revision
            )
            with counters.make_space(connection, box_id, now, exclude_ids=(before.id,)) as purged:
                _require_box(connection, box_id)
                counters.adjust_for_message(connection, before, before.folder, -1)
                message_rows.set_box(connection, before, box_id, to_uri, now)
                after = message_rows.message_by_id(connection, box_id, before.id)
                counters.adjust_for_message(connection, after, after.folder, 1)
                if after.has_audio:
                    events.enqueue_for_message(connection, TaskKind.SOFT_DELETED, before, now)
                    events.enqueue_for_message(connection, TaskKind.NEW, after, now, suppress_notifications=True)
                for box in (before.box_id, box_id):
                    events.enqueue_mwi(connection, before.account_id, box, now)
            return after, purged

        moved, purged = await self._database.write(transfer_message, boxes=[message.box_id, box_id])
        log.info("message.moved", message=moved.id, box=moved.box_id, source=message.box_id)
        counters.log_purged(purged)
        return moved, purged

    async def soft_delete(
        self, box_id: str, message_ids: Sequence[str], *, expected_revision: int | None = None
    ) -> list[str]:
        now = self._timestamp()

        def soft_delete_messages(connection: sqlite3.Connection) -> list[str]:
            removed: list[str] = []
            for message_id in message_ids:
                try:
                    removal.soft_delete(
                        connection,
                        message_rows.message_by_id(connection, box_id, message_id, expected_revision=expected_revision),
                        now,
                    )
                except NotFound:
                    continue
                removed.append(message_id)
            return removed

        removed = await self._database.write(soft_delete_messages, boxes=[box_id])
        log.info("messages.removed", box=box_id, messages=removed)
        return removed

    async def enqueue_box_full(self, account_id: str, box_id: str) -> None:
        now = self._timestamp()
        task = (TaskKind.BOX_FULL, account_id, box_id, now)
        await self._database.write(lambda c: events.enqueue_for_box(c, *task), boxes=[box_id])
        log.info("box.full", box=box_id)

    async def enqueue_mwi(self, account_id: str, box_id: str) -> None:
        now = self._timestamp()
        await self._database.write(lambda c: events.enqueue_mwi(c, account_id, box_id, now), boxes=[box_id])

    async def expire(self, account_id: str, not_before: int, limit: int) -> int:
        now = self._timestamp()
        if not await self._database.read(lambda c: message_rows.messages_older_than(c, account_id, not_before, 1)):
            return 0

        def expire_messages(connection: sqlite3.Connection) -> int:
            old = message_rows.messages_older_than(connection, account_id, not_before, limit)
            for message in old:
                connection.execute("UPDATE messages SET expired_at = ? WHERE id = ?", (now, message.id))
                counters.adjust_for_message(connection, message, message.folder, -1)
                events.enqueue_mwi(connection, account_id, message.box_id, now)
            return len(old)

        expired = await self._database.write(expire_messages)
        if expired:
            log.info("messages.expired", account=account_id, messages=expired)
        return expired

    def _timestamp(self) -> int:
        return int(self._clock.now())

    # -- within a transaction ----------------------------------------------------------------------------------------

    def _insert_and_announce(
        self, connection: sqlite3.Connection, message: Message, take_id: str | None, *, suppress_notifications: bool
    ) -> None:
        now = self._timestamp()
        taken = connection.execute("DELETE FROM takes WHERE id = ?", (take_id,)) if take_id else None
        _require_box(connection, message.box_id)
        if taken and not taken.rowcount:
            raise NotFound("this recording was stored or discarded already")
        message_rows.insert_message(connection, message, now)
        if not message.has_audio:
            return
        counters.adjust_for_message(connection, message, message.folder, 1)
        details = {"suppress_notifications": True} if suppress_notifications else {}
        events.enqueue_for_message(connection, TaskKind.NEW, message, now, **details)
        events.enqueue_mwi(connection, message.account_id, message.box_id, now)

    def _move_to_folder(
        self, connection: sqlite3.Connection, before: Message, folder: Folder, reason: ChangeReason
    ) -> Message:
        now = self._timestamp()
        if before.has_audio:
            message_rows.advance_arrivals(connection, before.account_id, before.box_id)
        connection.execute(
            "UPDATE messages SET folder = ?, previous_folder = ?, folder_changed_at = ?, arrival_seq ="
            f" CASE WHEN bytes > 0 THEN {message_rows.LAST_ARRIVAL} ELSE arrival_seq END, revision = revision + 1"
            " WHERE id = ?",
            (folder, before.folder, now, before.box_id, before.id),
        )
        counters.move_message(connection, before, folder)
        if before.has_audio:
            events.enqueue_for_message(connection, TASK_KIND_BY_FOLDER[folder], before, now, reason=reason)
        events.enqueue_mwi(connection, before.account_id, before.box_id, now)
        return replace(before, folder=folder, folder_before=before.folder, revision=before.revision + 1)


def _require_box(connection: sqlite3.Connection, box_id: str) -> None:
    """Raise `BoxDeleted` if there is no such mailbox."""
    if not connection.execute("SELECT 1 FROM boxes WHERE id = ? AND deleted_at IS NULL", (box_id,)).fetchone():
        raise BoxDeleted(f"there is no box {box_id!r}")


def _log_folder_change(before: Message, after: Message, reason: ChangeReason) -> Message:
    if after.folder != before.folder:
        log.info(
            "message.folder", message=after.id, box=after.box_id, folder=after.folder, was=before.folder, why=reason
        )
    return after
