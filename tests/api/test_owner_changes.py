"""What the owner of a box may change over REST: a row for each key, and the same values by an administrator."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from ivr.directory.models import Account, User
from ivr.directory.settings import NewMessageCallSettings, NotifySettings
from ivr.mailbox.box_settings import BoxSettings, MediaIds
from ivr.mailbox.owner_changes import ADMINISTRATOR, OWNER_BOUNDS, RECORDING_KEYS
from tests.api.conftest import RestClient, serve_client, tone
from tests.support.app_fixture import AppFixture

ROOT = Path(__file__).parents[2]
OTHER_ID = "f" * 32
WAV = {"Content-Type": "audio/x-wav"}
REJECTED: dict[str, Any] = {
    "mailbox": "3111",
    "aliases": ["3112"],
    "owner_id": OTHER_ID,
    "numbers": ["9999"],
    "shared_vmbox": True,
    "members": [OTHER_ID],
    "pin_changeable": False,
    "not_configurable": True,
    "pin_secret_ref": "other",
    "min_pin_length": 6,
    "quota_mb": 10_000,
    "max_message_count": 10_000,
    "max_greeting_length": 3000,
    "enabled": False,
    "copy_to": ["3113"],
    "may_send_messages": False,
    "operator_context": "other",
    "hunt_context": "other",
    "callback_context": "other",
    "exit_context": "other",
    "mail_subject": "other",
    "mail_text": "other",
    "short_mail_addresses": [f"a{n}@demo.example" for n in range(11)],
    "is_setup": False,
    "max_message_length": 501,
    "notify_email_addresses": [f"a{n}@demo.example" for n in range(11)],
    "notify.callback.number": "0900123456",
    "notify.callback.schedule": [1] * 200,
    "notify.callback.attempts": 11,
    "notify.callback.interval_s": -1000,
    "notify.callback.timeout_s": 0,
}
"""A value that an owner may not set, for each key that has one and is no recording."""


def nested(key: str, value: Any) -> dict[str, Any]:
    for name in reversed(key.split(".")):
        value = {name: value}
    result: dict[str, Any] = value
    return result


def leaf_keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    inner: dict[str, type[BaseModel]] = {
        "media": MediaIds,
        "notify": NotifySettings,
        "callback": NewMessageCallSettings,
    }
    keys: set[str] = set()
    for name in model.model_fields:
        keys |= leaf_keys(inner[name], f"{prefix}{name}.") if name in inner else {prefix + name}
    return keys


def test_each_setting_of_a_box_has_a_row() -> None:
    assert set(OWNER_BOUNDS) == leaf_keys(BoxSettings)


def test_each_row_with_a_bound_is_tried() -> None:
    free = next(bound for key, bound in OWNER_BOUNDS.items() if key == "name")
    bounded = {key for key, bound in OWNER_BOUNDS.items() if bound is not free and key != "notify_email"}
    assert bounded == set(REJECTED)


def test_settings_page_lists_the_bounds() -> None:
    text = (ROOT / "docs/settings.md").read_text()
    section = text[text.index("### What an owner may change") : text.index("\n## Keys")]
    listed = {key for row in re.findall(r"^\| (`.*?) \|", section, re.M) for key in re.findall(r"`([\w.]+)`", row)}
    assert listed == set(REJECTED) | {"notify_email", *RECORDING_KEYS}


@pytest.mark.parametrize("key", REJECTED)
async def test_owner_is_rejected_and_administrator_is_not(
    rest: RestClient, alice_rest: RestClient, app: AppFixture, key: str
) -> None:
    box_id = await rest.create_box(owner_id=app.alice.id, is_setup=True)
    before = (await rest.request_ok("GET", f"/{box_id}"))["data"]
    for method, document in (
        ("PATCH", nested(key, REJECTED[key])),
        ("POST", {**before, **nested(key, REJECTED[key])}),
    ):
        status = 403 if OWNER_BOUNDS[key] is ADMINISTRATOR else 400
        error = await alice_rest.request_error(status, method, f"/{box_id}", document)
        assert key in str(error), "the answer names the key"
    assert (await rest.request_ok("GET", f"/{box_id}"))["data"] == before
    await rest.request_ok("PATCH", f"/{box_id}", nested(key, REJECTED[key]))


async def test_value_of_administrator_stays_when_owner_changes_another(
    rest: RestClient, alice_rest: RestClient, app: AppFixture
) -> None:
    addresses = [f"a{n}@demo.example" for n in range(20)]
    box_id = await rest.create_box(owner_id=app.alice.id, notify_email_addresses=addresses, max_message_length=900)
    changed = await alice_rest.request_ok("PATCH", f"/{box_id}", {"skip_greeting": True})
    assert (changed["data"]["notify_email_addresses"], changed["data"]["max_message_length"]) == (addresses, 900)


async def test_owner_chooses_recordings_of_own_box_only(
    rest: RestClient, alice_rest: RestClient, app: AppFixture
) -> None:
    own, other = await rest.create_box(owner_id=app.alice.id), await rest.create_box("3000")
    media_ids = []
    for box_id in (own, other):
        await rest.request_ok("PUT", f"/{box_id}/greetings/unavailable/raw", content=tone(), headers=WAV)
        media_ids.append((await rest.request_ok("GET", f"/{box_id}"))["data"]["media"]["unavailable"])
    for key in RECORDING_KEYS:
        error = await alice_rest.request_error(400, "PATCH", f"/{own}", nested(key, media_ids[1]))
        assert "Not a recording of this mailbox" in str(error)
    await alice_rest.request_ok("PATCH", f"/{own}", {"media": {"temporary_unavailable": media_ids[0]}})


async def test_message_lights_of_another_account_cannot_be_named(rest: RestClient, app: AppFixture) -> None:
    await app.container.directory.create_account(Account(id=OTHER_ID, name="victim", realm="victim.example"))
    error = await rest.request_error(
        400, "PUT", "", {"name": "x", "mailbox": "3000", "numbers": ["9999@victim.example"]}
    )
    assert "another account" in str(error)


async def test_owner_sets_addresses_of_listed_domains_only(tmp_path: Path) -> None:
    app = await AppFixture(
        tmp_path / "data", voicemail={"owner_mail_domains": ["demo.example", "B\u00fccher.example"]}
    ).open()
    token, _ = await app.container.tokens.create(app.account.id, app.alice.id)
    box = await app.container.boxes.create(app.account, {"name": "x", "mailbox": "3000", "owner_id": app.alice.id})
    async with serve_client(app, token) as alice:
        for document in ({"notify_email": "x@other.example"}, {"notify_email_addresses": ["x@other.example"]}):
            assert "demo.example" in str(await alice.request_error(400, "PATCH", f"/{box.id}", document))
        for address in ("x@DEMO.example", "x@b\u00fccher.example"):
            await alice.request_ok("PATCH", f"/{box.id}", {"notify_email": address})
    app.close()


async def test_no_mailbox_has_users_of_another_account(rest: RestClient, app: AppFixture) -> None:
    """Its mails would go to them, and tell their names and addresses."""
    other = await app.container.directory.create_account(Account(name="other", realm="other.example"))
    stranger = await app.container.directory.create_user(
        User(account_id=other.id, name="eve", email="eve@other.example")
    )
    box_id = await rest.create_box("1000", owner_id=app.alice.id)
    shared = {"shared_vmbox": True, "members": [app.bob.id, {"id": stranger.id}]}
    for document, key in (({"owner_id": stranger.id}, "owner_id"), (shared, "members")):
        for method, path, data in (
            ("PATCH", f"/{box_id}", document),
            ("POST", f"/{box_id}", {"name": "x", "mailbox": "1000", **document}),
            ("PUT", "", {"name": "x", "mailbox": "1001", **document}),
        ):
            error = await rest.request_error(400, method, path, data)
            assert "is a user of another account" in error["data"][key]["invalid"]["message"], (method, document)
    await app.container.database.write(  # As an earlier version stored it.
        lambda c: (
            c.execute(
                "UPDATE boxes SET settings = json_set(settings, '$.owner_id', ?) WHERE id = ?", (stranger.id, box_id)
            ).rowcount
        )
    )
    mailbox = await app.container.boxes.get(box_id)
    assert mailbox.owner is None
    await rest.request_ok("PATCH", f"/{box_id}", {"name": "y"})
    await rest.request_ok("PATCH", f"/{box_id}", {"owner_id": OTHER_ID})  # A user who does not exist, as in Kazoo.
