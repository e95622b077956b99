"""JSON documents of boxes and messages. No document contains a PIN."""

from __future__ import annotations

import json
from typing import Any

from ivr.mailbox.boxes import settings_from_record, to_document
from ivr.mailbox.bulk import BulkResult
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import BoxSummary, Message


def box_document(mailbox: Mailbox) -> dict[str, Any]:
    """Return all settings of a box."""
    return {"id": mailbox.id, **to_document(mailbox.settings)}


def box_summary(summary: BoxSummary) -> dict[str, Any]:
    """Return a box as an item of a list."""
    settings, counts = settings_from_record(summary.record), summary.counts
    document: dict[str, Any] = {"id": summary.record.id, "name": settings.name, "mailbox": settings.mailbox}
    if settings.owner_id:
        document["owner_id"] = settings.owner_id
    if settings.flags:
        document["flags"] = settings.flags
    document["messages"] = counts.new + counts.saved
    if document["messages"]:
        document["folders"] = {"new": counts.new, "saved": counts.saved}
    return document


def message_summary(message: Message) -> dict[str, Any]:
    """Return a message as an item of a list."""
    document = {
        "timestamp": message.gregorian,
        "from": message.from_uri,
        "to": message.to_uri,
        "caller_id_number": message.caller.number,
        "caller_id_name": message.caller.name,
        "call_id": message.call_id,
        "folder": message.folder,
        "length": message.length_ms,
        "media_id": message.id,
    }
    if message.transcription is not None:
        document["transcribed"] = True
    return document


def message_document(message: Message) -> dict[str, Any]:
    """Return a message by itself, with its transcript if it has one."""
    document = message_summary(message)
    if message.transcription is not None:
        document["transcription"] = _transcription_document(message.transcription)
        del document["transcribed"]
    return document


def outcome_document(outcome: BulkResult) -> dict[str, Any]:
    """Return the outcome of a bulk request. Both members are always present; `failed` lists one-key objects."""
    return {"succeeded": outcome.succeeded, "failed": [{message_id: reason} for message_id, reason in outcome.failed]}


def _transcription_document(stored_text: str) -> Any:
    try:
        document = json.loads(stored_text)
    except ValueError:
        document = None
    return document if isinstance(document, dict) else {"result": "success", "text": stored_text}
