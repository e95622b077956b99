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

SHORTEST = 4

log = structlog.get_logger()


class Weakness(StrEnum):
    """Why a PIN is refused; the values are prompts of the table `pin`."""

    LENGTH = "wrong-length"
    ONE_DIGIT = "one-digit"
    RUN = "a-run"
    BOX_NUMBER = "box-number"


def weakness(pin: str, box_number: str, longest: int) -> Weakness | None:
    """What is wrong with a new PIN, if anything: its length, one repeated digit, a run up or down, the box number."""
    if not (pin.isascii() and pin.isdigit() and SHORTEST <= len(pin) <= longest):
        return Weakness.LENGTH
    if len(set(pin)) == 1:
        return Weakness.ONE_DIGIT
    steps = {int(after) - int(before) for before, after in pairwise(pin)}
    if steps in ({1}, {-1}):
        return Weakness.RUN
    return Weakness.BOX_NUMBER if pin == box_number else None


class Pins:
    """The PINs of all boxes."""

    def __init__(
        self, secrets: SecretStore, failures: PinLockout, refused: Callable[[bool], None] = lambda locked: None
    ) -> None:
        self._secrets = secrets
        self._failures = failures
        self._refused = refused

    async def has_one(self, mailbox: Mailbox) -> bool:
        """Whether the box can be opened with a PIN at all."""
        there = await self._secrets.exists(mailbox.account_id, mailbox.pin_ref)
        if not there and mailbox.settings.pin_secret_ref:
            log.warning("pin.secret_missing", box=mailbox.id, ref=mailbox.pin_ref)
        return there

    async def opens(self, mailbox: Mailbox | None, pin: str, attempt: PinAttempt, *, own_phone: bool) -> bool:
        """Whether `pin` opens the box. Sounds and lasts the same for a wrong one, a locked box and no box at all.

        On the owner's own phone no lock holds and nothing is counted.
        """
        ref = mailbox.pin_ref if mailbox else None
        free = own_phone or await self._failures.register_attempt(attempt)
        right = await self._secrets.verify(attempt.account_id, ref, pin)
        if right and free and not own_phone:
            await self._failures.clear_on_success(attempt)
        if not (right and free):
            self._refused(not free)
            log.info(
                "pin.refused",
                box=attempt.box_id,
                caller=attempt.caller_number,
                endpoint=attempt.endpoint,
                locked=not free,
            )
        return right and free

    def weakness(self, mailbox: Mailbox, pin: str) -> Weakness | None:
        """Why a new PIN may not be set by phone, if anything."""
        return weakness(pin, mailbox.number, mailbox.system.max_pin_length)

    async def set_by_owner(self, mailbox: Mailbox, pin: str) -> None:
        """Set the PIN that somebody who is signed in has chosen. A weak one raises `InvalidFields`.

        A lock on the box stays: a right PIN after it, or an administrator, ends that.
        """
        self.check(mailbox, pin, weak_is_fine=False)
        await self._secrets.set(mailbox.account_id, mailbox.pin_ref, pin)
        log.info("pin.changed", box=mailbox.id)

    async def set_by_administrator(self, mailbox: Mailbox, pin: str | None) -> None:
        """Set, or with None remove, a PIN, and unlock the box. A weak one is taken only until the box is set up.

        Raises `InvalidFields`.
        """
        if pin is not None:
            self.check(mailbox, pin, weak_is_fine=not mailbox.settings.is_setup)
        await self._secrets.set(mailbox.account_id, mailbox.pin_ref, pin)
        await self._failures.reset(mailbox.account_id, mailbox.id)

    def check(self, mailbox: Mailbox, pin: str, *, weak_is_fine: bool) -> None:
        """Raises `InvalidFields` for a PIN that may not be set, in the words of kazoo-behaviour §4.2."""
        longest = mailbox.system.max_pin_length
        found = weakness(pin, mailbox.number, longest)
        if found is Weakness.LENGTH:
            raise InvalidFields({"pin": _length_rule(pin, longest)})
        if found and not weak_is_fine:
            raise InvalidFields(
                {"pin": {"weak": {"message": f"This PIN is too easy to guess ({found}): choose another"}}}
            )


def _length_rule(pin: str, longest: int) -> dict[str, dict[str, object]]:
    if len(pin) < SHORTEST:
        return {"minLength": {"message": f"String must be at least {SHORTEST} characters", "target": SHORTEST}}
    if len(pin) > longest:
        return {"maxLength": {"message": f"String must not be more than {longest} characters", "target": longest}}
    return {"pattern": {"message": "A PIN has digits only"}}
