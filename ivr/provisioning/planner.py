"""Compares a people file with what is stored. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ivr.directory.models import Account, Endpoint, User
from ivr.errors import BadInput, Conflict, IvrError, NotFound
from ivr.ids import IdGenerator
from ivr.mailbox.box_settings import report_violations
from ivr.mailbox.boxes import Boxes, to_document
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.pins import Pins
from ivr.mailbox.text_values import merge_value, suggest
from ivr.provisioning.inventory import Inventory, numbers_of
from ivr.provisioning.people import GENERATE_PIN, AccountEntry, BoxEntry, PeopleFile, PeopleRow, RowError, UserEntry
from ivr.provisioning.people_plan import Change, ChangeAction, NewPin, Plan, describe_differences
from ivr.validation.names import one_form, to_realm
from ivr.validation.public_addresses import AllowedAddresses

OnProgress = Callable[[int, int], None]
"""Called with the number of rows that are done, and of all rows."""


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """`system_name`: the Asterisk of the endpoints. `account`: of rows that name none.

    `reset_pins`: set the PIN of the file for a mailbox that has another one, too. `webhook_addresses`: where webhooks
    may go.
    """

    system_name: str
    account: str | None = None
    reset_pins: bool = False
    webhook_addresses: AllowedAddresses = field(default_factory=AllowedAddresses)
    allows_weak_pins: bool = False
    """Set PINs that are easy to guess in mailboxes that are set up, too."""


class _RowDraft:
    """What one row changes; it is taken over only if the whole row is right."""

    def __init__(self, row: PeopleRow, account: Account) -> None:
        self.row = row
        self.account = account
        self.changes: list[Change] = []
        self.user: User | None = None
        self.user_before: User | None = None
        self.endpoints: list[tuple[Endpoint, Endpoint | None]] = []
        """Each with the assignment that it replaces."""
        self.mailbox: Mailbox | None = None
        self.mailbox_before: Mailbox | None = None
        self.new_pin: NewPin | None = None


class Planner:
    """Plans one file on an inventory that it updates."""

    def __init__(self, inventory: Inventory, boxes: Boxes, pins: Pins, ids: IdGenerator, options: PlanOptions) -> None:
        self._inventory = inventory
        self._boxes = boxes
        self._pins = pins
        self._ids = ids
        self._options = options
        self._plan = Plan()
        self._lines: dict[tuple[str, ...], tuple[int, object]] = {}
        """The line that each value of the file is on, and the value: another one for the same thing contradicts it."""

    async def plan(self, people: PeopleFile, on_progress: OnProgress = lambda done, total: None) -> Plan:
        """Return the plan of a file. What is wrong with a line is in `Plan.errors`, and the line changes nothing."""
        self._plan.errors.extend(people.errors)
        self._plan.warnings.extend(people.notes)
        for account in people.accounts:
            try:
                self._plan_account(account)
            except IvrError as error:
                self._plan.errors.append(RowError(account.line, str(error)))
        for done, row in enumerate(people.rows):
            on_progress(done, len(people.rows))
            try:
                await self._plan_row(row)
            except IvrError as error:
                self._plan.errors.append(RowError(row.line, str(error)))
        on_progress(len(people.rows), len(people.rows))
        self._plan.errors.sort(key=lambda error: error.line)
        return self._plan

    # -- accounts ----------------------------------------------------------------------------------------------------

    def _plan_account(self, entry: AccountEntry) -> None:
        self._note_line(entry.line, "account", entry.name, value=entry.line)
        before = next((one for one in self._inventory.accounts.values() if one.name == one_form(entry.name)), None)
        document: dict[str, Any] = before.model_dump() if before else {"name": entry.name}
        for key, value in entry.fields.items():
            document[key] = merge_value(document.get(key), value)
        with report_violations():
            account = self._boxes.validated_account(Account.model_validate(document))
        if account.webhook_url and account.webhook_url != (before.webhook_url if before else None):
            self._options.webhook_addresses.reject_private_url(account.webhook_url)
        if before is None:
            account_id = self._ids.new_document_id()
            realm = account.realm or to_realm(account.name, account_id)
            account = account.model_copy(update={"id": account_id, "realm": realm, "revision": 1})
            self._plan.new_accounts[account.id] = account
            self._plan.changes.append(Change(entry.line, ChangeAction.CREATE, "account", account.name))
        elif details := describe_differences(before.model_dump(), account.model_dump()):
            self._plan.changed_accounts[account.id] = account
            self._plan.changes.append(Change(entry.line, ChangeAction.CHANGE, "account", account.name, details))
        self._plan.note_set_keys(account.id, entry.fields)
        self._inventory.accounts[account.id] = account

    # -- rows --------------------------------------------------------------------------------------------------------

    async def _plan_row(self, row: PeopleRow) -> None:
        draft = _RowDraft(row, self._inventory.find_account(row.account or self._options.account))
        if row.user:
            self._plan_user(draft, row.user)
            self._plan_endpoints(draft, row.user)
        if row.box:
            self._plan_box(draft, row.box)
            await self._plan_pin(draft, row.box)
        self._take_over(draft)

    def _take_over(self, draft: _RowDraft) -> None:
        plan, inventory = self._plan, self._inventory
        if draft.user:
            before = draft.user_before
            if before is None or draft.user != before:
                plan.put_user(draft.user, is_new=before is None)
            inventory.put_user(draft.user, before.name if before else None)
        for endpoint, previous in draft.endpoints:
            plan.put_endpoint(endpoint, previous)
            inventory.endpoints[endpoint.system, endpoint.name] = endpoint
        if draft.mailbox:
            if draft.mailbox_before is None or draft.mailbox != draft.mailbox_before:
                plan.put_box(draft.mailbox, is_new=draft.mailbox_before is None)
            inventory.put_box(draft.mailbox)
        if draft.new_pin:
            plan.new_pins.append(draft.new_pin)
        plan.changes.extend(draft.changes)
        changed_kinds = {change.kind for change in draft.changes}
        plan.unchanged += bool(draft.user and "user" not in changed_kinds)
        plan.unchanged += bool(draft.mailbox and "box" not in changed_kinds)

    def _plan_user(self, draft: _RowDraft, entry: UserEntry) -> None:
        account = draft.account
        owned_box = self._inventory.boxes.get((account.id, entry.owner_of)) if entry.owner_of else None
        owner = self._inventory.user_by_id(owned_box.owner.id) if owned_box and owned_box.owner else None
        before = owner or self._inventory.users.get((account.id, one_form(entry.name)))
        document: dict[str, Any] = before.model_dump() if before else {"account_id": account.id}
        for key, value in {**entry.fields, "name": entry.name}.items():
            self._note_line(draft.row.line, "user", account.id, entry.name, key, value=value)
            document[key] = merge_value(document.get(key), value)
        with report_violations():
            user = User.model_validate(document)
        namesake = self._inventory.users.get((account.id, user.name))
        if namesake and (before is None or namesake.id != before.id):
            raise Conflict(f"there is another user {user.name!r}: choose another name")
        if before is None:
            user = user.model_copy(update={"id": self._ids.new_document_id(), "revision": 1})
            details = ", ".join(f"{key}={value}" for key, value in entry.fields.items())
            draft.changes.append(Change(draft.row.line, ChangeAction.CREATE, "user", user.name, details))
        elif details := describe_differences(before.model_dump(), user.model_dump()):
            draft.changes.append(Change(draft.row.line, ChangeAction.CHANGE, "user", before.name, details))
        draft.user, draft.user_before = user, before
        self._plan.note_set_keys(user.id, entry.fields)

    def _plan_endpoints(self, draft: _RowDraft, entry: UserEntry) -> None:
        assert draft.user
        for name in dict.fromkeys(map(str.strip, entry.endpoints)):
            self._note_line(draft.row.line, "endpoint", name, value=draft.user.id)
            with report_violations():
                endpoint = Endpoint(
                    system=self._options.system_name, name=name, account_id=draft.account.id, user_id=draft.user.id
                )
            before = self._inventory.endpoints.get((endpoint.system, name))
            if before == endpoint:
                continue
            if before and before.account_id != draft.account.id:
                raise Conflict(f"endpoint {name!r} belongs to another account: 'ivr endpoint remove {name}' frees it")
            previous = self._inventory.user_by_id(before.user_id) if before else None
            details = f"user: {previous.name} -> {draft.user.name}" if previous else f"of {draft.user.name}"
            action = ChangeAction.CHANGE if before else ChangeAction.CREATE
            draft.endpoints.append((endpoint, before))
            draft.changes.append(Change(draft.row.line, action, "endpoint", name, details))

    # -- mailboxes ---------------------------------------------------------------------------------------------------

    def _plan_box(self, draft: _RowDraft, entry: BoxEntry) -> None:
        self._note_line(draft.row.line, "box", draft.account.id, entry.number, value=draft.row.line)
        before = self._inventory.boxes.get((draft.account.id, entry.number))
        if before and before.number != entry.number:
            raise BadInput(f"{entry.number} is an alias of box {before.number}: give the number of the box itself")
        owner = self._find_owner(draft, entry)
        fields = {**entry.fields, "mailbox": entry.number, **({"owner_id": owner.id} if owner else {})}
        if before is None:
            document = {"name": owner.name if owner else entry.number, **fields}
            mailbox, _ = self._boxes.plan_creation(draft.account, document, owner)
            details = _describe_fields(entry.fields, owner)
            draft.changes.append(Change(draft.row.line, ChangeAction.CREATE, "box", mailbox.number, details))
        else:
            mailbox = self._boxes.plan_patch(before, fields, owner or before.owner)
            if details := _describe_changes(before, mailbox):
                draft.changes.append(Change(draft.row.line, ChangeAction.CHANGE, "box", mailbox.number, details))
            else:
                mailbox = before
        for number in numbers_of(mailbox):
            other = self._inventory.boxes.get((draft.account.id, number))
            if other and other.id != mailbox.id:
                raise Conflict(f"the number {number!r} belongs to box {other.number}: choose another")
        draft.mailbox, draft.mailbox_before = mailbox, before
        self._plan.note_set_keys(mailbox.id, fields)

    def _find_owner(self, draft: _RowDraft, entry: BoxEntry) -> User | None:
        if entry.owner is None:
            return None
        owner = one_form(entry.owner)
        if draft.row.user and owner == one_form(draft.row.user.name):
            return draft.user
        user = self._inventory.users.get((draft.account.id, owner))
        if user is None:
            names = [name for account_id, name in self._inventory.users if account_id == draft.account.id]
            raise NotFound(f"there is no user {entry.owner!r}: {suggest(entry.owner, names)}its line may have an error")
        return user

    async def _plan_pin(self, draft: _RowDraft, entry: BoxEntry) -> None:
        mailbox = draft.mailbox
        if entry.pin is None or mailbox is None:
            return
        generate = entry.pin.lower() == GENERATE_PIN
        if not generate:
            allow_weak = self._options.allows_weak_pins or not mailbox.settings.is_setup
            self._pins.validate(mailbox, entry.pin, allow_weak=allow_weak)
        has_pin = draft.mailbox_before is not None and await self._pins.has_pin(mailbox)
        if has_pin and (generate or await self._pins.is_set_to(mailbox, entry.pin)):
            return
        if has_pin and not self._options.reset_pins:
            details = "the box has another PIN, which stays: --reset-pins sets the one of the file"
            draft.changes.append(Change(draft.row.line, ChangeAction.KEEP, "PIN", mailbox.number, details))
            return
        if not generate and (weakness := self._pins.find_weakness(mailbox, entry.pin)):
            warning = f"the PIN of box {mailbox.number} is easy to guess ({weakness})"
            self._plan.warnings.append(RowError(draft.row.line, warning))
        draft.new_pin = NewPin(mailbox, None if generate else entry.pin)
        action = ChangeAction.CHANGE if has_pin else ChangeAction.CREATE
        draft.changes.append(Change(draft.row.line, action, "PIN", mailbox.number, "generated" if generate else ""))

    def _note_line(self, line: int, *key: str, value: object) -> None:
        """Remember where the file says something. Raises `BadInput` if an earlier line says otherwise."""
        earlier_line, earlier = self._lines.setdefault(key, (line, value))
        if earlier != value:
            what = f"{key[0]} {key[1]}" if len(key) == 2 else f"{key[0]} {' '.join(key[2:])}"
            raise BadInput(f"{what}: line {earlier_line} says otherwise; correct one of the two")


def _describe_fields(fields: Mapping[str, Any], owner: User | None) -> str:
    named = {**({"owner": owner.name} if owner else {}), **fields}
    return ", ".join(f"{key}={value}" for key, value in named.items())


def _describe_changes(before: Mailbox, after: Mailbox) -> str:
    def document(mailbox: Mailbox) -> dict[str, Any]:
        settings = to_document(mailbox.settings)
        del settings["mailbox"]
        settings.pop("owner_id", None)
        return {"owner": mailbox.owner.name if mailbox.owner else None, **settings}

    return describe_differences(document(before), document(after))
