"""Migrations that only add: services of the version before go on beside them (`ADDITIONS`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database as Tables


def create_edge_recordings(tables: Tables) -> None:
    """Create the call ids under which media edges have recorded messages, so that each is stored once."""
    tables.table("edge_recordings").create(
        {"account_id": str, "call_id": str, "box_id": str, "message_id": str},
        pk=("account_id", "call_id"),
        not_null={"box_id", "message_id"},
        strict=True,
    )
    tables.execute("CREATE INDEX edge_recordings_by_box ON edge_recordings (box_id)")
    tables.execute(
        "CREATE TRIGGER edge_recordings_box_removed AFTER DELETE ON boxes"
        " BEGIN DELETE FROM edge_recordings WHERE box_id = OLD.id; END"
    )


def create_published_lights(tables: Tables) -> None:
    """Create the lights that were published to each Asterisk, by mailbox or endpoint; rows outlive these."""
    tables.table("published_lights").create(
        {"asterisk": str, "box_id": str, "endpoint": str, "name": str},
        pk=("asterisk", "box_id", "endpoint", "name"),
        not_null={"asterisk", "box_id", "endpoint", "name"},
        strict=True,
    )
    tables.execute("CREATE INDEX published_lights_by_name ON published_lights (asterisk, name)")


def index_media_by_time(tables: Tables) -> None:
    """Index greetings by the time they were made, for nodes that look for those that another one has."""
    tables.execute("CREATE INDEX media_by_created_at ON media (created_at)")
