"""PINs: which may be set, and whether one opens a box (design: PINs; kazoo-behaviour §2.6)."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from itertools import pairwise

import structlog

from ivr.directory.pin_lockout import PinAttempt, PinLockout
from ivr.directory.secret_store import SecretStore
from ivr.errors import InvalidFields
from ivr.mailbox.mailbox import Mailbox

MIN_PIN_LENGTH = 4

log = structlog.get_logger()


class PinWeakness(StrEnum):
    """Why a PIN is refused; the values are prompts of the table `pin`."""

    WRONG_LENGTH = "wrong-length"
    REPEATED_DIGIT = "one-digit"
    SEQUENCE = "a-run"
    BOX_NUMBER = "box-number"


def find_weakness(pin: str, box_number: str, max_length: int) -> PinWeakness | None:
    """What is wrong with a new PIN, if anything: its length, one repeated digit, a run up or down, the box number."""
    if not (pin.isascii() and pin.isdigit() and MIN_PIN_LENGTH <= len(pin) <= max_length):
        return PinWeakness.WRONG_LENGTH
    if len(set(pin)) == 1:
        return PinWeakness.REPEATED_DIGIT
    steps = {int(after) - int(before) for before, after in pairwise(pin)}
    if steps in ({1}, {-1}):
        return PinWeakness.SEQUENCE
    return PinWeakness.BOX_NUMBER if pin == box_number else None


class Pins:
    """The PINs of all boxes."""

    def __init__(
        self,
        secret_store: SecretStore,
        pin_lockout: PinLockout,
        on_refused: Callable[[bool], None] = lambda locked: None,
    ) -> None:
        self._secret_store = secret_store
        self._pin_lockout = pin_lockout
        self._on_refused = on_refused

    async def has_pin(self, mailbox: Mailbox) -> bool:
        """Whether the box can be opened with a PIN at all."""
        there = await self._secret_store.exists(mailbox.account_id, mailbox.pin_secret_ref)
        if not there and mailbox.settings.pin_secret_ref:
            log.warning("pin.secret_missing", box=mailbox.id, ref=mailbox.pin_secret_ref)
        return there

    async def verify(self, mailbox: Mailbox | None, pin: str, attempt: PinAttempt, *, own_phone: bool) -> bool:
        """Whether `pin` opens the box. Sounds and lasts the same for a wrong one, a locked box and no box at all.

        On the owner's own phone no lock holds and nothing is counted.
        """
        ref = mailbox.pin_secret_ref if mailbox else None
        free = own_phone or await self._pin_lockout.register_attempt(attempt)
        right = await self._secret_store.verify(attempt.account_id, ref, pin)
        if right and free and not own_phone:
            await self._pin_lockout.clear_on_success(attempt)
        if not (right and free):
            self._on_refused(not free)
            log.info(
                "pin.refused",
                box=attempt.box_id,
                caller=attempt.caller_number,
                endpoint=attempt.endpoint,
                locked=not free,
            )
        return right and free

    def find_weakness(self, mailbox: Mailbox, pin: str) -> PinWeakness | None:
        """Why a new PIN may not be set by phone, if anything."""
        return find_weakness(pin, mailbox.number, mailbox.voicemail_settings.max_pin_length)

    async def set_by_owner(self, mailbox: Mailbox, pin: str) -> None:
        """Set the PIN that somebody who is signed in has chosen. A weak one raises `InvalidFields`.

        A lock on the box stays: a right PIN after it, or an administrator, ends that.
        """
        self.validate(mailbox, pin, allow_weak=False)
        await self._secret_store.set(mailbox.account_id, mailbox.pin_secret_ref, pin)
        log.info("pin.changed", box=mailbox.id)

    async def set_by_administrator(self, mailbox: Mailbox, pin: str | None) -> None:
        """Set, or with None remove, a PIN, and unlock the box. A weak one is taken only until the box is set up.

        Raises `InvalidFields`.
        """
        if pin is not None:
            self.validate(mailbox, pin, allow_weak=not mailbox.settings.is_setup)
        await self._secret_store.set(mailbox.account_id, mailbox.pin_secret_ref, pin)
        await self._pin_lockout.reset(mailbox.account_id, mailbox.id)

    def validate(self, mailbox: Mailbox, pin: str, *, allow_weak: bool) -> None:
        """Raises `InvalidFields` for a PIN that may not be set, in the words of kazoo-behaviour §4.2."""
        longest = mailbox.voicemail_settings.max_pin_length
        found = find_weakness(pin, mailbox.number, longest)
        if found is PinWeakness.WRONG_LENGTH:
            raise InvalidFields({"pin": _length_violation(pin, longest)})
        if found and not allow_weak:
            raise InvalidFields(
                {"pin": {"weak": {"message": f"This PIN is too easy to guess ({found}): choose another"}}}
            )


def _length_violation(pin: str, max_length: int) -> dict[str, dict[str, object]]:
    if len(pin) < MIN_PIN_LENGTH:
        return {
            "minLength": {"message": f"String must be at least {MIN_PIN_LENGTH} characters", "target": MIN_PIN_LENGTH}
        }
    if len(pin) > max_length:
        return {"maxLength": {"message": f"String must not be more than {max_length} characters", "target": max_length}}
    return {"pattern": {"message": "A PIN has digits only"}}
