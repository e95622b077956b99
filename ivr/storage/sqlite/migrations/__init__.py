"""The migrations of the database, applied in this order, each once and in a transaction of its own.

sqlite-utils records which were applied, by their names; nothing else creates or changes a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ivr.storage.sqlite.migrations import add_message_search, additions, changes, initial, renames

if TYPE_CHECKING:
    from sqlite_utils import Database as Tables

MIGRATIONS: Mapping[str, Callable[[Tables], None]] = {
    "0001-first": initial.create_initial_schema,
    "0002-gone-means-gone": changes.add_tombstones,
    "0003-takes-put-aside": changes.index_suspended_takes,
    "0004-live-calls": changes.create_live_calls,
    "0005-outbox-leases": changes.add_outbox_leases,
    "0007-calls-that-survive": changes.add_live_call_ownership,
    "rest-0001-lists-uploads-sessions": changes.add_list_indexes_uploads_sessions,
    "rest-0002-audio-that-came-later": changes.add_late_audio,
    "0009-terms-of-the-field": renames.rename_to_terms_of_the_field,
    "0010-sign-ins-and-lights": changes.add_sign_in_and_light_times,
    "0011-mail-ids": changes.add_outbox_uids_and_mailed_audio,
    "0012-forwarder-and-calling-user": changes.add_forwarder_and_calling_user,
    "0013-audit": changes.create_audit,
    "0014-erasure-and-last-use": changes.add_erasure_and_last_use,
    "0015-imports": changes.create_imports,
    "0016-shared-boxes": changes.index_shared_boxes,
    "0017-page-sessions": changes.add_page_sessions,
    "0018-nodes": changes.add_nodes_and_leases,
    "0019-boxes-by-number": changes.index_boxes_by_number,
    "0020-mailbox-changes": changes.count_mailbox_changes,
    "0021-message-search": add_message_search.index_message_texts,
    "0022-arrivals-by-box": changes.number_arrivals_by_box,
    "0023-edge-recordings": additions.create_edge_recordings,
    "0024-published-lights": additions.create_published_lights,
    "0025-media-by-time": additions.index_media_by_time,
}
"""The names are stored in existing databases, and therefore never change."""
ADDITIONS = frozenset({"0023-edge-recordings", "0024-published-lights", "0025-media-by-time"})
"""Migrations that only add: tables, indexes, triggers, and columns that may be NULL.

Services of the version before go on beside them, so nodes on PostgreSQL are upgraded one after the other. What a
migration replaces is removed by one of the next release, which is no addition.
"""
SCHEMA_VERSION = len(MIGRATIONS)
"""Stored as PRAGMA user_version, so that a process need not load sqlite-utils for a database that is up to date."""


def apply_migrations(tables: Tables, migrations: Mapping[str, Callable[[Tables], None]] = MIGRATIONS) -> None:
    """Apply the migrations that are not recorded in this database."""
    from sqlite_utils import Migrations

    pending = Migrations("ivr")
    for name, migration in migrations.items():
        pending(name=name)(migration)
    if pending.pending(tables):
        pending.apply(tables)
