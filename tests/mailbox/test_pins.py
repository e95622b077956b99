"""PINs: which are weak, and how they are stored."""

from __future__ import annotations

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.directory.rate_limit import lock_duration_s
from ivr.mailbox.pins import PinWeakness, find_weakness
from tests.support.app_fixture import AppFixture

DIGITS = st.text("0123456789", min_size=4, max_size=6)

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
        ("1379", None),
        ("1243", None),
        ("9012", None),
    ],
)
def test_weak_pin_is_classified(pin: str, found: PinWeakness | None) -> None:
    assert find_weakness(pin, "2001", 6) is found


@given(DIGITS, st.text("0123456789", min_size=1, max_size=6))
def test_weakness_is_found_exactly_for_guessable_pins(pin: str, number: str) -> None:
    found = find_weakness(pin, number, 6)
    runs = ("0123456789", "9876543210")
    guessed = len(set(pin)) == 1 or any(pin in run for run in runs) or pin == number
    assert (found is not None) == guessed


@pytest.mark.parametrize(("locks", "seconds"), [(1, 60), (2, 120), (6, 1920), (7, 3600), (50, 3600)])
def test_lockout_doubles_up_to_an_hour(locks: int, seconds: int) -> None:
    assert lock_duration_s(locks) == seconds


async def test_pin_hash_cannot_be_checked_without_pepper(app: AppFixture) -> None:
    """The hash covers the PIN and a pepper that is not in the database."""
    await app.container.secret_store.set(app.account.id, "r", "2468")
    stored_hash = await app.container.database.read(lambda c: c.execute(PIN_HASHES).fetchone()[0])
    assert stored_hash.startswith("$2b$04$")
    assert not bcrypt.checkpw(b"2468", stored_hash.encode())
    assert await app.container.secret_store.verify(app.account.id, "r", "2468")


async def test_same_pin_has_different_hash_in_each_box(app: AppFixture) -> None:
    for ref in ("a", "b"):
        await app.container.secret_store.set(app.account.id, ref, "2468")
    hashes = await app.container.database.read(lambda c: [row[0] for row in c.execute(PIN_HASHES)])
    assert len(set(hashes)) == 2


async def test_missing_secret_never_verifies(app: AppFixture) -> None:
    assert not await app.container.secret_store.verify(app.account.id, "nowhere", "")
    assert not await app.container.secret_store.verify(app.account.id, None, "2468")
