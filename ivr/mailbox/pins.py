"""PINs: verification, and the rules for new ones."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from itertools import pairwise

import structlog

from ivr.directory.rate_limit import PinAttempt, PinLockout
from ivr.directory.secret_store import SecretStore
from ivr.errors import InvalidFields
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import SecretRecord

MIN_PIN_LENGTH = 4

log = structlog.get_logger()


class PinWeakness(StrEnum):
    """Why a new PIN is rejected; the values are prompts of the table `pin`."""

    WRONG_LENGTH = "wrong-length"
    REPEATED_DIGIT = "one-digit"
    SEQUENCE = "a-run"
    BOX_NUMBER = "box-number"


def find_weakness(pin: str, box_number: str, max_length: int) -> PinWeakness | None:
    """Return why a PIN is weak: wrong length, one repeated digit, an up or down sequence, the box number."""
    if not (pin.isascii() and pin.isdigit() and MIN_PIN_LENGTH <= len(pin) <= max_length):
        return PinWeakness.WRONG_LENGTH
    if len(set(pin)) == 1:
        return PinWeakness.REPEATED_DIGIT
    steps = {int(after) - int(before) for before, after in pairwise(pin)}
    if steps in ({1}, {-1}):
        return PinWeakness.SEQUENCE
    return PinWeakness.BOX_NUMBER if pin == box_number else None


GENERATED_PIN_LENGTH = 6


def generate_pin(mailbox: Mailbox, random_bytes: Callable[[int], bytes]) -> str:
    """Return a random PIN that is not easy to guess. `random_bytes(n)` returns n random bytes."""
    max_length = mailbox.voicemail_settings.max_pin_length
    length = max(MIN_PIN_LENGTH, min(GENERATED_PIN_LENGTH, max_length))
    while True:
        pin = str(int.from_bytes(random_bytes(16)) % 10**length).zfill(length)
        if not find_weakness(pin, mailbox.number, max_length):
            return pin


class Pins:
    """The PINs of all mailboxes. `on_refused` is called for a rejected PIN, with True if a lockout is in force."""

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
        """Whether a PIN is set. A configured reference without a stored PIN is logged."""
        exists = await self._secret_store.exists(mailbox.account_id, mailbox.pin_secret_ref)
        if not exists and mailbox.settings.pin_secret_ref:
            log.warning("pin.secret_missing", box=mailbox.id, ref=mailbox.pin_secret_ref)
        return exists

    async def verify(self, mailbox: Mailbox | None, pin: str, attempt: PinAttempt, *, own_phone: bool) -> bool:
        """Verify a PIN and count the attempt. Return whether the PIN opens the mailbox.

        A wrong PIN, a locked mailbox and an unknown mailbox take equally long. On the owner's own phone, attempts are
        not counted and lockouts do not apply.
        """
        ref = mailbox.pin_secret_ref if mailbox else None
        allowed = own_phone or await self._pin_lockout.register_attempt(attempt)
        matches = await self._secret_store.verify(attempt.account_id, ref, pin)
        if matches and allowed and not own_phone:
            await self._pin_lockout.clear_on_success(attempt)
        if not (matches and allowed):
            self._on_refused(not allowed)
            log.info(
                "pin.rejected",
                box=attempt.box_id,
                caller=attempt.caller_number,
                endpoint=attempt.endpoint,
                locked=not allowed,
            )
        return matches and allowed

    def find_weakness(self, mailbox: Mailbox, pin: str) -> PinWeakness | None:
        """Return why a new PIN may not be set by phone; None if it may."""
        return find_weakness(pin, mailbox.number, mailbox.voicemail_settings.max_pin_length)

    async def is_set_to(self, mailbox: Mailbox, pin: str) -> bool:
        """Whether a mailbox has this PIN. Not for signing in: nothing is counted, and no lockout applies."""
        return await self._secret_store.verify(mailbox.account_id, mailbox.pin_secret_ref, pin)

    async def hash(self, mailbox: Mailbox, pin: str) -> SecretRecord:
        """Return the row that stores a PIN; nothing is stored. Raises `PepperChanged`."""
        ref = mailbox.pin_secret_ref
        return SecretRecord(mailbox.account_id, ref, await self._secret_store.hash(ref, pin))

    async def unlock(self, mailbox: Mailbox) -> None:
        """End a lockout, as a new PIN from an administrator does."""
        await self._pin_lockout.reset(mailbox.account_id, mailbox.id)

    async def set_by_owner(self, mailbox: Mailbox, pin: str) -> None:
        """Set the PIN that an owner who is logged in has chosen. Raises `InvalidFields` for a weak PIN.

        A lockout of the mailbox remains; a correct PIN after it or an administrator ends it.
        """
        self.validate(mailbox, pin, allow_weak=False)
        await self._secret_store.set(mailbox.account_id, mailbox.pin_secret_ref, pin)
        log.info("pin.changed", box=mailbox.id)

    async def set_by_administrator(self, mailbox: Mailbox, pin: str | None) -> None:
        """Set a PIN, or remove it with None, and end a lockout. A weak PIN is allowed until the mailbox is set up.

        Raises `InvalidFields`.
        """
        if pin is not None:
            self.validate(mailbox, pin, allow_weak=not mailbox.settings.is_setup)
        await self._secret_store.set(mailbox.account_id, mailbox.pin_secret_ref, pin)
        await self._pin_lockout.reset(mailbox.account_id, mailbox.id)

    def validate(self, mailbox: Mailbox, pin: str, *, allow_weak: bool) -> None:
        """Raise `InvalidFields`, in the form of Kazoo's REST API, for a PIN that may not be set."""
        max_length = mailbox.voicemail_settings.max_pin_length
        weakness = find_weakness(pin, mailbox.number, max_length)
        if weakness is PinWeakness.WRONG_LENGTH:
            raise InvalidFields({"pin": _length_violation(pin, max_length)})
        if weakness and not allow_weak:
            raise InvalidFields(
                {"pin": {"weak": {"message": f"This PIN is too easy to guess ({weakness}): choose another"}}}
            )


def _length_violation(pin: str, max_length: int) -> dict[str, dict[str, object]]:
    if len(pin) < MIN_PIN_LENGTH:
        return {
            "minLength": {"message": f"String must be at least {MIN_PIN_LENGTH} characters", "target": MIN_PIN_LENGTH}
        }
    if len(pin) > max_length:
        return {"maxLength": {"message": f"String must not be more than {max_length} characters", "target": max_length}}
    return {"pattern": {"message": "A PIN consists of digits only"}}
