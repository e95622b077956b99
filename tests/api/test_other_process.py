"""What another process changes is seen by the next request, though results are reused until a commit."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ivr.app import App
from ivr.storage.records import ChangeReason, Folder
from tests.api.conftest import RestClient
from tests.support.app_fixture import AppFixture


@pytest.fixture
async def other(app: AppFixture) -> AsyncIterator[App]:
    """The same installation, opened again as a second process does."""
    other = App(app.settings, clock=app.clock).open()
    yield other
    other.close()


async def test_changes_of_another_process_are_seen_by_next_request(
    rest: RestClient, app: AppFixture, other: App
) -> None:
    box = await app.create_box("1000", app.alice)
    message = await app.create_message(box)
    path = f"/{box.id}/messages"
    for _ in range(2):
        [listed] = (await rest.request_ok("GET", path))["data"]
        assert listed["folder"] == "new"
    await other.messages.move_to_folder(box.id, message.id, Folder.SAVED, ChangeReason.API_REQUEST)
    assert [one["folder"] for one in (await rest.request_ok("GET", path))["data"]] == ["saved"]
    assert (await rest.request_ok("GET", f"{path}/{message.id}"))["data"]["folder"] == "saved"
    await other.boxes.patch(await other.boxes.get(box.id), {"name": "renamed", "owner_id": app.bob.id})
    assert (await rest.request_ok("GET", f"/{box.id}"))["data"]["name"] == "renamed"
    account = await other.directory.account(app.account.id)
    await other.directory.update_account(account.model_copy(update={"settings": {"message_retention_duration": 1}}))
    app.clock.advance(s=2 * 86_400)
    assert (await rest.request_ok("GET", path))["data"] == []


async def test_owner_change_and_revocation_by_another_process_take_effect_at_once(
    alice_rest: RestClient, app: AppFixture, other: App
) -> None:
    box = await app.create_box("1000", app.alice)
    for _ in range(2):
        await alice_rest.request_ok("GET", f"/{box.id}/messages")
    await other.boxes.patch(await other.boxes.get(box.id), {"owner_id": app.bob.id})
    await alice_rest.request_error(403, "GET", f"/{box.id}/messages")
    await alice_rest.request_ok("GET")
    [token] = await other.tokens.list_valid(app.account.id, with_sessions=False)
    await other.tokens.revoke(app.account.id, token.id)
    await alice_rest.request_error(401, "GET")


async def test_page_changes_with_time_too(rest: RestClient, app: AppFixture) -> None:
    """A message leaves the list when it passes retention, though nothing is committed."""
    box = await app.create_box("1000", app.alice)
    await app.create_message(box)
    path = f"/{box.id}/messages"
    assert len((await rest.request_ok("GET", path))["data"]) == 1
    app.clock.advance(s=200 * 86_400)
    assert (await rest.request_ok("GET", path))["data"] == []
