"""What is stored, as the planner sees it: read once, then kept up to date with what is planned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ivr.directory.directory import Directory
from ivr.directory.models import Account, Endpoint, User
from ivr.errors import BadInput, NotFound
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.text_values import suggest
from ivr.validation.names import one_form


@dataclass
class Inventory:
    """Accounts by id, and the objects of each account by name or number."""

    accounts: dict[str, Account] = field(default_factory=dict)
    users: dict[tuple[str, str], User] = field(default_factory=dict)
    boxes: dict[tuple[str, str], Mailbox] = field(default_factory=dict)
    """By account id and each number, alias or not."""
    endpoints: dict[tuple[str, str], Endpoint] = field(default_factory=dict)
    """By the name of the Asterisk and of the endpoint."""
    _users_by_id: dict[str, User] = field(default_factory=dict)
    _numbers: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def find_account(self, name: str | None) -> Account:
        """Return the named account, else the only one. Raises `NotFound`, `BadInput`."""
        if name is None:
            if len(self.accounts) == 1:
                return next(iter(self.accounts.values()))
            names = ", ".join(sorted(account.name for account in self.accounts.values()))
            if not names:
                raise NotFound("there is no account yet: create one with 'ivr account create NAME'")
            raise BadInput(f"there are several accounts: name one with --account or in the file ({names})")
        for account in self.accounts.values():
            if {name, one_form(name)} & {account.id, account.name, account.realm}:
                return account
        hint = suggest(name, [account.name for account in self.accounts.values()])
        raise NotFound(f"there is no account {name!r}: {hint or 'create it with '}'ivr account create {name}'")

    def user_by_id(self, user_id: str) -> User | None:
        """Return a user."""
        return self._users_by_id.get(user_id)

    def put_user(self, user: User, previous_name: str | None) -> None:
        """Store a planned user, who may have had another name."""
        if previous_name is not None:
            self.users.pop((user.account_id, previous_name), None)
        self.users[user.account_id, user.name] = user
        self._users_by_id[user.id] = user

    def put_box(self, mailbox: Mailbox) -> None:
        """Store a planned mailbox under its number and its aliases."""
        for number in self._numbers.get(mailbox.id, ()):
            self.boxes.pop((mailbox.account_id, number), None)
        self._numbers[mailbox.id] = tuple(numbers_of(mailbox))
        for number in self._numbers[mailbox.id]:
            self.boxes[mailbox.account_id, number] = mailbox


async def read_inventory(directory: Directory, boxes: Boxes) -> Inventory:
    """Read all accounts, with their users, endpoints and mailboxes."""
    inventory = Inventory()
    for account in await directory.accounts():
        inventory.accounts[account.id] = account
        for user in await directory.users(account.id):
            inventory.put_user(user, None)
        for mailbox in await boxes.list_by_account(account.id):
            inventory.put_box(mailbox)
    for endpoint in await directory.endpoints():
        inventory.endpoints[endpoint.system, endpoint.name] = endpoint
    return inventory


def numbers_of(mailbox: Mailbox) -> Iterator[str]:
    """Yield the number and the aliases of a mailbox."""
    yield mailbox.number
    yield from mailbox.settings.aliases
