"""Storage interface of accounts, users, endpoints, secrets, tokens and authentication attempts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from ivr.storage.records import (
    AccountRecord,
    AttemptCounter,
    AttemptKey,
    EndpointRecord,
    ProvisioningBatch,
    Token,
    TokenKind,
    UserRecord,
)

T = TypeVar("T")


class DirectoryStore(Protocol):
    """Accounts, users and endpoints. Names are unique among the rows that are not deleted."""

    async def add_account(self, account: AccountRecord) -> None:
        """Insert an account. Raises `Conflict` if its name or realm exists."""

    async def account(self, account_id: str) -> AccountRecord:
        """Return an account. Raises `NotFound`."""

    async def find_account_by_name(self, name: str) -> AccountRecord | None:
        """Return the account with this id, name or realm; an id wins."""

    async def find_account_by_box_number(self, number: str) -> AccountRecord | None:
        """Return the account that has a mailbox with this number or alias, if it is the only one."""

    async def accounts(self, *, include_deleted: bool = False) -> list[AccountRecord]:
        """Return all accounts, by name."""

    async def single_account(self) -> AccountRecord | None:
        """Return the account of an installation that has exactly one, else None."""

    async def update_account(self, account: AccountRecord) -> None:
        """Store the changed account with the next revision. Raises `NotFound`, `Conflict`."""

    async def delete_account(self, account_id: str) -> None:
        """Soft-delete an account. Raises `NotFound`; `Conflict` while it has users or mailboxes."""

    async def add_user(self, user: UserRecord) -> None:
        """Insert a user. Raises `Conflict` if the account has a user of that name."""

    async def user(self, user_id: str) -> UserRecord:
        """Return a user. Raises `NotFound`."""

    async def find_user_by_name(self, account_id: str, name: str) -> UserRecord | None:
        """Return the user of an account with this id or name."""

    async def users(self, account_id: str) -> list[UserRecord]:
        """Return the users of an account, by name."""

    async def update_user(self, user: UserRecord) -> None:
        """Store the changed user with the next revision. Raises `NotFound`, `Conflict`."""

    async def delete_user(self, user_id: str) -> None:
        """Soft-delete a user and delete the endpoints of that user. Raises `NotFound`."""

    async def add_endpoint(self, endpoint: EndpointRecord) -> None:
        """Assign an endpoint to a user, and enqueue its message light. Raises `Conflict` if it is assigned already."""

    async def remove_endpoint(self, system: str, name: str) -> None:
        """Delete an endpoint, and enqueue its message light. Raises `NotFound`."""

    async def endpoints(self, account_id: str | None = None) -> list[EndpointRecord]:
        """Return all endpoints, or those of one account, by name."""

    async def endpoints_of_user(self, system: str, user_id: str) -> list[str]:
        """Return the names of a user's endpoints at one Asterisk, in order."""

    async def user_of_endpoint(self, system: str, name: str) -> UserRecord | None:
        """Return the user that an endpoint belongs to."""


class ProvisioningStore(Protocol):
    """Many changes of the directory, its mailboxes and their secrets at once."""

    async def apply(self, batch: ProvisioningBatch) -> None:
        """Store all rows of a batch in one transaction.

        Raises `Conflict` or `NotFound` if a row was changed or deleted since it was read; nothing is stored then.
        """


class SecretHashStore(Protocol):
    """Hashes of secrets, by account and reference."""

    async def set_hash(self, account_id: str, ref: str, hash: str | None) -> None:
        """Store a hash; None deletes it."""

    async def get_hash(self, account_id: str, ref: str) -> str | None:
        """Return the hash that is stored under a reference."""

    async def replace_hash(self, account_id: str, ref: str, old_hash: str, new_hash: str) -> None:
        """Store `new_hash` in place of `old_hash`; nothing happens if another one is stored by now."""

    async def tag_hashes(self, separator: str, tag: str) -> None:
        """Append the separator and a tag to every bcrypt hash that has none."""

    async def count_hashes_by_tag(self, separator: str) -> dict[str, int]:
        """Return how many bcrypt hashes have each tag; "": none."""

    async def set_credentials(self, account_id: str, user_id: str, username: str, hashes: Mapping[str, str]) -> None:
        """Store the username of a user with hashes by reference. Raises `Conflict` if the account has that username."""

    async def find_ref(self, account_id: str, hash: str) -> str | None:
        """Return the reference that a hash is stored under."""

    async def bcrypt_costs(self, account_id: str, ref_prefix: str) -> list[int]:
        """Return the bcrypt costs of the account's hashes whose reference begins with `ref_prefix`, ascending."""


class TokenRecordStore(Protocol):
    """Tokens of the REST API."""

    async def add(self, token: Token, *, parent_hash: str | None, max_sessions: int | None = None) -> None:
        """Insert a token; `parent_hash`: the token that it was obtained with.

        Of the valid tokens of that kind, user and parent all but the newest `max_sessions` are revoked (None: none).
        """

    async def contains(self, hash: str) -> bool:
        """Return whether there is a token, valid or not."""

    async def find(self, hash: str) -> Token | None:
        """Return a token, unless its account or its user is deleted."""

    async def of_account(self, account_id: str) -> list[Token]:
        """Return all tokens of an account, oldest first."""

    async def record_uses(self, uses: Mapping[str, int]) -> None:
        """Store when tokens were last used, by hash, and with sessions their API keys. Times are Unix seconds."""

    async def revoke(self, hash: str) -> None:
        """Revoke a token and the tokens that were obtained with it."""

    async def revoke_of_user(self, account_id: str, user_id: str, kind: TokenKind) -> None:
        """Revoke the tokens of one kind of a user."""

    async def revoke_of_boxes(self, account_id: str, box_ids: Sequence[str]) -> None:
        """Revoke the tokens that PINs of these mailboxes have opened."""


class AttemptTransaction(Protocol):
    """The counters of authentication attempts within one transaction."""

    def counter(self, key: AttemptKey) -> AttemptCounter:
        """Return a counter; all zeros if it does not exist."""

    def set_counter(self, key: AttemptKey, counter: AttemptCounter) -> None:
        """Store a counter."""

    def delete_counter(self, key: AttemptKey) -> None:
        """Delete a counter, if it exists."""

    def delete_own_phone_counters(self, account_id: str, box_id: str) -> None:
        """Delete the counters of the owners' phones of a mailbox."""

    def enqueue_box_locked(self, account_id: str, box_id: str) -> None:
        """Enqueue the notification that a mailbox is locked."""

    def enqueue_account_locked(self, account_id: str) -> None:
        """Enqueue the notification that the wrong PINs of an account have used up its budget."""


class AuthAttemptStore(Protocol):
    """Counters of authentication attempts."""

    async def transact(self, change: Callable[[AttemptTransaction], T]) -> T:
        """Run `change` in one transaction and return its result; an exception rolls it back."""

    async def counter(self, key: AttemptKey) -> AttemptCounter:
        """Return a counter; all zeros if it does not exist."""

    async def box_locked_until(self, account_id: str, box_id: str) -> int:
        """Return the end of the latest lock of a mailbox or of one of its owners' phones, Unix s; 0: there is none."""
