"""Each row of "Different: REST" in docs/kazoo-compatibility.md, called: `compatibility.yaml` has the requests."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from ivr.directory.credentials import kazoo_credentials_md5, kazoo_credentials_sha1
from ivr.directory.models import Account
from tests.api.conftest import serve_api, tone
from tests.clients.test_clients import PASSWORD, USERNAME, fill_in, run_step
from tests.support.app_fixture import AppFixture

ROOT = Path(__file__).parents[2]
ROWS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "compatibility.yaml").read_text())
ORIGIN = "https://ui.example"


def subjects_of_page() -> list[str]:
    """Return the first column of the table about REST."""
    page = (ROOT / "docs/kazoo-compatibility.md").read_text()
    table = page.partition("## Different: REST\n")[2].partition("\n## ")[0]
    return [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")][1:]


def test_each_row_of_the_page_has_its_requests() -> None:
    assert [*ROWS] == subjects_of_page()
    for subject, row in ROWS.items():
        if "shown_by" in row:
            path, _, name = row["shown_by"].partition("::")
            assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), subject


@asynccontextmanager
async def serve_with_and_without_settings(app: AppFixture) -> AsyncIterator[dict[bool, httpx.AsyncClient]]:
    """Serve the API as shipped (False), and with the settings that open it for older clients (True)."""
    opened: dict[str, Any] = {"is_basic_allowed": True, "is_token_in_query_allowed": True, "own_boxes_only": False}
    token, _ = await app.container.tokens.create(app.account.id)
    async with serve_api(app) as shipped, serve_api(app, origins=(ORIGIN,), **opened) as open_url:
        clients = {
            is_open: httpx.AsyncClient(base_url=url, timeout=60, headers={"X-Auth-Token": token})
            for is_open, url in ((False, shipped), (True, open_url))
        }
        yield clients
        for client in clients.values():
            await client.aclose()
    await app.container.conversion_pool.close()


async def test_each_row_of_the_page_is_true(tmp_path: Path) -> None:
    app = await AppFixture(tmp_path / "data").open()
    await app.container.credentials.set(app.alice, USERNAME, PASSWORD)
    other_account = await app.container.directory.create_account(Account(name="other", realm="other.example"))
    md5 = kazoo_credentials_md5(USERNAME, PASSWORD)
    failures: list[str] = []
    async with serve_with_and_without_settings(app) as clients:
        for number, (subject, steps) in enumerate(ROWS.items(), start=1000):
            if "shown_by" in steps:
                continue
            box, spare = await app.create_box(f"{number}", app.alice), await app.create_box(f"{number}0")
            base = f"/v2/accounts/{app.account.id}/vmboxes"
            known = {
                "account": app.account.id,
                "other_account": other_account.id,
                "user": app.alice.id,
                "api_key": str(clients[False].headers["X-Auth-Token"]),
                "md5": md5,
                "sha1": kazoo_credentials_sha1(USERNAME, PASSWORD),
                "basic": base64.b64encode(f"{app.account.id}:{md5}".encode()).decode(),
                "base": base,
                "box": box.id,
                "spare": spare.id,
                "number": f"{number}",
                "m": f"{base}/{box.id}/messages",
                "message": (await app.create_message(box, caller="6001")).id,
                "other": (await app.create_message(box, caller="6002")).id,
            }
            for step in steps:
                try:
                    await run_step(clients[bool(step.get("settings"))], step, known, step["send"])
                except AssertionError as failure:
                    failures.append(f"{subject}: {str(failure)[:400]}")
    app.close()
    assert not failures, "\n".join(failures)


AUDIO = {"content": tone(200), "headers": {"Content-Type": "audio/wav"}}
ROUTES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("GET", "{base}", {}),
    ("PUT", "{base}", {"json": {"data": {"name": "New", "mailbox": "2000"}}}),
    ("GET", "{base}/users", {}),
    ("GET", "{base}/{box}", {}),
    ("PATCH", "{base}/{box}", {"json": {"data": {"name": "Patched"}}}),
    ("POST", "{base}/{box}", {"json": {"data": {"name": "Replaced", "mailbox": "1000"}}}),
    ("PUT", "{base}/{box}/greetings/unavailable/raw", AUDIO),
    ("GET", "{base}/{box}/greetings/unavailable/raw", {}),
    ("DELETE", "{base}/{box}/greetings/unavailable", {}),
    ("GET", "{base}/messages", {}),
    ("GET", "{m}", {}),
    ("PUT", "{m}", {"json": {"data": {}}}),
    ("GET", "{m}/{message}", {}),
    ("PUT", "{m}/{message}/raw", AUDIO),
    ("GET", "{m}/{message}/raw", {}),
    ("POST", "{m}/raw", {"json": {"data": {"messages": ["{message}"]}}}),
    ("POST", "{m}/{message}", {"json": {"data": {"folder": "saved"}}}),
    ("POST", "{m}", {"json": {"data": {"messages": ["{message}"], "folder": "new"}}}),
    ("DELETE", "{m}/{message}", {}),
    ("DELETE", "{m}", {}),
    ("DELETE", "{base}/{box}", {}),
)
"""Each route below an account, in an order in which all succeed."""


async def test_each_route_takes_basic_from_a_page_of_another_origin(tmp_path: Path) -> None:
    app = await AppFixture(tmp_path / "data").open()
    await app.container.credentials.set(app.alice, USERNAME, PASSWORD)
    box = await app.create_box("1000", app.alice)
    base = f"/v2/accounts/{app.account.id}/vmboxes"
    known = {"base": base, "box": box.id, "m": f"{base}/{box.id}/messages"}
    known["message"] = (await app.create_message(box)).id
    credentials = f"{app.account.id}:{kazoo_credentials_md5(USERNAME, PASSWORD)}"
    basic = f"Basic {base64.b64encode(credentials.encode()).decode()}"
    async with serve_with_and_without_settings(app) as clients:
        client = clients[True]
        document = (await client.get("/openapi.json")).json()
        shown = {
            (method.upper(), fill_in(path, {"base": base}).replace("/v2/accounts/{account_id}/vmboxes", base))
            for path, operations in document["paths"].items()
            for method in operations
            if path.startswith("/v2/accounts/")
        }
        names = {**known, "box": "{box_id}", "m": f"{base}/{{box_id}}/messages", "message": "{message_id}"}
        written = {(method, fill_in(path, names).replace("unavailable", "{greeting}")) for method, path, _ in ROUTES}
        assert written == shown, "a route is missing here"
        for method, path, options in ROUTES:
            url, headers = fill_in(path, known), {"Origin": ORIGIN}
            preflight_headers = {
                **headers,
                "Access-Control-Request-Method": method,
                "Access-Control-Request-Headers": "authorization",
            }
            preflight = await client.options(url, headers=preflight_headers)
            assert preflight.is_success, f"{method} {path}: {preflight.text}"
            assert method in preflight.headers["access-control-allow-methods"]
            headers |= {"X-Auth-Token": "", "Authorization": basic, **options.get("headers", {})}
            body = fill_in({name: value for name, value in options.items() if name != "headers"}, known)
            response = await client.request(method, url, **body, headers=headers)
            assert response.is_success, f"{method} {path}: {response.text}"
            refused = await client.request(method, url, **body, headers={**headers, "Authorization": "Basic ?"})
            assert refused.status_code == 401, f"{method} {path}: {refused.text}"
            for answer in (response, refused):
                assert answer.headers["access-control-allow-origin"] == ORIGIN, f"{method} {path}"
                assert "ETag" in answer.headers["access-control-expose-headers"]
    app.close()
