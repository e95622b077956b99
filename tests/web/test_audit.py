"""Every form of the page that changes something leaves an entry in the audit log."""

from __future__ import annotations

from starlette.routing import Route

from ivr.api.audio_links import message_page_path
from ivr.audio import wav
from ivr.page_services import build_page
from ivr.storage.records import AuditQuery
from ivr.web.page_app import build_page_app
from tests.support.app_fixture import AppFixture
from tests.web.conftest import Browser
from tests.web.test_link_pages import link_to
from tests.web.test_settings_page import save

BOX, MESSAGE, LINK = (
    "/page/box/{box_id}",
    "/page/box/{box_id}/message/{message_id}",
    message_page_path("{box_id}", "{message_id}"),
)
CHANGING = {
    "/page/sign-in": "signed-in",
    f"{BOX}/messages": "moved changed restored deleted",
    f"{MESSAGE}/heard": "heard",
    f"{MESSAGE}/forward": "forwarded",
    f"{BOX}/settings": "settings-changed",
    f"{BOX}/settings/pin": "pin-set",
    f"{BOX}/greeting/{{kind}}": "settings-changed",
    f"{BOX}/greeting/{{kind}}/remove": "settings-changed",
    LINK: "moved",
    f"{LINK}/heard": "heard",
    "/page/sign-out": "signed-out",
}
"""What each form leaves. A new form is added here."""


async def test_every_form_of_the_page_leaves_an_entry(app: AppFixture, browser: Browser) -> None:
    routes = build_page_app(build_page(app.container).services).router.routes  # type: ignore[attr-defined]
    assert {route.path for route in routes if isinstance(route, Route) and "POST" in (route.methods or ())} == {
        *CHANGING
    }
    box, _ = await app.create_box("1000", app.alice), await app.create_box("1001", app.bob)
    message = await app.create_message(box)
    await browser.sign_in_by_pin()
    await browser.open(f"/page/box/{box.id}/settings")
    csrf = browser.csrf
    link = link_to(app, message).partition("?")[2]
    headers = {"Origin": browser.url, "X-CSRF-Token": csrf}
    silent = []
    for path, left in CHANGING.items():
        url = path.format(box_id=box.id, message_id=message.id, kind="name")
        before = await actions(app)
        if path == "/page/sign-in":
            await browser.sign_in_by_pin()
            await browser.open(f"/page/box/{box.id}/settings")
            headers["X-CSRF-Token"] = browser.csrf
        elif path == f"{BOX}/messages":
            for action in ("save", "urgent", "delete", "restore"):
                await browser.http.post(url, data={"action": action, "id": message.id}, headers=headers)
        elif path.endswith("/settings"):
            await save(browser, box, timezone="Asia/Tokyo")
        elif path.endswith("{kind}"):
            audio = wav.header(32_000) + b"\x01\x10" * 16_000
            await browser.http.post(url, content=audio, headers={**headers, "Content-Type": "audio/wav"})
        else:
            fields = {"to": "1001", "action": "save", "pin": "9517", "again": "9517"}
            await browser.http.post(f"{url}?{link}", data=fields, headers=headers)
            if path.endswith("/pin"):
                await browser.open(f"/page/box/{box.id}/settings")
                headers["X-CSRF-Token"] = browser.csrf
        if missing := {*left.split()} - {*(await actions(app))[len(before) :]}:
            silent.append((path, missing))
    assert silent == []


async def actions(app: AppFixture) -> list[str]:
    await app.container.audit_log.flush()
    return [entry.action for entry in reversed(await app.container.audit_store.find(AuditQuery(), 100))]
