"""The screens of desk phones: each is what its vendor documents, and shows one owner's messages and nothing else."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from itertools import product
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ivr.api.asgi import build_asgi_app
from ivr.api.server import ApiServer, ListenAddress
from ivr.directory.models import Account
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message_reference import message_reference
from ivr.page_services import build_page
from ivr.storage.records import AuditAction, AuditQuery, Message
from ivr.web.desk_phone_app import PAGE_SIZE
from ivr.web.desk_phone_screens import MEDIA_TYPES, DeskPhoneScreen, Entry, ScreenRenderer
from ivr.web.texts import Translator
from tests.support.app_fixture import AppFixture
from tests.web.desk_phone import KINDS, DeskPhone, read_screen

PIN_AUTH = ("1000", "1379")
LABELS = {"play": "Play", "details": "Details", "back": "Back", "exit": "Exit"}
HOSTILE = """</Name><a href="x">&lt;'\x00\x1b\ud800\ufffe]]>\r\n&#0;"""

Dialler = Callable[..., DeskPhone]


@pytest.fixture
async def phone(page_url: str) -> AsyncIterator[Dialler]:
    """Builds desk phones of the installation."""
    phones = []

    def build(kind: str = "yealink", auth: tuple[str, str] | None = PIN_AUTH) -> DeskPhone:
        phones.append(DeskPhone(kind, page_url, auth))
        return phones[-1]

    yield build
    for built in phones:
        await built.http.aclose()


async def add_secret(app: AppFixture, endpoint: str = "alice") -> str:
    user = {"alice": app.alice, "bob": app.bob}[endpoint]
    return (await app.container.tokens.create_phone_secret(app.account.id, user.id, endpoint))[0]


async def set_caller(app: AppFixture, message: Message, name: str, transcript: str = "") -> None:
    sql = "UPDATE messages SET caller_name = ?, transcription = ? WHERE id = ?"
    values = (name, json.dumps({"result": "success", "text": transcript}), message.id)
    await app.container.database.write(lambda c: c.execute(sql, values).rowcount)


def dial_string(mailbox: Mailbox, message: Message) -> str:
    return f"*97{mailbox.number}*{message_reference(message.id)}"


async def test_phone_lists_messages_shows_one_and_dials_it(app: AppFixture, phone: Dialler) -> None:
    box = await app.create_box()
    older, newer = await app.create_message(box, age_s=7200), await app.create_message(box, urgent=True)
    await app.create_message(box, folder="saved")
    await set_caller(app, newer, "Ann & <Bob>", "Please call me back.")
    for kind in KINDS:
        desk_phone = phone(kind)
        screen = await desk_phone.open()
        assert screen.title == "1000 New (2)"
        lines = ["! Ann & <Bob> 11:00 AM 0:05", "2001 10:00 AM 0:05", "Saved (1)"]
        assert [text for text, _ in screen.entries] == lines
        details = await desk_phone.open(screen.entries[0][1])
        assert details.title == "Ann & <Bob>"
        assert "Urgent From: Ann & <Bob> 2001 Received:" in details.text
        assert "Transcript: Please call me back." in details.text
        assert details.dials == [dial_string(box, newer)]
        assert desk_phone.response.headers["content-type"].startswith(MEDIA_TYPES[kind])
        assert desk_phone.response.headers["cache-control"] == "no-store"
        assert (await desk_phone.open(screen.entries[2][1])).title == "1000 Saved (1)"
    assert await app.folder_of(newer) == await app.folder_of(older) == "new"


async def test_two_phones_and_a_change_between_two_screens(app: AppFixture, phone: Dialler) -> None:
    """What a phone shows is older than what it opens: a line leads to its own message, or says that it is gone."""
    box = await app.create_box()
    messages = [await app.create_message(box, age_s=60 * n) for n in range(PAGE_SIZE + 2)]
    for n, message in enumerate(messages):
        await set_caller(app, message, f"caller {n:02}")
    phones = [phone(kind) for kind in KINDS for _ in range(2)]
    screens = await asyncio.gather(*(one.open() for one in phones))
    sql = "UPDATE messages SET deleted_at = 1 WHERE id = ?"
    await app.container.database.write(lambda c: c.execute(sql, (messages[0].id,)).rowcount)
    late = await app.create_message(box)
    await set_caller(app, late, "late caller")
    for place, title in ((0, "That did not work"), (1, "caller 01"), (PAGE_SIZE - 1, f"caller {PAGE_SIZE - 1:02}")):
        opened = await asyncio.gather(
            *(one.open(screen.entries[place][1]) for one, screen in zip(phones, screens, strict=True))
        )
        assert {shown.title for shown in opened} == {title}
        assert {tuple(shown.dials) for shown in opened} == {(dial_string(box, messages[place]),) if place else ()}
    for one, screen in zip(phones, screens, strict=True):
        following = await one.open(screen.entries[PAGE_SIZE][1])
        assert following.entries[0][0].startswith(f"caller {PAGE_SIZE:02}"), "none twice, none left out"


