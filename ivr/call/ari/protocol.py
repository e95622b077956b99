"""Messages of ARI's WebSocket: formats requests, parses responses and events, as Asterisk 22 does. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

Event = Mapping[str, Any]
"""An event as Asterisk sent it. No field is assumed to exist."""

REST_RESPONSE = "RESTResponse"


@dataclass(frozen=True, slots=True)
class Response:
    """The response to one request."""

    status: int
    body: Any = None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """The reason of a failure."""
        return str(self.body.get("message", "")) if isinstance(self.body, dict) else ""


def build_path(*parts: str) -> str:
    """Return "channels/1.2/play" for the parts "channels", "1.2", "play"; each part is quoted."""
    return "/".join(quote(part, safe="") for part in parts)


def build_query(**values: object) -> str:
    """Return `?a=1&b=2`, or "" without values; values that are None are omitted."""
    given = {name: value for name, value in values.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""


def format_request(request_id: str, method: str, uri: str) -> str:
    """Format one request for the WebSocket. Its response has the same id."""
    return json.dumps({"type": "RESTRequest", "request_id": request_id, "method": method, "uri": uri})


def parse_frame(frame: str | bytes) -> Event | None:
    """Parse one frame; return None if it is not a JSON object."""
    try:
        found = json.loads(frame)
    except (ValueError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def parse_response(event: Event) -> tuple[str, Response]:
    """Return the request id and the content of a response that came over the WebSocket."""
    status = event.get("status_code")
    return str(event.get("request_id", "")), Response(
        status if isinstance(status, int) else 0, parse_body(event.get("message_body"))
    )


def parse_body(text: object) -> Any:
    """Parse the body of a response; return None if it is empty or not JSON."""
    return json.loads(text) if isinstance(text, str) and _is_json(text) else None


def get_text(event: object, *keys: str) -> str:
    """Return the string at `keys` of nested objects, "" if there is none."""
    for name in keys:
        event = event.get(name) if isinstance(event, dict) else None
    return event if isinstance(event, str) else ""


def get_text_list(event: object, key: str) -> list[str]:
    """Return the strings of a list."""
    found = event.get(key) if isinstance(event, dict) else None
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def stasis_arguments(channel: object) -> list[str] | None:
    """Return the arguments that the dialplan has passed to Stasis(), read from the application data of the channel.

    None if the channel is not in Stasis.
    """
    app_data = get_text(channel, "dialplan", "app_data")
    match get_text(channel, "dialplan", "app_name"):
        case "Stasis":
            return app_data.split(",")[1:]
        case "StasisBroadcast":
            return app_data.split(",", 3)[2].split(":") if app_data.count(",") >= 2 else []
    return None


def timestamp_ms(event: Event) -> float | None:
    """Return the time of an event in milliseconds, by Asterisk's clock."""
    try:
        return datetime.fromisoformat(get_text(event, "timestamp")).timestamp() * 1000
    except (ValueError, OverflowError):
        return None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
