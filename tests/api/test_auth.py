"""Authentication and access: tokens, login, other accounts, boxes of other users, rate limit."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ivr.app import App
from ivr.directory.credentials import DAY_S, kazoo_credentials_md5, kazoo_credentials_sha1
from ivr.directory.models import Account
from ivr.directory.peppers import TAG_SEPARATOR
from ivr.directory.rate_limit import RateLimiter
from ivr.errors import Conflict, InvalidFields, RateLimited
from ivr.storage.records import TokenKind
from tests.api.conftest import RestClient, serve_client
from tests.support.app_fixture import AppFixture


async def test_request_without_token_is_unauthorized(rest: RestClient) -> None:
    async with httpx.AsyncClient() as anonymous:
        response = await anonymous.get(rest.base)
    envelope = response.json()
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    assert (envelope["status"], envelope["error"], envelope["message"]) == ("error", "401", "invalid_credentials")
    assert envelope["data"] == {"message": "invalid credentials"}


async def test_token_accepted_as_bearer(rest: RestClient) -> None:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {rest.token}"}) as other:
        response = await other.get(rest.base)
    assert (response.status_code, response.json()["auth_token"]) == (200, rest.token)


async def test_token_accepted_without_scheme(rest: RestClient) -> None:
    """As in Kazoo. A scheme without credentials is no token, and costs no guess."""
    async with httpx.AsyncClient() as other:
        assert (await other.get(rest.base, headers={"Authorization": rest.token})).status_code == 200
        for _ in range(25):
            assert (await other.get(rest.base, headers={"Authorization": "Bearer"})).status_code == 401


async def test_only_token_hash_is_stored(rest: RestClient, app: AppFixture) -> None:
    rows = await app.container.database.read(lambda c: [dict(row) for row in c.execute("SELECT * FROM tokens")])
    assert rest.token not in str(rows)
    assert len(rest.token) == 43


async def test_token_expires_or_is_revoked(app: AppFixture, rest: RestClient) -> None:
    text, _ = await app.container.tokens.create(app.account.id, lifetime_s=DAY_S)
    dated = await rest.with_token(text)
    await dated.request_ok("GET")
    app.clock.advance(s=DAY_S + 1)
    await dated.request_error(401, "GET")
    await rest.request_ok("GET")
    [key] = await app.container.tokens.list_valid(app.account.id, with_sessions=False)
    await app.container.tokens.revoke(app.account.id, key.id)
    await rest.request_error(401, "GET")
    await dated.http.aclose()


async def test_token_is_invalid_after_its_user_or_account_is_deleted(
    app: AppFixture, alice_rest: RestClient, rest: RestClient
) -> None:
    await app.container.directory.delete_user(app.alice.id)
    await alice_rest.request_error(401, "GET")


async def test_foreign_account_is_forbidden_whether_it_exists_or_not(app: AppFixture, rest: RestClient) -> None:
    other = await app.container.directory.create_account(Account(name="other", realm="other.example"))
    box = await app.container.boxes.create(other, {"name": "x", "mailbox": "1"})
    base = rest.base
    responses = []
    for account_id in (other.id, "f" * 32):
        rest.base = base.replace(app.account.id, account_id)
        for path in ("", f"/{box.id}", f"/{box.id}/messages", "/" + "f" * 32):
            envelope = await rest.request_error(403, "GET", path)
            responses.append({**envelope, "request_id": ""})
    assert all(response == responses[0] for response in responses)
    rest.base = base
    there = await rest.request_error(404, "GET", f"/{box.id}")
    nowhere = await rest.request_error(404, "GET", f"/{'f' * 32}")
    assert there["data"] == {"message": "bad identifier", "cause": box.id}
    assert {**nowhere["data"], "cause": box.id} == there["data"]


async def test_box_of_another_account_cannot_be_destination(app: AppFixture, rest: RestClient) -> None:
    other = await app.container.directory.create_account(Account(name="other", realm="other.example"))
    foreign = await app.container.boxes.create(other, {"name": "x", "mailbox": "1"})
    box = await app.create_box()
    message = await app.create_message(box)
    for body in ({"source_id": foreign.id}, {"source_id": [foreign.id]}):
        envelope = await rest.request_error(404, "POST", f"/{box.id}/messages/{message.id}", body)
        assert envelope["data"]["cause"] == foreign.id
    assert await app.messages(foreign) == []


async def test_user_token_reaches_own_and_shared_boxes(app: AppFixture, alice_rest: RestClient) -> None:
    own = await app.create_box("1000", app.alice)
    shared = await app.create_box("1001", app.bob, shared_vmbox=True, members=[app.alice.id])
    bobs = await app.create_box("1002", app.bob)
    for box in (own, shared, bobs):
        await app.create_message(box)
    assert [box["id"] for box in (await alice_rest.request_ok("GET"))["data"]] == [own.id, shared.id]
    assert {next(iter(line)) for line in (await alice_rest.request_ok("GET", "/messages"))["data"]} == {
        own.id,
        shared.id,
    }
    envelope = await alice_rest.request_error(403, "GET", f"/{bobs.id}")
    assert envelope["message"] == "forbidden"
    await alice_rest.request_error(403, "DELETE", f"/{bobs.id}/messages")
    assert len(await app.messages(bobs)) == 1


async def test_user_token_is_forbidden_administrator_operations(app: AppFixture, alice_rest: RestClient) -> None:
    own = await app.create_box("1000", app.alice)
    await alice_rest.request_error(403, "PUT", data={"name": "x", "mailbox": "2"})
    await alice_rest.request_error(403, "DELETE", f"/{own.id}")
    for change in ({"owner_id": app.bob.id}, {"mailbox": "7"}, {"pin_secret_ref": "box:x:pin"}, {"quota_mb": 10**6}):
        await alice_rest.request_error(403, "PATCH", f"/{own.id}", change)
    await alice_rest.request_ok("PATCH", f"/{own.id}", {"skip_greeting": True, "mailbox": "1000"})
    whole = (await alice_rest.request_ok("GET", f"/{own.id}"))["data"]
    await alice_rest.request_ok("POST", f"/{own.id}", whole)
    await app.container.boxes.patch(await app.container.boxes.get(own.id), {"not_configurable": True})
    await alice_rest.request_error(403, "PATCH", f"/{own.id}", {"skip_greeting": False})


async def log_in(app: AppFixture, server: str, **data: Any) -> httpx.Response:
    async with httpx.AsyncClient() as http:
        return await http.put(f"{server}/v2/user_auth", json={"data": data})


async def test_login_with_username_and_password(app: AppFixture, api_url: str) -> None:
    await app.container.credentials.set(app.alice, "alice", "correct horse")
    own = await app.create_box("1000", app.alice)
    await app.create_box("1002", app.bob)
    response = await log_in(
        app, api_url, credentials=kazoo_credentials_md5("alice", "correct horse"), account_name="demo", method="md5"
    )
    envelope = response.json()
    assert (response.status_code, envelope["data"]["owner_id"]) == (201, app.alice.id)
    session = RestClient(app, api_url, envelope["auth_token"])
    assert [box["id"] for box in (await session.request_ok("GET"))["data"]] == [own.id]
    app.clock.advance(s=3601)
    await session.request_error(401, "GET")
    await session.http.aclose()


async def test_wrong_password_and_unknown_account_get_same_response(app: AppFixture, api_url: str) -> None:
    await app.container.credentials.set(app.alice, "alice", "correct horse")
    wrong = await log_in(app, api_url, credentials=kazoo_credentials_md5("alice", "x" * 8), account_name="demo")
    nowhere = await log_in(
        app, api_url, credentials=kazoo_credentials_md5("alice", "correct horse"), account_name="nowhere"
    )
    assert wrong.status_code == nowhere.status_code == 401
    assert {**wrong.json(), "request_id": ""} == {**nowhere.json(), "request_id": ""}


async def test_new_password_invalidates_old_one(app: AppFixture, api_url: str) -> None:
    await app.container.credentials.set(app.alice, "alice", "correct horse")
    await app.container.credentials.set(app.alice, "alice", "battery staple")
    old = await log_in(app, api_url, credentials=kazoo_credentials_md5("alice", "correct horse"), account_name="demo")
    new = await log_in(
        app, api_url, credentials=kazoo_credentials_md5("alice", "battery staple"), account_realm="demo.example"
    )
    assert (old.status_code, new.status_code) == (401, 201)


async def test_username_is_unique(app: AppFixture) -> None:
    await app.container.credentials.set(app.alice, "alice", "correct horse")
    with pytest.raises(Conflict):
        await app.container.credentials.set(app.bob, "alice", "battery staple")
    with pytest.raises(InvalidFields):
        await app.container.credentials.set(app.bob, "bob", "short")


async def test_password_hash_is_bcrypt_and_verifies_at_other_cost(app: AppFixture) -> None:
    await app.container.credentials.set(app.alice, "alice", "correct horse")
    sql = "SELECT hash FROM secrets WHERE ref LIKE 'user:%:credentials'"
    [stored_hash] = await app.container.database.read(lambda c: [row["hash"] for row in c.execute(sql)])
    assert stored_hash.startswith("$2b$04$")
    assert len(stored_hash.partition(TAG_SEPARATOR)[0]) == 60
    pins = app.settings.pins.model_copy(update={"bcrypt_cost": 5})
    other_cost = App(app.settings.model_copy(update={"pins": pins}), clock=app.clock)
    user_id = await other_cost.credentials.authenticate(app.account.id, kazoo_credentials_md5("alice", "correct horse"))
    other_cost.close()
    assert user_id == app.alice.id


async def test_api_key_is_exchanged_for_token_revoked_with_it(app: AppFixture, api_url: str) -> None:
    key, token = await app.container.tokens.create(app.account.id, app.alice.id)
    async with httpx.AsyncClient() as http:
        response = await http.put(f"{api_url}/v2/api_auth", json={"data": {"api_key": key}})
    session = RestClient(app, api_url, response.json()["auth_token"])
    assert (response.status_code, session.token != key) == (201, True)
    await session.request_ok("GET")
    await session.request_error(403, "PUT", data={"name": "x", "mailbox": "1"})
    await app.container.tokens.revoke(app.account.id, token.id)
    await session.request_error(401, "GET")
    await session.http.aclose()


async def test_wrong_tokens_are_rate_limited_and_do_not_stop_sign_ins(
    app: AppFixture, api_url: str, rest: RestClient
) -> None:
    await app.container.credentials.set(app.alice, "alice", "correct horse")
    wrong = await rest.with_token("x")
    for _ in range(20):
        await wrong.request_error(401, "GET")
    envelope = await wrong.request_error(429, "GET")
    assert envelope["message"] == "too_many_requests"
    await rest.request_ok("GET")  # A valid token is not rate limited.
    right = kazoo_credentials_md5("alice", "correct horse")
    assert (await log_in(app, api_url, credentials=right, account_name="demo")).is_success
    app.clock.advance(s=3601)
    await wrong.request_error(401, "GET")
    await wrong.http.aclose()


async def test_wrong_credentials_of_one_address_are_rate_limited(app: AppFixture, api_url: str) -> None:
    await app.container.credentials.set(app.alice, "alice", "correct horse")
    wrong, right = (kazoo_credentials_md5("alice", password) for password in ("wrong", "correct horse"))
    for _ in range(20):
        assert (await log_in(app, api_url, credentials=wrong, account_name="demo")).status_code == 401
    refused = await log_in(app, api_url, credentials=right, account_name="demo")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3600")
    app.clock.advance(s=3601)
    assert (await log_in(app, api_url, credentials=right, account_name="demo")).is_success


async def test_token_that_was_valid_once_is_no_guess(app: AppFixture, rest: RestClient) -> None:
    text, _ = await app.container.tokens.create(app.account.id, lifetime_s=60)
    expired = await rest.with_token(text)
    app.clock.advance(s=61)
    for _ in range(25):
        await expired.request_error(401, "GET")
    unknown = await rest.with_token("x")
    await unknown.request_error(401, "GET")
    for client in (expired, unknown):
        await client.http.aclose()


async def test_oldest_session_ends_when_there_are_too_many(app: AppFixture, rest: RestClient) -> None:
    create = app.container.tokens.create
    texts = []
    for _ in range(4):
        text, _ = await create(app.account.id, app.alice.id, "user_auth", kind=TokenKind.LOGIN, max_sessions=3)
        texts.append(text)
        app.clock.advance(s=1)
    assert [await app.container.tokens.find(text) is not None for text in texts] == [False, True, True, True]
    await rest.request_ok("GET")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
async def test_addresses_of_one_subscriber_are_counted_together(
    app: AppFixture, one: str, other: str, same: bool
) -> None:
    limiter = RateLimiter(app.container.auth_attempts, app.clock, 1)
    await limiter.settle(one, is_right=False)
    if same:
        with pytest.raises(RateLimited):
            await limiter.require_attempt(other)
    else:
        await limiter.require_attempt(other)


async def test_successful_login_is_not_rate_limited(app: AppFixture, api_url: str) -> None:
    await app.container.credentials.set(app.alice, "alice", "correct horse")
    for _ in range(25):
        response = await log_in(
            app, api_url, credentials=kazoo_credentials_md5("alice", "correct horse"), account_name="demo"
        )
        assert response.status_code == 201


async def test_sign_ins_at_the_same_moment_behind_one_address_do_not_stop_each_other(
    app: AppFixture, api_url: str
) -> None:
    await app.container.credentials.set(app.alice, "alice", "correct horse")
    right, wrong = (kazoo_credentials_md5("alice", password) for password in ("correct horse", "wrong"))
    responses = await gather(*(log_in(app, api_url, credentials=right, account_name="demo") for _ in range(24)))
    assert [response.status_code for response in responses] == [201] * 24
    responses = await gather(*(log_in(app, api_url, credentials=wrong, account_name="demo") for _ in range(30)))
    statuses = sorted(response.status_code for response in responses)
    assert statuses == [401] * 20 + [429] * 10, "no more than one after another"


async def test_right_credentials_among_too_many_wrong_ones_are_not_told(app: AppFixture) -> None:
    limiter = RateLimiter(app.container.auth_attempts, app.clock, 1)
    await limiter.require_attempt("192.0.2.1")
    await limiter.settle("192.0.2.1", is_right=False)
    with pytest.raises(RateLimited):
        await limiter.settle("192.0.2.1", is_right=True)


async def test_api_key_is_exchanged_from_an_address_that_guesses(app: AppFixture, api_url: str) -> None:
    text, _ = await app.container.tokens.create(app.account.id)
    for _ in range(20):
        assert (await log_in(app, api_url, credentials="0" * 32, account_name="demo")).status_code == 401
    async with httpx.AsyncClient(base_url=api_url) as http:
        guesses = [await http.put("/v2/api_auth", json={"data": {"api_key": f"guess{n}"}}) for n in range(21)]
        assert [guesses[19].status_code, guesses[20].status_code] == [401, 429]
        assert (await http.put("/v2/api_auth", json={"data": {"api_key": text}})).status_code == 201


async def test_owner_token_may_have_account_scope(app: AppFixture, rest: RestClient) -> None:
    bobs = await app.create_box("1002", app.bob)
    text, _ = await app.container.tokens.create(app.account.id, app.alice.id, kind=TokenKind.LOGIN)
    session = await rest.with_token(text)
    await session.request_error(403, "GET", f"/{bobs.id}")
    await session.http.aclose()
    async with serve_client(app, text, own_boxes_only=False) as account_session:
        await account_session.request_ok("GET", f"/{bobs.id}")


@pytest.mark.parametrize("name", ["Demo", " demo ", "DEMO.example", "demo example"])
async def test_login_accepts_account_name_as_people_write_it(app: AppFixture, api_url: str, name: str) -> None:
    await app.container.credentials.set(app.alice, "alice", "correct horse")
    credentials = kazoo_credentials_md5("alice", "correct horse")
    assert (await log_in(app, api_url, credentials=credentials, account_name=name)).status_code == 201
    await app.container.directory.create_account(Account(name="De-Mo", realm="d-e-m-o.example"))
    ambiguous = await log_in(app, api_url, credentials=credentials, account_name=name)
    assert ambiguous.status_code == (201 if name.strip() == "demo" else 401), "blanks around a name are no part of it"


async def test_login_by_box_number_needs_a_number_of_one_account(app: AppFixture, api_url: str) -> None:
    await app.container.credentials.set(app.alice, "alice", "correct horse")
    await app.create_box("1000", app.alice)
    credentials = kazoo_credentials_md5("alice", "correct horse")
    assert (await log_in(app, api_url, credentials=credentials, phone_number="1000")).status_code == 201
    assert (await log_in(app, api_url, credentials=credentials, phone_number="1009")).status_code == 401
    other = await app.container.directory.create_account(Account(name="other", realm="other.example"))
    await app.container.boxes.create(other, {"name": "Other", "mailbox": "1000"})
    assert (await log_in(app, api_url, credentials=credentials, phone_number="1000")).status_code == 401


@pytest.mark.parametrize(("method", "digest"), [("sha", kazoo_credentials_md5), ("md5", kazoo_credentials_sha1)])
async def test_digest_of_another_method_is_no_credential(
    app: AppFixture, api_url: str, method: str, digest: Callable[[str, str], str]
) -> None:
    await app.container.credentials.set(app.alice, "alice", "correct horse")
    response = await log_in(
        app, api_url, credentials=digest("alice", "correct horse"), account_name="demo", method=method
    )
    assert response.status_code == 401


@pytest.mark.parametrize("method", ["MD5", "sha256", "", 5, [], {}, ["md5"], True])
async def test_unknown_method_is_named(app: AppFixture, api_url: str, method: Any) -> None:
    response = await log_in(app, api_url, credentials="0" * 32, account_name="demo", method=method)
    assert (response.status_code, response.json()["data"]["method"]["enum"]["target"]) == (400, "md5, sha")


async def test_login_takes_numbers_for_names_and_null_for_the_default_method(app: AppFixture, api_url: str) -> None:
    await app.container.credentials.set(app.alice, "alice", "correct horse")
    await app.create_box("1000", app.alice)
    credentials = kazoo_credentials_md5("alice", "correct horse")
    by_number = await log_in(app, api_url, credentials=credentials, phone_number=1000, method=None)
    assert by_number.status_code == 201
    values: tuple[Any, ...] = ([], {}, True, 0.5, None, "")
    for value in values:
        rejected = await log_in(app, api_url, credentials=credentials, account_name=value, phone_number=value)
        assert (rejected.status_code, list(rejected.json()["data"])) == (400, ["account_name"]), value


async def test_sign_out_ends_one_session_and_no_api_key(app: AppFixture, api_url: str, rest: RestClient) -> None:
    await app.container.credentials.set(app.alice, "alice", "correct horse")
    credentials = kazoo_credentials_md5("alice", "correct horse")
    tokens = [
        (await log_in(app, api_url, credentials=credentials, account_name="demo")).json()["auth_token"]
        for _ in range(2)
    ]
    first, second = [{"X-Auth-Token": token} for token in tokens]
    async with httpx.AsyncClient() as http:
        assert (await http.delete(f"{api_url}/v2/user_auth", headers=first)).status_code == 200
        assert (await http.get(f"{api_url}/v2/user_auth", headers=first)).status_code == 401
        assert (await http.get(rest.base, headers=first)).status_code == 401
        assert (await http.get(f"{api_url}/v2/user_auth", headers=second)).json()["data"]["owner_id"] == app.alice.id
        api_key = {"X-Auth-Token": rest.token}
        assert (await http.delete(f"{api_url}/v2/user_auth", headers=api_key)).status_code == 403
        assert (await http.get(rest.base, headers=api_key)).status_code == 200


async def test_basic_credentials_are_refused_unless_the_setting_allows_them(
    app: AppFixture, api_url: str, rest: RestClient
) -> None:
    await app.container.credentials.set(app.alice, "alice", "correct horse")
    credentials = kazoo_credentials_md5("alice", "correct horse")
    right = (app.account.id, credentials)
    async with httpx.AsyncClient() as http:
        assert (await http.get(rest.base, auth=right)).status_code == 401
        async with serve_client(app, "", is_basic_allowed=True) as allowed:
            assert (await http.get(allowed.base, auth=right)).status_code == 200
            for wrong in ((app.account.id, "0" * 32), ("0" * 32, credentials), (app.account.id, "")):
                assert (await http.get(allowed.base, auth=wrong)).status_code == 401
            for header in ("Basic ?", "Basic " + "4" * 7, "Basic", "Digest x"):
                assert (await http.get(allowed.base, headers={"Authorization": header})).status_code == 401


@pytest.mark.sqlite_only
async def test_last_use_of_a_token_costs_no_commit_of_a_request(app: AppFixture, rest: RestClient) -> None:
    tokens = app.container.tokens
    key = await tokens.find(rest.token)
    text, session = await tokens.create(app.account.id, kind=TokenKind.SESSION, parent=key)
    client = await rest.with_token(text)
    before = app.container.database.change_fingerprint()
    for _ in range(20):
        await client.request_ok("GET")
    assert app.container.database.change_fingerprint() == before
    assert [token.last_used_at for token in await tokens.list_valid(app.account.id)] == [None, None]
    await tokens.use.close()
    used = {token.id: token.last_used_at for token in await tokens.list_valid(app.account.id)}
    assert key is not None
    assert used == {key.id: int(app.clock.now()), session.id: int(app.clock.now())}, "a session uses its key"
    await client.http.aclose()


async def test_successor_of_a_deleted_user_signs_in_and_gets_nothing_of_the_former(
    app: AppFixture, api_url: str, rest: RestClient
) -> None:
    box = await app.create_box(owner=app.alice)
    await app.container.credentials.set(app.alice, "alice", "correct horse")
    credentials = kazoo_credentials_md5("alice", "correct horse")
    former = (await log_in(app, api_url, credentials=credentials, account_name="demo")).json()["auth_token"]
    await app.container.directory.delete_user(app.alice.id)
    refused = await log_in(app, api_url, credentials=credentials, account_name="demo")
    assert refused.status_code == 401
    successor = await app.create_user("alice")
    await app.container.credentials.set(successor, "alice", "correct horse")
    session = (await log_in(app, api_url, credentials=credentials, account_name="demo")).json()
    assert session["data"]["owner_id"] == successor.id
    client = await rest.with_token(session["auth_token"])
    await client.request_error(403, "GET", f"/{box.id}")
    former_client = await rest.with_token(former)
    for _ in range(25):  # A client of the former user is no guesser.
        await former_client.request_error(401, "GET")
    for one in (client, former_client):
        await one.http.aclose()