async def test_long_folder_is_read_part_by_part(app: AppFixture, phone: Dialler) -> None:
    box = await app.create_box()
    messages = [await app.create_message(box, age_s=60 * n, s=0.5) for n in range(2 * PAGE_SIZE + 1)]
    for message in messages[:PAGE_SIZE]:
        await set_caller(app, message, "&'" * 100, "'" * 2000)
    for kind in KINDS:
        desk_phone, address, seen = phone(kind), "", []
        while True:
            screen = await desk_phone.open(address)
            ids = [link.rpartition("/")[2] for _, link in screen.entries]
            seen += [message_id for message_id in ids if message_id.startswith("2016")]
            if not (older := [link for text, link in screen.entries if text == "Older messages"]):
                break
            address = older[0]
        assert seen == [message.id for message in messages]
        await desk_phone.open(f"/phone/{kind}/box/{box.id}/message/{messages[0].id}")


async def test_device_secret_opens_own_and_shared_mailboxes(app: AppFixture, phone: Dialler) -> None:
    own = await app.create_box("1000", app.alice, name="Alice")
    shared = await app.create_box("1001", app.bob, shared_vmbox=True, members=[app.alice.id], name="Sales")
    foreign = await app.create_box("1002", app.bob)
    message = await app.create_message(foreign)
    await app.create_message(own)
    desk_phone = phone(auth=("alice", await add_secret(app)))
    screen = await desk_phone.open()
    assert [text for text, _ in screen.entries] == ["1000 Alice (1)", "1001 Sales (0)"]
    await app.container.audit_log.flush()
    [entry] = await app.container.audit_store.find(AuditQuery(action=AuditAction.SIGNED_IN), 10)
    assert entry.actor.device == "127.0.0.1 desk phone alice"
    assert (await desk_phone.open(screen.entries[1][1])).text == "No messages here."
    for path in (
        f"box/{foreign.id}",
        f"box/{foreign.id}/message/{message.id}",
        f"box/{shared.id}/message/{message.id}",
    ):
        shown = await desk_phone.open(f"/phone/yealink/{path}")
        assert shown.text == "This page or message does not exist, or not any more."
        assert not shown.dials


async def test_same_number_of_two_accounts_signs_in_for_each(app: AppFixture, phone: Dialler) -> None:
    await app.create_box("1000", app.alice)
    other = await app.container.directory.create_account(Account(name="other", realm="other.example"))
    await app.container.boxes.create(other, {"mailbox": "1000", "name": "theirs", "pin": "1379", "is_setup": True})
    accounts = (app.account, other)
    for account in accounts:
        desk_phone = phone(auth=(f"1000@{account.name}", "1379"))
        await desk_phone.open()
        await desk_phone.open()
        assert desk_phone.response.status_code == 200
    await app.container.audit_log.flush()
    entries = await app.container.audit_store.find(AuditQuery(action=AuditAction.SIGNED_IN), 10)
    assert sorted(entry.account_id or "" for entry in entries) == sorted(account.id for account in accounts)


async def test_phone_without_basic_carries_its_secret_along(app: AppFixture, phone: Dialler) -> None:
    box = await app.create_box("1000", app.alice)
    message = await app.create_message(box)
    secret = await add_secret(app)
    desk_phone = phone("cisco", None)
    screen = await desk_phone.open(f"/phone/cisco/?key={secret}")
    assert all(f"key={secret}" in link for link in screen.links)
    assert (await desk_phone.open(screen.entries[0][1])).dials == [dial_string(box, message)]
    for n in range(PAGE_SIZE):
        await app.create_message(box, folder="deleted", s=0.5, age_s=60 * n)
        await app.create_message(box, folder="deleted", s=0.5, age_s=60 * n)
    desk_phone.http.headers["Host"] = f"{'voicemail-' * 6}.example.com"  # A Cisco reads 256 characters of an address.
    screen = await desk_phone.open(f"/phone/cisco/box/{box.id}?folder=deleted&key={secret}")
    [older] = [link for text, link in screen.entries if text == "Older messages"]
    desk_phone.http.headers.pop("Host")
    assert len((await desk_phone.open(f"/{older.split('/', 3)[3]}")).entries) == PAGE_SIZE + 1


