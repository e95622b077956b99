"""Who may ask what: tokens, signing in, other accounts, other people's boxes, too many tries."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from ivr.directory.credentials import md5_of
from ivr.directory.people import Account
from ivr.directory.tokens import DAY_S, TokenKind
from ivr.errors import Conflict, InvalidFields
from tests.api.conftest import Rest
from tests.support.house import House


async def test_without_a_token_nothing_is_said(rest: Rest) -> None:
    async with httpx.AsyncClient() as nobody:
        answer = await nobody.get(rest.base)
    said = answer.json()
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert (said["status"], said["error"], said["message"]) == ("error", "401", "invalid_credentials")
    assert said["data"] == {"message": "invalid credentials"}


async def test_a_token_may_come_as_bearer(rest: Rest) -> None:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {rest.token}"}) as other:
        answer = await other.get(rest.base)
    assert (answer.status_code, answer.json()["auth_token"]) == (200, rest.token)


async def test_only_the_hash_of_a_token_is_kept(rest: Rest, house: House) -> None:
    rows = await house.app.database.read(lambda c: [dict(row) for row in c.execute("SELECT * FROM tokens")])
    assert rest.token not in str(rows)
    assert len(rest.token) == 43


async def test_a_token_ends_with_its_days_or_when_it_is_revoked(house: House, rest: Rest) -> None:
    text, _ = await house.app.tokens.create(house.account.id, lasts_s=DAY_S)
    dated = await rest.with_token(text)
    await dated.ok("GET")
    house.clock.advance(s=DAY_S + 1)
    await dated.refused(401, "GET")
    await rest.ok("GET")
    await house.app.tokens.revoke(house.account.id, (await house.app.tokens.of_account(house.account.id))[0].id)
    await rest.refused(401, "GET")
    await dated.http.aclose()


async def test_a_token_ends_with_its_user_or_account(house: House, alice: Rest, rest: Rest) -> None:
    await house.app.directory.delete_user(house.alice.id)
    await alice.refused(401, "GET")


async def test_another_account_is_the_same_whether_it_is_there_or_not(house: House, rest: Rest) -> None:
    other = await house.app.directory.create_account(Account(name="other", realm="other.example"))
    box = await house.app.boxes.create(other, {"name": "x", "mailbox": "1"})
    base = rest.base
    answers = []
    for account_id in (other.id, "f" * 32):
        rest.base = base.replace(house.account.id, account_id)
        for path in ("", f"/{box.id}", f"/{box.id}/messages", "/" + "f" * 32):
            said = await rest.refused(403, "GET", path)
            answers.append({**said, "request_id": ""})
    assert all(answer == answers[0] for answer in answers)
    rest.base = base
    there = await rest.refused(404, "GET", f"/{box.id}")
    nowhere = await rest.refused(404, "GET", f"/{'f' * 32}")
    assert there["data"] == {"message": "bad identifier", "cause": box.id}
    assert {**nowhere["data"], "cause": box.id} == there["data"]


async def test_a_box_of_another_account_is_no_destination(house: House, rest: Rest) -> None:
    other = await house.app.directory.create_account(Account(name="other", realm="other.example"))
    foreign = await house.app.boxes.create(other, {"name": "x", "mailbox": "1"})
    box = await house.box()
    message = await house.message(box)
    for body in ({"source_id": foreign.id}, {"source_id": [foreign.id]}):
        said = await rest.refused(404, "POST", f"/{box.id}/messages/{message.id}", body)
        assert said["data"]["cause"] == foreign.id
    assert await house.messages(foreign) == []


async def test_a_user_reaches_their_own_boxes_and_those_they_share(house: House, alice: Rest) -> None:
    own = await house.box("1000", house.alice)
    shared = await house.box("1001", house.bob, shared_vmbox=True, members=[house.alice.id])
    bobs = await house.box("1002", house.bob)
    for box in (own, shared, bobs):
        await house.message(box)
    assert [box["id"] for box in (await alice.ok("GET"))["data"]] == [own.id, shared.id]
    assert {next(iter(line)) for line in (await alice.ok("GET", "/messages"))["data"]} == {own.id, shared.id}
    said = await alice.refused(403, "GET", f"/{bobs.id}")
    assert said["message"] == "forbidden"
    await alice.refused(403, "DELETE", f"/{bobs.id}/messages")
    assert len(await house.messages(bobs)) == 1


async def test_what_only_an_administrator_may_do(house: House, alice: Rest) -> None:
    own = await house.box("1000", house.alice)
    await alice.refused(403, "PUT", data={"name": "x", "mailbox": "2"})
    await alice.refused(403, "DELETE", f"/{own.id}")
    for change in ({"owner_id": house.bob.id}, {"mailbox": "7"}, {"pin_secret_ref": "box:x:pin"}, {"quota_mb": 10**6}):
        await alice.refused(403, "PATCH", f"/{own.id}", change)
    await alice.ok("PATCH", f"/{own.id}", {"skip_greeting": True, "mailbox": "1000"})
    whole = (await alice.ok("GET", f"/{own.id}"))["data"]
    await alice.ok("POST", f"/{own.id}", whole)
    await house.app.boxes.patch(await house.app.boxes.get(own.id), {"not_configurable": True})
    await alice.refused(403, "PATCH", f"/{own.id}", {"skip_greeting": False})


async def signed_in(house: House, server: str, **data: Any) -> httpx.Response:
    async with httpx.AsyncClient() as http:
        return await http.put(f"{server}/v2/user_auth", json={"data": data})


async def test_signing_in_with_name_and_password(house: House, server: str) -> None:
    await house.app.credentials.set(house.alice, "alice", "correct horse")
    own = await house.box("1000", house.alice)
    await house.box("1002", house.bob)
    answer = await signed_in(
        house, server, credentials=md5_of("alice", "correct horse"), account_name="demo", method="md5"
    )
    said = answer.json()
    assert (answer.status_code, said["data"]["owner_id"]) == (201, house.alice.id)
    session = Rest(house, server, said["auth_token"])
    assert [box["id"] for box in (await session.ok("GET"))["data"]] == [own.id]
    house.clock.advance(s=3601)
    await session.refused(401, "GET")
    await session.http.aclose()


async def test_a_wrong_password_and_an_unknown_account_are_told_alike(house: House, server: str) -> None:
    await house.app.credentials.set(house.alice, "alice", "correct horse")
    wrong = await signed_in(house, server, credentials=md5_of("alice", "x" * 8), account_name="demo")
    nowhere = await signed_in(house, server, credentials=md5_of("alice", "correct horse"), account_name="nowhere")
    assert wrong.status_code == nowhere.status_code == 401
    assert {**wrong.json(), "request_id": ""} == {**nowhere.json(), "request_id": ""}


async def test_a_new_password_ends_the_old_one(house: House, server: str) -> None:
    await house.app.credentials.set(house.alice, "alice", "correct horse")
    await house.app.credentials.set(house.alice, "alice", "battery staple")
    old = await signed_in(house, server, credentials=md5_of("alice", "correct horse"), account_name="demo")
    new = await signed_in(house, server, credentials=md5_of("alice", "battery staple"), account_realm="demo.example")
    assert (old.status_code, new.status_code) == (401, 201)


async def test_a_username_is_one_persons(house: House) -> None:
    await house.app.credentials.set(house.alice, "alice", "correct horse")
    with pytest.raises(Conflict):
        await house.app.credentials.set(house.bob, "alice", "battery staple")
    with pytest.raises(InvalidFields):
        await house.app.credentials.set(house.bob, "bob", "short")


async def test_what_is_kept_of_a_password_is_bcrypt_and_finds_its_user_at_other_costs(house: House) -> None:
    await house.app.credentials.set(house.alice, "alice", "correct horse")
    sql = "SELECT hash FROM secrets WHERE ref LIKE 'user:%'"
    [kept] = await house.app.database.read(lambda c: [row["hash"] for row in c.execute(sql)])
    assert kept.startswith("$2b$04$")
    assert len(kept) == 60
    house.app.credentials._cost = 5
    found = await house.app.credentials.user_id(house.account.id, md5_of("alice", "correct horse"))
    assert found == house.alice.id


async def test_a_key_is_exchanged_for_a_token_that_ends_with_it(house: House, server: str) -> None:
    key, token = await house.app.tokens.create(house.account.id, house.alice.id)
    async with httpx.AsyncClient() as http:
        answer = await http.put(f"{server}/v2/api_auth", json={"data": {"api_key": key}})
    session = Rest(house, server, answer.json()["auth_token"])
    assert (answer.status_code, session.token != key) == (201, True)
    await session.ok("GET")
    await session.refused(403, "PUT", data={"name": "x", "mailbox": "1"})
    await house.app.tokens.revoke(house.account.id, token.id)
    await session.refused(401, "GET")
    await session.http.aclose()


async def test_too_many_wrong_ones_from_an_address_have_to_wait(house: House, server: str, rest: Rest) -> None:
    await house.app.credentials.set(house.alice, "alice", "correct horse")
    wrong = await rest.with_token("x")
    for _ in range(20):
        await wrong.refused(401, "GET")
    said = await wrong.refused(429, "GET")
    assert said["message"] == "too_many_requests"
    right = await signed_in(house, server, credentials=md5_of("alice", "correct horse"), account_name="demo")
    assert (right.status_code, right.headers["retry-after"]) == (429, "3600")
    await rest.ok("GET")  # A token that holds is no guess.
    house.clock.advance(s=3601)
    await wrong.refused(401, "GET")
    assert (
        await signed_in(house, server, credentials=md5_of("alice", "correct horse"), account_name="demo")
    ).is_success
    await wrong.http.aclose()


async def test_signing_in_rightly_is_never_counted(house: House, server: str) -> None:
    await house.app.credentials.set(house.alice, "alice", "correct horse")
    for _ in range(25):
        answer = await signed_in(house, server, credentials=md5_of("alice", "correct horse"), account_name="demo")
        assert answer.status_code == 201


async def test_owners_may_be_given_the_whole_account(house: House, rest: Rest) -> None:
    bobs = await house.box("1002", house.bob)
    text, _ = await house.app.tokens.create(house.account.id, house.alice.id, kind=TokenKind.LOGIN)
    session = await rest.with_token(text)
    await session.refused(403, "GET", f"/{bobs.id}")
    object.__setattr__(house.app.rest.limits, "owner_only", False)
    await session.ok("GET", f"/{bobs.id}")
    await session.http.aclose()
