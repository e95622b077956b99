"""What a people file changes: the changes for people to read, and the rows to store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ivr.directory.directory import account_record, user_record
from ivr.directory.models import Account, Endpoint, User
from ivr.mailbox.boxes import record_of
from ivr.mailbox.mailbox import Mailbox
from ivr.provisioning.people import RowError
from ivr.storage.records import BoxRecord, EndpointRecord, ImportedObject, ProvisioningBatch, SecretRecord


class ChangeAction(StrEnum):
    """What happens to an object."""

    CREATE = "create"
    CHANGE = "change"
    KEEP = "keep"
    """The file differs, and the object stays as it is; the details say why."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change to one object. `kind`: account, user, endpoint, box or PIN."""

    line: int
    action: ChangeAction
    kind: str
    name: str
    details: str = ""


@dataclass(frozen=True, slots=True)
class NewPin:
    """A PIN to be set. `pin` None: to be generated."""

    mailbox: Mailbox
    pin: str | None


class Plan:
    """The changes of a file. Objects are collected by id, so a later line sees what an earlier one changed."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.errors: list[RowError] = []
        self.warnings: list[RowError] = []
        self.unchanged = 0
        """Users and mailboxes of the file that are as it says."""
        self.new_pins: list[NewPin] = []
        self.new_accounts: dict[str, Account] = {}
        self.changed_accounts: dict[str, Account] = {}
        self.new_users: dict[str, User] = {}
        self.changed_users: dict[str, User] = {}
        self.new_boxes: dict[str, BoxRecord] = {}
        self.changed_boxes: dict[str, BoxRecord] = {}
        self.new_endpoints: dict[tuple[str, str], Endpoint] = {}
        self.removed_endpoints: dict[tuple[str, str], Endpoint] = {}
        self.imported: list[ImportedObject] = []
        """What of it an import takes over from another system."""
        self.set_keys: dict[str, set[str]] = {}
        """Names of the settings that the file gives, by id of the account, user or mailbox."""

    def note_set_keys(self, id: str, keys: Iterable[str]) -> None:
        """Note which settings a line gives for an account, user or mailbox."""
        self.set_keys.setdefault(id, set()).update(keys)

    def put_user(self, user: User, *, is_new: bool) -> None:
        """Store a user, who may be one that an earlier line creates."""
        target = self.new_users if is_new or user.id in self.new_users else self.changed_users
        target[user.id] = user

    def put_box(self, mailbox: Mailbox, *, is_new: bool) -> None:
        """Store a mailbox."""
        (self.new_boxes if is_new else self.changed_boxes)[mailbox.id] = record_of(mailbox)

    def put_endpoint(self, endpoint: Endpoint, previous: Endpoint | None) -> None:
        """Assign an endpoint, in place of an assignment that exists."""
        key = (endpoint.system, endpoint.name)
        if previous:
            self.removed_endpoints[key] = previous
        self.new_endpoints[key] = endpoint

    def batch(self, secrets: list[SecretRecord]) -> ProvisioningBatch:
        """Return the rows to store; `secrets`: of the new PINs."""
        return ProvisioningBatch(
            new_accounts=[account_record(account) for account in self.new_accounts.values()],
            changed_accounts=[account_record(account) for account in self.changed_accounts.values()],
            new_users=[user_record(user) for user in self.new_users.values()],
            changed_users=[user_record(user) for user in self.changed_users.values()],
            new_boxes=[*self.new_boxes.values()],
            changed_boxes=[*self.changed_boxes.values()],
            new_endpoints=[_endpoint_record(endpoint) for endpoint in self.new_endpoints.values()],
            removed_endpoints=[_endpoint_record(endpoint) for endpoint in self.removed_endpoints.values()],
            secrets=secrets,
            imported=self.imported,
        )


def describe_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return `key: old -> new` for each key that differs, without the revision."""
    keys = [key for key in {**before, **after} if key != "revision" and before.get(key) != after.get(key)]
    return ", ".join(f"{key}: {_text(before.get(key))} -> {_text(after.get(key))}" for key in keys)


def _text(value: object) -> str:
    return "(none)" if value in (None, "", [], {}) else str(value)


def _endpoint_record(endpoint: Endpoint) -> EndpointRecord:
    return EndpointRecord(**endpoint.model_dump())
