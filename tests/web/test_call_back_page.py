"""Calling back from the page: the owner's own phone rings first, within the rules of call-back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ivr.api.asgi import build_asgi_app
from ivr.api.server import ApiServer, ListenAddress
from ivr.directory.models import Endpoint
from ivr.mailbox.mailbox import Mailbox
from ivr.page_services import build_page
from ivr.storage.records import AuditAction, AuditQuery
from tests.support.app_fixture import AppFixture
from tests.support.fake_ami_server import FakeAmiServer, Fields
from tests.web.conftest import PASSWORD, Browser
from tests.web.test_message_pages import path_of

CONTEXT = "ivr-callback"


class FakePhoneSystem:
    """An Asterisk with a dialplan and phones. `answers`: whether the phones are answered at once; None: they ring."""

    def __init__(self, ami: FakeAmiServer) -> None:
        self.extensions = {(CONTEXT, "2001"), ("ivr-call-back", "s")}
        self.registered = {"alice"}
        self.answers: bool | None = None
        self.ami = ami
        ami.replies |= {"Getvar": self._evaluate, "Originate": self._originate}

    @property
    def calls(self) -> list[Fields]:
        return self.ami.actions_named("Originate")

    def _evaluate(self, action: Fields) -> list[Fields]:
        name, _, arguments = action["Variable"].rstrip(")").partition("(")
        if name == "DIALPLAN_EXISTS":
            value = "1" if tuple(arguments.split(",")[:2]) in self.extensions else "0"
        else:
            value = f"PJSIP/{arguments}/sip:x" if arguments in self.registered else ""
        return [{"Response": "Success", "Variable": action["Variable"], "Value": value}]

    def _originate(self, action: Fields) -> list[Fields]:
        begun = {"Response": "Success", "Message": "Originate successfully queued"}
        outcome = {"Event": "OriginateResponse", "Response": "Success" if self.answers else "Failure"}
        return [begun] if self.answers is None else [begun, outcome]


@pytest.fixture
async def call_app(tmp_path: Path) -> AsyncIterator[tuple[AppFixture, FakePhoneSystem]]:
    """An installation with a context for call-backs and a connection to Asterisk's manager interface."""
    ami = await FakeAmiServer().start()
    phones = FakePhoneSystem(ami)
    app = await AppFixture(
        tmp_path / "calls", voicemail={"callback_context": CONTEXT}, ami={"port": ami.port, "secret": "word"}
    ).open()
    client = app.container.ami_client
    assert client
    connection = asyncio.create_task(client.run_forever())
    while not client.connection_id:
        await client.wait_for_change()
    yield app, phones
    connection.cancel()
    await asyncio.gather(connection, return_exceptions=True)
    await ami.stop()
    app.close()


@pytest.fixture
async def phone_browser(call_app: tuple[AppFixture, FakePhoneSystem]) -> AsyncIterator[Browser]:
    page = build_page(call_app[0].container)
    server = ApiServer(
        build_asgi_app(call_app[0].container.api_services, page), ListenAddress("127.0.0.1", 0), on_stop=page.close
    )
    browser = Browser(await server.start())
    yield browser
    await browser.http.aclose()
    await server.stop()


async def call_back(app: AppFixture, browser: Browser, box: Mailbox, caller: str = "2001", **fields: str) -> str:
    """Ask for a call-back on the page of a new message; return what the page says."""
    path = path_of(await app.create_message(box, caller=caller))
    await browser.open(path)
    await browser.send(f"{path}/call-back", **fields)
    return browser.text


async def test_own_phone_rings_and_goes_on_in_the_context_for_call_backs(
    call_app: tuple[AppFixture, FakePhoneSystem], phone_browser: Browser
) -> None:
    app, phones = call_app
    box = await app.create_box("1000", app.alice)
    assert box.voicemail_settings.should_disable_offnet_callback, "an endpoint of the installation calls"
    await phone_browser.sign_in_by_pin()
    assert "Your phone rings: pick it up, and it calls 2001." in await call_back(app, phone_browser, box)
    [call] = phones.calls
    assert (call["Channel"], call["Context"], call["Exten"]) == ("PJSIP/alice", "ivr-call-back", "s")
    assert call["CallerID"] == "<2001>", "the phone shows whom it will call"
    assert f"IVR_CALL_BACK_CONTEXT={CONTEXT}" in phones.ami.variables
    assert "IVR_CALL_BACK_EXTENSION=2001" in phones.ami.variables
    assert "Your phone is ringing already." in await call_back(app, phone_browser, box)
    assert len(phones.calls) == 1
    [entry] = await app.container.audit_store.find(AuditQuery(action=AuditAction.CALLED_BACK), 10)
    assert (entry.box_id, entry.actor.door) == (box.id, "page")


