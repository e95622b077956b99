"""The table of the audit log: entries are added, and removed by retention alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivr.errors import StoreError
from ivr.mailbox.voicemail_settings import DAY_S
from ivr.storage.data_folder import database_path
from ivr.storage.records import Actor, AuditAction, AuditEntry, AuditQuery, Door
from ivr.storage.sqlite.database import SqliteDatabase
from tests.support.app_fixture import AppFixture

pytestmark = pytest.mark.both_engines

ACTOR = Actor(Door.PHONE, "", "trunk 5550100", "PIN")


async def append(app: AppFixture, age_days: float) -> None:
    at = int(app.clock.now() - age_days * DAY_S)
    entry = AuditEntry(at, app.account.id, "b", AuditAction.HEARD, f"{age_days}", ACTOR)
    await app.container.audit_store.append([entry])


async def subjects(app: AppFixture) -> list[str]:
    return [entry.subject for entry in await app.container.audit_store.find(AuditQuery(), 10)]


COLUMNS = 'id, at, account_id, box_id, action, subject, door, "user", device, proof'
UPSERT = (
    f"INSERT INTO audit ({COLUMNS}) SELECT {COLUMNS} FROM audit WHERE true ON CONFLICT (id) DO UPDATE SET device = ''"
)


@pytest.mark.parametrize("sql", ["UPDATE audit SET device = ''", "DELETE FROM audit", UPSERT])
async def test_entries_are_not_changed(app: AppFixture, sql: str) -> None:
    await append(app, 1)
    before = await app.container.audit_store.find(AuditQuery(), 10)
    with pytest.raises(StoreError, match="cannot be changed"):
        await app.container.database.write(lambda c: c.execute(sql).rowcount)
    assert await app.container.audit_store.find(AuditQuery(), 10) == before


@pytest.mark.sqlite_only
async def test_entries_are_not_changed_after_a_restart(tmp_path: Path) -> None:
    """SQLite ignores the triggers of a REPLACE unless each connection says otherwise."""
    first = await AppFixture(tmp_path / "data").open()
    await append(first, 1)
    first.container.close()
    database = SqliteDatabase(database_path(tmp_path / "data"))
    with pytest.raises(StoreError, match="cannot be changed"):
        await database.write(lambda c: c.execute("REPLACE INTO audit SELECT * FROM audit").rowcount)
    database.close()


async def test_retention_removes_what_is_old(app: AppFixture) -> None:
    for age_days in (366, 364, 1):
        await append(app, age_days)
    await app.container.retention_worker.run_once()
    assert await subjects(app) == ["1", "364"]
    with pytest.raises(StoreError, match="cannot be changed"):
        await app.container.database.write(lambda c: c.execute("DELETE FROM audit").rowcount)
    assert await subjects(app) == ["1", "364"]
