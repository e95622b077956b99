"""Odd requests on each route: none is an internal error, and each refusal says in words what is wrong."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from ivr.mailbox.box_settings import BoxSettings
from tests.api.conftest import RestClient, tone
from tests.conftest import TRIES_ALL

REQUESTS = 40 if TRIES_ALL else 2
"""For each operation."""
IDS = ("..", "%00", "%2e%2e%2f", "é", "😀", "null", "[object Object]", "-1", "'", '"', "<script>", "a" * 3000, "%ff")
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        2**31,
        2**63,
        2**70,
        1.5,
        1e308,
        "",
        "x",
        "5000",
        "new",
        "trash",
        "é😀",
        "\0",
        "\u202e",
    ),
    *("a" * 5000, "9" * 5000, "1e5", "\ud800", [], {}, [None], ["x"], [[]], ["x"] * 300, {"": ""}, {"id": "x"}),
)
MEMBERS = (
    *BoxSettings.model_fields,
    *("messages", "source_id", "folder", "urgent", "labels", "caller_id_number", "from", "to", "length", "timestamp"),
    *("data", "verb", "_method", "auth_token", "credentials", "account_name", "api_key", "pin", "id", "", "massages"),
)
PARAMETERS = (
    *("page_size", "start_key", "created_from", "created_to", "modified_from", "ascending", "paginate", "folder"),
    *("search", "links", "verb", "filter_folder", "filter_any_folder", "filter_array_intersect_any_labels", "has_key"),
    *("filter_caller_id_number", "filter_", "filter_x.y", "filter_length", "auth_token", "signature", "expires", "x[]"),
)
PARAMETER_VALUES = ("", "0", "-1", "1001", "9" * 40, "null", "[]", '["new"', '{"a":1}', "%00", "é", "1e400", "a" * 2000)
HEADERS = (
    *(("Accept", value) for value in ("audio/wav", "*/*;q=0", "audio/*;q=x", ",,,", "audio/mpeg;q=1e99")),
    *(("Content-Type", value) for value in ("text/plain", "multipart/mixed; boundary=", "multipart/form-data", ";")),
    *(("Content-Type", value) for value in ("audio/wav", "application/x-www-form-urlencoded", "a/" * 500)),
    *(("If-Match", value) for value in ('"x"', "*", 'W/"1"', '","' * 50)),
    *(("Range", value) for value in ("bytes=5-1", "bytes=-0", "bytes=99999999999-", "bytes=0-0,5-9", "items=1")),
    *(("X-HTTP-Method-Override", "FOO"), ("Content-Transfer-Encoding", "base64"), ("Authorization", "Basic ?")),
    *(("X-Pretty-Print", "true"), ("If-None-Match", "*"), ("Content-Encoding", "gzip")),
)
BODIES = (
    *(b"", b" ", b"{", b"[]", b"null", b"{}", b'{"data":null}', b'{"data":[]}', b"\xff\xfe{\0}\0", b"a=b&c=d", b"%%%"),
    *(b"RIFF", b"ID3" + b"\xff" * 100, b"OggS" * 20, b"[" * 2000, b'{"data":{"x":1e999}}', tone(20)[:30], tone(20)),
    *(b"--x\r\n\r\nb\r\n--x--\r\n", b'{"data":{"a":1,"a":2}}', b'{"data":{"folder":"\\ud800"}}'),
)
OF_LIBRARIES = ("Input should", "Unable to parse", "Traceback", "Error(")
"""Words of messages that were passed on from a library."""


class OddRequests:
    """Makes requests of a path from known values and odd ones."""

    def __init__(self, source: random.Random) -> None:
        self._random = source

    def make(self, method: str, path: str, known: dict[str, str]) -> tuple[str, str, dict[str, Any]]:
        """Return method, path and query, and body and headers."""
        choose = self._random.choice
        for name, value in known.items():
            is_odd = name != "account_id" and self._random.random() < 0.2
            path = path.replace(f"{{{name}}}", quote(choose(IDS), safe="%") if is_odd else value)
        count = choose((0, 0, 1, 1, 2))
        query = "&".join(f"{choose(PARAMETERS)}={quote(choose(PARAMETER_VALUES), safe='%')}" for _ in range(count))
        headers = self._random.sample(HEADERS, choose((0, 1, 1, 2)))
        body = None if method == "GET" else self._body(known)
        return method, f"{path}?{query}", {"content": body, "headers": headers}

    def _body(self, known: dict[str, str]) -> bytes:
        if self._random.random() < 0.4:
            return self._random.choice(BODIES)
        data = {self._random.choice(MEMBERS): self._value() for _ in range(self._random.randrange(1, 4))}
        if self._random.random() < 0.3:
            data["messages"] = [known["message_id"], *self._random.choice(([], ["x"], [None]))]
        beside = {self._random.choice(MEMBERS): self._value()} if self._random.random() < 0.2 else {}
        return json.dumps({"data": data, **beside}).encode()

    def _value(self, depth: int = 0) -> Any:
        if depth < 3 and self._random.random() < 0.2:
            return {self._random.choice(MEMBERS): self._value(depth + 1) for _ in range(2)}
        return self._random.choice(VALUES)


def messages_of(data: Any, member: str = "") -> Iterator[str]:
    """Yield all texts of members `message`."""
    if isinstance(data, dict):
        for name, value in data.items():
            yield from messages_of(value, name)
    elif isinstance(data, str) and member == "message":
        yield data


def reason_against(response: httpx.Response) -> str:
    """Return what is wrong with a response; empty: nothing."""
    if response.status_code < 400:
        return ""
    if response.status_code >= 500:
        return "an internal error"
    try:
        found = [*messages_of(response.json()["data"])]
    except (ValueError, KeyError):
        return "no envelope"
    if not all(found) or not found:
        return "no message"
    return next((f"words of a library: {text}" for text in found for word in OF_LIBRARIES if word in text), "")


@pytest.mark.api_settings(failures_per_hour=10**6)
async def test_odd_requests_are_refused_with_words(rest: RestClient) -> None:
    document = (await rest.http.get(f"{rest.url}/openapi.json")).json()
    odd, known, failures = OddRequests(random.Random(5)), {"account_id": rest.app.account.id}, list[str]()
    known |= {"greeting": "unavailable", "name": "call.wav", "box_id": "", "message_id": ""}
    for path, operations in document["paths"].items():
        for method in operations:
            for _ in range(REQUESTS):
                shown = await rest.request("GET", f"/{known['box_id']}/messages/{known['message_id']}")
                if shown.status_code != 200 or not known["box_id"]:
                    known["box_id"] = await rest.create_box(str(rest.app.clock.now()).replace(".", "")[-6:])
                    known["message_id"] = (await rest.upload_message(known["box_id"], tone(20)))["media_id"]
                    rest.app.clock.advance(s=1)
                name, target, options = odd.make(method.upper(), path, known)
                response = await rest.http.request(name, f"{rest.url}{target}", **options)
                if reason := reason_against(response):
                    failures.append(f"{name} {target} {options}: {reason}: {response.text}"[:700])
    assert not failures, "\n".join(failures[:5])
