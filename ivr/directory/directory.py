"""The directory: accounts, users and endpoints as documents, on the records of the store."""

from __future__ import annotations

from ivr.directory.models import Account, Endpoint, User
from ivr.errors import NotFound
from ivr.ids import IdGenerator
from ivr.storage.protocols import DirectoryStore
from ivr.storage.read_cache import ReadCache
from ivr.storage.records import AccountRecord, EndpointRecord, UserRecord
from ivr.validation.fields import STORED
from ivr.validation.names import one_form, to_realm

DEFAULT_CONTEXT = "default"


class Directory:
    """The directory of one installation. Names are unique among the entries that are not deleted."""

    def __init__(self, store: DirectoryStore, ids: IdGenerator, read_cache: ReadCache) -> None:
        self._store = store
        self._ids = ids
        self._read_cache = read_cache

    # -- accounts ----------------------------------------------------------------------------------------------------

    async def create_account(self, account: Account) -> Account:
        """Store a new account and return it with its id and realm. Raises `Conflict` if the name or realm exists."""
        account_id = account.id or self._ids.new_document_id()
        created = account.model_copy(
            update={"id": account_id, "realm": account.realm or to_realm(account.name, account_id), "revision": 1}
        )
        await self._store.add_account(account_record(created))
        return created

    async def account(self, account_id: str) -> Account:
        """Return an account, the same object until something is committed. Raises `NotFound`."""
        account: Account = await self._read_cache.get(("account", account_id), lambda: self._read_account(account_id))
        return account

    async def _read_account(self, account_id: str) -> Account:
        return _account(await self._store.account(account_id))

    async def find_account_by_name(self, name: str) -> Account:
        """Return the account with this id, name or realm. Raises `NotFound`."""
        record = await self._store.find_account_by_name(name)
        if record is None and (stored_name := one_form(name)) != name:
            record = await self._store.find_account_by_name(stored_name)
        if record is None:
            raise NotFound(f"there is no account {name!r}: see 'ivr account list'")
        return _account(record)

    async def find_account_by_similar_name(self, name: str) -> Account:
        """Return the account with this id, name or realm, else the only one whose name or realm has the same letters.

        As in Kazoo, case and everything but letters and digits of a name do not count. Raises `NotFound`.
        """
        try:
            return await self.find_account_by_name(name)
        except NotFound:
            wanted = _normalized_name(name)
            accounts = await self.accounts()
            similar = [found for found in accounts if wanted in map(_normalized_name, (found.name, found.realm))]
            if not wanted or len(similar) != 1:
                raise
            return similar[0]

    async def find_account_by_box_number(self, number: str) -> Account | None:
        """Return the only account that has a mailbox with this number or alias."""
        record = await self._store.find_account_by_box_number(number)
        return _account(record) if record else None

    async def accounts(self, *, include_deleted: bool = False) -> list[Account]:
        """Return all accounts, by name."""
        return [_account(record) for record in await self._store.accounts(include_deleted=include_deleted)]

    async def find_account_of_context(self, name: str) -> Account | None:
        """Return the account that a dialplan names behind @, by name, realm or id.

        None for "default", which most lines of app_voicemail have, unless an account has that name. Raises `NotFound`.
        """
        try:
            return await self.find_account_by_name(name)
        except NotFound:
            if name != DEFAULT_CONTEXT:
                raise
        return None

    async def single_account(self) -> Account | None:
        """Return the account of an installation that has exactly one, else None."""
        record = await self._store.single_account()
        return _account(record) if record else None

    async def update_account(self, account: Account) -> Account:
        """Store a changed account and return it with its new revision. Raises `NotFound`, `Conflict`."""
        await self._store.update_account(account_record(account))
        return await self.account(account.id)

    async def delete_account(self, account_id: str) -> None:
        """Delete an account. Raises `NotFound`; `Conflict` while it has users or mailboxes."""
        await self._store.delete_account(account_id)

    # -- users ---------------------------------------------------------------------------------------------------------

    async def create_user(self, user: User) -> User:
        """Store a new user and return it with its id. Raises `Conflict` if the account has a user of that name."""
        created = user.model_copy(update={"id": user.id or self._ids.new_document_id(), "revision": 1})
        await self._store.add_user(user_record(created))
        return created

    async def user(self, user_id: str) -> User:
        """Return a user. Raises `NotFound`."""
        return _user(await self._store.user(user_id))

    async def find_user(self, user_id: str) -> User | None:
        """Return a user as of the last commit, shared between callers; None if there is none."""
        user: User | None = await self._read_cache.get(("user", user_id), lambda: self._read_user(user_id))
        return user

    async def _read_user(self, user_id: str) -> User | None:
        try:
            return await self.user(user_id)
        except NotFound:
            return None

    async def find_user_by_name(self, account_id: str, name: str) -> User:
        """Return the user of an account with this id or name. Raises `NotFound`."""
        record = await self._store.find_user_by_name(account_id, name)
        if record is None and (stored_name := one_form(name)) != name:
            record = await self._store.find_user_by_name(account_id, stored_name)
        if record is None:
            raise NotFound(f"there is no user {name!r} in this account: see 'ivr user list'")
        return _user(record)

    async def users(self, account_id: str) -> list[User]:
        """Return the users of an account, by name."""
        return [_user(record) for record in await self._store.users(account_id)]

    async def update_user(self, user: User) -> User:
        """Store a changed user and return it with its new revision. Raises `NotFound`, `Conflict`."""
        await self._store.update_user(user_record(user))
        return await self.user(user.id)

    async def delete_user(self, user_id: str) -> None:
        """Delete a user with credentials and recorded name; phones are unassigned, sessions end. Raises `NotFound`."""
        await self._store.delete_user(user_id)

    # -- endpoints -----------------------------------------------------------------------------------------------------

    async def add_endpoint(self, endpoint: Endpoint) -> None:
        """Assign an endpoint to a user. Raises `Conflict` if it is assigned already."""
        await self._store.add_endpoint(EndpointRecord(**endpoint.model_dump()))

    async def remove_endpoint(self, system: str, name: str) -> None:
        """Unassign an endpoint. Raises `NotFound`."""
        await self._store.remove_endpoint(system, name)

    async def endpoints(self, account_id: str | None = None) -> list[Endpoint]:
        """Return all endpoints, or those of one account, by name."""
        return [
            Endpoint.model_validate(
                {
                    "system": record.system,
                    "name": record.name,
                    "account_id": record.account_id,
                    "user_id": record.user_id,
                },
                context=STORED,
            )
            for record in await self._store.endpoints(account_id)
        ]

    async def endpoints_of_user(self, system: str, user_id: str) -> list[str]:
        """Return the names of a user's endpoints at one Asterisk, in order."""
        return await self._store.endpoints_of_user(system, user_id)

    async def user_of_endpoint(self, system: str, name: str) -> User | None:
        """Return the user that an endpoint belongs to."""
        record = await self._store.user_of_endpoint(system, name)
        return _user(record) if record else None


def _normalized_name(name: str | None) -> str:
    return "".join(character for character in (name or "").lower() if character.isalnum())


def account_record(account: Account) -> AccountRecord:
    """Return the row of an account."""
    return AccountRecord(**{**account.model_dump(), "realm": account.realm or to_realm(account.name, account.id)})


def _account(record: AccountRecord) -> Account:
    return Account.model_validate(
        {
            "id": record.id,
            "name": record.name,
            "realm": record.realm,
            "language": record.language,
            "timezone": record.timezone,
            "settings": dict(record.settings),
            "revision": record.revision,
        },
        context=STORED,
    )


def user_record(user: User) -> UserRecord:
    """Return the row of a user."""
    return UserRecord(**user.model_dump())


def _user(record: UserRecord) -> User:
    return User.model_validate(
        {
            "id": record.id,
            "account_id": record.account_id,
            "name": record.name,
            "username": record.username,
            "email": record.email,
            "language": record.language,
            "timezone": record.timezone,
            "voicemail_id": record.voicemail_id,
            "settings": dict(record.settings),
            "revision": record.revision,
        },
        context=STORED,
    )
