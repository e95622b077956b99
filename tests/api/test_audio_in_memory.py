"""Audio that the kernel has in memory: it is sent as it is, by no thread, and to clients that read slowly, too."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ivr.mailbox.mailbox import Mailbox
from ivr.storage.page_cache import PageCache
from tests.api.conftest import RestClient
from tests.support.app_fixture import AppFixture

REQUESTS = 6
"""On one connection: more than sockets buffer."""


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", app.alice)


async def store_recording(app: AppFixture, box: Mailbox, *, s: int) -> tuple[str, Path]:
    """Store a message without two equal parts. Return its path in the API and its file."""
    message = await app.create_message(box, s=s)
    [file] = app.container.delivery.audio_paths(message)
    with file.open("r+b") as opened:
        opened.seek(44)
        opened.write(secrets.token_bytes(s * 16_000))
        os.fsync(opened.fileno())
    return f"/{box.id}/messages/{message.id}/raw", file


async def test_no_thread_is_asked_for_audio_in_memory(
    rest: RestClient, app: AppFixture, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, file = await store_recording(app, box, s=20)
    content = file.read_bytes()
    assert (await rest.request("GET", path, headers={"Accept": "audio/wav"})).content == content
    cache = PageCache()
    cache.open(file)
    try:
        if not cache.open_at_once(file).is_in_memory(0, len(content)):
            pytest.skip("this kernel does not tell what is in memory (Linux 6.5 does)")
    except BlockingIOError:
        pytest.skip("this file system does not tell what is in memory")

    async def fail(*_: Any) -> None:
        raise AssertionError("a thread was asked")

    monkeypatch.setattr("ivr.mailbox.renditions.asyncio.to_thread", fail)
    for byte_range, start, end in (("0-", 0, None), ("5000-9999", 5000, 10_000), ("-7", len(content) - 7, None)):
        headers = {"Accept": "audio/wav", "Range": f"bytes={byte_range}"}
        assert (await rest.request("GET", path, headers=headers)).content == content[start:end], byte_range
    whole = await rest.request("GET", path, headers={"Accept": "audio/wav"})
    assert (whole.content, whole.headers["content-length"]) == (content, str(len(content)))


async def test_audio_that_is_not_in_memory_is_read_from_the_disk(
    rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    path, file = await store_recording(app, box, s=20)
    content = file.read_bytes()
    for part in (slice(None), slice(100, 200)):
        await rest.request("GET", path, headers={"Accept": "audio/wav"})  # Its folder is known now.
        with file.open("rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        headers = {"Accept": "audio/wav"} | ({"Range": "bytes=100-199"} if part.start else {})
        assert (await rest.request("GET", path, headers=headers)).content == content[part]


async def test_client_that_reads_slowly_gets_all_of_it_and_then_the_next_response(
    rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    path, file = await store_recording(app, box, s=65)  # About a megabyte: more than a socket takes at once.
    await rest.request("GET", path, headers={"Accept": "audio/wav"})
    address = urlsplit(rest.url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((address.hostname, address.port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=2048)
    request = f"GET {urlsplit(rest.base).path}{path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {rest.token}\r\n"
    writer.write(f"{request}Accept: audio/wav\r\n\r\n".encode() * REQUESTS)
    for _ in range(REQUESTS):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(file.stat().st_size) == file.read_bytes()
    writer.close()


async def test_audio_of_another_header_and_removed_audio(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    path, file = await store_recording(app, box, s=2)
    right = file.read_bytes()
    file.write_bytes(b"RIFF\0\0\0\0" + right[8:])  # Asterisk died before it wrote the size.
    for _ in range(2):
        assert (await rest.request("GET", path, headers={"Accept": "audio/wav"})).content == right
    file.unlink()
    await rest.request_error(404, "GET", path, headers={"Accept": "audio/wav"})
