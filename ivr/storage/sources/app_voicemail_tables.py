"""The tables of app_voicemail: realtime mailboxes, and messages that it stores over ODBC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ivr.errors import BadInput

MESSAGE_COLUMNS = ("dir", "msgnum", "callerid", "origtime", "duration", "category", "flag", "msg_id")
AUDIO_COLUMN = "recording"

Row = dict[str, Any]


class TableSource(Protocol):
    """What tables are read from: a database, or a dump of one."""

    place: str

    def columns(self, table: str) -> list[str]: ...

    def select(
        self, table: str, columns: Sequence[str], where: dict[str, Any] | None = None, *, order: Sequence[str] = ()
    ) -> list[Row]: ...

    def content(self, value: Any) -> bytes: ...


class AppVoicemailTables:
    """Rows of the tables `mailboxes` and `messages`; "": app_voicemail has no such table."""

    def __init__(self, database: TableSource, mailboxes: str, messages: str) -> None:
        self._database = database
        self._mailboxes = mailboxes
        self._messages = messages

    @property
    def place(self) -> str:
        return self._database.place

    @property
    def has_messages(self) -> bool:
        return bool(self._messages)

    def mailboxes(self) -> list[Row]:
        """Return the realtime mailboxes, with all columns that the table has."""
        if not self._mailboxes:
            return []
        columns = self._database.columns(self._mailboxes) or ("mailbox",)
        return self._database.select(self._mailboxes, columns, order=["mailbox"])

    def folders(self) -> list[str]:
        """Return the paths of all folders that have messages or are greetings."""
        rows = self._database.select(self._messages, ["dir"], order=["dir"])
        return sorted({str(row["dir"]) for row in rows})

    def messages(self, folder: str) -> list[Row]:
        """Return what is known of the messages of a folder, without their audio."""
        rows = self._database.select(self._messages, MESSAGE_COLUMNS, {"dir": folder}, order=["msgnum"])
        return [self._with_number(row) for row in rows]

    def recording(self, folder: str, number: Any) -> tuple[Row, bytes] | None:
        """Return a message and its audio, which is empty if it is in a file; None if it is not there any more."""
        where = {"dir": folder, "msgnum": number}
        rows = self._database.select(self._messages, [*MESSAGE_COLUMNS, AUDIO_COLUMN], where)
        if not rows:
            return None
        recording = rows[0].pop(AUDIO_COLUMN)
        return self._with_number(rows[0]), self._database.content(recording)

    def _with_number(self, row: Row) -> Row:
        try:
            return {**row, "msgnum": int(row["msgnum"])}
        except (TypeError, ValueError):
            raise BadInput(
                f"table {self._messages} of {self.place}: msgnum of {row['dir']} is no number: {row['msgnum']!r}"
            ) from None
