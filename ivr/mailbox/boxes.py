"""Boxes: made, found, changed, taken away; the same rules for every door."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ivr.directory.directory import Directory
from ivr.directory.models import Account, User
from ivr.errors import BadInput, Conflict, InvalidFields, NotFound
from ivr.ids import IdGenerator
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.key_map import merge_layers
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.pins import Pins
from ivr.mailbox.validation import report_violations
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.storage.protocols import BoxStore
from ivr.storage.records import BoxRecord

Document = Mapping[str, Any]


class Boxes:
    """All boxes of the installation."""

    def __init__(
        self, store: BoxStore, directory: Directory, pins: Pins, voicemail_settings: VoicemailSettings, ids: IdGenerator
    ) -> None:
        self._store = store
        self._directory = directory
        self._pins = pins
        self._voicemail_settings = voicemail_settings
        self._ids = ids

    # -- finding -----------------------------------------------------------------------------------------------------

    async def get(self, box_id: str) -> Mailbox:
        """Raises `NotFound`."""
        return await self._mailbox_from_record(await self._store.get(box_id))

    async def find_by_number(self, account_id: str, number: str) -> Mailbox | None:
        """The box that a mailbox number or alias of the account belongs to."""
        row = await self._store.find_by_number(account_id, number)
        return await self._mailbox_from_record(row) if row else None

    async def list_by_owner(self, user: User, account: Account, limit: int = 100) -> list[Mailbox]:
        """Boxes whose owner is that user of that account, by number."""
        rows = await self._store.list_by_owner(account.id, user.id, limit)
        return [self._build_mailbox(row, account, user, settings_from_record(row)) for row in rows]

    async def list_by_account(self, account_id: str) -> list[Mailbox]:
        """All boxes of an account, by number."""
        return [await self._mailbox_from_record(row) for row in await self._store.list_by_account(account_id)]

    def voicemail_settings_for(self, account: Account) -> VoicemailSettings:
        """The system's settings as an account changes them."""
        return self._voicemail_settings.merged_with(account.settings)

    # -- changing ----------------------------------------------------------------------------------------------------

    async def create(self, account: Account, document: Document) -> Mailbox:
        """A new box; `pin` in the document sets its PIN. Schema defaults are written into it.

        Raises `InvalidFields`.
        """
        public, pin = _split_pin(document)
        settings = _parse_settings(public)
        box_id = self._ids.new_document_id()
        mailbox = self._build_mailbox(
            BoxRecord(box_id, account.id, {}), account, await self._find_owner(settings), settings
        )
        self._validate(mailbox, pin)
        _check_size(mailbox, {})
        await self._insert(BoxRecord(box_id, account.id, _stored_document(settings)))
        if pin is not None:
            await self._pins.set_by_administrator(mailbox, pin)
        return mailbox

    async def replace(self, mailbox: Mailbox, document: Document) -> Mailbox:
        """All settings anew; a PIN that is not named stays, `null` removes it. Raises `InvalidFields`, `Conflict`."""
        public, pin = _split_pin(document)
        settings = _parse_settings(public)
        _check_size(mailbox.with_settings(settings), _stored_document(mailbox.settings))
        return await self._save(mailbox, settings, "pin" in document, pin)

    async def patch(self, mailbox: Mailbox, document: Document) -> Mailbox:
        """Some settings anew: objects are merged, `null` removes a key. Raises `InvalidFields`, `Conflict`."""
        public, pin = _split_pin(document)
        before = (await self._store.get(mailbox.id)).settings
        settings = _parse_settings(merge_patch(before, public))
        _check_size(mailbox.with_settings(settings), before)
        return await self._save(mailbox, settings, "pin" in document, pin)

    async def patch_from_phone(self, box_id: str, document: Document) -> Mailbox:
        """What an owner changes by phone, in the box as it is now, whatever it was when the call began.

        However large it is: they cannot help it. Raises `NotFound`, `Conflict`.
        """
        row = await self._store.get(box_id)
        return await self._save(
            await self._mailbox_from_record(row), _parse_settings(merge_patch(row.settings, document)), False, None
        )

    async def delete(self, mailbox: Mailbox, *, expected_revision: int | None = None) -> None:
        """Soft delete, with all its messages. Raises `NotFound`; `PreconditionFailed` where its revision is not `seen`."""
        await self._store.soft_delete(mailbox.id, expected_revision=expected_revision)

    async def _save(self, mailbox: Mailbox, settings: BoxSettings, set_pin: bool, pin: str | None) -> Mailbox:
        changed = self._build_mailbox(
            BoxRecord(mailbox.id, mailbox.account_id, {}, mailbox.revision),
            mailbox.account,
            await self._find_owner(settings),
            settings,
        )
        self._validate(changed, pin)
        try:
            row = await self._store.replace(
                BoxRecord(mailbox.id, mailbox.account_id, _stored_document(settings), mailbox.revision)
            )
        except Conflict as conflict:
            raise _number_conflict(conflict) from conflict
        if set_pin:
            await self._pins.set_by_administrator(changed, pin)
        return await self._mailbox_from_record(row)

    async def _insert(self, row: BoxRecord) -> None:
        try:
            await self._store.add(row)
        except Conflict as conflict:
            raise _number_conflict(conflict) from conflict

    def _validate(self, mailbox: Mailbox, pin: str | None) -> None:
        own = (mailbox.settings.key_map, mailbox.settings.keys)
        merge_layers([(mailbox.voicemail_settings.key_map, mailbox.voicemail_settings.keys), own])
        if pin is not None:
            self._pins.validate(mailbox, pin, allow_weak=not mailbox.settings.is_setup)

    # -- building ----------------------------------------------------------------------------------------------------

    async def _mailbox_from_record(self, row: BoxRecord) -> Mailbox:
        settings = settings_from_record(row)
        account = await self._directory.account(row.account_id)
        return self._build_mailbox(row, account, await self._find_owner(settings), settings)

    def _build_mailbox(self, row: BoxRecord, account: Account, owner: User | None, settings: BoxSettings) -> Mailbox:
        return Mailbox(
            row.id, account, owner, settings, self._voicemail_settings.merged_with(account.settings), row.revision
        )

    async def _find_owner(self, settings: BoxSettings) -> User | None:
        if settings.owner_id is None:
            return None
        try:
            return await self._directory.user(settings.owner_id)
        except NotFound:
            return None  # A box whose owner was deleted has none (kazoo-behaviour §6).


