"""The setting that turns the page off."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from jinja2 import Environment

from ivr.app import App
from ivr.service.service import start_service
from ivr.settings import Settings
from ivr.validation.time_zones import zones_by_name


@pytest.mark.parametrize(("enabled", "page_status"), [(True, 200), (False, 404)])
async def test_page_is_served_beside_rest_unless_it_is_turned_off(
    tmp_path: Path, enabled: bool, page_status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(
        data={"folder": tmp_path / "data", "fsync": False},
        api={"port": 0},
        metrics={"port": 0},
        page={"enabled": enabled},
    )
    zones_by_name.cache_clear()
    service = await start_service(App(settings).open(), component="api")
    assert zones_by_name.cache_info().currsize, "no request reads the names of time zones, while calls wait"

    def fail(*args: object) -> None:
        raise AssertionError("a request compiles a template, while calls wait")

    monkeypatch.setattr(Environment, "compile", fail)
    async with httpx.AsyncClient(base_url=service.api_url or "") as http:
        for path in ("/", "/page/static/page.css"):
            assert (await http.get(path)).status_code == page_status
        assert (await http.get("/v2/accounts/x/vmboxes")).status_code == 401, "REST is served in both cases"
    await service.stop()
