"""Bulk changes, in SQLite: one transaction on the statements of the directory and of the mailboxes."""

from __future__ import annotations

import sqlite3

from ivr.clock import Clock
from ivr.errors import Conflict
from ivr.storage.database import Database
from ivr.storage.records import AccountRecord, ProvisioningBatch, UserRecord
from ivr.storage.sqlite import authentication, boxes, directory, imports


class SqliteProvisioning:
    """The `ProvisioningStore` of one database file."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def apply(self, batch: ProvisioningBatch) -> None:
        now = int(self._clock.now())
        await self._database.write(lambda connection: _apply(connection, batch, now))


def _apply(connection: sqlite3.Connection, batch: ProvisioningBatch, now: int) -> None:
    for account in batch.new_accounts:
        directory.insert_account(connection, account, now)
    for account in batch.changed_accounts:
        _require_revision(connection, "accounts", account)
        directory.update_account(connection, account, now)
    for user in batch.new_users:
        directory.insert_user(connection, user, now)
    for user in batch.changed_users:
        _require_revision(connection, "users", user)
        directory.update_user(connection, user, now)
    for box in batch.new_boxes:
        boxes.insert_box(connection, box, now)
    for box in batch.changed_boxes:
        boxes.update_box(connection, box, now)
    for endpoint in batch.removed_endpoints:
        directory.delete_endpoint(connection, endpoint.system, endpoint.name, now)
    for endpoint in batch.new_endpoints:
        directory.insert_endpoint(connection, endpoint, now)
    for secret in batch.secrets:
        authentication.insert_secret(connection, secret.account_id, secret.ref, secret.hash)
    imports.insert_imported(connection, batch.imported)


def _require_revision(connection: sqlite3.Connection, table: str, row: AccountRecord | UserRecord) -> None:
    sql = f"SELECT 1 FROM {table} WHERE id = ? AND revision = ?"
    if connection.execute(sql, (row.id, row.revision)).fetchone() is None:
        raise Conflict(f"{row.name!r} was changed meanwhile: try again")
