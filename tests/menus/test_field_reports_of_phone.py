"""Reports about other voicemail systems, and what callers and owners hear under the same conditions."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptStep, Speak

ENTER_PIN = "Please enter your pin, then press pound."
EMPTY = "You have no messages."
BEEP = "(beep)"


async def received_time_in_berlin(app: AppFixture, left_at: str, heard_at: str) -> str:
    """Return what the owner of a mailbox in Berlin hears about a message; both times are in UTC."""
    left_s, heard_s = (datetime.fromisoformat(f"{text}+00:00").timestamp() for text in (left_at, heard_at))
    app.clock.advance(s=heard_s - app.clock.now())
    box = await app.create_box(owner=app.alice, new_messages_at_once=False, timezone="Europe/Berlin")
    await app.create_message(box, age_s=heard_s - left_s)
    phone = await app.run_call([Press("1"), HangUp(during="To save")], endpoint="alice", number="1000")
    return next(text for text in phone.texts if text.startswith("Received"))


@pytest.mark.parametrize(
    ("left_at", "heard_at", "spoken"),
    [
        ("2016-03-27T00:59", "2016-03-27T10:00", "today at one fifty nine a.m."),
        ("2016-03-27T01:00", "2016-03-27T10:00", "today at three a.m."),
        ("2016-10-30T00:30", "2016-10-30T10:00", "today at two thirty a.m."),
        ("2016-10-30T01:30", "2016-10-30T10:00", "today at two thirty a.m."),
        ("2016-10-30T02:30", "2016-10-30T10:00", "today at three thirty a.m."),
        ("2016-03-26T22:59", "2016-03-27T21:59", "yesterday at eleven fifty nine p.m."),
        ("2016-10-29T22:00", "2016-10-30T22:59", "today at twelve a.m."),
        ("2016-02-29T12:00", "2016-03-01T12:00", "yesterday at one p.m."),
        ("2016-02-28T12:00", "2016-03-01T12:00", "Sunday February twenty-eighth at one p.m."),
        ("2016-02-29T12:00", "2016-03-02T12:00", "Monday February twenty-ninth at one p.m."),
        ("2017-02-28T12:00", "2017-03-01T12:00", "yesterday at one p.m."),
        ("2016-05-09T22:00", "2016-05-10T12:00", "today at twelve a.m."),
        ("2016-05-09T22:05", "2016-05-10T12:00", "today at twelve oh five a.m."),
        ("2016-05-10T10:00", "2016-05-10T12:00", "today at twelve p.m."),
        ("2016-05-09T21:59", "2016-05-09T22:00", "yesterday at eleven fifty nine p.m."),
        ("2015-12-31T22:59", "2015-12-31T23:00", "yesterday at eleven fifty nine p.m."),
        ("2015-12-30T12:00", "2016-01-01T12:00", "Wednesday December thirtieth twenty fifteen at one p.m."),
        ("2016-05-10T14:00", "2016-05-10T12:00", "today at four p.m."),
    ],
)
async def test_time_is_right_where_clock_changes_and_days_and_years_begin(
    app: AppFixture, left_at: str, heard_at: str, spoken: str
) -> None:
    assert await received_time_in_berlin(app, left_at, heard_at) == f"Received {spoken}"


async def test_star_that_a_mailbox_takes_away_opens_nothing(app: AppFixture) -> None:
    await app.create_box(owner=app.alice, keys={"login": ""})
    phone = await app.run_call(
        [Press("*", during="The person"), Press("*", during="Please leave"), Speak(3000, then="hang-up")],
        path="leave", number="1000",
    )  # fmt: skip
    assert ENTER_PIN not in phone.texts
    assert phone.texts[-1] == BEEP
    assert phone.status == "HANGUP"


async def test_pin_with_leading_zero_holds_after_restart(tmp_path: Path) -> None:
    """Once as an administrator sets it, once as the owner changes it by phone."""
    before = await AppFixture(tmp_path / "site").open()
    await before.create_box(owner=before.alice, pin="07315")
    await before.create_box("1001", owner=before.bob)
    change: list[ScriptStep] = [
        Press("5", during=EMPTY), Press("3", during="To record"), Press("09426#", during="enter your new pin"),
        Press("09426#", during="enter it again"), HangUp(during="To record"),
    ]  # fmt: skip
    phone = await before.run_call(change, endpoint="bob", number="1001")
    assert "Your new pin has been saved." in phone.texts
    before.container.close()

    after = AppFixture(tmp_path / "site")
    accepted = [
        (number, pin)
        for number, pins in {"1000": ("7315", "007315", "73150", "07315"), "1001": ("9426", "1379", "09426")}.items()
        for pin in pins
        if EMPTY in (await after.run_call(
            [Press(f"{pin}#", during="your pin"), HangUp(during="not correct"), HangUp(during=EMPTY)], number=number
        )).texts
    ]  # fmt: skip
    after.close()
    assert accepted == [("1000", "07315"), ("1001", "09426")]


@pytest.mark.parametrize(("account_says", "box_says"), [(True, None), (False, True), (True, False), (False, None)])
async def test_mailbox_plays_oldest_message_first_as_its_account_says_unless_it_says_otherwise(
    app: AppFixture, account_says: bool, box_says: bool | None
) -> None:
    settings = {**app.account.settings, "oldest_message_first": account_says}
    await app.container.directory.update_account(app.account.model_copy(update={"settings": settings}))
    own: dict[str, Any] = {} if box_says is None else {"oldest_message_first": box_says}
    box = await app.create_box(owner=app.alice, new_messages_at_once=False, **own)
    old, new = await app.create_message(box, age_s=7200), await app.create_message(box, age_s=3600)
    phone = await app.run_call([Press("1"), HangUp(during="(message")], endpoint="alice", number="1000")
    first = old if (account_says if box_says is None else box_says) else new
    assert phone.texts[-1] == f"(message {first.id})"
