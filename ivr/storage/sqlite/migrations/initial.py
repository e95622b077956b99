"""The first schema.

Every table has `account_id`. Times are Unix seconds (UTC), lengths milliseconds, sizes bytes; JSON columns are text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database as Tables


def create_initial_schema(tables: Tables) -> None:
    """Create all tables of the first schema."""
    _create_accounts_users_endpoints(tables)
    _create_boxes_messages_media(tables)
    _create_takes_outbox(tables)
    _create_secrets_failures_tokens(tables)
    _create_calls(tables)


def _create_accounts_users_endpoints(tables: Tables) -> None:
    tables.table("accounts").create(
        {
            "id": str,
            "account_id": str,
            "name": str,
            "realm": str,
            "language": str,
            "timezone": str,
            "settings": str,
            "revision": int,
            "created_at": int,
            "modified_at": int,
            "deleted_at": int,
        },
        pk="id",
        not_null={"name", "realm", "language", "timezone", "settings", "revision"},
        strict=True,
    )
    tables.table("accounts").create_index(["name"], "accounts_name", unique=True)
    tables.table("accounts").create_index(["realm"], "accounts_realm", unique=True)
    tables.table("users").create(
        {
            "id": str,
            "account_id": str,
            "name": str,
            "username": str,
            "email": str,
            "language": str,
            "timezone": str,
            "voicemail_id": str,
            "settings": str,
            "revision": int,
            "created_at": int,
            "modified_at": int,
            "deleted_at": int,
        },
        pk="id",
        foreign_keys=[("account_id", "accounts", "id")],
        not_null={"account_id", "name", "settings", "revision"},
        strict=True,
    )
    tables.table("users").create_index(["account_id", "name"], "users_name", unique=True)
    tables.table("endpoints").create(
        {"system": str, "name": str, "account_id": str, "user_id": str},
        pk=("system", "name"),
        foreign_keys=[("user_id", "users", "id")],
        not_null={"account_id", "user_id"},
        strict=True,
    )
    tables.table("endpoints").create_index(["user_id"], "endpoints_user")


def _create_boxes_messages_media(tables: Tables) -> None:
    tables.table("boxes").create(
        {
            "id": str,
            "account_id": str,
            "owner_id": str,
            "mailbox": str,
            "settings": str,
            "revision": int,
            "created_at": int,
            "modified_at": int,
            "deleted_at": int,
        },
        pk="id",
        foreign_keys=[("account_id", "accounts", "id")],
        not_null={"account_id", "mailbox", "settings", "revision"},
        strict=True,
    )
    tables.table("boxes").create_index(["account_id", "owner_id"], "boxes_owner")
    tables.table("numbers").create(
        {"account_id": str, "number": str, "box_id": str, "kind": str},
        pk=("account_id", "number"),
        foreign_keys=[("box_id", "boxes", "id")],
        not_null={"box_id", "kind"},
        strict=True,
    )
    tables.table("numbers").create_index(["box_id"], "numbers_box")
    tables.table("counters").create(
        {"account_id": str, "box_id": str, "folder": str, "urgent": int, "messages": int, "bytes": int},
        pk=("box_id", "folder", "urgent"),
        foreign_keys=[("box_id", "boxes", "id")],
        not_null={"account_id", "messages", "bytes"},
        strict=True,
    )
    tables.table("messages").create(
        {
            "id": str,
            "account_id": str,
            "box_id": str,
            "folder": str,
            "folder_before": str,
            "folder_at": int,
            "arrival": int,
            "urgent": int,
            "time": int,
            "length_ms": int,
            "sample_rate": int,
            "bytes": int,
            "intro_id": str,
            "intro_ms": int,
            "caller_number": str,
            "caller_name": str,
            "from_uri": str,
            "to_uri": str,
            "call_id": str,
            "history": str,
            "transcription": str,
            "revision": int,
            "stored_at": int,
            "expired_at": int,
            "deleted_at": int,
        },
        pk="id",
        foreign_keys=[("box_id", "boxes", "id")],
        not_null={
            "account_id",
            "box_id",
            "folder",
            "folder_at",
            "arrival",
            "urgent",
            "time",
            "length_ms",
            "sample_rate",
            "bytes",
            "intro_ms",
            "history",
            "revision",
            "stored_at",
        },
        strict=True,
    )
    # The order of play, and the only way in which a folder is read. Hidden rows are not in the index.
    tables.execute(
        "CREATE INDEX messages_in_order_of_play ON messages (box_id, folder, urgent, time, id)"
        " WHERE deleted_at IS NULL AND expired_at IS NULL"
    )
    tables.execute(
        "CREATE INDEX messages_by_age ON messages (account_id, time) WHERE deleted_at IS NULL AND expired_at IS NULL"
    )
    tables.table("arrivals").create({"account_id": str, "last": int}, pk="account_id", not_null={"last"}, strict=True)
    tables.table("media").create(
        {
            "id": str,
            "account_id": str,
            "box_id": str,
            "kind": str,
            "source": str,
            "content_type": str,
            "length_ms": int,
            "bytes": int,
            "created_at": int,
            "deleted_at": int,
        },
        pk="id",
        foreign_keys=[("box_id", "boxes", "id")],
        not_null={"account_id", "kind", "source", "length_ms", "bytes", "created_at"},
        strict=True,
    )
    tables.table("media").create_index(["box_id"], "media_box")


def _create_takes_outbox(tables: Tables) -> None:
    tables.table("takes").create(
        {
            "id": str,
            "account_id": str,
            "box_id": str,
            "purpose": str,
            "state": str,
            "channel": str,
            "call_id": str,
            "caller_number": str,
            "caller_name": str,
            "path": str,
            "payload": str,
            "began_at": int,
        },
        pk="id",
        not_null={"account_id", "box_id", "purpose", "state", "path", "payload", "began_at"},
        strict=True,
    )
    tables.table("takes").create_index(["box_id", "state"], "takes_box")
    tables.table("outbox").create(
        {
            "id": int,
            "account_id": str,
            "box_id": str,
            "message_id": str,
            "kind": str,
            "payload": str,
            "created_at": int,
            "due_at": int,
            "attempts": int,
            "error": str,
        },
        pk="id",
        not_null={"account_id", "box_id", "kind", "payload", "created_at", "due_at", "attempts"},
        strict=True,
    )
    tables.table("outbox").create_index(["due_at", "id"], "outbox_due")
    # A message light shows counts, not events: one row per mailbox says that they have to be published again.
    tables.execute("CREATE UNIQUE INDEX outbox_one_light_a_box ON outbox (box_id) WHERE kind = 'light'")


def _create_secrets_failures_tokens(tables: Tables) -> None:
    tables.table("secrets").create(
        {"account_id": str, "ref": str, "hash": str}, pk=("account_id", "ref"), not_null={"hash"}, strict=True
    )
    tables.table("failures").create(
        {
            "account_id": str,
            "scope": str,
            "subject": str,
            "failed": int,
            "counted_from": int,
            "locks": int,
            "locked_until": int,
        },
        pk=("account_id", "scope", "subject"),
        not_null={"failed", "counted_from", "locks", "locked_until"},
        strict=True,
    )
    tables.table("tokens").create(
        {
            "hash": str,
            "account_id": str,
            "user_id": str,
            "label": str,
            "created_at": int,
            "expires_at": int,
            "revoked_at": int,
        },
        pk="hash",
        not_null={"account_id", "created_at"},
        strict=True,
    )


def _create_calls(tables: Tables) -> None:
    tables.table("calls").create(
        {
            "id": str,
            "account_id": str,
            "box_id": str,
            "channel": str,
            "caller_number": str,
            "action": str,
            "status": str,
            "began_at": int,
            "ended_at": int,
            "steps": str,
        },
        pk="id",
        not_null={"channel", "action", "status", "began_at", "ended_at", "steps"},
        strict=True,
    )
    tables.table("calls").create_index(["account_id", "began_at"], "calls_by_time")