async def test_many_mailboxes_are_read_part_by_part(app: AppFixture, phone: Dialler) -> None:
    for number in range(1000, 1000 + PAGE_SIZE + 2):
        await app.create_box(str(number), app.alice, pin=None)
    desk_phone = phone(auth=("alice", await add_secret(app)))
    screen = await desk_phone.open()
    assert [text for text, _ in screen.entries][-1] == "More mailboxes"
    assert len((await desk_phone.open(screen.entries[-1][1])).entries) == 2


WRONG_AUTHS = [
    *(None, ("1000", "9999"), ("4711", "1379"), ("1000", ""), ("alice", "x" * 43), ("", "1379"), ("1000@no", "1379")),
]
WRONG_HEADERS = ["Basic", "Basic !", "Bearer x", f"Basic {base64.b64encode(b'no colon').decode()}", "Basic /w=="]


async def test_wrong_sign_in_is_asked_for_again_with_the_same_screen(app: AppFixture, phone: Dialler) -> None:
    await app.create_box()
    phones = [phone(auth=auth) for auth in WRONG_AUTHS]
    for value in WRONG_HEADERS:
        phones.append(phone(auth=None))
        phones[-1].http.headers["Authorization"] = value
    for desk_phone in phones:
        screen = await desk_phone.open()
        assert desk_phone.response.status_code == 401
        assert desk_phone.response.headers["www-authenticate"].startswith("Basic realm=")
        assert screen.text.startswith("This phone is not signed in")


@pytest.mark.parametrize("kind", KINDS)
async def test_locked_mailbox_opens_for_no_pin_and_for_the_owners_phone(
    app: AppFixture, phone: Dialler, kind: str
) -> None:
    """As at the phone: a lock against guessing is one of the PIN, and the own phone needs none."""
    box = await app.create_box("1000", app.alice)
    message = await app.create_message(box)
    for _ in range(5):
        await phone(kind, ("1000", "9999")).open()
    assert await app.container.pin_lockout.locked_until(app.account.id, box.id)
    locked = phone(kind)
    for address in ("", f"/phone/{kind}/box/{box.id}", f"/phone/{kind}/box/{box.id}/message/{message.id}"):
        screen = await locked.open(address)
        assert locked.response.status_code == 401
        assert "or too many wrong tries were made: try again later" in screen.text
        assert not screen.dials
        assert not screen.entries
    own = phone(kind, ("alice", await add_secret(app)))
    details = await own.open((await own.open()).entries[0][1])
    assert details.dials == [dial_string(box, message)]
    others = phone(kind, ("bob", await add_secret(app, "bob")))
    assert (await others.open(f"/phone/{kind}/box/{box.id}")).dials == []
    app.clock.advance(s=3600)
    assert (await phone(kind).open()).title == "1000 New (1)"


async def test_errors_are_told_in_the_language_of_the_person_else_of_the_phone_or_the_account(
    app: AppFixture, phone: Dialler
) -> None:
    await app.create_box("1000", app.alice)
    wrong, right = phone(auth=("1000", "9999")), phone()
    wrong.http.headers["Accept-Language"] = "de"
    assert (await wrong.open()).text.startswith("Dieses Telefon ist nicht angemeldet")
    directory = app.container.directory
    await directory.update_user((await directory.user(app.alice.id)).model_copy(update={"language": "fr"}))
    assert (await right.open("/phone/yealink/box/none")).text.startswith("Cette page ou ce message")
    await directory.update_account((await directory.account(app.account.id)).model_copy(update={"language": "it"}))
    assert (await phone(auth=("1000", "9999")).open()).text.startswith("Questo telefono non ha accesso")


