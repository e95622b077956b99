"""A Kazoo for tests: our own API on a real socket, behind a proxy that answers as Kazoo does where the two differ.

Kazoo shows the PIN of a mailbox, has documents of accounts, users and media, sends recordings as MP3, and does not have
the settings of this service.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.api.conftest import serve_api
from tests.support.app_fixture import AppFixture

REALM = "acme.example"
OWN_KEYS = (
    *("keys", "key_map", "labels", "callers_may_mark_urgent", "press_key_to_record", "new_messages_at_once", "clock"),
    *("is_voicemail_ff_rw_enabled", "has_pin", "revision", "pin_must_change", "pin_changeable"),
)
Result = TypeVar("Result")
_BOX = re.compile(r"/v2/accounts/[^/]+/vmboxes/(?P<id>[^/?]+)")
_USER = re.compile(r"/v2/accounts/[^/]+/users/(?P<id>[^/?]+)")
_MEDIA = re.compile(r"(?P<base>/v2/accounts/[^/]+)/media/(?P<id>[^/?]+)/raw")


class KazooStandIn:
    """`pins`: by mailbox id; `users`: documents by id; `media`: mailbox id and kind of greeting by media id."""

    def __init__(self, app: AppFixture, url: str, loop: asyncio.AbstractEventLoop) -> None:
        self.app = app
        self.pins: dict[str, str] = {}
        self.users: dict[str, dict[str, str]] = {}
        self.media: dict[str, tuple[str, str]] = {}
        self.failures: list[int] = []
        """Statuses of the next answers."""
        self.requests: list[str] = []
        self._backend = httpx.Client(base_url=url, timeout=60)
        self._loop = loop
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                self._answer()

            def do_PUT(self) -> None:
                self._answer()

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, content_type, content = stand_in.answer(
                    self.command, self.path, self.headers.get("X-Auth-Token", ""), body
                )
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(content)

        self._server = _Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v2"

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine of `app` in its loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, str, bytes]:
        """Return the answer of Kazoo to a request."""
        self.requests.append(f"{method} {path}")
        if self.failures and (status := self.failures.pop(0)) != 200:
            return _document(status, {"data": {"message": "busy"}})
        if path == f"/v2/accounts/{self.app.account.id}":
            return _document(200, {"data": {"id": self.app.account.id, "name": "Acme", "realm": REALM}})
        if match := _USER.fullmatch(path):
            user = self.users.get(match["id"])
            return _document(200, {"data": user}) if user else _document(404, {"data": {}})
        if match := _MEDIA.fullmatch(path):
            if match["id"] not in self.media:
                return _document(404, {"data": {}})
            box_id, kind = self.media[match["id"]]
            path = f"{match['base']}/vmboxes/{box_id}/greetings/{kind}/raw"
        response = self._backend.request(
            method, path, content=body or None, headers={"X-Auth-Token": token} if token else {}
        )
        if (match := _BOX.fullmatch(path)) and response.status_code == 200:
            document = response.json()
            for key in OWN_KEYS:
                document["data"].pop(key, None)
            document["data"] |= {"pin": self.pins.get(match["id"], ""), "pvt_type": "vmbox", "ui_metadata": {"ui": "x"}}
            return _document(200, document)
        return response.status_code, response.headers["content-type"], response.content

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._backend.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def handle_error(self, *_: Any) -> None:
        """A client that was killed reads no answer."""


def _document(status: int, document: dict[str, Any]) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(document).encode()


@contextmanager
def serve_kazoo(folder: Path) -> Iterator[KazooStandIn]:
    """Serve an installation in `folder` as a Kazoo, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def open_app() -> AppFixture:
        return await AppFixture(folder).open()

    app = asyncio.run_coroutine_threadsafe(open_app(), loop).result(60)
    serving = serve_api(app)
    stand_in = KazooStandIn(app, asyncio.run_coroutine_threadsafe(serving.__aenter__(), loop).result(60), loop)
    try:
        yield stand_in
    finally:
        stand_in.close()
        stand_in.run(serving.__aexit__(None, None, None))
        stand_in.run(app.container.conversion_pool.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        app.close()
