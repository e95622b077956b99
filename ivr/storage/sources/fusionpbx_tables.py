"""The tables of FusionPBX that imports read. Columns that an older version does not have are None."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ivr.storage.sources.postgresql import PostgresqlSource, Row

VOICEMAIL_COLUMNS = (
    *("domain_uuid", "voicemail_uuid", "voicemail_id", "voicemail_password", "greeting_id", "voicemail_mail_to"),
    *("voicemail_alternate_greet_id", "voicemail_sms_to", "voicemail_file", "voicemail_local_after_email"),
    *("voicemail_local_after_forward", "voicemail_transcription_enabled", "voicemail_tutorial", "voicemail_enabled"),
    *("voicemail_recording_instructions", "voicemail_recording_options", "voicemail_description"),
    *("voicemail_name_base64", "voicemail_attach_file"),
)
MESSAGE_COLUMNS = (
    *("voicemail_message_uuid", "created_epoch", "read_epoch", "caller_id_name", "caller_id_number"),
    *("message_length", "message_status", "message_priority", "message_transcription"),
)
AUDIO_COLUMNS = ("message_base64", "message_intro_base64")
MESSAGES = "v_voicemail_messages"
SETTINGS = ("default", "domain")
"""Tables of settings: of the system, and of a domain, which counts where both say something."""


class FusionPbxTables:
    """Rows of one database of FusionPBX."""

    def __init__(self, database: PostgresqlSource) -> None:
        self._database = database

    @property
    def place(self) -> str:
        return self._database.place

    def domains(self) -> dict[str, str]:
        """Return the names of the domains by their uuid."""
        rows = self._database.select("v_domains", ["domain_uuid", "domain_name"])
        return {str(row["domain_uuid"]): str(row["domain_name"]) for row in rows}

    def disabled_domains(self) -> list[str]:
        """Return the names of the domains that are switched off."""
        rows = self._database.select("v_domains", ["domain_name", "domain_enabled"])
        return sorted(str(row["domain_name"]) for row in rows if str(row["domain_enabled"]).lower() == "false")

    def count_messages_without(self, voicemails: Iterable[str]) -> int:
        """Return how many messages belong to none of these mailboxes."""
        known = set(voicemails)
        rows = self._database.select(MESSAGES, ["voicemail_uuid"])
        return sum(str(row["voicemail_uuid"]) not in known for row in rows)

    def settings(self, category: str) -> dict[str, dict[str, str]]:
        """Return the settings of a category that are on, of each domain by its uuid; "": those of the system."""
        found: dict[str, dict[str, str]] = {"": {}}
        for kind in SETTINGS:
            table, prefix = f"v_{kind}_settings", f"{kind}_setting_"
            if not self._database.columns(table):
                continue
            names = {name: f"{prefix}{name}" for name in ("category", "subcategory", "value", "enabled")}
            rows = self._database.select(table, [*names.values(), "domain_uuid"], {names["category"]: category})
            for row in rows:
                if str(row[names["enabled"]]).lower() == "true" and row[names["value"]] not in (None, ""):
                    domain = str(row["domain_uuid"] or "") if kind == "domain" else ""
                    found.setdefault(domain, {})[str(row[names["subcategory"]])] = str(row[names["value"]])
        return found

    def voicemails(self) -> list[Row]:
        """Return the mailboxes of all domains with all columns that the table has, in the order of their numbers."""
        columns = list(dict.fromkeys([*VOICEMAIL_COLUMNS, *self._database.columns("v_voicemails")]))
        return self._database.select("v_voicemails", columns, order=["domain_uuid", "voicemail_id"])

    def extension_names(self) -> dict[tuple[str, str], str]:
        """Return the names that extensions send as caller, by domain and number."""
        if not self._database.columns("v_extensions"):
            return {}
        rows = self._database.select("v_extensions", ["domain_uuid", "extension", "effective_caller_id_name"])
        return {
            (str(row["domain_uuid"]), str(row["extension"])): str(row["effective_caller_id_name"])
            for row in rows
            if row["effective_caller_id_name"]
        }

    def messages(self, voicemail_uuid: Any) -> list[Row]:
        """Return the messages of a mailbox without their recordings, with all columns that the table has."""
        known = [column for column in self._database.columns(MESSAGES) if column not in AUDIO_COLUMNS]
        columns = list(dict.fromkeys([*MESSAGE_COLUMNS, *known]))
        return self._database.select(MESSAGES, columns, {"voicemail_uuid": voicemail_uuid}, order=["created_epoch"])

    def message_audio(self, message_uuid: str) -> Row:
        """Return the recordings of a message as they are stored in the table; empty if it stores none."""
        if not any(column in self._database.columns(MESSAGES) for column in AUDIO_COLUMNS):
            return {}
        rows = self._database.select(MESSAGES, AUDIO_COLUMNS, {"voicemail_message_uuid": message_uuid})
        return rows[0] if rows else {}

    def greetings(self, domain_uuid: Any, number: str) -> list[Row]:
        """Return the greetings of a mailbox."""
        columns = ["greeting_id", "greeting_name", "greeting_filename", "greeting_base64"]
        if not self._database.columns("v_voicemail_greetings"):
            return []
        where = {"domain_uuid": domain_uuid, "voicemail_id": number}
        return self._database.select("v_voicemail_greetings", columns, where, order=["greeting_id"])

    def copies(self, voicemail_uuid: Any) -> list[str]:
        """Return the uuids of the mailboxes that get a copy of each message."""
        if not self._database.columns("v_voicemail_destinations"):
            return []
        where = {"voicemail_uuid": voicemail_uuid}
        rows = self._database.select("v_voicemail_destinations", ["voicemail_uuid_copy"], where)
        return sorted(str(row["voicemail_uuid_copy"]) for row in rows)

    def options(self, voicemail_uuid: Any) -> list[Row]:
        """Return what the keys do during the greeting of a mailbox."""
        if not self._database.columns("v_voicemail_options"):
            return []
        columns = ["voicemail_option_digits", "voicemail_option_action", "voicemail_option_param"]
        return self._database.select("v_voicemail_options", columns, {"voicemail_uuid": voicemail_uuid})
