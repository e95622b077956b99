"""Changes of the schema, oldest first. A migration that was released is never edited."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database as Tables


WHERE_VISIBLE = "WHERE deleted_at IS NULL AND expired_at IS NULL"


def add_tombstones(tables: Tables) -> None:
    """Add tombstones, and an index for everything that retention selects by its age."""
    tables.table("tombstones").create(
        {
            "id": str,
            "account_id": str,
            "box_id": str,
            "kind": str,
            "made_at": int,
            "removed_at": int,
            "why": str,
            "files": str,
        },
        pk="id",
        not_null={"account_id", "kind", "removed_at", "why"},
        strict=True,
    )
    for index, where in {
        "tombstones_with_files ON tombstones (removed_at)": "files IS NOT NULL",
        "messages_in_deleted ON messages (folder_at)": (
            "folder = 'deleted' AND deleted_at IS NULL AND expired_at IS NULL"
        ),
        "messages_soft_deleted ON messages (deleted_at)": "deleted_at IS NOT NULL",
        "messages_expired ON messages (expired_at)": "expired_at IS NOT NULL AND deleted_at IS NULL",
        "messages_with_intro ON messages (intro_id)": "intro_id IS NOT NULL",
        "boxes_deleted ON boxes (deleted_at)": "deleted_at IS NOT NULL",
        "media_deleted ON media (deleted_at)": "deleted_at IS NOT NULL",
        "outbox_of_message ON outbox (message_id)": "message_id IS NOT NULL",
    }.items():
        tables.execute(f"CREATE INDEX {index} WHERE {where}")
    # Of all rows: before a mailbox is purged it must be known to have no message left.
    tables.table("messages").create_index(["box_id", "deleted_at"], "messages_of_box")
    tables.table("outbox").create_index(["box_id"], "outbox_of_box")
    tables.table("calls").create_index(["began_at"], "calls_by_age")
    tables.table("failures").create_index(["counted_from"], "failures_by_age")


def index_suspended_takes(tables: Tables) -> None:
    """Add indexes for takes that await their owner: retention selects them by age and by mailbox."""
    tables.execute("CREATE INDEX takes_aside ON takes (began_at) WHERE state = 'aside'")
    tables.table("takes").create_index(["box_id"], "takes_of_box")


def create_live_calls(tables: Tables) -> None:
    """Add calls in progress: one row from the begin of a call until its record is stored."""
    tables.table("live_calls").create(
        {
            "id": str,
            "account_id": str,
            "channel": str,
            "caller_number": str,
            "action": str,
            "number": str,
            "began_at": int,
        },
        pk="id",
        not_null={"channel", "action", "number", "began_at"},
        strict=True,
    )


def add_outbox_leases(tables: Tables) -> None:
    """Add leases and targets of outbox rows, and the times of the last notifications.

    A claimed row is not due before its lease ends, so `due_at` alone says which rows can be claimed.
    """
    tables.execute("ALTER TABLE outbox ADD COLUMN about TEXT")
    tables.execute("ALTER TABLE outbox ADD COLUMN lease TEXT")
    tables.execute("DROP INDEX outbox_due")
    tables.execute("CREATE INDEX outbox_due ON outbox (kind, due_at, id)")
    tables.execute("CREATE INDEX outbox_message ON outbox (message_id, kind)")
    tables.execute("CREATE UNIQUE INDEX outbox_one_call_a_number ON outbox (box_id, about) WHERE kind = 'call'")
    tables.table("told").create(
        {"account_id": str, "box_id": str, "kind": str, "told_at": int},
        pk=("box_id", "kind"),
        not_null={"account_id", "told_at"},
        strict=True,
    )


def add_live_call_ownership(tables: Tables) -> None:
    """Add the service, its heartbeat and the signed-in mailbox to live calls: over ARI a call outlives its service."""
    for column in ("uniqueid TEXT", "instance TEXT", "seen_at INTEGER", "box_id TEXT", "own_phone INTEGER"):
        tables.execute(f"ALTER TABLE live_calls ADD COLUMN {column}")
    tables.execute("CREATE INDEX live_calls_by_channel ON live_calls (uniqueid) WHERE uniqueid IS NOT NULL")


def add_list_indexes_uploads_sessions(tables: Tables) -> None:
    """Add one index for each list (ivr/storage/sqlite/listing.py names them), uploads and sessions."""
    tables.execute("DROP INDEX messages_by_age")  # The next index replaces it.
    for index, columns in {
        "listed_by_account": "account_id, time, id",
        "listed_by_box": "box_id, time, id",
        "listed_by_folder": "box_id, folder, time, id",
        "listed_by_caller": "box_id, caller_number, time, id",
    }.items():
        tables.execute(f"CREATE INDEX {index} ON messages ({columns}) {WHERE_VISIBLE}")
    tables.execute("CREATE INDEX listed_boxes ON boxes (account_id, mailbox, id) WHERE deleted_at IS NULL")
    tables.execute("ALTER TABLE messages ADD COLUMN upload_type TEXT")  # Content type; NULL: nothing was uploaded.
    tables.execute("ALTER TABLE tokens ADD COLUMN parent TEXT")  # Hash of the token that it was obtained with.
    tables.execute("ALTER TABLE tokens ADD COLUMN kind TEXT")
    tables.execute("CREATE INDEX tokens_of_account ON tokens (account_id, created_at)")
    tables.execute("CREATE INDEX tokens_of_parent ON tokens (parent)")
    tables.execute("CREATE INDEX secrets_by_hash ON secrets (account_id, hash)")
    tables.execute("CREATE INDEX users_username ON users (account_id, username) WHERE deleted_at IS NULL")


def add_late_audio(tables: Tables) -> None:
    """Add the name of audio that was uploaded after its message was created; NULL: the id of the message."""
    tables.execute("ALTER TABLE messages ADD COLUMN audio TEXT")


def add_sign_in_and_light_times(tables: Tables) -> None:
    """Add when a mailbox was last signed in to by phone, and when its light was last published."""
    tables.execute("ALTER TABLE boxes ADD COLUMN last_sign_in_at INTEGER")
    tables.execute("ALTER TABLE boxes ADD COLUMN light_published_at INTEGER")
    tables.execute("CREATE INDEX calls_by_box ON calls (box_id, began_at)")


def add_outbox_uids_and_mailed_audio(tables: Tables) -> None:
    """Add an id of each task that is never used again, and whether a mail about a message lacked its audio.

    SQLite uses the number of a deleted row again. Pending tasks keep the id that their mails have had so far.
    """
    tables.execute("ALTER TABLE outbox ADD COLUMN uid TEXT")
    tables.execute("UPDATE outbox SET uid = CAST(id AS TEXT)")
    tables.execute("ALTER TABLE messages ADD COLUMN mailed_without_audio INTEGER")


def add_forwarder_and_calling_user(tables: Tables) -> None:
    """Add who forwarded a message, as JSON, and the user whose phone its caller used; NULL: none, or not known."""
    tables.execute("ALTER TABLE messages ADD COLUMN forwarded_by TEXT")
    tables.execute("ALTER TABLE messages ADD COLUMN caller_user_id TEXT")


def create_audit(tables: Tables) -> None:
    """Create the audit log. Triggers refuse changes, and removals of entries younger than retention has stored."""
    tables.table("audit").create(
        {
            "id": int,
            "at": int,
            "account_id": str,
            "box_id": str,
            "action": str,
            "subject": str,
            "door": str,
            "user": str,
            "device": str,
            "proof": str,
        },
        pk="id",
        not_null={"at", "account_id", "action", "subject", "door", "user", "device", "proof"},
        strict=True,
    )
    tables.execute("CREATE INDEX audit_by_time ON audit (at, id)")
    tables.execute("CREATE INDEX audit_by_box ON audit (box_id, at)")
    tables.execute("CREATE INDEX audit_by_subject ON audit (subject, at)")
    tables.table("audit_expiry").create(
        {"account_id": str, "ends_at": int}, pk="account_id", not_null={"ends_at"}, strict=True
    )
    refuse = "BEGIN SELECT raise(ABORT, 'entries of the audit log cannot be changed'); END"
    tables.execute(f"CREATE TRIGGER audit_is_not_updated BEFORE UPDATE ON audit {refuse}")
    tables.execute(
        "CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit WHEN OLD.at > coalesce("
        f"(SELECT ends_at FROM audit_expiry WHERE account_id = OLD.account_id), -1) {refuse}"
    )


def add_erasure_and_last_use(tables: Tables) -> None:
    """Add when a token was last used, let erased people be taken out of the audit log, and remove deleted users.

    Earlier versions kept the row and the credentials of a deleted user.
    """
    tables.execute("ALTER TABLE tokens ADD COLUMN last_used_at INTEGER")
    unchanged = " AND ".join(
        f'NEW."{column}" IS OLD."{column}"'
        for column in ("id", "at", "account_id", "box_id", "action", "subject", "door", "proof")
    )
    tables.execute("DROP TRIGGER audit_is_not_updated")
    tables.execute(
        "CREATE TRIGGER audit_is_not_updated BEFORE UPDATE ON audit"
        f""" WHEN NOT ({unchanged} AND NEW.device = 'erased' AND NEW."user" IN (OLD."user", 'erased'))"""
        " BEGIN SELECT raise(ABORT, 'entries of the audit log cannot be changed'); END"
    )
    tables.execute(
        "DELETE FROM secrets WHERE ref LIKE 'user:%' AND EXISTS (SELECT 1 FROM users WHERE deleted_at IS NOT NULL"
        " AND users.account_id = secrets.account_id AND instr(secrets.ref, 'user:' || users.id || ':') = 1)"
    )
    tables.execute("DELETE FROM users WHERE deleted_at IS NOT NULL")


def create_imports(tables: Tables) -> None:
    """Create the tables of imports. Add labels, and the time from which the retention of a message counts."""
    tables.execute("ALTER TABLE messages ADD COLUMN retention_from INTEGER")
    tables.execute("UPDATE messages SET retention_from = time")
    tables.execute("ALTER TABLE messages ADD COLUMN labels TEXT")  # JSON; NULL: none.
    tables.execute(f"CREATE INDEX messages_by_retention ON messages (account_id, retention_from) {WHERE_VISIBLE}")
    tables.table("import_runs").create(
        {"id": str, "began_at": int, "ended_at": int, "state": str, "options": str, "report": str},
        pk="id",
        not_null={"began_at", "state", "options"},
        strict=True,
    )
    tables.table("imported").create(
        {
            "source_id": str,
            "kind": str,
            "account_id": str,
            "box_id": str,
            "target_id": str,
            "fingerprint": str,
            "run_id": str,
            "at": int,
        },
        pk=("kind", "source_id"),
        not_null={"account_id", "box_id", "target_id", "fingerprint", "run_id", "at"},
        strict=True,
    )
    tables.execute("CREATE INDEX imported_by_run ON imported (run_id, kind)")
    tables.execute("CREATE INDEX imported_by_box ON imported (box_id)")


def index_shared_boxes(tables: Tables) -> None:
    """Index the shared mailboxes, whose messages count for the phones of their members."""
    tables.execute(
        "CREATE INDEX shared_boxes ON boxes (account_id)"
        " WHERE json_extract(settings, '$.shared_vmbox') = 1 AND deleted_at IS NULL"
    )


def add_page_sessions(tables: Tables) -> None:
    """Add the mailbox that a PIN has opened a session of the page for, and what the session was proven with."""
    tables.execute("ALTER TABLE tokens ADD COLUMN box_id TEXT")
    tables.execute("ALTER TABLE tokens ADD COLUMN proof TEXT")


def add_nodes_and_leases(tables: Tables) -> None:
    """Add nodes, the node of recordings and calls, leases of work done once for all, and a light of each Asterisk."""
    tables.table("nodes").create(
        {
            "name": str,
            "asterisk": str,
            "location": str,
            "folder_id": str,
            "secret_ids": str,
            "seen_at": int,
            "is_stopped": int,
        },
        pk="name",
        not_null={"asterisk", "location", "folder_id", "secret_ids", "seen_at", "is_stopped"},
        strict=True,
    )
    tables.table("leases").create(
        {"name": str, "holder": str, "ends_at": int}, pk="name", not_null={"holder", "ends_at"}, strict=True
    )
    tables.execute("ALTER TABLE takes ADD COLUMN node TEXT")
    for column in ("node", "asterisk", "run_id"):
        tables.execute(f"ALTER TABLE live_calls ADD COLUMN {column} TEXT")
    tables.execute("UPDATE outbox SET target = '' WHERE kind = 'mwi'")
    tables.execute("DROP INDEX outbox_mwi_unique")
    tables.execute("CREATE UNIQUE INDEX outbox_mwi_unique ON outbox (box_id, target) WHERE kind = 'mwi'")


def index_boxes_by_number(tables: Tables) -> None:
    """Index mailboxes by number, for recordings of the dialplan that name no account."""
    tables.execute("CREATE INDEX box_numbers_by_number ON box_numbers (number)")


def count_mailbox_changes(tables: Tables) -> None:
    """Count the changes of each mailbox's messages, so that pages that show them need not read them to notice one.

    Triggers count, because messages are changed in many places and by several processes.
    """
    tables.execute(
        "CREATE TABLE mailbox_changes (box_id TEXT PRIMARY KEY, account_id TEXT NOT NULL, changes INTEGER NOT NULL)"
        " STRICT, WITHOUT ROWID"
    )
    visible = "folder, urgent, length_ms, transcription, caller_name, caller_number, deleted_at, expired_at"
    for name, event in (("added", "INSERT"), ("changed", f"UPDATE OF {visible}")):
        tables.execute(
            f"CREATE TRIGGER mailbox_changes_message_{name} AFTER {event} ON messages BEGIN"
            " INSERT INTO mailbox_changes VALUES (NEW.box_id, NEW.account_id, 1)"
            " ON CONFLICT (box_id) DO UPDATE SET changes = mailbox_changes.changes + 1; END"
        )
    tables.execute(
        "CREATE TRIGGER mailbox_changes_box_removed AFTER DELETE ON boxes"
        " BEGIN DELETE FROM mailbox_changes WHERE box_id = OLD.id; END"
    )


def number_arrivals_by_box(tables: Tables) -> None:
    """Number the arrivals of each mailbox, so that messages of one account do not wait for each other's commit.

    A mailbox goes on behind the last number of its account: calls that are going on have opened folders by it.
    """
    tables.execute(
        "CREATE TABLE box_arrivals (box_id TEXT PRIMARY KEY, account_id TEXT NOT NULL, last_seq INTEGER NOT NULL)"
        " STRICT, WITHOUT ROWID"
    )
    tables.execute(
        "INSERT INTO box_arrivals (box_id, account_id, last_seq) SELECT boxes.id, boxes.account_id, last_seq"
        " FROM boxes JOIN arrival_sequences ON arrival_sequences.account_id = boxes.account_id"
    )
    tables.execute("DROP TABLE arrival_sequences")
    tables.execute("ALTER TABLE box_arrivals RENAME TO arrival_sequences")
    tables.execute(
        "CREATE TRIGGER arrival_sequences_box_removed AFTER DELETE ON boxes"
        " BEGIN DELETE FROM arrival_sequences WHERE box_id = OLD.id; END"
    )
