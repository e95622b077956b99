"""Accounts, users and whose phone is whose."""

from __future__ import annotations

import pytest

from ivr.directory.people import Account, Endpoint, User
from ivr.errors import Conflict, NotFound
from tests.support.house import House


async def test_an_account_is_found_by_id_name_or_realm(house: House) -> None:
    directory = house.app.directory
    for name in (house.account.id, "demo", "demo.example"):
        assert (await directory.account_called(name)).id == house.account.id
    with pytest.raises(NotFound, match="ivr account list"):
        await directory.account_called("nobody")


async def test_names_and_realms_of_accounts_are_unique(house: House) -> None:
    for other in (Account(name="demo", realm="x"), Account(name="x", realm="demo.example")):
        with pytest.raises(Conflict):
            await house.app.directory.create_account(other)


async def test_an_account_with_people_or_boxes_stays(house: House) -> None:
    directory = house.app.directory
    with pytest.raises(Conflict, match="users"):
        await directory.delete_account(house.account.id)
    for user in await directory.users(house.account.id):
        await directory.delete_user(user.id)
    box = await house.box()
    with pytest.raises(Conflict, match="boxes"):
        await directory.delete_account(house.account.id)
    await house.app.boxes.delete(box)
    await directory.delete_account(house.account.id)
    assert await directory.accounts() == []
    await directory.create_account(Account(name="demo", realm="demo.example"))


async def test_a_phone_is_one_persons(house: House) -> None:
    directory = house.app.directory
    user = await directory.user_of_endpoint("asterisk", "alice")
    assert user
    assert user.id == house.alice.id
    assert await directory.user_of_endpoint("another-asterisk", "alice") is None
    with pytest.raises(Conflict, match="already belongs"):
        await directory.add_endpoint(
            Endpoint(system="asterisk", name="alice", account_id=house.account.id, user_id=house.bob.id)
        )


async def test_a_removed_phone_is_nobodys(house: House) -> None:
    directory = house.app.directory
    await directory.remove_endpoint("asterisk", "alice")
    assert await directory.user_of_endpoint("asterisk", "alice") is None
    with pytest.raises(NotFound):
        await directory.remove_endpoint("asterisk", "alice")


async def test_a_deleted_users_phone_opens_nothing_and_the_box_stays(house: House) -> None:
    box = await house.box(owner=house.alice)
    await house.app.directory.delete_user(house.alice.id)
    assert await house.app.directory.user_of_endpoint("asterisk", "alice") is None
    assert (await house.app.boxes.get(box.id)).owner is None


async def test_users_are_unique_within_their_account(house: House) -> None:
    directory = house.app.directory
    with pytest.raises(Conflict):
        await directory.create_user(User(name="alice", account_id=house.account.id))
    other = await directory.create_account(Account(name="other"))
    assert await directory.create_user(User(name="alice", account_id=other.id))


async def test_changes_are_kept(house: House) -> None:
    directory = house.app.directory
    await directory.update_user(house.alice.model_copy(update={"email": "alice@demo.example", "settings": {"a": [1]}}))
    kept = await directory.user_called(house.account.id, "alice")
    assert (kept.email, kept.settings, kept.revision) == ("alice@demo.example", {"a": [1]}, 2)