async def test_what_the_rules_or_the_phone_refuse_is_said_and_no_phone_rings(
    call_app: tuple[AppFixture, FakePhoneSystem], phone_browser: Browser
) -> None:
    app, phones = call_app
    box = await app.create_box("1000", app.alice)
    await phone_browser.sign_in_by_pin()
    assert "The number 9001900190 cannot be called" in await call_back(app, phone_browser, box, "9001900190")
    assert "This caller cannot be called back." in await call_back(app, phone_browser, box, "2001&SIP/x")
    assert "The service knows no phone of yours" in await call_back(app, phone_browser, box, phone="bob")
    phones.registered.clear()
    assert "Your phone cannot be reached just now." in await call_back(app, phone_browser, box)
    phones.registered.add("alice")
    phones.extensions.discard(("ivr-call-back", "s"))  # The dialplan of an earlier version.
    assert "Calls cannot be made just now" in await call_back(app, phone_browser, box)
    assert phones.calls == []
    phones.extensions.add(("ivr-call-back", "s"))
    phones.answers = False
    assert "Your phone cannot be reached just now." in await call_back(app, phone_browser, box)
    phones.ami.drop_connections()
    await phones.ami.stop()
    assert "Calls cannot be made just now" in await call_back(app, phone_browser, box)
    await app.container.boxes.patch(await app.container.boxes.get(box.id), {"callback_context": ""})
    message = await app.create_message(box, caller="2001")
    assert "Call back" not in await phone_browser.open(path_of(message)), "what is not allowed is not shown"
    await phone_browser.send(f"{path_of(message)}/call-back")
    assert "Calling back is not allowed for this mailbox." in phone_browser.text


async def test_who_is_signed_in_chooses_among_the_own_phones(
    call_app: tuple[AppFixture, FakePhoneSystem], phone_browser: Browser
) -> None:
    app, phones = call_app
    box = await app.create_box("1001", app.bob)
    await app.container.boxes.patch(box, {"shared_vmbox": True, "members": [app.alice.id]})
    alices = {"system": app.settings.asterisk.system_name, "account_id": app.account.id, "user_id": app.alice.id}
    await app.container.directory.add_endpoint(Endpoint(name="desk", **alices))
    phones.registered |= {"desk", "bob"}
    await app.container.credentials.set(app.alice, "alice", PASSWORD)
    await phone_browser.sign_in_by_password()
    page = await phone_browser.open(path_of(await app.create_message(box, caller="2001")))
    assert "<option>alice</option><option>desk</option>" in page
    assert "Your phone rings" in await call_back(app, phone_browser, box, phone="desk")
    assert [call["Channel"] for call in phones.calls] == ["PJSIP/desk"]


async def sign_in_to_message(app: AppFixture, browser: Browser) -> str:
    """Sign alice in to her mailbox, and return the path of a message of 2001 there."""
    box = await app.create_box("1000", app.alice)
    await browser.sign_in_by_pin()
    return path_of(await app.create_message(box, caller="2001"))


async def test_click_after_an_answer_that_was_lost_calls_no_second_time(
    call_app: tuple[AppFixture, FakePhoneSystem], phone_browser: Browser
) -> None:
    app, phones = call_app
    path = await sign_in_to_message(app, phone_browser)

    async def click(attempt: str) -> str:
        await phone_browser.open(path)
        phone_browser.http.headers["X-Attempt"] = attempt
        await phone_browser.send(f"{path}/call-back")
        return phone_browser.text

    phones.answers = False
    assert "Your phone cannot be reached just now." in await click("first")
    phones.answers = True
    for _ in range(2):  # Who does not know that the phone rang clicks again, also after the call.
        assert "Your phone rings" in await click("first")
    assert len(phones.calls) == 2, "what failed is tried again, what was done is not"
    assert "Your phone rings" in await click("second")
    assert len(phones.calls) == 3
    assert len(await app.container.audit_store.find(AuditQuery(action=AuditAction.CALLED_BACK), 10)) == 2


async def test_call_back_needs_the_token_of_its_form(
    call_app: tuple[AppFixture, FakePhoneSystem], phone_browser: Browser
) -> None:
    app, phones = call_app
    path = await sign_in_to_message(app, phone_browser)
    await phone_browser.send(f"{path}/call-back", csrf="forged")
    assert phone_browser.page.status_code == 403
    await phone_browser.open(path)
    await phone_browser.send(f"{path}/call-back", origin="https://evil.example")
    assert phone_browser.page.status_code == 403
    assert phones.calls == []
