"""What public clients of Kazoo send, and what they read out of the answers.

Each file of `fixtures/` is one client: requests in its order, written after what the client does (method, path,
headers, body), with the members that it reads. Words such as `{box}` are values remembered from earlier answers.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from ivr.directory.credentials import kazoo_credentials_md5, kazoo_credentials_sha1
from tests.api.conftest import serve_api, tone
from tests.support.app_fixture import AppFixture

FIXTURES = Path(__file__).parent / "fixtures"
USERNAME, PASSWORD = "alice", "correct horse"
BOUNDARY = "------------------------a1b2c3d4"


@pytest.mark.parametrize("client", sorted(path.stem for path in FIXTURES.glob("*.yaml")))
async def test_client_works_unchanged(client: str, tmp_path: Path) -> None:
    fixture = yaml.safe_load((FIXTURES / f"{client}.yaml").read_text())
    app = await AppFixture(tmp_path / "data", api=fixture.get("api_settings", {})).open()
    try:
        box = await app.create_box("1000", app.alice)
        await app.container.credentials.set(app.alice, USERNAME, PASSWORD)
        known = {
            "account": app.account.id,
            "api_key": (await app.container.tokens.create(app.account.id))[0],
            "box": box.id,
            "md5": kazoo_credentials_md5(USERNAME, PASSWORD),
            "sha1": kazoo_credentials_sha1(USERNAME, PASSWORD),
            "message": (await app.create_message(box, caller="6001")).id,
            "other": (await app.create_message(box, caller="6002")).id,
        }
        known["basic"] = base64.b64encode(f"{known['account']}:{known['md5']}".encode()).decode()
        async with serve_api(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as http:
            for number, step in enumerate(fixture["steps"], start=1):
                await run_step(http, step, known, f"{client}, step {number}")
    finally:
        await app.container.conversion_pool.close()
        app.close()


async def run_step(http: httpx.AsyncClient, step: dict[str, Any], known: dict[str, str], where: str) -> None:
    """Send one request, compare what the client reads, and remember what it needs later."""
    step = fill_in(step, known)
    method, path = step["send"].split(" ", 1)
    headers = dict(step.get("headers", {}))
    content = step["text"].encode() if "text" in step else b""
    if "json" in step:
        content = json.dumps(step["json"]).encode()
        headers.setdefault("Content-Type", "application/json")
    if "multipart" in step:
        content = multipart(step["multipart"])
        headers["Content-Type"] = f"{step.get('multipart_type', 'multipart/mixed')}; boundary={BOUNDARY}"
    response = await http.request(method, path, content=content, headers=headers)
    assert response.status_code == step.get("status", 200), f"{where}: {response.text}"
    document = response.json() if response.content and "json" in response.headers.get("content-type", "") else {}
    for name, expected in step.get("reads", {}).items():
        value = value_at(document, name)
        matches = bool(re.fullmatch(expected[1:], str(value))) if str(expected).startswith("~") else value == expected
        assert matches, f"{where}: {name} is {value!r}, and the client expects {expected!r}"
    for name, expected in step.get("reads_headers", {}).items():
        assert re.fullmatch(expected, response.headers.get(name, "")), f"{where}: {name}: {response.headers.get(name)}"
    for name, member in step.get("remembers", {}).items():
        known[name] = str(value_at(document, member))


def multipart(parts: list[dict[str, Any]]) -> bytes:
    """Return the body: a part has `json`, or is a recording."""
    body = b""
    for part in parts:
        media_type = part.get("type", "application/json" if "json" in part else "audio/wav")
        content = json.dumps(part["json"]).encode() if "json" in part else tone()
        head = f"--{BOUNDARY}\r\nContent-Disposition: {part['disposition']}\r\nContent-Type: {media_type}\r\n\r\n"
        body += head.encode() + content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def value_at(document: Any, path: str) -> Any:
    """Return the value at a path such as `data.0.id`; `#` is the length of a list. None: there is none."""
    for key in path.split("."):
        if key == "#":
            document = len(document)
        elif isinstance(document, list):
            document = document[int(key)] if int(key) < len(document) else None
        else:
            document = document.get(key) if isinstance(document, dict) else None
    return document


def fill_in(value: Any, known: dict[str, str]) -> Any:
    """Replace words such as `{box}` in all texts of a step."""
    if isinstance(value, dict):
        return {fill_in(key, known): fill_in(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [fill_in(item, known) for item in value]
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda match: known.get(match[1], match[0]), value)
    return value
