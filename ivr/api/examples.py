"""Request and response examples of the Kazoo documentation, with its misprints corrected.

`docs/kazoo-compatibility.md` lists the corrections.
"""

from __future__ import annotations

from typing import Any

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
