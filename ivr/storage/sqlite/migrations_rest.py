"""What the REST door added to the tables: lists by key, what was uploaded, who signed in."""

from __future__ import annotations

from sqlite_utils import Database as Tables

from ivr.storage.sqlite.migrations import migrations

__all__ = ["migrations"]  # With those of the schema before it.

WHERE_VISIBLE = "WHERE deleted_at IS NULL AND expired_at IS NULL"


@migrations(name="rest-0001-lists-uploads-sessions")
def add_list_indexes_uploads_sessions(tables: Tables) -> None:
    """Each list goes along an index of its own (ivr/storage/sqlite/listing.py names them)."""
    tables.execute("DROP INDEX messages_by_age")  # The next one does its work too.
    for index, columns in {
        "listed_by_account": "account_id, time, id",
        "listed_by_box": "box_id, time, id",
        "listed_by_folder": "box_id, folder, time, id",
        "listed_by_caller": "box_id, caller_number, time, id",
    }.items():
        tables.execute(f"CREATE INDEX {index} ON messages ({columns}) {WHERE_VISIBLE}")
    tables.execute("CREATE INDEX listed_boxes ON boxes (account_id, mailbox, id) WHERE deleted_at IS NULL")
    tables.execute("ALTER TABLE messages ADD COLUMN upload_type TEXT")  # Content type; NULL: nothing was uploaded.
    tables.execute("ALTER TABLE tokens ADD COLUMN parent TEXT")  # Hash of the token that it was made with.
    tables.execute("ALTER TABLE tokens ADD COLUMN kind TEXT")
    tables.execute("CREATE INDEX tokens_of_account ON tokens (account_id, created_at)")
    tables.execute("CREATE INDEX tokens_of_parent ON tokens (parent)")
    tables.execute("CREATE INDEX secrets_by_hash ON secrets (account_id, hash)")
    tables.execute("CREATE INDEX users_username ON users (account_id, username) WHERE deleted_at IS NULL")


@migrations(name="rest-0002-audio-that-came-later")
def add_late_audio(tables: Tables) -> None:
    """Audio that a program brings for a message that is there already has a name of its own; NULL: the message's id."""
    tables.execute("ALTER TABLE messages ADD COLUMN audio TEXT")
