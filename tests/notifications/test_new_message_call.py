"""New-message calls: when, how often, to which number, and when a series ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ivr.directory.models import Account, User
from ivr.errors import InvalidFields
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.notifications.new_message_call import retry_plan_for
from ivr.notifications.settings import NotificationSettings
from ivr.storage.records import ChangeReason, Folder, TaskKind
from tests.notifications.conftest import NotificationAppFixture
from tests.support.fake_ami_server import FakeAmiServer, Fields

SYSTEM = NotificationSettings(call_context="to-owners")


def callback_settings(**settings: Any) -> dict[str, Any]:
    return {"notify": {"callback": settings}}


def plan(box: dict[str, Any], user: dict[str, Any] | None = None, account: dict[str, Any] | None = None) -> Any:
    owner = User(id="u" * 32, account_id="a", name="ann", settings={"voicemail": user or {}})
    account_record = Account(id="a", name="demo", settings={"voicemail": account or {}})
    mailbox = Mailbox(
        "b" * 32, account_record, owner, BoxSettings(name="Box", mailbox="1000", **box), VoicemailSettings()
    )
    return retry_plan_for(mailbox, SYSTEM)


def test_box_settings_override_user_account_and_system() -> None:
    user, account = (
        callback_settings(number="2", schedule=[20], timeout_s=22),
        callback_settings(schedule=[30], interval_s=33),
    )
    found = plan(callback_settings(number="1", schedule=[10]), user, account)
    assert (found.number, found.delays_s, found.ring_timeout_s, found.interval_s) == ("1", (10,), 22, 33)
    found = plan({}, user, account)
    assert (found.number, found.delays_s) == ("2", (20,))
    found = plan({}, callback_settings(number="2"), account)
    assert found.delays_s == (30,)
    found = plan({}, callback_settings(number="2"))
    assert (found.delays_s, found.ring_timeout_s) == ((300,) * 5, 20)


def test_number_of_account_is_ignored() -> None:
    assert plan({}, None, callback_settings(number="3")) is None


def test_box_can_enable_what_owner_disabled() -> None:
    off = callback_settings(number="2", disabled=True)
    assert plan({}, off) is None
    assert plan(callback_settings(disabled=False), off).number == "2"
    assert plan(callback_settings(number="1", disabled=True), callback_settings(number="2")) is None


def test_interval_is_used_without_schedule() -> None:
    assert plan(callback_settings(number="1", interval_s=60, attempts=3)).delays_s == (60, 60, 60)
    assert plan(callback_settings(number="1", interval_s=0)) is None
    assert plan(callback_settings(number="1", attempts=0)) is None


def test_disabled_box_is_not_called() -> None:
    """Who answered would hear that the mailbox cannot be opened."""
    assert plan({**callback_settings(number="1"), "enabled": True})
    assert plan({**callback_settings(number="1"), "enabled": False}) is None


def test_box_without_owner_is_not_called() -> None:
    box = BoxSettings(name="Box", mailbox="1000", **callback_settings(number="1"))
    assert retry_plan_for(Mailbox("b", Account(id="a", name="demo"), None, box, VoicemailSettings()), SYSTEM) is None


# -- a series ----------------------------------------------------------------------------------------------------------


class FakeCalledPhone:
    """The called phone. `is_answered`: whether calls are answered."""

    def __init__(self, asterisk: FakeAmiServer) -> None:
        self.is_answered = False
        self._asterisk = asterisk
        asterisk.replies["Originate"] = self._on_originate

    @property
    def ring_count(self) -> int:
        return len(self.calls)

    @property
    def calls(self) -> list[Fields]:
        return [call for call in self._asterisk.actions_named("Originate") if call.get("Async") == "true"]

    def _on_originate(self, call: Fields) -> list[Fields]:
        if call.get("Async") != "true":
            return [{"Response": "Success"}]
        outcome = "Success" if self.is_answered else "Failure"
        return [
            {"Response": "Success", "Message": "Originate successfully queued"},
            {"Event": "OriginateResponse", "Response": outcome},
        ]


@pytest.fixture
def called_phone(ami_server: FakeAmiServer) -> FakeCalledPhone:
    return FakeCalledPhone(ami_server)


@pytest.fixture
async def new_message_call_app(tmp_path: Path, ami_server: FakeAmiServer) -> AsyncIterator[NotificationAppFixture]:
    app = NotificationAppFixture(
        tmp_path / "data", ami={"port": ami_server.port, "secret": "word"}, notifications={"call_context": "to-owners"}
    )
    await app.open()
    await app.connect_ami()
    yield app
    await app.shut_down()


async def advance_and_run(app: NotificationAppFixture, s: float) -> None:
    app.clock.advance(s=s)
    await app.run_until_idle()


async def test_owner_is_called_by_schedule_until_exhausted(
    new_message_call_app: NotificationAppFixture, called_phone: FakeCalledPhone
) -> None:
    await new_message_call_app.leave_message(
        await new_message_call_app.create_box(
            owner=new_message_call_app.alice, **callback_settings(number="5550100", schedule=[60, 600])
        )
    )
    await advance_and_run(new_message_call_app, 59)
    assert called_phone.ring_count == 0
    await advance_and_run(new_message_call_app, 1)
    assert called_phone.ring_count == 1
    assert called_phone.calls[0]["Channel"] == "Local/5550100@to-owners/n"
    assert called_phone.calls[0]["Context"] == "ivr-new-message-call"
    await advance_and_run(new_message_call_app, 599)
    assert called_phone.ring_count == 1
    await advance_and_run(new_message_call_app, 1)
    assert called_phone.ring_count == 2
    await advance_and_run(new_message_call_app, 10**6)
    assert called_phone.ring_count == 2
    assert await new_message_call_app.pending_tasks() == []


async def test_owner_who_answers_is_not_called_again(
    new_message_call_app: NotificationAppFixture, called_phone: FakeCalledPhone
) -> None:
    called_phone.is_answered = True
    await new_message_call_app.leave_message(
        await new_message_call_app.create_box(
            owner=new_message_call_app.alice, **callback_settings(number="5550100", schedule=[60, 60])
        )
    )
    await advance_and_run(new_message_call_app, 60)
    await advance_and_run(new_message_call_app, 10**6)
    assert called_phone.ring_count == 1


async def test_owner_is_not_called_without_new_messages(
    new_message_call_app: NotificationAppFixture, called_phone: FakeCalledPhone
) -> None:
    box = await new_message_call_app.create_box(
        owner=new_message_call_app.alice, **callback_settings(number="5550100", schedule=[60, 60])
    )
    message = await new_message_call_app.leave_message(box)
    await advance_and_run(new_message_call_app, 60)
    await new_message_call_app.container.messages.move_to_folder(box.id, message.id, Folder.SAVED, ChangeReason.DTMF)
    await advance_and_run(new_message_call_app, 60)
    assert called_phone.ring_count == 1
    assert await new_message_call_app.pending_tasks() == []


async def test_further_message_starts_no_second_series(
    new_message_call_app: NotificationAppFixture, called_phone: FakeCalledPhone
) -> None:
    box = await new_message_call_app.create_box(
        owner=new_message_call_app.alice, **callback_settings(number="5550100", schedule=[60, 60])
    )
    for _ in range(3):
        await new_message_call_app.leave_message(box)
        await new_message_call_app.run_until_idle()
    assert [task.kind for task in await new_message_call_app.pending_tasks()] == [TaskKind.CALL]
    await advance_and_run(new_message_call_app, 60)
    assert called_phone.ring_count == 1


async def test_next_call_waits_while_previous_may_still_ring(
    new_message_call_app: NotificationAppFixture, called_phone: FakeCalledPhone
) -> None:
    settings = callback_settings(number="5550100", schedule=[1, 5], timeout_s=30, interval_s=100)
    await new_message_call_app.leave_message(
        await new_message_call_app.create_box(owner=new_message_call_app.alice, **settings)
    )
    await advance_and_run(new_message_call_app, 1)
    await advance_and_run(new_message_call_app, 129)
    assert called_phone.ring_count == 1
    await advance_and_run(new_message_call_app, 1)
    assert called_phone.ring_count == 2


async def test_asterisk_outage_uses_up_no_attempt(
    new_message_call_app: NotificationAppFixture, called_phone: FakeCalledPhone, ami_server: FakeAmiServer
) -> None:
    await new_message_call_app.leave_message(
        await new_message_call_app.create_box(
            owner=new_message_call_app.alice, **callback_settings(number="5550100", schedule=[60])
        )
    )
    await new_message_call_app.run_until_idle()
    await ami_server.stop()
    assert new_message_call_app.ami_client
    while new_message_call_app.ami_client.connection_id:
        await new_message_call_app.ami_client.wait_for_change()
    for _ in range(60):
        await advance_and_run(new_message_call_app, 60)
    await ami_server.start()
    await new_message_call_app.connect_ami()
    await advance_and_run(new_message_call_app, 60)
    assert called_phone.ring_count == 1


async def test_service_killed_while_ringing_does_not_call_again_immediately(
    new_message_call_app: NotificationAppFixture, called_phone: FakeCalledPhone
) -> None:
    await new_message_call_app.leave_message(
        await new_message_call_app.create_box(
            owner=new_message_call_app.alice, **callback_settings(number="5550100", schedule=[60, 600])
        )
    )
    await new_message_call_app.run_until_idle()
    new_message_call_app.clock.advance(s=60)
    [task] = await new_message_call_app.container.outbox.claim([TaskKind.CALL], 1)
    await new_message_call_app.container.outbox.save_progress(task, {"call": 0, "ringing": True})
    await new_message_call_app.container.database.write(
        lambda c: c.execute("UPDATE outbox SET lease = 'dead:1'").rowcount
    )
    assert await new_message_call_app.container.outbox.release_orphaned_leases() == 1
    await new_message_call_app.run_until_idle()
    assert called_phone.ring_count == 0
    await advance_and_run(new_message_call_app, 600)
    assert called_phone.ring_count == 1


async def test_owner_is_not_called_without_site_context(tmp_path: Path, ami_server: FakeAmiServer) -> None:
    app = NotificationAppFixture(tmp_path / "data", ami={"port": ami_server.port, "secret": "word"})
    await app.open()
    await app.connect_ami()
    await app.leave_message(await app.create_box(owner=app.alice, **callback_settings(number="5550100", schedule=[60])))
    await app.run_until_idle()
    assert await app.pending_tasks() == []
    await app.shut_down()


@pytest.mark.parametrize("number", ["5550100@elsewhere", "5550100/n,Dial(x)", "call me", "${X}"])
async def test_invalid_number_is_refused_and_not_called_when_stored_already(
    new_message_call_app: NotificationAppFixture, called_phone: FakeCalledPhone, number: str
) -> None:
    with pytest.raises(InvalidFields, match="cannot be dialled"):
        await new_message_call_app.create_box(**callback_settings(number=number, schedule=[60]))
    box = await new_message_call_app.create_box(
        owner=new_message_call_app.alice, **callback_settings(number="5550100", schedule=[60])
    )
    sql = "UPDATE boxes SET settings = json_set(settings, '$.notify.callback.number', ?)"
    await new_message_call_app.container.database.write(lambda c: c.execute(sql, (number,)).rowcount)
    await new_message_call_app.leave_message(box)
    await new_message_call_app.run_until_idle()
    await advance_and_run(new_message_call_app, 60)
    assert called_phone.ring_count == 0
    assert await new_message_call_app.pending_tasks() == []
