"""Secrets stored as hashes: bcrypt over an HMAC with a pepper that is not in the database.

A PIN has at most a million values, so a stolen table alone must not be enough to try them. Each hash names the pepper
that it was made with. After a rotation of the pepper, a secret is hashed again the next time it is entered.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac

import bcrypt
import structlog

from ivr.directory.peppers import ID_LENGTH, TAG_SEPARATOR, Pepper, PepperSource, PepperUsage
from ivr.errors import IvrError, PepperChanged
from ivr.storage.protocols import SecretHashStore

INSTALLATION = ""
"""Account id of secrets that belong to no account."""
PEPPER_REF = "pepper"
BCRYPT_COST = 10
"""About 60 ms for each verification."""

log = structlog.get_logger()


class SecretStore:
    """Stores and verifies secrets. A `cost` below 10 is for tests."""

    def __init__(self, store: SecretHashStore, peppers: PepperSource, cost: int = BCRYPT_COST) -> None:
        self._store = store
        self._peppers = peppers
        self._cost = cost
        self._dummy_hash = bcrypt.hashpw(_mix(peppers.current(), "", ""), bcrypt.gensalt(cost))
        self._rehash_tasks: set[asyncio.Task[None]] = set()

    # -- the pepper ----------------------------------------------------------------------------------------------------

    async def has_stored_pepper(self) -> bool:
        """Return whether the pepper is the one that secrets were stored with; True before the first secret.

        It may also be the next one, if its rotation was interrupted: then the former one is stored as an earlier one.
        """
        stored = await self._store.get_hash(INSTALLATION, PEPPER_REF)
        peppers = [self._peppers.current(), *self._peppers.earlier()]
        return stored is None or any(hmac.compare_digest(stored, pepper.check_value) for pepper in peppers)

    async def verify_pepper(self) -> None:
        """Remember the pepper at its first use. Raises `PepperChanged` if it is another one since."""
        if not await self.has_stored_pepper():
            raise PepperChanged(
                "the file pepper in the data folder, or of pins.pepper_file, is not the one that PINs and passwords"
                " were stored with: restore it from a backup; if it is lost, run 'ivr pepper accept' and set them anew"
            )
        if await self._store.get_hash(INSTALLATION, PEPPER_REF) != self._peppers.current().check_value:
            await self.accept_pepper()

    async def accept_pepper(self) -> None:
        """Remember the current pepper. Secrets of a pepper that no file has can no longer be verified."""
        stored = await self._store.get_hash(INSTALLATION, PEPPER_REF)
        current = self._peppers.current()
        if stored and stored != current.check_value:
            await self._store.tag_hashes(TAG_SEPARATOR, stored[:ID_LENGTH])
        await self._store.set_hash(INSTALLATION, PEPPER_REF, current.check_value)

    async def rotate_pepper(self, key: bytes) -> None:
        """Make `key` the pepper for new hashes. Raises `PepperChanged`, `StoreError`."""
        await self.verify_pepper()
        # Before the new pepper is there: from then on, a hash without a tag would be verified with that.
        await self._store.tag_hashes(TAG_SEPARATOR, self._peppers.current().id)
        self._peppers.rotate(key)
        await self.accept_pepper()
        await self.forget_unused_peppers()

    async def pepper_usage(self) -> list[PepperUsage]:
        """Return all versions of the pepper that are stored or needed, the current one first."""
        counts = await self._store.count_hashes_by_tag(TAG_SEPARATOR)
        current = self._peppers.current().id
        known = {current, *(pepper.id for pepper in self._peppers.earlier())}
        counts[current] = counts.get(current, 0) + counts.pop("", 0)
        return [
            PepperUsage(id_, counts.get(id_, 0), is_current=id_ == current, is_lost=id_ not in known)
            for id_ in sorted(known | counts.keys(), key=lambda id_: (id_ != current, id_))
        ]

    async def forget_unused_peppers(self) -> None:
        """Remove earlier peppers that no hash needs."""
        for usage in await self.pepper_usage():
            if not usage.is_current and not usage.hash_count:
                self._peppers.forget(usage.id)

    # -- secrets -------------------------------------------------------------------------------------------------------

    async def set(self, account_id: str, ref: str, secret: str | None) -> None:
        """Store the hash of `secret` under `ref`; None deletes it."""
        stored_hash = None if secret is None else await self.hash(ref, secret)
        await self._store.set_hash(account_id, ref, stored_hash)

    async def hash(self, ref: str, secret: str) -> str:
        """Return what is stored of `secret` under `ref`. Raises `PepperChanged`."""
        await self.verify_pepper()
        pepper = self._peppers.current()
        salt = bcrypt.gensalt(self._cost)
        return pepper.tag(await asyncio.to_thread(bcrypt.hashpw, _mix(pepper, ref, secret), salt))

    async def exists(self, account_id: str, ref: str) -> bool:
        """Return whether a secret is stored under `ref`."""
        return await self._store.get_hash(account_id, ref) is not None

    async def fingerprint(self, account_id: str, ref: str) -> str:
        """Return what changes with the secret under `ref`, and tells nothing about it; "" if there is none."""
        stored = await self._store.get_hash(account_id, ref)
        return hashlib.sha256(stored.encode()).hexdigest()[:16] if stored else ""

    async def verify(self, account_id: str, ref: str | None, secret: str) -> bool:
        """Return whether `secret` is the one under `ref`. Takes as long if there is none, or if `ref` is None."""
        stored = (await self._store.get_hash(account_id, ref) if ref else None) or ""
        bcrypt_hash, _, tag = stored.partition(TAG_SEPARATOR)
        pepper = self._peppers.find(tag) if tag else self._peppers.current()
        if pepper is None:
            log.error(
                "secret.pepper_lost", ref=ref, pepper=tag, remedy="restore the file from a backup: ivr pepper list"
            )
            pepper, bcrypt_hash = self._peppers.current(), ""
        compared_hash = bcrypt_hash.encode() or self._dummy_hash
        is_same = await asyncio.to_thread(bcrypt.checkpw, _mix(pepper, ref or "", secret), compared_hash)
        if not (is_same and bcrypt_hash and ref):
            return False
        if tag and tag != self._peppers.current().id:
            # Later, so that a correct PIN takes as long as a wrong one, as it must while a mailbox is locked.
            task = asyncio.create_task(self._rehash(account_id, ref, secret, stored))
            self._rehash_tasks.add(task)
            task.add_done_callback(self._rehash_tasks.discard)
        return True

    async def finish_rehashing(self) -> None:
        """Wait until the secrets that were entered are hashed with the current pepper."""
        await asyncio.gather(*self._rehash_tasks)

    async def _rehash(self, account_id: str, ref: str, secret: str, stored: str) -> None:
        try:
            await self._store.replace_hash(account_id, ref, stored, await self.hash(ref, secret))
            await self.forget_unused_peppers()
        except IvrError as error:
            log.warning("secret.not_rehashed", ref=ref, error=str(error))


def _mix(pepper: Pepper, ref: str, secret: str) -> bytes:
    """Return 44 bytes whatever the length of the secret: bcrypt accepts at most 72."""
    return base64.b64encode(hmac.digest(pepper.key, f"{ref}\0{secret}".encode(), hashlib.sha256))
