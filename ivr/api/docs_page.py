"""The page that documents the REST API, and its examples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}pre{background:#f4f4f4;padding:1em;"
    "overflow:auto}h3 code{font-size:1em}table{border-collapse:collapse}td{padding:.2em 1em .2em 0;vertical-align:top}"
)


def render_html(document: dict[str, Any]) -> str:
    """Render an OpenAPI document."""
    info = document["info"]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])}</title>"
        f"<style>{STYLE}</style><h1>{escape(info['title'])} {escape(info['version'])}: REST API</h1>"
        f"<p>{escape(info['description'])} Machine-readable: <a href=/openapi.json>/openapi.json</a>.</p>"
        + "".join(_operations(document))
    )


def _operations(document: dict[str, Any]) -> Iterator[str]:
    heading = ""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if operation["tags"][0] != heading:
                heading = operation["tags"][0]
                yield f"<h2>{escape(heading)}</h2>"
            description = operation.get("description", "")
            yield f"<h3><code>{method.upper()} {escape(path)}</code></h3><p>{escape(description)}</p>"
            parameters = [parameter for parameter in operation.get("parameters", []) if parameter["in"] != "path"]
            if parameters:
                yield "<table>" + "".join(_parameter_row(parameter) for parameter in parameters) + "</table>"
            yield from _examples("Request", operation.get("requestBody", {}).get("content", {}))
            for status, response in operation["responses"].items():
                yield from _examples(f"Response {status}", response.get("content", {}))


def _parameter_row(parameter: dict[str, Any]) -> str:
    return f"<tr><td><code>{escape(parameter['name'])}</code><td>{escape(parameter.get('description', ''))}"


def _examples(title: str, content: dict[str, Any]) -> Iterator[str]:
    for media_type, body in content.items():
        if "example" in body:
            example = escape(json.dumps(body["example"], indent=2))
            yield f"<p>{title}, {escape(media_type)}</p><pre>{example}</pre>"


BOX_ID, OWNER_ID = "3a63acc3694ba189947235ae4727941b", "f1d98a5df729f95cd208ee9430e3b21b"
FIRST_MESSAGE_ID, SECOND_MESSAGE_ID = (
    "201605-6aadef09f6fcf5fd8bcdfca312e923ba",
    "201605-f0c3c16551a5ff7b5753a381892e2e01",
)
MISSING_MESSAGE_ID = "201605-49be0985ea3a33046f8073083517d27b"


def success_envelope(data: Any, **paging: Any) -> dict[str, Any]:
    """Return `data` in the envelope of a success response."""
    return {
        "auth_token": "{AUTH_TOKEN}",
        "data": data,
        **paging,
        "revision": "{REVISION}",
        "request_id": "{REQUEST_ID}",
        "status": "success",
    }


SETTINGS: dict[str, Any] = {
    "name": "VMBox 0",
    "require_pin": True,
    "is_setup": False,
    "mailbox": "3000",
    "timezone": "America/Los_Angeles",
    "check_if_owner": True,
    "delete_after_notify": False,
    "not_configurable": False,
    "notify_email_addresses": [],
    "save_after_notify": False,
    "skip_greeting": False,
    "skip_instructions": False,
    "owner_id": OWNER_ID,
    "media": {},
}
NEW_BOX = {"data": {**SETTINGS, "pin": "0000"}}
BOX = success_envelope({**SETTINGS, "id": BOX_ID})
PATCH = {"data": {"some_key": "some_value"}}
PATCHED_BOX = success_envelope({**SETTINGS, "id": BOX_ID, "some_key": "some_value"})
BOX_USERS = success_envelope(
    [
        {
            "id": BOX_ID,
            "mailbox": "3000",
            "name": "VMBox 0",
            "enabled": True,
            "timezone": "Europe/Berlin",
            "language": "en",
            "messages": {"new": 3, "urgent": 1, "saved": 1, "deleted": 0},
            "owner": {"id": OWNER_ID, "name": "alice", "email": "alice@demo.example"},
        }
    ],
    page_size=1,
)
BOXES = success_envelope(
    [
        {
            "id": BOX_ID,
            "name": "VMBox 0",
            "mailbox": "3000",
            "owner_id": OWNER_ID,
            "messages": 4,
            "folders": {"new": 3, "saved": 1},
        }
    ],
    page_size=1,
)

_USERB: dict[str, Any] = {
    "timestamp": 63630058722,
    "from": "1001@aeac33.sip.Voxter.com",
    "to": "1000@aeac33.sip.Voxter.com",
    "caller_id_number": "1001",
    "caller_id_name": "userb userb",
    "call_id": "79959ZDNmM2I5ZTliMzA0NzA4N2FjNjlmODA5OWVkZjUxZWU",
    "folder": "new",
    "length": 3140,
    "media_id": FIRST_MESSAGE_ID,
}
_USERD: dict[str, Any] = {
    **_USERB,
    "timestamp": 63630058413,
    "from": "1002@aeac33.sip.Voxter.com",
    "caller_id_number": "1002",
    "caller_id_name": "userd userd",
    "call_id": "79959MmNiMmJiMTIxODhjZjk0ZDhmOGNkMjJkN2MwNGQyNWY",
    "length": 5500,
    "media_id": SECOND_MESSAGE_ID,
}
_TRANSCRIPT = {"result": "success", "text": "This is a test of the voicemail transcription."}
_UPLOADED_MESSAGE = {
    **_USERB,
    "from": "someone@farfaraway.com",
    "to": "1000@sip.somewhere.com",
    "caller_id_number": "6001",
    "caller_id_name": "someone",
    "media_id": "201605-fad0e00f6fcf0fd8bcdfca312e924b0a",
}

MESSAGES = success_envelope([_USERB, _USERD], page_size=2)
ALL_MESSAGES = success_envelope(
    [{"0e820108c0f4ca391500f3be1b02bdfa": _USERB}, {"0e820108c0f4ca391500f3be1b02bdfa": _USERD}], page_size=2
)
MESSAGE = success_envelope({**_USERB, "transcription": _TRANSCRIPT})
SAVED_MESSAGE = success_envelope({**_USERB, "folder": "saved", "transcription": _TRANSCRIPT})
CREATED_MESSAGE = success_envelope(_UPLOADED_MESSAGE)
NEW_MESSAGE = {
    "data": {
        "caller_id_name": "someone",
        "caller_id_number": "6001",
        "folder": "new",
        "from": "someone@farfaraway.com",
    }
}
CHANGE_MESSAGE = {"data": {"folder": "saved"}}
CHANGE_MESSAGES = {"data": {"folder": "saved", "messages": [FIRST_MESSAGE_ID, MISSING_MESSAGE_ID]}}
OUTCOME = success_envelope({"succeeded": [FIRST_MESSAGE_ID], "failed": [{MISSING_MESSAGE_ID: "not_found"}]})
ZIP_REQUEST = {"data": {"messages": [FIRST_MESSAGE_ID, SECOND_MESSAGE_ID]}}
USER_AUTH = {"data": {"credentials": "4a3b1c5d6e7f8091a2b3c4d5e6f70819", "account_name": "demo"}}
API_AUTH = {"data": {"api_key": "{TOKEN}"}}
