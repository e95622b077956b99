"""Mailboxes: create, find, change and delete them, by the same rules for phone, REST, pages and commands."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from ivr.directory.directory import Directory
from ivr.directory.models import Account, User
from ivr.errors import BadInput, Conflict, Forbidden, InvalidFields
from ivr.ids import IdGenerator
from ivr.mailbox.box_settings import BoxSettings, report_violations
from ivr.mailbox.key_map import merge_layers
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.pins import Pins
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.storage.protocols import BoxStore
from ivr.storage.read_cache import ReadCache
from ivr.storage.records import BoxNumberUse, BoxRecord
from ivr.validation.fields import STORED

Document = Mapping[str, Any]
ChangeCheck = Callable[[Mailbox, BoxSettings], Awaitable[None]]
"""Raises `IvrError` if the caller may not give the mailbox these settings."""


class Boxes:
    """The mailboxes of all accounts."""

    def __init__(
        self,
        store: BoxStore,
        directory: Directory,
        pins: Pins,
        voicemail_settings: VoicemailSettings,
        ids: IdGenerator,
        read_cache: ReadCache,
    ) -> None:
        self._store = store
        self._directory = directory
        self._pins = pins
        self._voicemail_settings = voicemail_settings
        self._ids = ids
        self._read_cache = read_cache

    # -- finding -----------------------------------------------------------------------------------------------------

    async def get(self, box_id: str) -> Mailbox:
        """Return a mailbox, the same object until something is committed. Raises `NotFound`."""
        mailbox: Mailbox = await self._read_cache.get(("mailbox", box_id), lambda: self._read(box_id))
        return mailbox

    async def find_by_number(self, account_id: str, number: str) -> Mailbox | None:
        """Return the mailbox with this number or alias in an account."""
        record = await self._store.find_by_number(account_id, number)
        return await self._mailbox_from_record(record) if record else None

    async def list_uses_of_number(self, number: str) -> list[BoxNumberUse]:
        """Return the mailboxes of all accounts with this number or alias."""
        return await self._store.list_uses_of_number(number)

    async def list_by_owner(self, user: User, account: Account, limit: int = 100) -> list[Mailbox]:
        """Return the mailboxes of a user, sorted by number."""
        records = await self._store.list_by_owner(account.id, user.id, limit)
        return [self._build_mailbox(record, account, user, settings_from_record(record)) for record in records]

    async def list_by_account(self, account_id: str) -> list[Mailbox]:
        """Return all mailboxes of an account, sorted by number."""
        return [await self._mailbox_from_record(record) for record in await self._store.list_by_account(account_id)]

    def voicemail_settings_for(self, account: Account) -> VoicemailSettings:
        """Return the settings of the system, changed by those of an account."""
        return self._voicemail_settings.merged_with(account.settings)

    def validated_account(self, account: Account) -> Account:
        """Return an account as it is stored. Raises as `VoicemailSettings.validated_with` if it cannot be used."""
        return account.model_copy(update={"settings": self._voicemail_settings.stored_form(account.settings)})

    # -- changing ----------------------------------------------------------------------------------------------------

    async def create(self, account: Account, document: Document) -> Mailbox:
        """Create a mailbox; `pin` in the document sets its PIN. Defaults are stored with it.

        Raises `InvalidFields`.
        """
        owner = await self._find_owner(account.id, _parse_settings(_split_pin(document)[0]))
        mailbox, pin = self.plan_creation(account, document, owner)
        await self._check_account(mailbox)
        if pin is not None:
            await self._pins.check_by_program(mailbox, pin)
        await self._insert(record_of(mailbox))
        if pin is not None:
            await self._pins.set_by_administrator(mailbox, pin, is_checked=True)
        return mailbox

    def plan_creation(self, account: Account, document: Document, owner: User | None) -> tuple[Mailbox, str | None]:
        """Return the mailbox and the PIN that `create` would store; nothing is stored. Raises `InvalidFields`."""
        fields, pin = _split_pin(document)
        record = BoxRecord(self._ids.new_document_id(), account.id, {})
        mailbox = self._build_mailbox(record, account, owner, _parse_settings(fields))
        self._validate(mailbox, pin, allow_weak_pin=not mailbox.settings.is_setup)
        _check_number_length(mailbox)
        _check_pin_length(mailbox)
        _check_size(mailbox, {})
        return mailbox, pin

    def plan_patch(self, mailbox: Mailbox, document: Document, owner: User | None) -> Mailbox:
        """Return the mailbox that `patch` would store, with another owner; nothing is stored.

        Raises `InvalidFields`.
        """
        before = to_document(mailbox.settings)
        settings = _parse_settings(merge_patch(before, document), before)
        changed = replace(mailbox, settings=settings, owner=owner)
        self._validate(changed, None, allow_weak_pin=False)
        _check_pin_length(changed, mailbox)
        if changed.number != mailbox.number:
            _check_number_length(changed)
        _check_size(changed, before)
        return changed

    async def replace(self, mailbox: Mailbox, document: Document, check: ChangeCheck | None = None) -> Mailbox:
        """Replace all settings. A missing `pin` leaves the PIN as it is; `null` removes it.

        Raises `InvalidFields`, `Conflict`, and what `check` raises.
        """
        fields, pin = _split_pin(document)
        settings = _parse_settings(fields)
        if check:
            _check_owner_may_set_pin(mailbox, document)
            await check(mailbox, settings)
        _check_pin_length(mailbox.with_settings(settings), mailbox)
        _check_size(mailbox.with_settings(settings), _stored_document(mailbox.settings))
        return await self._save(mailbox, settings, "pin" in document, pin)

    async def patch(self, mailbox: Mailbox, document: Document, check: ChangeCheck | None = None) -> Mailbox:
        """Change some settings as a JSON merge patch (RFC 7396).

        Raises `InvalidFields`, `Conflict`, and what `check` raises.
        """
        fields, pin = _split_pin(document)
        stored = (await self._store.get(mailbox.id)).settings
        settings = _parse_settings(merge_patch(stored, fields), stored)
        if check:
            _check_owner_may_set_pin(mailbox, document)
            await check(mailbox, settings)
        _check_pin_length(mailbox.with_settings(settings), mailbox)
        _check_size(mailbox.with_settings(settings), stored)
        return await self._save(mailbox, settings, "pin" in document, pin)

    async def patch_from_phone(self, box_id: str, document: Document) -> Mailbox:
        """Apply a change that the owner made by phone to the current settings, not to those of the start of the call.

        The size limit does not apply, because the owner cannot fix the size by phone. Raises `NotFound`, `Conflict`.
        """
        record = await self._store.get(box_id)
        mailbox = await self._mailbox_from_record(record)
        settings = _parse_settings(merge_patch(record.settings, document), record.settings)
        return await self._save(mailbox, settings, False, None)

    async def delete(self, mailbox: Mailbox, *, expected_revision: int | None = None) -> None:
        """Soft-delete a mailbox with its messages.

        Raises `NotFound`; `PreconditionFailed` if its revision is not `expected_revision`.
        """
        await self._store.soft_delete(mailbox.id, expected_revision=expected_revision)

    async def restore(self, account: Account, number: str) -> Mailbox:
        """Undo the last soft delete of a mailbox with this number or id, with its messages.

        Raises `NotFound`; `Conflict` if one of its numbers is in use.
        """
        return await self._mailbox_from_record(await self._store.restore(account.id, number))

    async def _save(self, mailbox: Mailbox, settings: BoxSettings, set_pin: bool, pin: str | None) -> Mailbox:
        changed = self._build_mailbox(
            BoxRecord(mailbox.id, mailbox.account_id, {}, mailbox.revision),
            mailbox.account,
            await self._find_owner(mailbox.account_id, settings),
            settings,
        )
        was_set_up = mailbox.settings.is_setup
        self._validate(changed, pin, allow_weak_pin=not (was_set_up or settings.is_setup))
        await self._check_account(changed, mailbox.settings)
        if changed.number != mailbox.number:
            _check_number_length(changed)
        if pin is not None:
            await self._pins.check_by_program(changed, pin)
        try:
            record = await self._store.replace(
                BoxRecord(mailbox.id, mailbox.account_id, _stored_document(settings), mailbox.revision)
            )
        except Conflict as conflict:
            raise _number_conflict(conflict) from conflict
        if set_pin:
            await self._pins.set_by_administrator(changed, pin, is_checked=True)
        return await self._mailbox_from_record(record)

    async def _insert(self, record: BoxRecord) -> None:
        try:
            await self._store.add(record)
        except Conflict as conflict:
            raise _number_conflict(conflict) from conflict

    def _validate(self, mailbox: Mailbox, pin: str | None, *, allow_weak_pin: bool) -> None:
        if mailbox.number in mailbox.settings.aliases:
            message = f"{mailbox.number} is the number of the mailbox itself: leave it out of its aliases"
            raise InvalidFields({"aliases": {"unique": {"message": message}}})
        box_layer = (mailbox.settings.key_map, mailbox.settings.keys)
        merge_layers([(mailbox.voicemail_settings.key_map, mailbox.voicemail_settings.keys), box_layer])
        if pin is not None:
            self._pins.validate(mailbox, pin, allow_weak=allow_weak_pin)

    async def _check_account(self, mailbox: Mailbox, before: BoxSettings | None = None) -> None:
        """Raise `InvalidFields` if a further message light or user is one of another account."""
        settings = mailbox.settings
        contexts = {target.partition("@")[2] for target in settings.numbers} - {""}
        if contexts and not (before and settings.numbers == before.numbers):
            others = [one for one in await self._directory.accounts() if one.id != mailbox.account_id]
            if foreign := sorted(contexts & {name for one in others for name in (one.id, one.realm, one.name)}):
                message = f"{foreign[0]} is another account: name message lights of this account"
                raise InvalidFields({"numbers": {"invalid": {"message": message, "target": foreign[0]}}})
        for user_id in settings.user_ids - (before.user_ids if before else set()):
            user = await self._directory.find_user(user_id)
            if user and user.account_id != mailbox.account_id:
                message = f"{user_id} is a user of another account: name users of this account"
                key = "owner_id" if user_id == settings.owner_id else "members"
                raise InvalidFields({key: {"invalid": {"message": message, "target": user_id}}})

    async def _read(self, box_id: str) -> Mailbox:
        return await self._mailbox_from_record(await self._store.get(box_id))

    # -- building ----------------------------------------------------------------------------------------------------

    async def _mailbox_from_record(self, record: BoxRecord) -> Mailbox:
        settings = settings_from_record(record)
        account = await self._directory.account(record.account_id)
        return self._build_mailbox(record, account, await self._find_owner(account.id, settings), settings)

    def _build_mailbox(self, record: BoxRecord, account: Account, owner: User | None, settings: BoxSettings) -> Mailbox:
        return Mailbox(
            id=record.id,
            account=account,
            owner=owner,
            settings=settings,
            voicemail_settings=self.voicemail_settings_for(account),
            revision=record.revision,
        )

    async def _find_owner(self, account_id: str, settings: BoxSettings) -> User | None:
        """Return the owner; None if there is none, if it was deleted, as in Kazoo, or is a user of another account."""
        owner = await self._directory.find_user(settings.owner_id) if settings.owner_id else None
        return owner if owner and owner.account_id == account_id else None


def merge_patch(document: Document, patch: Document) -> dict[str, Any]:
    """Apply a JSON merge patch (RFC 7396): objects are merged key by key, `null` removes a key."""
    result = dict(document)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            previous = result.get(key)
            result[key] = merge_patch(previous if isinstance(previous, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def to_document(settings: BoxSettings) -> dict[str, Any]:
    """Return the settings as REST, commands and the database show them: without null values."""
    return settings.model_dump(mode="json", exclude_none=True)


def settings_from_record(record: BoxRecord) -> BoxSettings:
    """Return the settings of a stored mailbox."""
    return _stored_settings({"check_if_owner": None, "hunt": False, **record.settings})


def record_of(mailbox: Mailbox) -> BoxRecord:
    """Return the row of a mailbox."""
    return BoxRecord(mailbox.id, mailbox.account_id, _stored_document(mailbox.settings), mailbox.revision)


def _stored_document(settings: BoxSettings) -> dict[str, Any]:
    return to_document(settings)


def _check_owner_may_set_pin(mailbox: Mailbox, document: Document) -> None:
    if "pin" in document and not mailbox.settings.pin_changeable:
        raise Forbidden("changing the PIN of this mailbox needs a token for the whole account")


def _check_number_length(mailbox: Mailbox) -> None:
    """Raise `InvalidFields` if the number is longer than what owners can enter at the phone."""
    limit = mailbox.voicemail_settings.max_box_number_length
    if len(mailbox.number) > limit:
        message = f"At most {limit} digits can be entered at the phone: see max_box_number_length"
        raise InvalidFields({"mailbox": {"maxLength": {"message": message, "target": limit}}})


def _check_pin_length(mailbox: Mailbox, before: Mailbox | None = None) -> None:
    """Raise `InvalidFields` if the shortest PIN is longer than a new PIN may be, but not for what is stored already."""
    longest, shortest = mailbox.voicemail_settings.max_pin_length, mailbox.settings.min_pin_length or 0
    if shortest > longest and not (before and before.settings.min_pin_length == shortest):
        message = f"Value must be at most {longest}, the maximum number of digits of a PIN"
        raise InvalidFields({"min_pin_length": {"maximum": {"message": message, "target": longest}}})


def _check_size(mailbox: Mailbox, previous: Document) -> None:
    """Raise `InvalidFields` if the settings exceed the limit and are larger than before."""
    size, limit = len(json.dumps(_stored_document(mailbox.settings))), mailbox.voicemail_settings.max_box_settings_bytes
    if size > limit and size > len(json.dumps(dict(previous))):
        message = f"The settings have {size} bytes, and the limit is {limit}: remove keys with null"
        raise InvalidFields({"data": {"maxSize": {"message": message, "target": limit}}})


def _parse_settings(document: Document, stored: Document | None = None) -> BoxSettings:
    """Validate settings. Raises `InvalidFields`, but not for values that are the stored ones."""
    try:
        with report_violations():
            return BoxSettings.model_validate(dict(document))
    except InvalidFields as error:
        fields = {name.split(".")[0] for name in error.violations}
        if stored is None or any(document.get(name) != stored.get(name) for name in fields):
            raise
    with report_violations():
        return _stored_settings(document)


def _stored_settings(document: Document) -> BoxSettings:
    """Read settings of the database, which an earlier version may have checked less."""
    return BoxSettings.model_validate(dict(document), context=STORED)


def _split_pin(document: Document) -> tuple[dict[str, Any], str | None]:
    """Split a document into the settings and the PIN. Raises `BadInput`."""
    if not isinstance(document, Mapping):
        raise BadInput("the settings of a mailbox must be an object")
    settings = {key: value for key, value in document.items() if key not in ("pin", "id")}
    pin = document.get("pin")
    return settings, None if pin is None else str(pin)


def _number_conflict(conflict: Conflict) -> InvalidFields | Conflict:
    if "number" not in str(conflict):
        return conflict
    return InvalidFields({"mailbox": {"unique": {"message": f"Invalid mailbox number or already exists: {conflict}"}}})
