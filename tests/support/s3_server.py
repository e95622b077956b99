"""A small object store with the protocol of S3, in a thread: what the store of recordings uses, and faults on demand.

It believes every signature of its key. SeaweedFS (`seaweedfs.py`) is the real server that the same contract runs on.
"""

from __future__ import annotations

import hashlib
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

BUCKET = "recordings"
KEY_ID, SECRET = "key-of-ivr", "secret-of-ivr"
PATIENCE_S = 30.0
"""The longest time for a request: only a store that hangs needs it, also on a busy machine. SeaweedFS takes 5 s for the
first object of a bucket, when it makes its volumes."""
PRESIGNED_PARAMETERS = {
    f"X-Amz-{name}" for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
}
MODIFIED = "2026-01-01T00:00:00.000Z"


@dataclass
class S3Server:
    """A running server. `fault`: what it does in place of answering; returns whether it answered by itself."""

    endpoint: str = ""
    buckets: dict[str, dict[str, bytes]] = field(default_factory=lambda: {BUCKET: {}})
    allowed_without_key: frozenset[str] = frozenset()
    """Methods; "LIST" to list a bucket."""
    fault: Callable[[BaseHTTPRequestHandler], bool] | None = None
    requests: list[str] = field(default_factory=list)

    def settings(self, prefix: str, **changed: object) -> dict[str, Any]:
        """Return the values of `[audio]` for a part of the bucket."""
        values = {"store": f"s3://{BUCKET}/{prefix}", "endpoint": self.endpoint, "within_s": PATIENCE_S}
        return {**values, "access_key_id": KEY_ID, "secret_access_key": SECRET, **changed}

    @property
    def objects(self) -> dict[str, bytes]:
        """The content of each object of the bucket, by its key."""
        return self.buckets[BUCKET]

    def was_read(self, key: str) -> bool:
        """Return whether the content of an object was asked for."""
        return f"GET {key}" in self.requests

    def fail(self, status: int = 503, code: str = "SlowDown") -> None:
        """Answer all further requests with an error."""
        self.fault = lambda request: answer_error(request, status, code)

    def become_silent(self) -> threading.Event:
        """Answer no request until the event is set."""
        released = threading.Event()
        self.fault = lambda request: not released.wait(30)
        return released


def answer_error(request: BaseHTTPRequestHandler, status: int, code: str) -> bool:
    """Answer a request with an error, for a `fault`."""
    _answer(request, status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())
    return True


def _answer(request: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    request.send_response(status)
    for name, value in headers.items():
        if name != "size":
            request.send_header(name.replace("_", "-"), value)
    request.send_header("Content-Length", headers.get("size", str(len(body))))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # Header and body are two packets: the second one would wait for 40 ms.
    state: S3Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _serve(self) -> None:
        url, server = urlsplit(self.path), self.state
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server.requests.append(f"{self.command} {key or url.query}")
        if server.fault and server.fault(self):
            return
        has_key = f"Credential={KEY_ID}/" in self.headers.get("Authorization", "") or self._is_presigned(url.query)
        if not has_key and (self.command if key else "LIST") not in server.allowed_without_key:
            answer_error(self, 403, "InvalidAccessKeyId")
        elif bucket not in server.buckets:
            answer_error(self, 404, "NoSuchBucket")
        elif self.command == "POST":
            deleted = re.findall("<Key>(.*?)</Key>", body.decode())
            for name in deleted:
                server.buckets[bucket].pop(unescape(name), None)
            result = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in deleted)
            _answer(self, 200, f"<DeleteResult>{result}</DeleteResult>".encode(), Content_Type="application/xml")
        elif not key:
            self._list(server.buckets[bucket], parse_qs(url.query))
        else:
            self._object(server.buckets[bucket], key, body)

    def _is_presigned(self, query: str) -> bool:
        """Return whether a URL was signed for a time that is not over, and for this host; the signature is believed."""
        values = {name: found[0] for name, found in parse_qs(query).items() if name.startswith("X-Amz-")}
        if not values or "Authorization" in self.headers or set(values) != PRESIGNED_PARAMETERS:
            return False
        signed_at = datetime.strptime(values["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return (
            values["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
            and values["X-Amz-Credential"].startswith(f"{KEY_ID}/")
            and values["X-Amz-SignedHeaders"] == "host"
            and self.headers["Host"] == urlsplit(self.state.endpoint).netloc
            and (datetime.now(UTC) - signed_at).total_seconds() < int(values["X-Amz-Expires"]) <= 60
        )

    do_GET = do_HEAD = do_PUT = do_POST = _serve

    def _list(self, objects: dict[str, bytes], query: dict[str, list[str]]) -> None:
        prefix, after = query.get("prefix", [""])[0], query.get("start-after", [""])[0]
        keys = [key for key in sorted(objects) if key.startswith(prefix) and key > after]
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{MODIFIED}</LastModified>"
            f'<ETag>"{hashlib.md5(objects[key]).hexdigest()}"</ETag><Size>{len(objects[key])}</Size></Contents>'
            for key in keys
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"
        _answer(self, 200, body.encode(), Content_Type="application/xml")

    def _object(self, objects: dict[str, bytes], key: str, body: bytes) -> None:
        if self.command == "PUT":
            if source := self.headers.get("x-amz-copy-source"):
                content = objects.get(unquote(source).lstrip("/").partition("/")[2])
                if content is None:
                    answer_error(self, 404, "NoSuchKey")
                    return
                objects[key] = content
                _answer(self, 200, b'<CopyObjectResult><ETag>"x"</ETag></CopyObjectResult>')
            elif self.headers.get("If-None-Match") == "*" and key in objects:
                answer_error(self, 412, "PreconditionFailed")
            else:
                objects[key] = body
                _answer(self, 200, ETag=f'"{hashlib.md5(body).hexdigest()}"')
        elif key not in objects:
            answer_error(self, 404, "NoSuchKey")
        else:
            tag = hashlib.md5(objects[key]).hexdigest()
            size = str(len(objects[key]))
            headers = {"ETag": f'"{tag}"', "Last_Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
            headers["Content_Type"] = "binary/octet-stream"
            if self.command == "GET" and (part := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))):
                first, last = int(part[1]), int(part[2])
                headers["Content_Range"] = f"bytes {first}-{last}/{size}"
                _answer(self, 206, objects[key][first : last + 1], **headers)
                return
            _answer(self, 200, objects[key], **headers, **({"size": size} if self.command == "HEAD" else {}))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    """With the usual 5, a connection that finds the queue full is tried again after a second."""

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # That of HTTPServer asks the name service for the name of the address.


@contextmanager
def run_s3_server() -> Iterator[S3Server]:
    """Run a server on a free port of loopback."""
    state = S3Server()
    handler = type("Handler", (_Handler,), {"state": state})
    with _Server(("127.0.0.1", 0), handler) as server:
        state.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


def main() -> None:
    """Run a server that answers after so many milliseconds, until its input ends; print its endpoint."""
    delay_s = int(sys.argv[1]) / 1000

    def wait(_: BaseHTTPRequestHandler) -> bool:
        time.sleep(delay_s)
        return False

    with run_s3_server() as server:
        server.fault = wait
        print(server.endpoint, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
