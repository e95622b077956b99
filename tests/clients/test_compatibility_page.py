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
from tests.api.conftest import serve_api
from tests.clients.test_clients import PASSWORD, USERNAME, run_step
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
