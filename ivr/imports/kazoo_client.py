"""Requests to the REST API of a Kazoo: with a token, page by page, tried again when it is busy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpcore

from ivr.errors import BadInput, NotFound, StoreError

TIMEOUTS = {"connect": 10.0, "read": 60.0, "write": 60.0, "pool": 120.0}
BUSY = (429, 502, 503)
MAX_ATTEMPTS = 5
RETRY_AFTER_S = 2.0
MAX_RETRY_AFTER_S = 60.0
UNAUTHORIZED, FORBIDDEN, GONE, NOT_FOUND = 401, 403, 410, 404


@dataclass
class KazooClient:
    """A client of one Kazoo. `url`: with the version, such as `https://kazoo.example:8443/v2`.

    `api_key` is exchanged for a token, again when that has expired. Methods may be called by several threads.
    """

    url: str
    api_key: str
    pool: httpcore.ConnectionPool
    sleep: Callable[[float], None] = time.sleep
    _token: str = ""

    def get(self, path: str) -> dict[str, Any]:
        """Return the member `data` of a document. Raises `NotFound`, `BadInput`, `StoreError`."""
        data = self._envelope(path).get("data")
        if not isinstance(data, dict):
            raise self._no_kazoo(path)
        return data

    def list(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield the items of a list, of all its pages. Raises as `get` does."""
        query = "paginate=false"
        while query:
            envelope = self._envelope(f"{path}?{query}")
            items = envelope.get("data")
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise self._no_kazoo(path)
            yield from items
            key = envelope.get("next_start_key")
            query = f"start_key={quote(str(key), safe='')}" if key else ""

    def get_audio(self, path: str) -> tuple[bytes, str]:
        """Return a recording and its content type. Raises as `get` does."""
        response = self._request("GET", path, {"Accept": "audio/x-wav, audio/mpeg;q=0.9, audio/*;q=0.8"})
        if not response.content:
            raise NotFound(f"{self.url}{path} is empty")
        return response.content, _header(response, b"content-type").partition(";")[0].strip().lower()

    def _envelope(self, path: str) -> dict[str, Any]:
        response = self._request("GET", path, {"Accept": "application/json"})
        return self._document(path, response)

    def _document(self, path: str, response: httpcore.Response) -> dict[str, Any]:
        try:
            document = json.loads(response.content)
        except ValueError:
            raise self._no_kazoo(path) from None
        if not isinstance(document, dict):
            raise self._no_kazoo(path)
        return document

    def _request(self, method: str, path: str, headers: Mapping[str, str]) -> httpcore.Response:
        if not self._token:
            self._token = self._authenticate()
        token = self._token
        response = self._send(method, path, {**headers, "X-Auth-Token": token})
        if response.status == UNAUTHORIZED:
            if self._token == token:
                self._token = self._authenticate()
            response = self._send(method, path, {**headers, "X-Auth-Token": self._token})
        if response.status in (NOT_FOUND, GONE):
            raise NotFound(f"{self.url}{path} does not exist")
        if response.status in (UNAUTHORIZED, FORBIDDEN):
            raise BadInput(f"{self.url}{path}: the API key may not read it (status {response.status})")
        self._require_success(path, response)
        return response

    def _authenticate(self) -> str:
        body = json.dumps({"data": {"api_key": self.api_key}}).encode()
        response = self._send("PUT", "/api_auth", {"Content-Type": "application/json"}, body)
        if response.status in (UNAUTHORIZED, FORBIDDEN):
            raise BadInput(f"{self.url} does not accept the API key: it is that of the account, in 'api_key'")
        self._require_success("/api_auth", response)
        token = self._document("/api_auth", response).get("auth_token")
        if not isinstance(token, str) or not token:
            raise self._no_kazoo("/api_auth")
        return token

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> httpcore.Response:
        """Send a request, and again while the server is busy. Raises `StoreError` if there is no server."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                response = self.pool.request(
                    method,
                    f"{self.url}{path}",
                    headers=list(headers.items()),
                    content=body,
                    extensions={"timeout": TIMEOUTS},
                )
            except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
                if attempt == MAX_ATTEMPTS or isinstance(error, httpcore.ConnectError):
                    raise StoreError(f"{self.url} cannot be reached: {error or type(error).__name__}") from None
                self.sleep(RETRY_AFTER_S)
                continue
            except httpcore.UnsupportedProtocol:
                raise BadInput(f"{self.url} is no http or https address") from None
            if response.status not in BUSY or attempt == MAX_ATTEMPTS:
                break
            self.sleep(_retry_after(response))
        return response

    def _require_success(self, path: str, response: httpcore.Response) -> None:
        if not 200 <= response.status < 300:
            text = response.content[:200].decode("utf-8", "replace")
            raise StoreError(f"{self.url}{path} answers with status {response.status}: {text!r}")

    def _no_kazoo(self, path: str) -> BadInput:
        return BadInput(f"{self.url}{path} does not answer as Kazoo does: is it the address of its API, with /v2?")


def _header(response: httpcore.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in response.headers if key.lower() == name), "")


def _retry_after(response: httpcore.Response) -> float:
    text = _header(response, b"retry-after")
    return min(float(text), MAX_RETRY_AFTER_S) if text.isascii() and text.isdigit() else RETRY_AFTER_S
