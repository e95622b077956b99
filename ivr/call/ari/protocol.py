"""What goes over the WebSocket, as plain values: requests out, answers and events in. The facts are of Asterisk 22."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

Event = Mapping[str, Any]
"""An event of Asterisk's, as it came; nothing in it is believed to be there."""

REST_RESPONSE = "RESTResponse"


@dataclass(frozen=True, slots=True)
class Response:
    """What Asterisk says to one request."""

    status: int
    body: Any = None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """Why not."""
        return str(self.body.get("message", "")) if isinstance(self.body, dict) else ""


def build_path(*parts: str) -> str:
    """`path("channels", "1.2", "play")` → "channels/1.2/play", whatever the parts hold."""
    return "/".join(quote(part, safe="") for part in parts)


def build_query(**values: object) -> str:
    """`?a=1&b=2`, "" without values; None leaves one out."""
    given = {name: value for name, value in values.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""


def format_request(request_id: str, method: str, uri: str) -> str:
    """One request as the WebSocket carries it; its answer has the same number."""
    return json.dumps({"type": "RESTRequest", "request_id": request_id, "method": method, "uri": uri})


def parse_frame(frame: str | bytes) -> Event | None:
    """One frame; None for what is none of ARI's."""
    try:
        found = json.loads(frame)
    except (ValueError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def parse_response(event: Event) -> tuple[str, Response]:
    """The number and the content of an answer that came over the WebSocket."""
    status = event.get("status_code")
    return str(event.get("request_id", "")), Response(
        status if isinstance(status, int) else 0, parse_body(event.get("message_body"))
    )


def parse_body(text: object) -> Any:
    """What an answer carries; None for nothing, and for what is no JSON."""
    return json.loads(text) if isinstance(text, str) and _is_json(text) else None


def get_text(event: object, *keys: str) -> str:
    """What stands at `names` of nested documents, "" where there is nothing of the kind."""
    for name in keys:
        event = event.get(name) if isinstance(event, dict) else None
    return event if isinstance(event, str) else ""


def get_text_list(event: object, key: str) -> list[str]:
    """The words of a list."""
    found = event.get(key) if isinstance(event, dict) else None
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def stasis_arguments(channel: object) -> list[str] | None:
    """What the dialplan says to us, read from where it says it; None for a channel that is not in Stasis."""
    said = get_text(channel, "dialplan", "app_data")
    match get_text(channel, "dialplan", "app_name"):
        case "Stasis":
            return said.split(",")[1:]
        case "StasisBroadcast":
            return said.split(",", 3)[2].split(":") if said.count(",") >= 2 else []
    return None


def timestamp_ms(event: Event) -> float | None:
    """When it happened, by Asterisk's clock."""
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
