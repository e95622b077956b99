"""Two processes of the REST API and of the page at one address: a client cannot tell which of them answers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from ivr.directory.credentials import kazoo_credentials_md5
from ivr.mailbox.mailbox import Mailbox
from tests.support.app_fixture import NOON, AppFixture

PASSWORD = "correct horse"
CREDENTIALS = kazoo_credentials_md5("alice", PASSWORD)
TIMEOUT_S = 30
FAILURES_PER_HOUR = 4


class WorkerClients:
    """Clients of a service with two processes. `environment`: of the service."""

    def __init__(self, url: str, worker_ids: list[int], environment: dict[str, str]) -> None:
        self.url = url
        self.environment = environment
        self._worker_ids = worker_ids

    def create_clients(self, number: int) -> list[httpx.AsyncClient]:
        """Return clients that each have one connection, as soon as they send a request."""
        return [
            httpx.AsyncClient(base_url=self.url, timeout=TIMEOUT_S, limits=httpx.Limits(max_connections=1))
            for _ in range(number)
        ]

    async def worker_of(self, client: httpx.AsyncClient) -> int:
        """Return which process has the connection of a client: 0 or 1."""
        response = await client.get("/healthz")
        port = response.extensions["network_stream"].get_extra_info("client_addr")[1]
        ends = [f"0100007F:{int(one):04X}" for one in (self.url.rpartition(":")[2], port)]
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        # The kernel may list a connection twice, and an earlier one between the same ports, without a socket.
        [inode] = {row[9] for row in rows if row[1:3] == ends and row[9] != "0"}
        return next(n for n, worker in enumerate(self._worker_ids) if f"socket:[{inode}]" in open_files(worker))

    async def connect(self, number: int) -> httpx.AsyncClient:
        """Return a client whose connection is with one of the processes, and stays there."""
        while True:
            [client] = self.create_clients(1)
            if await self.worker_of(client) == number:
                return client
            await client.aclose()


def open_files(process_id: int) -> set[str]:
    folder, names = f"/proc/{process_id}/fd", set()
    for descriptor in os.listdir(folder):
        with suppress(FileNotFoundError):
            names.add(os.readlink(f"{folder}/{descriptor}"))
    return names


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[AppFixture]:
    """The data folder of the service. This process changes it too, as a command does."""
    app = await AppFixture(tmp_path / "data", data={"busy_timeout_ms": 5000}).open()
    app.clock.advance(s=time.time() - NOON)
    await app.container.credentials.set(app.alice, "alice", PASSWORD)
    yield app
    app.close()


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", app.alice)


@pytest.fixture
def workers(app: AppFixture, tmp_path: Path) -> Iterator[WorkerClients]:
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        "IVR_DATA__FOLDER": str(tmp_path / "data"),
        "IVR_API__PORT": "0",
        "IVR_API__FAILURES_PER_HOUR": str(FAILURES_PER_HOUR),
        "IVR_API__MAX_SESSIONS": "3",
        "IVR_PINS__BCRYPT_COST": "4",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "ivr", "serve", "--only", "api", "--workers", "2"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout
        url = process.stdout.readline().split()[-1]
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield WorkerClients(url, [int(child) for child in children], environment)
    finally:
        process.terminate()
        process.wait(60)
        if process.stdout:
            process.stdout.close()


@pytest.mark.sqlite_only
async def test_two_processes_are_one_service(app: AppFixture, box: Mailbox, workers: WorkerClients) -> None:
    """One process of the service is started for all of it, because each start takes seconds."""
    first, second = await workers.connect(0), await workers.connect(1)
    try:
        await check_tokens(app, first, second)
        await check_signed_links(app, box, first, second)
        await check_live_updates(app, box, workers)
        await check_counted_sign_ins(app, first, second)
        await check_shares(workers)
        check_address_in_use(workers)
    finally:
        await first.aclose()
        await second.aclose()


async def check_tokens(app: AppFixture, first: httpx.AsyncClient, second: httpx.AsyncClient) -> None:
    path = f"/v2/accounts/{app.account.id}/vmboxes"

    async def statuses(token: str) -> list[int]:
        return [(await client.get(path, headers={"X-Auth-Token": token})).status_code for client in (first, second)]

    text, token = await app.container.tokens.create(app.account.id)
    assert await statuses(text) == [200, 200]
    await app.container.tokens.revoke(app.account.id, token.id)
    assert await statuses(text) == [401, 401], "revoked by a command"
    sessions = [await sign_in(client, app) for client in (first, second, first)]
    assert [await statuses(session) for session in sessions] == 3 * [[200, 200]]
    signed_out = await second.request("DELETE", "/v2/user_auth", headers={"X-Auth-Token": sessions[0]})
    assert signed_out.status_code == 200
    assert await statuses(sessions[0]) == [401, 401], "signed out at the other one"
    sessions = [*sessions[1:], *[await sign_in(client, app) for client in (second, first)]]
    valid = [await statuses(session) for session in sessions]
    assert sorted(valid) == [*3 * [[200, 200]], [401, 401]], "max_sessions counts those of both"


async def sign_in(client: httpx.AsyncClient, app: AppFixture) -> str:
    data = {"credentials": CREDENTIALS, "account_name": app.account.name}
    response = await client.put("/v2/user_auth", json={"data": data})
    assert response.status_code == 201, response.text
    return str(response.json()["auth_token"])


async def check_signed_links(
    app: AppFixture, box: Mailbox, first: httpx.AsyncClient, second: httpx.AsyncClient
) -> None:
    message = await app.create_message(box, s=1)
    headers = {"X-Auth-Token": await sign_in(first, app)}
    path = f"/v2/accounts/{app.account.id}/vmboxes/{box.id}/messages/{message.id}"
    link = (await first.get(f"{path}?links=true", headers=headers)).json()["data"]["links"]["raw"]
    audio = [await client.get(link) for client in (first, second)]
    assert [response.status_code for response in audio] == [200, 200]
    assert audio[0].content == audio[1].content
    etag = (await first.get(path, headers=headers)).headers["etag"]
    changed = await second.post(path, headers={**headers, "If-Match": etag}, json={"data": {"folder": "saved"}})
    assert changed.status_code == 200, "the revision of the other process is the same"
    stale = await first.post(path, headers={**headers, "If-Match": etag}, json={"data": {"folder": "new"}})
    assert stale.status_code == 412, "it is not the revision any more"
    assert (await first.get(path, headers=headers)).json()["data"]["folder"] == "saved"


async def check_live_updates(app: AppFixture, box: Mailbox, workers: WorkerClients) -> None:
    """An open page of one process is notified of the changes of the other one, and its stream ends with its session."""
    message = await app.create_message(box, s=1)
    browser, other = await workers.connect(0), await workers.connect(1)
    try:
        form = {"with": "pin", "number": "1000", "pin": "1379"}
        headers = {"Origin": workers.url}
        signed_in = await browser.post("/page/sign-in", data=form, headers=headers)
        assert signed_in.status_code == 303, signed_in.text
        other.cookies = browser.cookies
        html = (await other.get(f"/page/box/{box.id}")).text
        csrf = html.partition('name="csrf" value="')[2].partition('"')[0]
        async with browser.stream("GET", f"/page/box/{box.id}/live") as stream:
            lines = stream.aiter_lines()
            before = await next_event(lines)
            form = {"csrf": csrf, "action": "delete", "id": message.id}
            changed = await other.post(f"/page/box/{box.id}/messages", data=form, headers=headers)
            assert changed.status_code in (200, 303), changed.text
            assert await next_event(lines) != before
            await other.post("/page/sign-out", data={"csrf": csrf}, headers=headers)
            await app.create_message(box, s=1)
            assert await next_event(lines) is None, "the stream has ended"
        assert (await browser.get(f"/page/box/{box.id}")).status_code != 200
    finally:
        await browser.aclose()
        await other.aclose()


async def next_event(lines: AsyncIterator[str]) -> str | None:
    """Return the data of the next event of a stream; None: it has ended."""
    while (line := await asyncio.wait_for(anext(lines, None), TIMEOUT_S)) is not None:
        if line.startswith("data: "):
            return line
    return None


async def check_counted_sign_ins(app: AppFixture, first: httpx.AsyncClient, second: httpx.AsyncClient) -> None:
    """Wrong passwords and wrong tokens are counted once for all processes."""
    data = {"data": {"credentials": "0" * 32, "account_name": app.account.name}}
    path = f"/v2/accounts/{app.account.id}/vmboxes"

    async def wrong_password(client: httpx.AsyncClient) -> httpx.Response:
        return await client.put("/v2/user_auth", json=data)

    async def wrong_token(client: httpx.AsyncClient) -> httpx.Response:
        return await client.get(path, headers={"X-Auth-Token": "wrong"})

    for attempt in (wrong_password, wrong_token):
        statuses = [(await attempt(client)).status_code for client in FAILURES_PER_HOUR * [first, second]]
        assert statuses == FAILURES_PER_HOUR * [401] + FAILURES_PER_HOUR * [429]


async def check_shares(workers: WorkerClients) -> None:
    """Connections that come at once, and stay, are distributed: else one processor would do all the work."""
    clients = workers.create_clients(32)
    await asyncio.gather(*(client.get("/healthz") for client in clients))
    try:
        places = [await workers.worker_of(client) for client in clients]
        assert 4 <= sum(places) <= 28, "as likely as 32 coins that show nearly the same side"
    finally:
        for client in clients:
            await client.aclose()


def check_address_in_use(workers: WorkerClients) -> None:
    """Another service cannot take a share of the connections."""
    environment = {**workers.environment, "IVR_API__PORT": workers.url.rpartition(":")[2]}
    command = [sys.executable, "-m", "ivr", "serve", "--only", "api", "--workers", "2"]
    refused = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert refused.returncode == 1
    assert "change api.host or api.port" in refused.stderr
