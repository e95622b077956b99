"""Calls to owners: when, how often, to which number, and when they end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ivr.directory.people import Account, User
from ivr.mailbox.box import Box
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Folder
from ivr.mailbox.sqlite.outbox import Kind
from ivr.mailbox.store import Because
from ivr.mailbox.system import VoicemailSettings
from ivr.notify.callback import plan_for
from ivr.notify.settings import NotifySettings
from tests.notify.conftest import Home
from tests.support.ami import FakeAsterisk, Fields

SYSTEM = NotifySettings(call_context="to-owners")


def callback(**settings: Any) -> dict[str, Any]:
    return {"notify": {"callback": settings}}


def plan(box: dict[str, Any], user: dict[str, Any] | None = None, account: dict[str, Any] | None = None) -> Any:
    owner = User(id="u" * 32, account_id="a", name="ann", settings={"voicemail": user or {}})
    of = Account(id="a", name="demo", settings={"voicemail": account or {}})
    mailbox = Mailbox("b" * 32, of, owner, Box(name="Box", mailbox="1000", **box), VoicemailSettings())
    return plan_for(mailbox, SYSTEM)


def test_the_box_wins_over_the_user_the_account_and_the_system() -> None:
    user, account = callback(number="2", schedule=[20], timeout_s=22), callback(schedule=[30], interval_s=33)
    found = plan(callback(number="1", schedule=[10]), user, account)
    assert (found.number, found.schedule, found.timeout_s, found.interval_s) == ("1", (10,), 22, 33)
    found = plan({}, user, account)
    assert (found.number, found.schedule) == ("2", (20,))
    found = plan({}, callback(number="2"), account)
    assert found.schedule == (30,)
    found = plan({}, callback(number="2"))
    assert (found.schedule, found.timeout_s) == ((300,) * 5, 20)


def test_a_number_is_the_boxs_or_the_users_never_the_accounts() -> None:
    assert plan({}, None, callback(number="3")) is None


def test_a_box_that_is_not_disabled_is_called_although_its_owner_is() -> None:
    off = callback(number="2", disabled=True)
    assert plan({}, off) is None
    assert plan(callback(disabled=False), off).number == "2"
    assert plan(callback(number="1", disabled=True), callback(number="2")) is None


def test_without_a_schedule_it_is_the_interval_as_often_as_there_are_attempts() -> None:
    assert plan(callback(number="1", interval_s=60, attempts=3)).schedule == (60, 60, 60)
    assert plan(callback(number="1", interval_s=0)) is None
    assert plan(callback(number="1", attempts=0)) is None


def test_a_box_without_an_owner_is_not_called() -> None:
    box = Box(name="Box", mailbox="1000", **callback(number="1"))
    assert plan_for(Mailbox("b", Account(id="a", name="demo"), None, box, VoicemailSettings()), SYSTEM) is None


# -- a run -------------------------------------------------------------------------------------------------------------


class Telephone:
    """What rings at the other end. `answers` says whether anybody is there."""

    def __init__(self, asterisk: FakeAsterisk) -> None:
        self.answers = False
        self._asterisk = asterisk
        asterisk.answers["Originate"] = self._ring

    @property
    def rang(self) -> int:
        return len(self.calls)

    @property
    def calls(self) -> list[Fields]:
        return [call for call in self._asterisk.asked("Originate") if call.get("Async") == "true"]

    def _ring(self, call: Fields) -> list[Fields]:
        if call.get("Async") != "true":
            return [{"Response": "Success"}]
        outcome = "Success" if self.answers else "Failure"
        return [
            {"Response": "Success", "Message": "Originate successfully queued"},
            {"Event": "OriginateResponse", "Response": outcome},
        ]


@pytest.fixture
def telephone(asterisk: FakeAsterisk) -> Telephone:
    return Telephone(asterisk)


@pytest.fixture
async def calling(tmp_path: Path, asterisk: FakeAsterisk) -> AsyncIterator[Home]:
    home = Home(tmp_path / "data", ami={"port": asterisk.port, "secret": "word"}, notify={"call_context": "to-owners"})
    await home.open()
    await home.connects()
    yield home
    await home.leaves()


async def later(home: Home, s: float) -> None:
    home.clock.advance(s=s)
    await home.settle()


async def test_it_calls_by_the_schedule_until_it_is_used_up(calling: Home, telephone: Telephone) -> None:
    await calling.is_left(await calling.box(owner=calling.alice, **callback(number="5550100", schedule=[60, 600])))
    await later(calling, 59)
    assert telephone.rang == 0
    await later(calling, 1)
    assert telephone.rang == 1
    assert telephone.calls[0]["Channel"] == "Local/5550100@to-owners/n"
    assert telephone.calls[0]["Context"] == "ivr-called"
    await later(calling, 599)
    assert telephone.rang == 1
    await later(calling, 1)
    assert telephone.rang == 2
    await later(calling, 10**6)
    assert telephone.rang == 2
    assert await calling.waits() == []


async def test_somebody_who_answers_is_not_called_again(calling: Home, telephone: Telephone) -> None:
    telephone.answers = True
    await calling.is_left(await calling.box(owner=calling.alice, **callback(number="5550100", schedule=[60, 60])))
    await later(calling, 60)
    await later(calling, 10**6)
    assert telephone.rang == 1


async def test_nobody_is_called_when_nothing_is_new_any_more(calling: Home, telephone: Telephone) -> None:
    box = await calling.box(owner=calling.alice, **callback(number="5550100", schedule=[60, 60]))
    message = await calling.is_left(box)
    await later(calling, 60)
    await calling.app.messages.move_to(box.id, message.id, Folder.SAVED, Because.KEY)
    await later(calling, 60)
    assert telephone.rang == 1
    assert await calling.waits() == []


async def test_more_messages_make_no_more_calls(calling: Home, telephone: Telephone) -> None:
    box = await calling.box(owner=calling.alice, **callback(number="5550100", schedule=[60, 60]))
    for _ in range(3):
        await calling.is_left(box)
        await calling.settle()
    assert [row.kind for row in await calling.waits()] == [Kind.CALL]
    await later(calling, 60)
    assert telephone.rang == 1


async def test_the_next_call_waits_while_this_one_may_still_ring(calling: Home, telephone: Telephone) -> None:
    settings = callback(number="5550100", schedule=[1, 5], timeout_s=30, interval_s=100)
    await calling.is_left(await calling.box(owner=calling.alice, **settings))
    await later(calling, 1)
    await later(calling, 129)
    assert telephone.rang == 1
    await later(calling, 1)
    assert telephone.rang == 2


async def test_an_hour_without_asterisk_uses_up_no_call(
    calling: Home, telephone: Telephone, asterisk: FakeAsterisk
) -> None:
    await calling.is_left(await calling.box(owner=calling.alice, **callback(number="5550100", schedule=[60])))
    await calling.settle()
    await asterisk.stop()
    assert calling.manager
    while calling.manager.connection:
        await calling.manager.changed()
    for _ in range(60):
        await later(calling, 60)
    await asterisk.start()
    await calling.connects()
    await later(calling, 60)
    assert telephone.rang == 1


async def test_a_service_killed_while_it_rings_does_not_ring_at_once_again(calling: Home, telephone: Telephone) -> None:
    await calling.is_left(await calling.box(owner=calling.alice, **callback(number="5550100", schedule=[60, 600])))
    await calling.settle()
    calling.clock.advance(s=60)
    [row] = await calling.app.outbox.claim([Kind.CALL], 1)
    await calling.app.outbox.note(row, {"call": 0, "ringing": True})
    await calling.app.database.write(lambda c: c.execute("UPDATE outbox SET lease = 'dead:1'").rowcount)
    assert await calling.app.outbox.recover() == 1
    await calling.settle()
    assert telephone.rang == 0
    await later(calling, 600)
    assert telephone.rang == 1


async def test_without_a_context_of_the_site_nobody_is_called(tmp_path: Path, asterisk: FakeAsterisk) -> None:
    home = Home(tmp_path / "data", ami={"port": asterisk.port, "secret": "word"})
    await home.open()
    await home.connects()
    await home.is_left(await home.box(owner=home.alice, **callback(number="5550100", schedule=[60])))
    await home.settle()
    assert await home.waits() == []
    await home.leaves()


@pytest.mark.parametrize("number", ["5550100@elsewhere", "5550100/n,Dial(x)", "1 2", "${X}"])
async def test_what_is_no_number_is_not_called(calling: Home, telephone: Telephone, number: str) -> None:
    await calling.is_left(await calling.box(owner=calling.alice, **callback(number=number, schedule=[60])))
    await calling.settle()
    await later(calling, 60)
    assert telephone.rang == 0
    assert await calling.waits() == []
