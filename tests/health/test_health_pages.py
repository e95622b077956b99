"""/healthz and /readyz of a running service, on the port of the REST API or on one of their own."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from ivr import __version__
from ivr.app import App
from ivr.doctor.service_state import fetch_readiness
from ivr.errors import SettingsError
from ivr.service.service import Service, start_service
from ivr.settings import Settings


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def new_settings(folder: Path, **sections: Any) -> Settings:
    return Settings(
        data={"folder": folder, "fsync": False},
        pins={"bcrypt_cost": 4},
        fastagi={"port": 0},
        **{"api": {"port": free_port()}, **sections},
    )


@asynccontextmanager
async def running(settings: Settings, component: str | None = None) -> AsyncIterator[Service]:
    service = await start_service(App(settings).open(), component)
    try:
        yield service
    finally:
        await service.stop()


async def get(url: str) -> tuple[int, dict[str, Any]]:
    async with httpx.AsyncClient() as client:
        response = await client.get(url)
    assert response.headers["content-type"].startswith("application/json")
    assert response.headers["cache-control"] == "no-store"
    return response.status_code, response.json()


async def get_when(url: str, status: int) -> tuple[int, dict[str, Any]]:
    """Return the page as soon as it has this status. A report is valid for a second."""
    async with asyncio.timeout(60):
        while (found := await get(url))[0] != status:
            await asyncio.sleep(0.1)
    return found


async def test_service_that_was_off_for_months_is_ready_and_warns_of_its_clock(tmp_path: Path) -> None:
    settings = new_settings(tmp_path / "data")
    app = App(settings).open()
    await app.leases.store_trusted_time(int(app.clock.now()) - 60 * 86_400)
    app.close()
    async with running(settings, "api") as service:
        assert 60 * 86_400 <= service.app.retention_clock.lead_s() < 60 * 86_400 + 3600, "from the first call on"
        status, page = await get(f"{service.api_url}/readyz")
        assert (status, page["status"], page["checks"]["clock"]) == (200, "ready", "warning")
        await service.app.retention_worker.confirm_clock()
    async with running(settings, "api") as service:
        status, page = await get(f"{service.api_url}/readyz")
        assert (status, page["checks"]["clock"], service.app.retention_clock.lead_s()) == (200, "ok", 0)


async def test_pages_need_no_token_and_name_failing_checks_without_secrets(tmp_path: Path) -> None:
    settings = new_settings(tmp_path / "data")
    async with running(settings) as service:
        assert await get(f"{service.api_url}/healthz") == (200, {"status": "ok", "version": __version__})
        status, page = await get(f"{service.api_url}/readyz")
        assert (status, page["status"], page["failing"], page["stores_messages"]) == (200, "ready", [], True)
        (tmp_path / "data").rename(tmp_path / "moved")
        status, page = await get_when(f"{service.api_url}/readyz", 503)
        assert (status, page["status"], page["stores_messages"]) == (503, "not ready", False)
        assert {"data folder", "database"} <= set(page["failing"])
        assert str(tmp_path) not in json.dumps(page)
        assert (await get(f"{service.api_url}/healthz"))[0] == 200, "the process runs: it need not be restarted"
        assert (await asyncio.to_thread(fetch_readiness, settings))["failing"] == page["failing"]
        (tmp_path / "moved").rename(tmp_path / "data")
        assert (await get_when(f"{service.api_url}/readyz", 200))[1]["failing"] == []


@pytest.mark.parametrize("component", [None, "calls", "api"])
async def test_pages_have_a_port_of_their_own_if_it_is_set(tmp_path: Path, component: str | None) -> None:
    port = free_port()
    settings = new_settings(tmp_path / "data", health={"port": port})
    async with running(settings, component) as service:
        assert (await get(f"http://127.0.0.1:{port}/readyz"))[0] == 200
        assert (await asyncio.to_thread(fetch_readiness, settings))["version"] == __version__
        if service.api_url:
            async with httpx.AsyncClient() as client:
                assert (await client.get(f"{service.api_url}/readyz")).status_code == 404


async def test_port_in_use_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings = new_settings(tmp_path / "data", health={"port": other.getsockname()[1]})
        app = App(settings).open()
        with pytest.raises(SettingsError, match=r"change port in \[health\]"):
            await start_service(app, "api")
        app.close()


async def test_ready_page_answers_many_clients_at_once(tmp_path: Path) -> None:
    limits = httpx.Limits(max_connections=10)
    async with running(new_settings(tmp_path / "data")) as service, httpx.AsyncClient(limits=limits) as client:
        responses = await asyncio.gather(*(client.get(f"{service.api_url}/readyz") for _ in range(60)))
        assert {response.status_code for response in responses} == {200}


async def test_other_program_on_the_port_is_no_ready_service(tmp_path: Path) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()

    server = await asyncio.start_server(other, "127.0.0.1", 0)
    settings = new_settings(tmp_path / "data", health={"port": server.sockets[0].getsockname()[1]})
    with pytest.raises((ValueError, OSError)):
        await asyncio.to_thread(fetch_readiness, settings)
    server.close()
