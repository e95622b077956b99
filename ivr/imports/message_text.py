"""The .txt file of a message in the spool of app_voicemail, written so that app_voicemail and `spool` read it."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC

from ivr.audio import wav
from ivr.clock import date_of
from ivr.imports import message_fields
from ivr.storage.records import Caller, Folder, Message
from ivr.validation.text import to_single_line

FOLDERS = {Folder.NEW: message_fields.INBOX, Folder.SAVED: message_fields.OLD, Folder.DELETED: message_fields.DELETED}
URGENT_FLAG = "Urgent"
_PLAIN_NUMBER = re.compile(r"\+?[0-9*#]+")


def folder_name(message: Message) -> str:
    """Return the folder of app_voicemail for a message. Its label names it where it is one of the further folders."""
    if message.folder is Folder.NEW and message.urgent:
        return message_fields.URGENT
    further = [label for label in message.labels if label in message_fields.FURTHER_FOLDERS]
    return further[0] if further and message.folder is Folder.SAVED else FOLDERS[message.folder]


def unplaced_labels(message: Message) -> list[str]:
    """Return the labels that neither the folder nor the category of a message can say."""
    return _labels_beside_folder(message)[1:]


def new_msg_id(message: Message) -> str:
    """Return the `msg_id` of a message that app_voicemail did not know: always the same for the same message."""
    return f"{message.time}-{hashlib.sha256(message.id.encode()).hexdigest()[:8]}"


def format_caller(caller: Caller) -> str:
    """Return a caller as `callerid` has it."""
    name = to_single_line(caller.name)
    number = re.sub(r"[<>]", "", to_single_line(caller.number))
    if name:
        return f'"{name}" <{number}>'
    if _PLAIN_NUMBER.fullmatch(number):
        return number
    return f"<{number}>" if number else "Unknown"


def format_text(message: Message, msg_id: str, samples_bytes: int) -> bytes:
    """Return the .txt file of a message with so many bytes of samples."""
    time = date_of(message.time, UTC)
    category = (_labels_beside_folder(message) or [""])[0]
    number = message.to_uri.partition("@")[0]
    values = {
        "origmailbox": message.forwarded_by.number if message.forwarded_by else number,
        "context": "",
        "macrocontext": "",
        "exten": number,
        "rdnis": "unknown",
        "priority": "1",
        "callerchan": "",
        "callerid": format_caller(message.caller),
        "origdate": f"{time:%a %b} {time.day:2} {time:%I:%M:%S %p} UTC {time.year}",
        "origtime": str(message.time),
        "category": to_single_line(category),
        "msg_id": msg_id,
        "flag": URGENT_FLAG if message.urgent else "",
        "duration": str(samples_bytes // (1000 * wav.BYTES_PER_MS)),
    }
    lines = [";", "; Message Information file", ";", "[message]", *(f"{key}={value}" for key, value in values.items())]
    return ("\n".join(lines) + "\n").encode()


def _labels_beside_folder(message: Message) -> list[str]:
    """A category may be named as INBOX, Old, Urgent or Deleted are, which no label says."""
    folder = folder_name(message)
    return [label for label in message.labels if label != folder or folder not in message_fields.FURTHER_FOLDERS]
