"""JSON schemas of the documents in the OpenAPI document."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
BYTES: Schema = {"type": "string", "format": "binary"}
OBJECT: Schema = {"type": "object"}
IDS: Schema = {"type": "array", "items": TEXT}
FOLDER: Schema = {"type": "string", "enum": ["new", "saved", "deleted"]}


def ref(name: str) -> Schema:
    """Return a reference to a schema of `SCHEMAS`, or of a model."""
    return {"$ref": f"#/components/schemas/{name}"}


def array(item: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": item}


def object_schema(required: list[str], **properties: Schema) -> Schema:
    """Return the schema of an object."""
    return {"type": "object", "required": required, "properties": properties}


SCHEMAS: dict[str, Schema] = {
    "Message": object_schema(
        ["timestamp", "from", "to", "caller_id_number", "caller_id_name", "call_id", "folder", "length", "media_id"],
        **{"from": TEXT},
        timestamp={"type": "integer", "description": "Gregorian seconds"},
        to=TEXT,
        caller_id_number=TEXT,
        caller_id_name=TEXT,
        call_id=TEXT,
        folder=FOLDER,
        length={"type": "integer", "description": "ms"},
        media_id=TEXT,
        transcription=OBJECT,
        transcribed={"type": "boolean"},
        urgent={"type": "boolean", "description": "only there if true"},
        labels=IDS,
        links=object_schema(["raw", "expires_at"], raw=TEXT, media=TEXT, expires_at={"type": "integer"}),
    ),
    "BoxSummary": object_schema(
        ["id", "name", "mailbox", "messages"],
        id=TEXT,
        name=TEXT,
        mailbox=TEXT,
        owner_id=TEXT,
        flags=IDS,
        messages={"type": "integer"},
        folders=OBJECT,
    ),
    "BoxUser": object_schema(
        ["id", "name", "mailbox", "enabled", "timezone", "language", "messages"],
        id=TEXT,
        name=TEXT,
        mailbox=TEXT,
        enabled={"type": "boolean"},
        timezone=TEXT,
        language=TEXT,
        messages=OBJECT,
        owner=object_schema(["id", "name"], id=TEXT, name=TEXT, email=TEXT),
    ),
    "BoxDocument": object_schema(["id", "name", "mailbox"], id=TEXT, name=TEXT, mailbox=TEXT),
    "Outcome": object_schema(["succeeded", "failed"], succeeded=IDS, failed=array(OBJECT)),
    "Session": object_schema(
        ["account_id", "account_name"],
        account_id=TEXT,
        account_name=TEXT,
        owner_id=TEXT,
        language=TEXT,
        is_reseller={"type": "boolean"},
        apps=array(OBJECT),
        expires_at={"type": "integer"},
    ),
    "Greeting": object_schema(["media_id", "kind"], media_id=TEXT, kind=TEXT, length={"type": "integer"}),
    "Error": object_schema(
        ["data", "error", "message", "request_id", "status", "auth_token"],
        data=OBJECT,
        error=TEXT,
        message=TEXT,
        request_id=TEXT,
        status={"const": "error"},
        auth_token=TEXT,
    ),
}
