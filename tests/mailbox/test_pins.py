"""PINs: which are weak, and how they are stored."""

from __future__ import annotations

import bcrypt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.directory.pin_lockout import lock_duration_s
from ivr.errors import InvalidFields
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.pin_strength import PinWeakness, find_weakness
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptStep

DIGITS = st.text("0123456789", min_size=4, max_size=6)

COMMON_PINS = ["1212", "2000", "6969", "2580", "1122", "1004", "1984", "123123", "112233", "159753"]

PIN_HASHES = "SELECT hash FROM secrets WHERE ref <> 'pepper'"
"""The table holds a check value of the pepper too."""


@pytest.mark.parametrize(
    ("pin", "found"),
    [
        ("123", PinWeakness.WRONG_LENGTH),
        ("1234567", PinWeakness.WRONG_LENGTH),
        ("12a4", PinWeakness.WRONG_LENGTH),
        ("", PinWeakness.WRONG_LENGTH),
        ("١٢٣٤", PinWeakness.WRONG_LENGTH),
        ("0000", PinWeakness.REPEATED_DIGIT),
        ("555555", PinWeakness.REPEATED_DIGIT),
        ("1234", PinWeakness.SEQUENCE),
        ("987654", PinWeakness.SEQUENCE),
        ("0123", PinWeakness.SEQUENCE),
        ("2001", PinWeakness.BOX_NUMBER),
        ("5550", PinWeakness.BOX_NUMBER),
        *((common, PinWeakness.COMMON) for common in COMMON_PINS),
        ("1379", None),
        ("1243", None),
        ("9012", None),
    ],
)
def test_weak_pin_is_classified(pin: str, found: PinWeakness | None) -> None:
    assert find_weakness(pin, ["2001", "5550"], range(4, 7)) is found


@given(DIGITS, st.text("0123456789", min_size=1, max_size=6))
def test_weakness_is_found_exactly_for_guessable_pins(pin: str, number: str) -> None:
    found = find_weakness(pin, [number], range(4, 7))
    runs = ("0123456789", "9876543210")
    guessed = len(set(pin)) == 1 or any(pin in run for run in runs) or pin == number
    assert (found not in (None, PinWeakness.COMMON)) == guessed


def test_rule_leaves_most_pins() -> None:
    """A rule that refuses too much would tell which PINs are left."""
    refused = [pin for pin in (f"{n:04}" for n in range(10_000)) if find_weakness(pin, [], range(4, 7))]
    assert 300 < len(refused) < 600


@pytest.mark.parametrize(("locks", "seconds"), [(1, 60), (2, 120), (4, 480), (5, 900), (50, 900)])
def test_lockout_doubles_up_to_a_quarter_of_an_hour(locks: int, seconds: int) -> None:
    assert lock_duration_s(locks) == seconds


@pytest.mark.parametrize("pin", ["2580", "1212", "123123"])
async def test_common_pin_is_refused_by_the_rule_of_owners_and_administrators(app: AppFixture, pin: str) -> None:
    box = await app.create_box()
    with pytest.raises(InvalidFields, match="too easy"):
        await app.container.pins.set_by_owner(box, pin)
    with pytest.raises(InvalidFields, match="too easy"):
        await app.container.boxes.patch(box, {"pin": pin})


async def test_weak_pin_is_refused_again_after_setup_is_withdrawn(app: AppFixture) -> None:
    box = await app.create_box()
    with pytest.raises(InvalidFields, match="too easy"):
        await app.container.boxes.patch(box, {"is_setup": False, "pin": "1111"})


@pytest.mark.parametrize("level", ["account", "box"])
async def test_shortest_pin_is_a_setting_of_account_and_box(app: AppFixture, level: str) -> None:
    if level == "account":
        await app.container.directory.update_account(app.account.model_copy(update={"settings": {"min_pin_length": 6}}))
        app.account = await app.container.directory.account(app.account.id)
    box = await app.create_box(pin="471628", min_pin_length=6 if level == "box" else None)
    with pytest.raises(InvalidFields, match="at least 6"):
        await app.container.boxes.patch(box, {"pin": "47162"})
    await app.container.boxes.patch(box, {"pin": "471629"})


