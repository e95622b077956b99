"""Every way to a mailbox and its messages leaves an entry in the audit log: who, proven how, from where."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from ivr.directory.credentials import kazoo_credentials_md5
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message_reference import message_reference
from ivr.storage.records import AuditQuery, ChangeReason, Folder, Message
from ivr.storage.records import Door as D
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import Press
from tests.web.conftest import PASSWORD, Browser
from tests.web.desk_phone import DeskPhone
from tests.web.test_link_pages import link_to

ALICE, UNKNOWN = "alice", ""
DAY_S = 86_400


@dataclass(frozen=True)
class Site:
    """A mailbox of alice with a message, and the ways to it."""

    app: AppFixture
    browser: Browser
    box: Mailbox
    message: Message

    @property
    def path(self) -> str:
        return f"/v2/accounts/{self.app.account.id}/vmboxes/{self.box.id}/messages/{self.message.id}"

    async def call(self, *script: Press, endpoint: str | None = None, path: str = "check", **arguments: str) -> None:
        await self.app.run_call(script, endpoint=endpoint, path=path, number="1000", **arguments)

    async def get(self, path: str, **headers: str) -> None:
        response = await self.browser.http.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        assert response.status_code == 200, response.text

    async def api_key(self) -> str:
        return (await self.app.container.tokens.create(self.app.account.id, self.app.alice.id))[0]

    async def session(self, path: str, **document: str) -> str:
        response = await self.browser.http.put(f"/v2/{path}", json={"data": document})
        token: str = response.json()["auth_token"]
        return token

    async def open_desk_phone(self, path: str, auth: tuple[str, str]) -> None:
        phone = DeskPhone("yealink", self.browser.url, auth)
        await phone.open(f"/phone/yealink/box/{self.box.id}{path}")
        await phone.http.aclose()


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[AppFixture]:
    api = {"basic_auth": True, "token_in_query": True, "own_boxes_only": True}
    app = await AppFixture(tmp_path / "data", api=api, voicemail={"callback_context": "out"}).open()
    await app.container.credentials.set(app.alice, "alice", PASSWORD)
    yield app
    app.close()


async def _own_phone(site: Site) -> None:
    await site.call(Press("1"), Press("1", during="To save"), endpoint="alice")


async def _pin(site: Site) -> None:
    await site.call(Press("1379#"), Press("1"), Press("7", during="To save"))


async def _call_back(site: Site) -> None:
    phone = site.app.new_call([Press("1"), Press("9", during="(message")], endpoint="alice", number="1000")
    phone.extensions = {("out", "2001")}
    await site.app.handle_call(phone)


async def _dialled_message(site: Site) -> None:
    await site.call(endpoint="alice", message=message_reference(site.message.id) or "")


async def _basic(site: Site) -> None:
    credentials = f"{site.app.account.id}:{kazoo_credentials_md5('alice', PASSWORD)}"
    header = f"Basic {base64.b64encode(credentials.encode()).decode()}"
    await site.get(site.path, Authorization=header)
    await site.get(f"{site.path}/raw", Authorization=header)


async def _password(site: Site) -> None:
    token = await site.session("user_auth", credentials=kazoo_credentials_md5("alice", PASSWORD), account_name="demo")
    await site.get(f"{site.path}/raw", X_Auth_Token=token)


async def _bearer(site: Site) -> None:
    key = await site.api_key()
    for _ in range(3):
        await site.get(site.path, Authorization=f"Bearer {key}")


async def _api_session(site: Site) -> None:
    await site.get(site.path, X_Auth_Token=await site.session("api_auth", api_key=await site.api_key()))


async def _query(site: Site) -> None:
    await site.get(f"{site.path}/raw?auth_token={await site.api_key()}")


async def _audio_link(site: Site) -> None:
    await site.get(site.app.container.api_services.audio.links.create(f"{site.path}/raw")[0])


async def _mail_link(site: Site) -> None:
    await site.browser.open(link_to(site.app, site.message))
    await site.browser.send(link_to(site.app, site.message), action="delete")


async def _page_by_pin(site: Site) -> None:
    await site.browser.sign_in_by_pin()
    await site.get(f"/page/box/{site.box.id}/message/{site.message.id}/download")


async def _page_by_password(site: Site) -> None:
    await site.browser.sign_in_by_password()
    await site.browser.open(f"/page/box/{site.box.id}")
    await site.browser.send(f"/page/box/{site.box.id}/messages", folder="new", action="save", id=site.message.id)


async def _desk_phone_message(site: Site) -> None:
    secret = (await site.app.container.tokens.create_phone_secret(site.app.account.id, site.app.alice.id, "alice"))[0]
    for _ in range(2):
        await site.open_desk_phone(f"/message/{site.message.id}", ("alice", secret))


async def _retention(site: Site) -> None:
    await site.app.container.messages.move_to_folder(site.box.id, site.message.id, Folder.DELETED, ChangeReason.DTMF)
    site.app.clock.advance(s=31 * DAY_S)
    while await site.app.container.retention_worker.run_once():
        pass


Expected = tuple[str, D, str, str, str]
"""Action, way in, user, device, proof."""
OWN_PHONE = (D.PHONE, ALICE, "alice", "own phone")
PIN = (D.PHONE, UNKNOWN, "trunk 5550100", "PIN")
WAYS: list[tuple[str, Callable[[Site], Awaitable[None]], list[Expected]]] = [
    ("own phone, no PIN", _own_phone, [("signed-in", *OWN_PHONE), ("heard", *OWN_PHONE), ("moved", *OWN_PHONE)]),
    ("any phone, PIN", _pin, [("signed-in", *PIN), ("heard", *PIN), ("deleted", *PIN)]),
    ("message dialled by a desk phone", _dialled_message, [("signed-in", *OWN_PHONE), ("heard", *OWN_PHONE)]),
    ("call back", _call_back, [("signed-in", *OWN_PHONE), ("heard", *OWN_PHONE), ("called-back", *OWN_PHONE)]),
    ("PIN for the dialplan", lambda s: s.call(Press("1379#"), path="authenticate"), [("signed-in", *PIN)]),
    ("dialplan plays a message", lambda s: s.call(path="play-message", message=s.message.id),
     [("heard", D.PHONE, UNKNOWN, "trunk 5550100", "dialplan")]),
    ("REST, Basic", _basic, [(action, D.REST, ALICE, "127.0.0.1", "account id and MD5")
                             for action in ("signed-in", "fetched")]),
    ("REST, password", _password, [(action, D.REST, ALICE, "127.0.0.1 token *", "password")
                                   for action in ("signed-in", "fetched")]),
    ("REST, API key", _bearer, [("signed-in", D.REST, ALICE, "127.0.0.1 token *", "API key")]),
    ("REST, session of an API key", _api_session, [("signed-in", D.REST, ALICE, "127.0.0.1 token *", "API key")]),
    ("REST, token in the query", _query, [(action, D.REST, ALICE, "127.0.0.1 token *", "API key")
                                          for action in ("signed-in", "fetched")]),
    ("signed link to audio", _audio_link, [("fetched", D.REST, UNKNOWN, "127.0.0.1", "link")]),
    ("link of a mail", _mail_link, [(action, D.PAGE, UNKNOWN, "127.0.0.1", "link")
                                    for action in ("signed-in", "deleted")]),
    ("page, PIN", _page_by_pin, [(action, D.PAGE, UNKNOWN, "127.0.0.1 session *", "PIN")
                                 for action in ("signed-in", "fetched")]),
    ("page, password", _page_by_password, [(action, D.PAGE, ALICE, "127.0.0.1 session *", "password")
                                           for action in ("signed-in", "moved")]),
    ("desk phone, message at once", _desk_phone_message,
     [("signed-in", D.PAGE, ALICE, "127.0.0.1 desk phone alice", "device secret")]),
    ("desk phone, PIN, folder at once", lambda s: s.open_desk_phone("", ("1000", "1379")),
     [("signed-in", D.PAGE, UNKNOWN, "127.0.0.1 desk phone 1000", "PIN")]),
    ("retention", _retention, [("deleted", D.SERVICE, UNKNOWN, "retention", "message long in deleted: soft-deleted")]),
]  # fmt: skip
"""Of commands: tests/cli/test_audit.py; mails and webhooks: tests/notifications; media edges: tests/api."""


@pytest.mark.parametrize(("way", "expected"), [row[1:] for row in WAYS], ids=[row[0] for row in WAYS])
async def test_way_in_leaves_an_entry(
    app: AppFixture, browser: Browser, way: Callable[[Site], Awaitable[None]], expected: list[Expected]
) -> None:
    box = await app.create_box(owner=app.alice, new_messages_at_once=False)
    await way(Site(app, browser, box, await app.create_message(box)))
    await app.container.audit_log.flush()
    entries = await app.container.audit_store.find(AuditQuery(), 100)
    users = {app.alice.id: ALICE}
    assert [
        (
            str(entry.action),
            entry.actor.door,
            users.get(entry.actor.user, entry.actor.user),
            hide_id(entry.actor.device),
            entry.actor.proof,
        )
        for entry in reversed(entries)
    ] == expected


def hide_id(device: str) -> str:
    """Return the device without the id of its token, which is another each time."""
    words = device.split()
    return " ".join([*words[:-1], "*"]) if words[1:2] in (["token"], ["session"]) else device


async def test_client_without_a_session_leaves_a_sign_in_again_after_a_while(app: AppFixture, browser: Browser) -> None:
    box = await app.create_box(owner=app.alice)
    site = Site(app, browser, box, await app.create_message(box))
    headers = {"X-Auth-Token": await site.api_key()}
    for pause_s in (0, 899, 2, 0):
        app.clock.advance(s=pause_s)
        assert isinstance(await browser.http.get(site.path, headers=headers), httpx.Response)
    await app.container.audit_log.flush()
    assert len(await app.container.audit_store.find(AuditQuery(), 100)) == 2
