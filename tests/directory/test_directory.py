"""The directory: accounts, users and endpoints."""

from __future__ import annotations

import pytest

from ivr.directory.models import Account, Endpoint, User
from ivr.errors import Conflict, NotFound
from ivr.storage.records import MediaKind
from tests.support.app_fixture import AppFixture

DIRECTORY_TABLES = ("users", "endpoints", "secrets", "tokens", "boxes")


async def test_account_is_found_by_id_name_or_realm(app: AppFixture) -> None:
    directory = app.container.directory
    for name in (app.account.id, "demo", "demo.example"):
        assert (await directory.find_account_by_name(name)).id == app.account.id
    with pytest.raises(NotFound, match="ivr account list"):
        await directory.find_account_by_name("unknown")


async def test_account_with_existing_name_or_realm_is_rejected(app: AppFixture) -> None:
    for duplicate in (Account(name="demo", realm="x"), Account(name="x", realm="demo.example")):
        with pytest.raises(Conflict):
            await app.container.directory.create_account(duplicate)


async def test_account_with_users_or_boxes_cannot_be_deleted(app: AppFixture) -> None:
    directory = app.container.directory
    with pytest.raises(Conflict, match="users"):
        await directory.delete_account(app.account.id)
    for user in await directory.users(app.account.id):
        await directory.delete_user(user.id)
    box = await app.create_box()
    with pytest.raises(Conflict, match="boxes"):
        await directory.delete_account(app.account.id)
    await app.container.boxes.delete(box)
    await directory.delete_account(app.account.id)
    assert await directory.accounts() == []
    await directory.create_account(Account(name="demo", realm="demo.example"))


async def test_endpoint_belongs_to_one_user(app: AppFixture) -> None:
    directory = app.container.directory
    user = await directory.user_of_endpoint("asterisk", "alice")
    assert user
    assert user.id == app.alice.id
    assert await directory.user_of_endpoint("another-asterisk", "alice") is None
    with pytest.raises(Conflict, match="already belongs"):
        await directory.add_endpoint(
            Endpoint(system="asterisk", name="alice", account_id=app.account.id, user_id=app.bob.id)
        )


async def test_removed_endpoint_has_no_user(app: AppFixture) -> None:
    directory = app.container.directory
    await directory.remove_endpoint("asterisk", "alice")
    assert await directory.user_of_endpoint("asterisk", "alice") is None
    with pytest.raises(NotFound):
        await directory.remove_endpoint("asterisk", "alice")


async def test_deleted_user_loses_endpoint_and_box_loses_owner(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice)
    await app.container.directory.delete_user(app.alice.id)
    assert await app.container.directory.user_of_endpoint("asterisk", "alice") is None
    assert (await app.container.boxes.get(box.id)).owner is None


async def test_deleted_user_leaves_nothing_but_ids(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice)
    name_id = await app.create_recording(box, MediaKind.NAME)
    user = await app.container.directory.update_user(
        app.alice.model_copy(update={"email": "alice@demo.example", "settings": {"media": {"name": name_id}}})
    )
    await app.container.boxes.patch(box, {"media": {"name": name_id}})
    await app.container.credentials.set(user, "alice-login", "correct horse")
    await app.container.tokens.create(app.account.id, user.id, "script of alice")
    await app.container.directory.delete_user(user.id)
    await app.container.retention_worker.unlink_pending()
    dump = await app.container.database.read(
        lambda c: str([[tuple(row) for row in c.execute(f"SELECT * FROM {table}")] for table in DIRECTORY_TABLES])
    )
    for trace in ("alice", "correct", "demo.example'", f"user:{user.id}"):
        assert trace not in dump.replace(app.account.realm or "", "")
    assert not app.container.recordings.media_path(app.account.id, name_id).exists()
    assert (await app.container.boxes.get(box.id)).settings.media.name is None
    await app.container.tokens.use.close()


async def test_user_name_is_unique_within_account_only(app: AppFixture) -> None:
    directory = app.container.directory
    with pytest.raises(Conflict):
        await directory.create_user(User(name="alice", account_id=app.account.id))
    other = await directory.create_account(Account(name="other"))
    assert await directory.create_user(User(name="alice", account_id=other.id))


async def test_names_that_look_alike_are_one(app: AppFixture) -> None:
    """Macs write e and an accent (NFD) in names of files and what is pasted from them; one blank looks like two."""
    directory = app.container.directory
    created = await directory.create_user(User(name="Jose\u0301  M", username="jose\u0301", account_id=app.account.id))
    assert (created.name, created.username) == ("Jos\u00e9 M", "jos\u00e9")
    with pytest.raises(Conflict):
        await directory.create_user(User(name="Jos\u00e9 M", account_id=app.account.id))
    account = await directory.create_account(Account(name="Caf\u00e9"))
    for decomposed in ("Jose\u0301 M", "Jos\u00e9  M", " Jos\u00e9 M", created.id):
        assert await directory.find_user_by_name(app.account.id, decomposed) == created
    for decomposed in ("Cafe\u0301", "Caf\u00e9", account.id):
        assert await directory.find_account_by_name(decomposed) == account
    await app.container.credentials.set(created, "jose\u0301", "correct horse")
    with pytest.raises(Conflict):
        await app.container.credentials.set(app.alice, "jos\u00e9", "other words")


async def test_user_changes_are_stored(app: AppFixture) -> None:
    directory = app.container.directory
    await directory.update_user(app.alice.model_copy(update={"email": "alice@demo.example", "settings": {"a": [1]}}))
    stored = await directory.find_user_by_name(app.account.id, "alice")
    assert (stored.email, stored.settings, stored.revision) == ("alice@demo.example", {"a": [1]}, 2)
