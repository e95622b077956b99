"""The migration that adds the full-text index of messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivr.storage.database import is_postgresql

if TYPE_CHECKING:
    from sqlite_utils import Database as Tables

LONGEST_NUMBER = 20
_DIGITS = "replace(replace(replace(replace(coalesce({row}.caller_number, ''), '+', ''), ' ', ''), '-', ''), '/', '')"
_TRANSCRIPT = (
    "CASE WHEN coalesce(json_valid({row}.transcription), 0) = 0 THEN coalesce({row}.transcription, '')"
    " WHEN json_type({row}.transcription) <> 'object' THEN {row}.transcription"
    " WHEN coalesce(json_extract({row}.transcription, '$.result'), 'success') = 'success'"
    " THEN coalesce(json_extract({row}.transcription, '$.text'), '') ELSE '' END"
)
_TIME = "max(0, min({row}.time, 4398046511103))"


def index_message_texts(tables: Tables) -> None:
    """Add what messages are searched by: name and number of the caller, and transcript.

    `message_texts.id` is the time of the message in the bits from 20, and counts the messages of one second below it,
    so that the index returns matches in the order of time. A number is stored with all its endings, because the index
    finds words by their beginning. Triggers keep both tables, because messages are changed in many places.
    """
    tables.execute(
        "CREATE TABLE message_texts (id INTEGER PRIMARY KEY, message_id TEXT NOT NULL UNIQUE, place TEXT NOT NULL,"
        " name TEXT NOT NULL, number TEXT NOT NULL, transcript TEXT NOT NULL) STRICT"
    )
    new, columns = _values("NEW"), "place, name, number, transcript"
    tables.execute(
        f"INSERT INTO message_texts (id, message_id, {columns}) SELECT ({_TIME.format(row='m')} << 20)"
        f" + row_number() OVER (PARTITION BY {_TIME.format(row='m')} ORDER BY m.id), m.id, {', '.join(_values('m'))}"
        " FROM messages m"
    )
    if is_postgresql(tables):
        tables.execute(
            "CREATE INDEX message_search ON message_texts USING gin (search_words(name, number, transcript))"
        )
    else:
        _create_fts5_table(tables, columns)
    first = f"{_TIME.format(row='NEW')} << 20"
    free_id = (
        f"coalesce((SELECT max(id) + 1 FROM message_texts WHERE id >= {first} AND id < ({first}) + 1048576), {first})"
    )
    if is_postgresql(tables):  # Messages are added at the same time there, and would get the same id.
        tables.execute("CREATE SEQUENCE message_text_numbers")
        free_id = f"({first}) + nextval('message_text_numbers') % 1048576"
    tables.execute(
        "CREATE TRIGGER message_texts_message_added AFTER INSERT ON messages BEGIN"
        f" INSERT INTO message_texts (id, message_id, {columns}) VALUES ({free_id}, NEW.id, {', '.join(new)}); END"
    )
    tables.execute(
        "CREATE TRIGGER message_texts_message_changed AFTER UPDATE OF box_id, caller_name, caller_number, transcription"
        f" ON messages BEGIN UPDATE message_texts SET ({columns}) = ({', '.join(new)}) WHERE message_id = NEW.id; END"
    )
    tables.execute(
        "CREATE TRIGGER message_texts_message_removed AFTER DELETE ON messages"
        " BEGIN DELETE FROM message_texts WHERE message_id = OLD.id; END"
    )


def _create_fts5_table(tables: Tables, columns: str) -> None:
    tables.execute(
        "CREATE VIRTUAL TABLE message_search USING fts5(place, name, number, transcript, content='message_texts',"
        " content_rowid='id', prefix='2 3 5', tokenize='unicode61 remove_diacritics 2')"
    )
    tables.execute("INSERT INTO message_search (message_search) VALUES ('rebuild')")
    old_entry = (
        f"INSERT INTO message_search (message_search, rowid, {columns}) VALUES ('delete', OLD.id, {{}});".format(
            ", ".join(f"OLD.{column}" for column in columns.split(", "))
        )
    )
    new_entry = f"INSERT INTO message_search (rowid, {columns}) VALUES (NEW.id, {{}});".format(
        ", ".join(f"NEW.{column}" for column in columns.split(", "))
    )
    for event, entries in (("INSERT", new_entry), ("DELETE", old_entry), ("UPDATE", old_entry + new_entry)):
        tables.execute(
            f"CREATE TRIGGER message_texts_after_{event.lower()} AFTER {event} ON message_texts BEGIN {entries} END"
        )


def _values(row: str) -> list[str]:
    """Return the SQL expressions of place, name, number and transcript of a row of `messages`."""
    endings = " || ' ' || ".join(f"substr(digits, {start})" for start in range(1, LONGEST_NUMBER))
    return [
        f"{row}.account_id || ' ' || {row}.box_id",
        f"coalesce({row}.caller_name, '')",
        f"(SELECT rtrim({endings}) FROM (SELECT {_DIGITS.format(row=row)} AS digits) AS caller)",
        _TRANSCRIPT.format(row=row),
    ]