def merge_patch(document: Document, patch: Document) -> dict[str, Any]:
    """`changes` over `document`: objects key by key, `null` takes a key away (kazoo-behaviour §4.4 no. 5)."""
    result = dict(document)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            before = result.get(key)
            result[key] = merge_patch(before if isinstance(before, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def to_document(settings: BoxSettings) -> dict[str, Any]:
    """The settings as a door shows them."""
    return settings.model_dump(mode="json", exclude_none=True)


def settings_from_record(row: BoxRecord) -> BoxSettings:
    """Return the settings of a stored mailbox."""
    return BoxSettings.model_validate({"check_if_owner": None, "hunt": False, **row.settings})


def _stored_document(settings: BoxSettings) -> dict[str, Any]:
    return to_document(settings)


def _check_size(mailbox: Mailbox, previous: Document) -> None:
    """Raises `InvalidFields` where the settings are more than a box takes, and more than they were."""
    size, limit = len(json.dumps(_stored_document(mailbox.settings))), mailbox.voicemail_settings.max_box_settings_bytes
    if size > limit and size > len(json.dumps(dict(previous))):
        said = f"A box takes {limit} bytes of settings, and these would be {size}: take keys away with null"
        raise InvalidFields({"data": {"maxSize": {"message": said, "target": limit}}})


def _parse_settings(document: Document) -> BoxSettings:
    with report_violations():
        return BoxSettings.model_validate(dict(document))


def _split_pin(document: Document) -> tuple[dict[str, Any], str | None]:
    """The public settings, and the PIN, which is no setting."""
    if not isinstance(document, Mapping):
        raise BadInput("a box is an object of settings")
    public_part = {key: value for key, value in document.items() if key not in ("pin", "id")}
    pin = document.get("pin")
    return public_part, None if pin is None else str(pin)


def _number_conflict(conflict: Conflict) -> InvalidFields | Conflict:
    if "number" not in str(conflict):
        return conflict
    return InvalidFields({"mailbox": {"unique": {"message": f"Invalid mailbox number or already exists: {conflict}"}}})
