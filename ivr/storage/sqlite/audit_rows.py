"""Rows of the audit log."""

from __future__ import annotations

import sqlite3

from ivr.storage.records import Actor, AuditAction, AuditEntry, Door

INSERT = (
    'INSERT INTO audit (at, account_id, box_id, action, subject, door, "user", device, proof)'
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def to_values(entry: AuditEntry) -> tuple[object, ...]:
    """Return the parameters of `INSERT`."""
    actor = entry.actor
    what = (entry.at, entry.account_id, entry.box_id, entry.action, entry.subject)
    return (*what, actor.door, actor.user, actor.device, actor.proof)


def entry_from_row(row: sqlite3.Row) -> AuditEntry:
    """Return the entry of a row."""
    actor = Actor(Door(row["door"]), row["user"], row["device"], row["proof"])
    return AuditEntry(row["at"], row["account_id"], row["box_id"], AuditAction(row["action"]), row["subject"], actor)
