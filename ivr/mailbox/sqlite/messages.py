"""Messages, in SQLite: one verb, one transaction, with its counters and outbox rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

import structlog

from ivr.clock import Clock
from ivr.database.file import Database
from ivr.errors import BoxGone, NotFound
from ivr.mailbox.message import Counts, Folder, Message, OpenFolder
from ivr.mailbox.sqlite import counters, outbox, removal, room, rows
from ivr.mailbox.sqlite.outbox import Kind
from ivr.mailbox.store import Because

FOLDER_KIND = {Folder.NEW: Kind.RENEWED, Folder.SAVED: Kind.SAVED, Folder.DELETED: Kind.DELETED}
"""What is told of a message that changes its folder."""

EXPIRED_AT_ONCE = 1000

log = structlog.get_logger()


class SqliteMessages:
    """The `MessageStore` of one database file."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    # -- reading -----------------------------------------------------------------------------------------------------

    async def get(self, box_id: str, message_id: str, not_before: int) -> Message:
        return await self._database.read(lambda c: rows.one(c, box_id, message_id, not_before))

    async def counts(self, box_id: str) -> Counts:
        return await self._database.read(lambda c: counters.counts(c, box_id))

    async def counts_now(self, account_id: str, box_id: str, not_before: int) -> Counts:
        def question(connection: sqlite3.Connection) -> Counts | None:
            if rows.older_than(connection, account_id, not_before, 1):
                return None
            return counters.counts(connection, box_id)

        if (counts := await self._database.read(question)) is None:
            await self.expire(account_id, not_before, EXPIRED_AT_ONCE)
            counts = await self.counts(box_id)
        return counts

    async def bytes(self, box_id: str, *, without: Folder | None = None) -> int:
        return await self._database.read(lambda c: counters.size(c, box_id, without))

    async def open(
        self, account_id: str, box_id: str, folder: Folder, *, oldest_first: bool, not_before: int
    ) -> tuple[OpenFolder, Message | None]:
        def question(connection: sqlite3.Connection) -> tuple[OpenFolder, Message | None]:
            as_of = rows.last_arrival(connection, account_id)
            opened = OpenFolder(box_id, folder, oldest_first, as_of, not_before)
            return opened, rows.next_in(connection, opened, None)

        return await self._database.read(question)

    async def next(self, folder: OpenFolder, after: tuple[bool, int, str] | None) -> Message | None:
        return await self._database.read(lambda c: rows.next_in(c, folder, after))

    async def page(
        self, box_id: str, folder: Folder | None, not_before: int, after: str | None, limit: int
    ) -> list[Message]:
        return await self._database.read(lambda c: rows.page(c, box_id, folder, not_before, after, limit))

    async def soft_deleted(self, box_id: str, limit: int) -> list[Message]:
        return await self._database.read(lambda c: removal.soft_deleted(c, box_id, limit))

    async def is_known(self, message_id: str) -> bool:
        return await self._database.read(lambda c: removal.is_known(c, message_id))

    # -- changing ----------------------------------------------------------------------------------------------------

    async def add(
        self, message: Message, take_id: str | None = None, *, quiet: bool = False, said: bool = False
    ) -> list[Message]:
        def verb(connection: sqlite3.Connection) -> list[Message]:
            with room.made(connection, message.box_id, self._now(), but=message.id, said=said) as purged:
                self._appear(connection, message, take_id, quiet=quiet)
            return purged

        purged = await self._database.write(verb)
        log.info("message.stored", message=message.id, box=message.box_id, length_ms=message.length_ms)
        room.told(purged)
        return purged

    async def move_to(
        self, box_id: str, message_id: str, folder: Folder, because: Because, *, only_from: Folder | None = None,
        seen: int | None = None,
    ) -> Message:  # fmt: skip
        def verb(connection: sqlite3.Connection) -> tuple[Message, Message]:
            before = rows.one(connection, box_id, message_id, seen=seen)
            if before.folder == folder or (only_from and before.folder != only_from):
                return before, before
            return before, self._to_folder(connection, before, folder, because)

        return _told(*await self._database.write(verb), because)

    async def restore(self, box_id: str, message_id: str, because: Because) -> Message:
        def verb(connection: sqlite3.Connection) -> tuple[Message, Message]:
            before = rows.one(connection, box_id, message_id)
            if before.folder != Folder.DELETED:
                return before, before
            return before, self._to_folder(connection, before, before.folder_before or Folder.NEW, because)

        return _told(*await self._database.write(verb), because)

    async def bring_back(self, box_id: str, message_id: str, because: Because) -> Message:
        now = self._now()

        def verb(connection: sqlite3.Connection) -> list[Message]:
            if not removal.is_soft_deleted(connection, box_id, message_id):
                return []
            with room.made(connection, box_id, now, but=message_id) as purged:
                removal.revive(connection, box_id, message_id, now)
            return purged

        room.told(await self._database.write(verb))
        return await self.restore(box_id, message_id, because)

    async def add_copies(
        self, copies: Sequence[Message], of: Message, *, seen: int | None = None
    ) -> list[Message]:  # fmt: skip
        def verb(connection: sqlite3.Connection) -> list[Message]:
            if seen is not None:
                rows.one(connection, of.box_id, of.id, seen=seen)
            gone: list[Message] = []
            for copy in copies:
                with room.made(connection, copy.box_id, self._now(), but=of.id) as purged:
                    self._appear(connection, copy, None, quiet=True)
                gone += purged
            return gone

        purged = await self._database.write(verb)
        for copy in copies:
            log.info("message.copied", message=copy.id, box=copy.box_id, source=of.box_id)
        room.told(purged)
        return purged

    async def add_moved(self, moved: Message, of: Message, *, seen: int | None = None) -> list[Message]:
        def verb(connection: sqlite3.Connection) -> list[Message]:
            before = rows.one(connection, of.box_id, of.id, seen=seen)
            with room.made(connection, moved.box_id, self._now()) as purged:
                removal.vanish(connection, before, self._now())  # First: within one box a move needs no room.
                self._appear(connection, moved, None, quiet=True)
            return purged

        purged = await self._database.write(verb)
        log.info("message.moved", message=moved.id, box=moved.box_id, source=of.box_id)
        room.told(purged)
        return purged

    async def remove(self, box_id: str, message_ids: Sequence[str], *, seen: int | None = None) -> list[str]:
        now = self._now()

        def verb(connection: sqlite3.Connection) -> list[str]:
            removed: list[str] = []
            for message_id in message_ids:
                try:
                    removal.vanish(connection, rows.one(connection, box_id, message_id, seen=seen), now)
                except NotFound:
                    continue
                removed.append(message_id)
            return removed

        removed = await self._database.write(verb)
        log.info("messages.removed", box=box_id, messages=removed)
        return removed

    async def tell_full(self, account_id: str, box_id: str) -> None:
        now = self._now()
        await self._database.write(lambda c: outbox.about_box(c, Kind.FULL, account_id, box_id, now))
        log.info("box.full", box=box_id)

    async def refresh_light(self, account_id: str, box_id: str) -> None:
        now = self._now()
        await self._database.write(lambda c: outbox.light(c, account_id, box_id, now))

    async def expire(self, account_id: str, not_before: int, limit: int) -> int:
        now = self._now()
        if not await self._database.read(lambda c: rows.older_than(c, account_id, not_before, 1)):
            return 0

        def verb(connection: sqlite3.Connection) -> int:
            old = rows.older_than(connection, account_id, not_before, limit)
            for message in old:
                connection.execute("UPDATE messages SET expired_at = ? WHERE id = ?", (now, message.id))
                counters.count(connection, message, message.folder, -1)
                outbox.light(connection, account_id, message.box_id, now)
            return len(old)

        expired = await self._database.write(verb)
        if expired:
            log.info("messages.expired", account=account_id, messages=expired)
        return expired

    def _now(self) -> int:
        return int(self._clock.now())

    # -- within a transaction ----------------------------------------------------------------------------------------

    def _appear(self, connection: sqlite3.Connection, message: Message, take_id: str | None, *, quiet: bool) -> None:
        now = self._now()
        if not connection.execute(
            "SELECT 1 FROM boxes WHERE id = ? AND deleted_at IS NULL", (message.box_id,)
        ).fetchone():
            raise BoxGone(f"there is no box {message.box_id!r}")
        if take_id and not connection.execute("DELETE FROM takes WHERE id = ?", (take_id,)).rowcount:
            raise NotFound("this recording was kept or dropped already")
        if not message.has_audio:
            rows.insert(connection, message, rows.NEVER, now)
            return
        rows.insert(connection, message, rows.next_arrival(connection, message.account_id), now)
        counters.count(connection, message, message.folder, 1)
        outbox.put(connection, Kind.NEW, message, now, **({"quiet": True} if quiet else {}))
        outbox.light(connection, message.account_id, message.box_id, now)

    def _to_folder(self, connection: sqlite3.Connection, before: Message, folder: Folder, because: Because) -> Message:
        now = self._now()
        arrival = rows.next_arrival(connection, before.account_id) if before.has_audio else rows.NEVER
        connection.execute(
            "UPDATE messages SET folder = ?, folder_before = ?, folder_at = ?, arrival = ?, revision = revision + 1"
            " WHERE id = ?",
            (folder, before.folder, now, arrival, before.id),
        )
        counters.count(connection, before, before.folder, -1)
        counters.count(connection, before, folder, 1)
        if before.has_audio:
            outbox.put(connection, FOLDER_KIND[folder], before, now, reason=because)
        outbox.light(connection, before.account_id, before.box_id, now)
        return replace(before, folder=folder, folder_before=before.folder, revision=before.revision + 1)


def _told(before: Message, after: Message, because: Because) -> Message:
    if after.folder != before.folder:
        log.info(
            "message.folder", message=after.id, box=after.box_id, folder=after.folder, was=before.folder, why=because
        )
    return after