async def test_guessing_ends_for_the_address(app: AppFixture, phone: Dialler) -> None:
    await app.create_box()
    desk_phone, statuses = phone(auth=("alice", "x" * 43)), []
    for _ in range(22):
        await desk_phone.open()
        statuses.append(desk_phone.response.status_code)
    assert {*statuses} == {401, 429}
    assert statuses[-1] == 429
    by_pin, statuses = phone(auth=("1000", "1111")), []
    for _ in range(22):
        await by_pin.open()
        statuses.append(by_pin.response.status_code)
    assert {*statuses} == {401, 429}
    right = phone()
    await right.open()
    assert right.response.status_code == 429


async def test_phone_that_changed_hands_keeps_no_other_phone_of_its_address_out(
    app: AppFixture, phone: Dialler
) -> None:
    await app.create_box("1000", app.alice)
    former = phone(auth=("alice", await add_secret(app)))
    present = phone(auth=("alice", await add_secret(app)))
    for _ in range(22):
        await former.open()
        assert former.response.status_code == 401
    guessing = phone(auth=("alice", "x" * 43))
    for _ in range(22):
        await guessing.open()
    for right in (present, phone()):
        await right.open()
        assert right.response.status_code == 200


async def test_secret_ends(app: AppFixture, phone: Dialler) -> None:
    await app.create_box("1000", app.alice)
    directory, tokens = app.container.directory, app.container.tokens
    [endpoint] = [e for e in await directory.endpoints(app.account.id) if e.name == "alice"]

    async def revoke() -> None:
        [token] = await tokens.list_valid(app.account.id, with_sessions=False)
        await tokens.revoke(app.account.id, token.id)

    async def remove_phone() -> None:
        await directory.remove_endpoint("asterisk", "alice")

    async def give_phone_to_bob() -> None:
        await directory.remove_endpoint("asterisk", "alice")
        await directory.add_endpoint(endpoint.model_copy(update={"user_id": app.bob.id}))

    for end in (partial(add_secret, app), revoke, remove_phone, give_phone_to_bob):
        if "alice" not in {e.name for e in await directory.endpoints(app.account.id)}:
            await directory.add_endpoint(endpoint)
        desk_phone = phone(auth=("alice", await add_secret(app)))
        await desk_phone.open()
        assert desk_phone.response.status_code == 200
        await end()
        await desk_phone.open()
        assert desk_phone.response.status_code == 401


async def test_secret_opens_no_request_of_the_rest_api(app: AppFixture, phone: Dialler) -> None:
    await app.create_box("1000", app.alice)
    headers = {"X-Auth-Token": await add_secret(app)}
    response = await phone().http.get(f"/v2/accounts/{app.account.id}/vmboxes", headers=headers)
    assert response.status_code == 401


async def test_what_the_phone_menu_asks_for_first_comes_first(app: AppFixture, phone: Dialler) -> None:
    await app.create_box("1000", is_setup=False)
    await app.create_box("1001", pin_must_change=True)
    for number, reason in (
        ("1000", "Set up this mailbox by phone first"),
        ("1001", "This mailbox needs a new PIN first"),
    ):
        desk_phone = phone(auth=(number, "1379"))
        assert (await desk_phone.open()).text.startswith(reason)
        assert desk_phone.response.status_code == 403


@pytest.mark.parametrize("kind", KINDS)
async def test_odd_request_is_answered_by_a_screen(app: AppFixture, phone: Dialler, kind: str) -> None:
    box = await app.create_box()
    message = await app.create_message(box)
    http, paths = phone(kind).http, ("", f"/box/{box.id}", f"/box/{box.id}/message/{message.id}")
    for method, path in product(("POST", "PUT", "DELETE"), paths):
        response = await http.request(method, f"/phone/{kind}{path}")
        assert (response.status_code, {*response.headers["allow"].split(", ")}) == (405, {"GET", "HEAD"})
        read_screen(kind, response.content)
    for path in paths:
        response = await http.head(f"/phone/{kind}{path}", headers={"User-Agent": ""})
        assert (response.status_code, response.content) == (200, b"")
    for query in ("after=%00", "after=x", f"after={'9' * 5000}", "folder=x", "skip=²", f"skip={'9' * 5000}", "key=%00"):
        response = await http.get(f"/phone/{kind}/box/{box.id}?{query}")
        assert response.status_code in (200, 400, 401), query
        read_screen(kind, response.content)
    assert await app.folder_of(message) == "new"


async def test_unknown_kind_of_phone_is_named(app: AppFixture, phone: Dialler) -> None:
    response = await phone().http.get("/phone/nokia/")
    assert response.status_code == 404
    assert "yealink, snom, cisco, polycom" in response.text


