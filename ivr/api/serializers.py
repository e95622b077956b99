"""Boxes and messages as this door shows them; a PIN never is."""

from __future__ import annotations

import json
from typing import Any

from ivr.mailbox.boxes import to_document
from ivr.mailbox.bulk import BulkResult
from ivr.mailbox.listing import BoxSummary
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Message


def box_document(mailbox: Mailbox) -> dict[str, Any]:
    """All settings of a box."""
    return {"id": mailbox.id, **to_document(mailbox.settings)}


def box_summary(summary: BoxSummary) -> dict[str, Any]:
    """A box in a list."""
    settings, counts = summary.settings, summary.counts
    line: dict[str, Any] = {"id": summary.record.id, "name": settings.name, "mailbox": settings.mailbox}
    if settings.owner_id:
        line["owner_id"] = settings.owner_id
    if settings.flags:
        line["flags"] = settings.flags
    line["messages"] = counts.new + counts.saved
    if line["messages"]:
        line["folders"] = {"new": counts.new, "saved": counts.saved}
    return line


def message_summary(message: Message) -> dict[str, Any]:
    """A message in a list."""
    line = {
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
        line["transcribed"] = True
    return line


def message_document(message: Message) -> dict[str, Any]:
    """A message by itself, with its transcript where there is one."""
    document = message_summary(message)
    if message.transcription is not None:
        document["transcription"] = _transcription_document(message.transcription)
        del document["transcribed"]
    return document


def outcome_document(outcome: BulkResult) -> dict[str, Any]:
    """What became of many messages: both members always, failures as the seed prints them (design)."""
    return {"succeeded": outcome.succeeded, "failed": [{message_id: reason} for message_id, reason in outcome.failed]}


def _transcription_document(stored_text: str) -> Any:
    try:
        document = json.loads(stored_text)
    except ValueError:
        document = None
    return document if isinstance(document, dict) else {"result": "success", "text": stored_text}