async def test_box_cannot_ask_for_pin_longer_than_phones_take(app: AppFixture) -> None:
    with pytest.raises(InvalidFields, match="at most 6"):
        await app.create_box(pin=None, min_pin_length=7)


async def test_pin_hash_cannot_be_checked_without_pepper(app: AppFixture) -> None:
    """The hash covers the PIN and a pepper that is not in the database."""
    await app.container.secret_store.set(app.account.id, "r", "2849")
    stored_hash = await app.container.database.read(lambda c: c.execute(PIN_HASHES).fetchone()[0])
    assert stored_hash.startswith("$2b$04$")
    assert not bcrypt.checkpw(b"2849", stored_hash.encode())
    assert await app.container.secret_store.verify(app.account.id, "r", "2849")


async def test_same_pin_has_different_hash_in_each_box(app: AppFixture) -> None:
    for ref in ("a", "b"):
        await app.container.secret_store.set(app.account.id, ref, "2849")
    hashes = await app.container.database.read(lambda c: [row[0] for row in c.execute(PIN_HASHES)])
    assert len(set(hashes)) == 2


async def test_missing_secret_never_verifies(app: AppFixture) -> None:
    assert not await app.container.secret_store.verify(app.account.id, "nowhere", "")
    assert not await app.container.secret_store.verify(app.account.id, None, "2849")


LOGGED_IN = "You have no messages."


async def opens_mailbox(app: AppFixture, box: Mailbox, pin: str) -> bool:
    """Return whether a call with this PIN opens the mailbox. A PIN that is not set is not tried: tries are counted."""
    if not await app.container.pins.is_set_to(box, pin):
        return False
    script: list[ScriptStep] = [Press(f"{pin}#"), HangUp(during=LOGGED_IN)]
    return LOGGED_IN in (await app.run_call(script, number="1000")).texts


async def change_pin_by_phone(app: AppFixture, pin: str) -> bool:
    """Return whether the owner hears that the PIN is saved."""
    script: list[ScriptStep] = [
        Press("5", during=LOGGED_IN), Press("3", during="To record"), Press(f"{pin}#", during="enter your new pin"),
        Press(f"{pin}#", during="enter it again"), HangUp(during="has been saved"),
    ]  # fmt: skip
    return "Your new pin has been saved." in (await app.run_call(script, endpoint="alice", number="1000")).texts


async def set_pin_by_rest(app: AppFixture, box: Mailbox, pin: str) -> bool:
    """Return whether a document of the mailbox with this PIN is accepted, also by command and people file."""
    try:
        await app.container.boxes.patch(await app.container.boxes.get(box.id), {"pin": pin})
    except InvalidFields:
        return False
    return True


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pin=st.text("0123456789", min_size=1, max_size=9) | DIGITS | st.sampled_from([*COMMON_PINS, "1000", "0042"]))
async def test_pin_that_one_way_accepts_is_accepted_by_all_and_opens_mailbox(app: AppFixture, pin: str) -> None:
    box = await app.container.boxes.find_by_number(app.account.id, "1000") or await app.create_box(owner=app.alice)
    by_rest = await set_pin_by_rest(app, box, pin)
    assert await opens_mailbox(app, box, pin) == by_rest
    await app.container.pins.set_by_administrator(box, "839105")
    assert await change_pin_by_phone(app, pin) == by_rest
    assert await opens_mailbox(app, box, pin) == by_rest
    await app.container.pins.set_by_administrator(box, "839105")
    try:
        await app.container.pins.set_by_administrator(box, pin)
    except InvalidFields:
        assert not by_rest
    assert await opens_mailbox(app, box, pin) == by_rest
    await app.container.pins.set_by_administrator(box, "839105")
