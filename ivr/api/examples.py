"""The seed's requests and answers, with the slips put right that kazoo-behaviour §8 lists."""

from __future__ import annotations

from typing import Any

BOX_ID, OWNER_ID = "3a63acc3694ba189947235ae4727941b", "f1d98a5df729f95cd208ee9430e3b21b"
FIRST, SECOND = "201605-6aadef09f6fcf5fd8bcdfca312e923ba", "201605-f0c3c16551a5ff7b5753a381892e2e01"
MISSING = "201605-49be0985ea3a33046f8073083517d27b"


def answer(data: Any, **more: Any) -> dict[str, Any]:
    """In the envelope."""
    return {"auth_token": "{AUTH_TOKEN}", "data": data, **more, "revision": "{REVISION}",
            "request_id": "{REQUEST_ID}", "status": "success"}  # fmt: skip


SETTINGS: dict[str, Any] = {
    "name": "VMBox 0", "require_pin": True, "is_setup": False, "mailbox": "3000", "timezone": "America/Los_Angeles",
    "check_if_owner": True, "delete_after_notify": False, "not_configurable": False, "notify_email_addresses": [],
    "save_after_notify": False, "skip_greeting": False, "skip_instructions": False, "owner_id": OWNER_ID, "media": {},
}  # fmt: skip
NEW_BOX = {"data": {**SETTINGS, "pin": "0000"}}
BOX = answer({**SETTINGS, "id": BOX_ID})
PATCH = {"data": {"some_key": "some_value"}}
PATCHED_BOX = answer({**SETTINGS, "id": BOX_ID, "some_key": "some_value"})
BOXES = answer(
    [{"id": BOX_ID, "name": "VMBox 0", "mailbox": "3000", "owner_id": OWNER_ID, "messages": 4,
      "folders": {"new": 3, "saved": 1}}],
    page_size=1,
)  # fmt: skip

_USERB: dict[str, Any] = {
    "timestamp": 63630058722, "from": "1001@aeac33.sip.Voxter.com", "to": "1000@aeac33.sip.Voxter.com",
    "caller_id_number": "1001", "caller_id_name": "userb userb",
    "call_id": "79959ZDNmM2I5ZTliMzA0NzA4N2FjNjlmODA5OWVkZjUxZWU", "folder": "new", "length": 3140,
    "media_id": FIRST,
}  # fmt: skip
_USERD: dict[str, Any] = {
    **_USERB, "timestamp": 63630058413, "from": "1002@aeac33.sip.Voxter.com", "caller_id_number": "1002",
    "caller_id_name": "userd userd", "call_id": "79959MmNiMmJiMTIxODhjZjk0ZDhmOGNkMjJkN2MwNGQyNWY", "length": 5500,
    "media_id": SECOND,
}  # fmt: skip
_TRANSCRIPT = {"result": "success", "text": "This is a test of the voicemail transcription."}
_NEW = {
    **_USERB, "from": "someone@farfaraway.com", "to": "1000@sip.somewhere.com", "caller_id_number": "6001",
    "caller_id_name": "someone", "media_id": "201605-fad0e00f6fcf0fd8bcdfca312e924b0a",
}  # fmt: skip

MESSAGES = answer([_USERB, _USERD], page_size=2)
ALL_MESSAGES = answer(
    [{"0e820108c0f4ca391500f3be1b02bdfa": _USERB}, {"0e820108c0f4ca391500f3be1b02bdfa": _USERD}], page_size=2
)
MESSAGE = answer({**_USERB, "transcription": _TRANSCRIPT})
SAVED_MESSAGE = answer({**_USERB, "folder": "saved", "transcription": _TRANSCRIPT})
CREATED_MESSAGE = answer(_NEW)
NEW_MESSAGE = {
    "data": {
        "caller_id_name": "someone", "caller_id_number": "6001", "folder": "new", "from": "someone@farfaraway.com",
    }
}  # fmt: skip
CHANGE_MESSAGE = {"data": {"folder": "saved"}}
CHANGE_MESSAGES = {"data": {"folder": "saved", "messages": [FIRST, MISSING]}}
OUTCOME = answer({"succeeded": [FIRST], "failed": [{MISSING: "not_found"}]})
ZIP = {"data": {"messages": [FIRST, SECOND]}}
USER_AUTH = {"data": {"credentials": "4a3b1c5d6e7f8091a2b3c4d5e6f70819", "account_name": "demo"}}
API_AUTH = {"data": {"api_key": "{TOKEN}"}}
