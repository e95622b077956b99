"""PINs: verification, and setting new ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import structlog

from ivr.directory.pin_lockout import PinAttempt, PinLockout, PinVerdict
from ivr.directory.secret_store import SecretStore
from ivr.errors import InvalidFields, ProgramFailed
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.pin_strength import PinWeakness, find_weakness
from ivr.site_program import SiteProgram
from ivr.storage.records import SecretRecord

GENERATED_PIN_LENGTH = 6

log = structlog.get_logger()


def generate_pin(mailbox: Mailbox, random_bytes: Callable[[int], bytes]) -> str:
    """Return a random PIN that is not easy to guess. `random_bytes(n)` returns n random bytes."""
    lengths = mailbox.pin_lengths
    length = max(lengths.start, min(GENERATED_PIN_LENGTH, lengths.stop - 1))
    while True:
        pin = str(int.from_bytes(random_bytes(16)) % 10**length).zfill(length)
        if not find_weakness(pin, [mailbox.number, *mailbox.settings.aliases], lengths):
            return pin


class Pins:
    """The PINs of all mailboxes. `on_refused` is called for a rejected PIN, with True if a lockout is in force.

    `change_program` runs with account and number of the mailbox, and the PIN as its input, after a PIN was set. The PIN
    stays if the program fails. `check_program` runs before that, with the same; a PIN for which it fails is not set.
    """

    def __init__(
        self,
        secret_store: SecretStore,
        pin_lockout: PinLockout,
        on_refused: Callable[[bool], None] = lambda locked: None,
        change_program: SiteProgram | None = None,
        check_program: SiteProgram | None = None,
    ) -> None:
        self._secret_store = secret_store
        self._pin_lockout = pin_lockout
        self._on_refused = on_refused
        self._change_program = change_program
        self._check_program = check_program

    async def has_pin(self, mailbox: Mailbox) -> bool:
        """Whether a PIN is set. A configured reference without a stored PIN is logged."""
        exists = await self._secret_store.exists(mailbox.account_id, mailbox.pin_secret_ref)
        if not exists and mailbox.settings.pin_secret_ref:
            log.warning("pin.secret_missing", box=mailbox.id, ref=mailbox.pin_secret_ref)
        return exists

    async def verify(self, mailbox: Mailbox | None, pin: str, attempt: PinAttempt) -> bool:
        """Verify a PIN, and count it if it is wrong. Return whether the PIN opens the mailbox.

        A wrong PIN, a locked mailbox, one without a PIN and an unknown mailbox take equally long: the PIN is always
        compared, and the lockout decides in one transaction whether the result may be told. So PINs that are tried at
        the same moment reveal no more than PINs that are tried one after another.
        """
        ref = mailbox.pin_secret_ref if mailbox else None
        matches = await self._secret_store.verify(attempt.account_id, ref, pin)
        verdict = await self._pin_lockout.settle(attempt, matches=matches)
        if verdict is PinVerdict.ACCEPTED:
            return True
        locked = verdict is PinVerdict.LOCKED
        self._on_refused(locked)
        log.info("pin.rejected", box=attempt.box_id, source=attempt.source, own_phone=attempt.own_phone, locked=locked)
        if mailbox and mailbox.settings.pin_secret_ref:
            await self.has_pin(mailbox)  # Logs where the reason is a secret that is missing.
        return False

    async def fingerprint(self, mailbox: Mailbox) -> str:
        """Return what changes with the PIN and the owner of a mailbox; "" without a PIN."""
        await self._secret_store.finish_rehashing()
        pin = await self._secret_store.fingerprint(mailbox.account_id, mailbox.pin_secret_ref)
        return pin and f"{pin} {mailbox.owner.id if mailbox.owner else ''}".rstrip()

    async def state(self, mailbox: Mailbox) -> str:
        """Return what changes with the PIN and the owner of a mailbox, as a text that tells nothing of them."""
        return hashlib.sha256((await self.fingerprint(mailbox)).encode()).hexdigest()[:16]

    async def is_set_to(self, mailbox: Mailbox, pin: str) -> bool:
        """Whether a mailbox has this PIN. Not for signing in: nothing is counted, and no lockout applies."""
        return await self._secret_store.verify(mailbox.account_id, mailbox.pin_secret_ref, pin)

    async def hash(self, mailbox: Mailbox, pin: str) -> SecretRecord:
        """Return the row that stores a PIN; nothing is stored. Raises `PepperChanged`."""
        ref = mailbox.pin_secret_ref
        return SecretRecord(mailbox.account_id, ref, await self._secret_store.hash(ref, pin))

    def find_weakness(self, mailbox: Mailbox, pin: str) -> PinWeakness | None:
        """Return why a new PIN may not be set by the owner; None if it may."""
        return find_weakness(pin, [mailbox.number, *mailbox.settings.aliases], mailbox.pin_lengths)

    async def unlock(self, mailbox: Mailbox) -> None:
        """End a lockout, as a new PIN from an administrator does."""
        await self._pin_lockout.reset(mailbox.account_id, mailbox.id)

    async def check_by_program(self, mailbox: Mailbox, pin: str) -> None:
        """Raise `InvalidFields` for a new PIN that the program of the site refuses, or that it cannot check."""
        if not self._check_program:
            return
        try:
            await self._check_program.run(mailbox.account.name, mailbox.number, given=f"{pin}\n")
        except ProgramFailed as error:
            log.warning("pin.refused_by_program", box=mailbox.id, error=str(error))
            message = "The program of this site that checks PINs refuses this one: choose another"
            raise InvalidFields({"pin": {"refused": {"message": message}}}) from error

    async def set_by_owner(self, mailbox: Mailbox, pin: str, *, is_checked: bool = False) -> None:
        """Set the PIN that an owner who is logged in has chosen. Raises `InvalidFields` for one that may not be set.

        `is_checked`: `check_by_program` has accepted it. A lockout of the mailbox remains; a correct PIN after it or an
        administrator ends it.
        """
        self.validate(mailbox, pin, allow_weak=False)
        if not is_checked:
            await self.check_by_program(mailbox, pin)
        await self._secret_store.set(mailbox.account_id, mailbox.pin_secret_ref, pin)
        log.info("pin.changed", box=mailbox.id)
        await self._run_change_program(mailbox, pin)

    async def set_by_administrator(self, mailbox: Mailbox, pin: str | None, *, is_checked: bool = False) -> None:
        """Set a PIN, or remove it with None, and end a lockout. A weak PIN is allowed until the mailbox is set up.

        `is_checked`: as for `set_by_owner`. Raises `InvalidFields`.
        """
        if pin is not None:
            self.validate(mailbox, pin, allow_weak=not mailbox.settings.is_setup)
            if not is_checked:
                await self.check_by_program(mailbox, pin)
        await self._secret_store.set(mailbox.account_id, mailbox.pin_secret_ref, pin)
        await self._pin_lockout.reset(mailbox.account_id, mailbox.id)
        if pin is not None:
            await self._run_change_program(mailbox, pin)

    async def _run_change_program(self, mailbox: Mailbox, pin: str) -> None:
        if self._change_program:
            try:
                await self._change_program.run(mailbox.account.name, mailbox.number, given=f"{pin}\n")
            except ProgramFailed as error:
                log.error("pin.program_failed", box=mailbox.id, error=str(error))

    def validate(self, mailbox: Mailbox, pin: str, *, allow_weak: bool) -> None:
        """Raise `InvalidFields`, in the form of Kazoo's REST API, for a PIN that may not be set."""
        weakness = self.find_weakness(mailbox, pin)
        if weakness is PinWeakness.WRONG_LENGTH:
            raise InvalidFields({"pin": _length_violation(pin, mailbox.pin_lengths)})
        if weakness and not allow_weak:
            raise InvalidFields(
                {"pin": {"weak": {"message": f"This PIN is too easy to guess ({weakness}): choose another"}}}
            )


def _length_violation(pin: str, lengths: range) -> dict[str, dict[str, object]]:
    shortest, longest = lengths.start, lengths.stop - 1
    if len(pin) < shortest:
        return {"minLength": {"message": f"String must be at least {shortest} characters", "target": shortest}}
    if len(pin) > longest:
        return {"maxLength": {"message": f"String must not be more than {longest} characters", "target": longest}}
    return {"pattern": {"message": "A PIN consists of digits only"}}
