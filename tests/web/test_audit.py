"""Every form of the page that changes something leaves an entry in the audit log."""

from __future__ import annotations

from starlette.routing import Route

from ivr.api.audio_links import message_page_path
from ivr.audio import wav
from ivr.page_services import build_page
from ivr.storage.records import AuditQuery, MediaKind
from ivr.web.page_app import build_page_app
from ivr.web.page_rendering import PageRenderer
from tests.support.app_fixture import AppFixture
from tests.web.conftest import Browser
from tests.web.test_admin_pages import sign_in
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
    f"{BOX}/greeting/{{kind}}/earlier": "settings-changed",
    f"{BOX}/greeting/{{kind}}/remove": "settings-changed",
    LINK: "changed",
    f"{LINK}/heard": "heard",
    "/page/sign-out": "signed-out",
}
"""What each form leaves. A new form is added here."""
WITH_A_PHONE = {f"{MESSAGE}/call-back"}
"""Forms that need a phone: test_call_back_page.py looks for their entries."""
ACCOUNT = "/page/admin/{account_id}"
BY_ADMINISTRATORS: dict[str, tuple[str, dict[str, str]]] = {
    f"{ACCOUNT}/users": ("settings-changed", {"name": "carol", "email": "carol@demo.example"}),
    f"{ACCOUNT}/boxes": ("settings-changed", {"number": "1005", "name": "", "owner": "carol"}),
    f"{ACCOUNT}/box/{{box_id}}/pin": ("pin-set", {}),
    f"{ACCOUNT}/box/{{box_id}}/unlock": ("unlocked", {}),
    f"{ACCOUNT}/outbox": ("maintained", {"id": "TASK"}),
}


async def test_every_form_of_the_page_leaves_an_entry(app: AppFixture, browser: Browser) -> None:
    routes = build_page_app(build_page(app.container).services, PageRenderer()).router.routes  # type: ignore[attr-defined]
    forms = {route.path for route in routes if isinstance(route, Route) and "POST" in (route.methods or ())}
    assert forms == {*CHANGING, *BY_ADMINISTRATORS, *WITH_A_PHONE}
    box, _ = await app.create_box("1000", app.alice), await app.create_box("1001", app.bob)
    message = await app.create_message(box)
    earlier = await app.create_recording(box, MediaKind.NAME, s=2)
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
            fields = {"to": "1001", "action": "not_urgent", "pin": "9517", "again": "9517", "earlier": earlier}
            await browser.http.post(f"{url}?{link}", data=fields, headers=headers)
            if path.endswith("/pin"):
                await browser.open(f"/page/box/{box.id}/settings")
                headers["X-CSRF-Token"] = browser.csrf
        if missing := {*left.split()} - {*(await actions(app))[len(before) :]}:
            silent.append((path, missing))
    assert silent == []


async def test_every_form_of_administrators_leaves_an_entry(app: AppFixture, browser: Browser) -> None:
    box = await app.create_box("1000", app.alice)
    await app.create_message(box)
    await sign_in(app, browser, "account")
    await browser.open(f"/page/admin/{app.account.id}/outbox")
    task = str((await app.container.outbox.list_tasks())[0].id)
    silent = []
    for path, (action, fields) in BY_ADMINISTRATORS.items():
        before = await actions(app)
        form = {name: value.replace("TASK", task) for name, value in fields.items()}
        await browser.send(path.format(account_id=app.account.id, box_id=box.id), **form)
        if action not in (await actions(app))[len(before) :]:
            silent.append(path)
        await browser.open(f"/page/admin/{app.account.id}")
    assert silent == []


async def actions(app: AppFixture) -> list[str]:
    await app.container.audit_log.flush()
    return [entry.action for entry in reversed(await app.container.audit_store.find(AuditQuery(), 100))]
