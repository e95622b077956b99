"""The migration that gives tables, columns, indexes and stored values the names of the field."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database as Tables

TABLES = {
    "told": "notification_throttle",
    "failures": "auth_attempts",
    "numbers": "box_numbers",
    "counters": "folder_counters",
    "arrivals": "arrival_sequences",
}
COLUMNS = {
    "notification_throttle": {"told_at": "notified_at"},
    "auth_attempts": {"failed": "failure_count", "counted_from": "window_started_at", "locks": "lock_count"},
    "arrival_sequences": {"last": "last_seq"},
    "messages": {
        "arrival": "arrival_seq",
        "folder_before": "previous_folder",
        "folder_at": "folder_changed_at",
        "audio": "audio_id",
    },
    "outbox": {"about": "target"},
    "live_calls": {"seen_at": "heartbeat_at"},
    "tombstones": {
        "made_at": "created_at",
        "removed_at": "purged_at",
        "why": "reason",
        "files": "pending_unlinks",
    },
    "tokens": {"parent": "parent_hash"},
}
VALUES = {
    ("outbox", "kind"): {
        "light": "mwi",
        "phone": "phone_mwi",
        "transcript": "transcription",
        "renewed": "moved_to_new",
        "removed": "soft_deleted",
        "full": "box_full",
        "locked": "box_locked",
        "after-mail": "after_mail",
    },
    ("notification_throttle", "kind"): {"full": "box_full", "locked": "box_locked"},
    ("takes", "state"): {"aside": "awaiting_owner"},
    ("tokens", "kind"): {"key": "api_key"},
    ("tombstones", "kind"): {"audio": "replaced_audio"},
}
MAIL_TEMPLATES = {"new": "new_message", "full": "box_full", "locked": "box_locked"}
"""`of` in the payload of a mail becomes `template`."""
OLD_INDEXES = (
    "endpoints_user",
    "boxes_owner",
    "boxes_deleted",
    "listed_boxes",
    "numbers_box",
    "messages_in_order_of_play",
    "listed_by_account",
    "listed_by_box",
    "listed_by_folder",
    "listed_by_caller",
    "messages_of_box",
    "messages_in_deleted",
    "messages_soft_deleted",
    "messages_expired",
    "messages_with_intro",
    "media_box",
    "media_deleted",
    "takes_box",
    "takes_of_box",
    "takes_aside",
    "outbox_due",
    "outbox_message",
    "outbox_of_message",
    "outbox_of_box",
    "outbox_one_light_a_box",
    "outbox_one_call_a_number",
    "tombstones_with_files",
    "failures_by_age",
    "tokens_of_account",
    "tokens_of_parent",
    "live_calls_by_channel",
)
VISIBLE = "deleted_at IS NULL AND expired_at IS NULL"
INDEXES = (
    "INDEX endpoints_by_user ON endpoints (user_id)",
    "INDEX boxes_by_owner ON boxes (account_id, owner_id)",
    "INDEX boxes_by_deleted_at ON boxes (deleted_at) WHERE deleted_at IS NOT NULL",
    "INDEX boxes_by_mailbox ON boxes (account_id, mailbox, id) WHERE deleted_at IS NULL",
    "INDEX box_numbers_by_box ON box_numbers (box_id)",
    # The order of play, and the only way in which a folder is read.
    f"INDEX messages_by_play_order ON messages (box_id, folder, urgent, time, id) WHERE {VISIBLE}",
    # Each list of the API reads along an index of its own (ivr/storage/sqlite/listing.py names them).
    f"INDEX messages_by_account ON messages (account_id, time, id) WHERE {VISIBLE}",
    f"INDEX messages_by_box ON messages (box_id, time, id) WHERE {VISIBLE}",
    f"INDEX messages_by_folder ON messages (box_id, folder, time, id) WHERE {VISIBLE}",
    f"INDEX messages_by_caller ON messages (box_id, caller_number, time, id) WHERE {VISIBLE}",
    # Of all rows: before a mailbox is purged it must be known to have no message left.
    "INDEX messages_by_box_deleted ON messages (box_id, deleted_at)",
    f"INDEX messages_by_trash_age ON messages (folder_changed_at) WHERE folder = 'deleted' AND {VISIBLE}",
    "INDEX messages_by_deleted_at ON messages (deleted_at) WHERE deleted_at IS NOT NULL",
    "INDEX messages_by_expired_at ON messages (expired_at) WHERE expired_at IS NOT NULL AND deleted_at IS NULL",
    "INDEX messages_by_intro ON messages (intro_id) WHERE intro_id IS NOT NULL",
    "INDEX media_by_box ON media (box_id)",
    "INDEX media_by_deleted_at ON media (deleted_at) WHERE deleted_at IS NOT NULL",
    "INDEX takes_by_box_state ON takes (box_id, state)",
    "INDEX takes_by_box ON takes (box_id)",
    "INDEX takes_awaiting_owner ON takes (began_at) WHERE state = 'awaiting_owner'",
    "INDEX outbox_by_due ON outbox (kind, due_at, id)",
    "INDEX outbox_by_message_kind ON outbox (message_id, kind)",
    "INDEX outbox_by_message ON outbox (message_id) WHERE message_id IS NOT NULL",
    "INDEX outbox_by_box ON outbox (box_id)",
    # A message light shows counts, not events: one task per mailbox says that they have to be published again.
    "UNIQUE INDEX outbox_mwi_unique ON outbox (box_id) WHERE kind = 'mwi'",
    "UNIQUE INDEX outbox_call_unique ON outbox (box_id, target) WHERE kind = 'call'",
    "INDEX tombstones_pending_unlink ON tombstones (purged_at) WHERE pending_unlinks IS NOT NULL",
    "INDEX auth_attempts_by_age ON auth_attempts (window_started_at)",
    "INDEX tokens_by_account ON tokens (account_id, created_at)",
    "INDEX tokens_by_parent ON tokens (parent_hash)",
    "INDEX live_calls_by_uniqueid ON live_calls (uniqueid) WHERE uniqueid IS NOT NULL",
)


def rename_to_terms_of_the_field(tables: Tables) -> None:
    """Rename tables, columns, stored values and indexes; no row changes otherwise."""
    for name in OLD_INDEXES:
        tables.execute(f"DROP INDEX {name}")
    for old, new in TABLES.items():
        tables.execute(f'ALTER TABLE "{old}" RENAME TO "{new}"')
    for table, columns in COLUMNS.items():
        for old, new in columns.items():
            tables.execute(f'ALTER TABLE "{table}" RENAME COLUMN "{old}" TO "{new}"')
    for (table, column), values in VALUES.items():
        for old, new in values.items():
            tables.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (new, old))
    tables.execute(
        "UPDATE outbox SET payload = json_remove("
        "json_set(payload, '$.suppress_notifications', json(json_type(payload, '$.quiet'))), '$.quiet')"
        " WHERE json_type(payload, '$.quiet') IN ('true', 'false')"
    )
    for old, new in MAIL_TEMPLATES.items():
        tables.execute(
            "UPDATE outbox SET payload = json_remove(json_set(payload, '$.template', ?), '$.of')"
            " WHERE kind = 'mail' AND json_extract(payload, '$.of') = ?",
            (new, old),
        )
    for definition in INDEXES:
        tables.execute(f"CREATE {definition}")
