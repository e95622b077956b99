"""What a database file contains, as far as a backup needs it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DatabaseContent:
    """The content of a database file."""

    schema_version: int
    is_newer: bool = False
    """Whether a newer version of this program has written it: then only `schema_version` is known."""
    damage: tuple[str, ...] = ()
    """What SQLite's integrity check reports; empty: nothing."""
    message_count: int = 0
    audio: dict[str, str] = field(default_factory=dict)
    """The file of each recording that a row refers to, below the data folder: what it belongs to, for people."""