async def test_plain_http_is_refused_beyond_this_machine(app: AppFixture) -> None:
    """The client's address is what a trusted proxy reports, as is whether the phone used TLS."""
    await app.create_box()
    server = ApiServer(
        build_asgi_app(app.container.api_services, build_page(app.container)),
        ListenAddress("127.0.0.1", 0, trusted_proxies="127.0.0.1"),
    )
    desk_phone = DeskPhone("snom", await server.start(), PIN_AUTH)
    desk_phone.http.headers["X-Forwarded-For"] = "192.0.2.7"
    for proto, status in (("http", 403), ("https", 200)):
        desk_phone.http.headers["X-Forwarded-Proto"] = proto
        screen = await desk_phone.open()
        assert desk_phone.response.status_code == status
        assert ("must use https" in screen.text) == (status == 403)
    await desk_phone.http.aclose()
    await server.stop()
    await app.container.stop_workers()


async def test_screens_can_be_turned_off(tmp_path: Path) -> None:
    app = await AppFixture(tmp_path / "data", desk_phones={"enabled": False}).open()
    await app.create_box()
    server = ApiServer(
        build_asgi_app(app.container.api_services, build_page(app.container)), ListenAddress("127.0.0.1", 0)
    )
    desk_phone = DeskPhone("snom", await server.start(), PIN_AUTH)
    assert (await desk_phone.http.get("/phone/snom/")).status_code == 404
    await desk_phone.http.aclose()
    await server.stop()
    await app.container.stop_workers()
    app.close()


def test_keys_fit_on_each_phone_in_every_language() -> None:
    """The screens of all kinds are valid with them; 12 characters of a key are seen on the smallest displays."""
    for language in ("en", "es", "fr", "it", "pt", "de"):
        translate = Translator(language)
        labels = {name: translate(f"phone_{name}") for name in LABELS}
        assert max(map(len, labels.values())) <= 12
        for kind, screen in product(KINDS, SCREENS):
            shown = read_screen(kind, RENDERER.render(kind, screen, labels))
            assert shown.title == "Title"


TEXT = st.text(max_size=200)
RENDERER = ScreenRenderer()
SCREENS = (
    DeskPhoneScreen("Title", (Entry("label", "https://voicemail.example.com", "*971000*1"),)),
    DeskPhoneScreen("Title", text="text", play="*971000*1", back="https://voicemail.example.com"),
)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20)
@given(TEXT, TEXT, TEXT)
@example(HOSTILE, HOSTILE, HOSTILE)
@example("'" * 200, "&" * 2000, "\n" * 20)
def test_whatever_callers_claim_is_text(kind: str, title: str, label: str, text: str) -> None:
    address = "https://voicemail.example.com/phone?a=1&b=2"
    menu = DeskPhoneScreen(title, (Entry(label, address, "*971000*1"),) * (PAGE_SIZE + 4))
    shown = read_screen(kind, RENDERER.render(kind, menu, LABELS))
    assert len(shown.entries) == PAGE_SIZE + 4
    assert {link for _, link in shown.entries} == {address}
    details = DeskPhoneScreen(title, text=text, play="*971000*1", back=address)
    shown = read_screen(kind, RENDERER.render(kind, details, LABELS))
    assert shown.dials == ["*971000*1"]
    assert set(shown.links) <= {address}


async def test_names_hide_neither_time_nor_length_and_reverse_nothing(app: AppFixture, phone: Dialler) -> None:
    box = await app.create_box()
    names = ("\u202egro.live\x9b31m", "&" * 256, "\u200b\u2067", "👩\u200d👧 שלום")
    for place, name in enumerate(names):
        await set_caller(app, await app.create_message(box, age_s=60 * place), name)
    shown = [
        "gro.live 31m 12:00 PM 0:05",
        "&" * 33 + "… 11:59 AM 0:05",
        "2001 11:58 AM 0:05",
        "👩\u200d👧 שלום 11:57 AM 0:05",
    ]
    for kind in KINDS:
        desk_phone = phone(kind)
        screen = await desk_phone.open()
        assert [text for text, _ in screen.entries] == shown
        assert (await desk_phone.open(screen.entries[0][1])).title == "gro.live 31m"
        missing = await desk_phone.open(f"/phone/{kind}/nothing/there")
        assert missing.text == "This page or message does not exist, or not any more."
