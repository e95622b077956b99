"""The tables of app_voicemail: realtime mailboxes, and messages that it stores over ODBC."""

from __future__ import annotations

from typing import Any

from ivr.storage.sources.postgresql import PostgresqlSource, Row

MESSAGE_COLUMNS = ("dir", "msgnum", "callerid", "origtime", "duration", "category", "flag", "msg_id")


class AppVoicemailTables:
    """Rows of the tables `mailboxes` and `messages`; "": app_voicemail has no such table."""

    def __init__(self, database: PostgresqlSource, mailboxes: str, messages: str) -> None:
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
        rows = self._database.select(self._messages, ["dir"])
        return sorted({str(row["dir"]) for row in rows})

    def messages(self, folder: str) -> list[Row]:
        """Return what is known of the messages of a folder, without their audio."""
        return self._database.select(self._messages, MESSAGE_COLUMNS, {"dir": folder}, order=["msgnum"])

    def recording(self, folder: str, number: Any) -> tuple[Row, bytes] | None:
        """Return a message and its audio, which is empty if it is in a file; None if it is not there any more."""
        where = {"dir": folder, "msgnum": number}
        rows = self._database.select(self._messages, [*MESSAGE_COLUMNS, "recording"], where)
        if not rows:
            return None
        recording = rows[0].pop("recording")
        if isinstance(recording, int):
            recording = self._database.large_object(recording)
        return rows[0], bytes(recording or b"")
