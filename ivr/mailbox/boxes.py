"""Boxes: made, found, changed, taken away; the same rules for every door."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ivr.directory.directory import Directory
from ivr.directory.models import Account, User
from ivr.errors import BadInput, Conflict, InvalidFields, NotFound
from ivr.ids import IdGenerator
from ivr.mailbox.box_settings import Box
from ivr.mailbox.key_map import layered
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.pins import Pins
from ivr.mailbox.validation import refusing_fields
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.storage.protocols import BoxStore
from ivr.storage.records import BoxRecord

Document = Mapping[str, Any]


class Boxes:
    """All boxes of the installation."""

    def __init__(
        self, store: BoxStore, directory: Directory, pins: Pins, system: VoicemailSettings, ids: IdGenerator
    ) -> None:
        self._store = store
        self._directory = directory
        self._pins = pins
        self._system = system
        self._ids = ids

    # -- finding -----------------------------------------------------------------------------------------------------

    async def get(self, box_id: str) -> Mailbox:
        """Raises `NotFound`."""
        return await self._opened(await self._store.get(box_id))

    async def by_number(self, account_id: str, number: str) -> Mailbox | None:
        """The box that a mailbox number or alias of the account belongs to."""
        row = await self._store.by_number(account_id, number)
        return await self._opened(row) if row else None

    async def owned_by(self, user: User, account: Account, limit: int = 100) -> list[Mailbox]:
        """Boxes whose owner is that user of that account, by number."""
        rows = await self._store.owned(account.id, user.id, limit)
        return [self._mailbox(row, account, user, _as_kept(row)) for row in rows]

    async def of_account(self, account_id: str) -> list[Mailbox]:
        """All boxes of an account, by number."""
        return [await self._opened(row) for row in await self._store.of_account(account_id)]

    def system_of(self, account: Account) -> VoicemailSettings:
        """The system's settings as an account changes them."""
        return self._system.changed_by(account.settings)

    # -- changing ----------------------------------------------------------------------------------------------------

    async def create(self, account: Account, document: Document) -> Mailbox:
        """A new box; `pin` in the document sets its PIN. Schema defaults are written into it.

        Raises `InvalidFields`.
        """
        public, pin = _split(document)
        settings = _checked(public)
        box_id = self._ids.new_document_id()
        mailbox = self._mailbox(BoxRecord(box_id, account.id, {}), account, await self._owner(settings), settings)
        self._check(mailbox, pin)
        _must_fit(mailbox, {})
        await self._add(BoxRecord(box_id, account.id, _kept(settings)))
        if pin is not None:
            await self._pins.set_by_administrator(mailbox, pin)
        return mailbox

    async def replace(self, mailbox: Mailbox, document: Document) -> Mailbox:
        """All settings anew; a PIN that is not named stays, `null` removes it. Raises `InvalidFields`, `Conflict`."""
        public, pin = _split(document)
        settings = _checked(public)
        _must_fit(mailbox.with_settings(settings), _kept(mailbox.settings))
        return await self._change(mailbox, settings, "pin" in document, pin)

    async def patch(self, mailbox: Mailbox, document: Document) -> Mailbox:
        """Some settings anew: objects are merged, `null` removes a key. Raises `InvalidFields`, `Conflict`."""
        public, pin = _split(document)
        before = (await self._store.get(mailbox.id)).settings
        settings = _checked(merged(before, public))
        _must_fit(mailbox.with_settings(settings), before)
        return await self._change(mailbox, settings, "pin" in document, pin)

    async def amend(self, box_id: str, document: Document) -> Mailbox:
        """What an owner changes by phone, in the box as it is now, whatever it was when the call began.

        However large it is: they cannot help it. Raises `NotFound`, `Conflict`.
        """
        row = await self._store.get(box_id)
        return await self._change(await self._opened(row), _checked(merged(row.settings, document)), False, None)

    async def delete(self, mailbox: Mailbox, *, seen: int | None = None) -> None:
        """Soft delete, with all its messages. Raises `NotFound`; `PreconditionFailed` where its revision is not `seen`."""
        await self._store.remove(mailbox.id, seen=seen)

    async def _change(self, mailbox: Mailbox, settings: Box, sets_pin: bool, pin: str | None) -> Mailbox:
        changed = self._mailbox(
            BoxRecord(mailbox.id, mailbox.account_id, {}, mailbox.revision),
            mailbox.account,
            await self._owner(settings),
            settings,
        )
        self._check(changed, pin)
        try:
            row = await self._store.replace(
                BoxRecord(mailbox.id, mailbox.account_id, _kept(settings), mailbox.revision)
            )
        except Conflict as conflict:
            raise _as_number_in_use(conflict) from conflict
        if sets_pin:
            await self._pins.set_by_administrator(changed, pin)
        return await self._opened(row)

    async def _add(self, row: BoxRecord) -> None:
        try:
            await self._store.add(row)
        except Conflict as conflict:
            raise _as_number_in_use(conflict) from conflict

    def _check(self, mailbox: Mailbox, pin: str | None) -> None:
        own = (mailbox.settings.key_map, mailbox.settings.keys)
        layered([(mailbox.system.key_map, mailbox.system.keys), own])
        if pin is not None:
            self._pins.check(mailbox, pin, weak_is_fine=not mailbox.settings.is_setup)

    # -- building ----------------------------------------------------------------------------------------------------

    async def _opened(self, row: BoxRecord) -> Mailbox:
        settings = _as_kept(row)
        account = await self._directory.account(row.account_id)
        return self._mailbox(row, account, await self._owner(settings), settings)

    def _mailbox(self, row: BoxRecord, account: Account, owner: User | None, settings: Box) -> Mailbox:
        return Mailbox(row.id, account, owner, settings, self._system.changed_by(account.settings), row.revision)

    async def _owner(self, settings: Box) -> User | None:
        if settings.owner_id is None:
            return None
        try:
            return await self._directory.user(settings.owner_id)
        except NotFound:
            return None  # A box whose owner was deleted has none (kazoo-behaviour §6).


def merged(document: Document, changes: Document) -> dict[str, Any]:
    """`changes` over `document`: objects key by key, `null` takes a key away (kazoo-behaviour §4.4 no. 5)."""
    result = dict(document)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            before = result.get(key)
            result[key] = merged(before if isinstance(before, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def public(settings: Box) -> dict[str, Any]:
    """The settings as a door shows them."""
    return settings.model_dump(mode="json", exclude_none=True)


def _as_kept(row: BoxRecord) -> Box:
    return Box.model_validate({"check_if_owner": None, "hunt": False, **row.settings})


def _kept(settings: Box) -> dict[str, Any]:
    return public(settings)


def _must_fit(mailbox: Mailbox, before: Document) -> None:
    """Raises `InvalidFields` where the settings are more than a box takes, and more than they were."""
    size, limit = len(json.dumps(_kept(mailbox.settings))), mailbox.system.max_box_settings_bytes
    if size > limit and size > len(json.dumps(dict(before))):
        said = f"A box takes {limit} bytes of settings, and these would be {size}: take keys away with null"
        raise InvalidFields({"data": {"maxSize": {"message": said, "target": limit}}})


def _checked(document: Document) -> Box:
    with refusing_fields():
        return Box.model_validate(dict(document))


def _split(document: Document) -> tuple[dict[str, Any], str | None]:
    """The public settings, and the PIN, which is no setting."""
    if not isinstance(document, Mapping):
        raise BadInput("a box is an object of settings")
    public_part = {key: value for key, value in document.items() if key not in ("pin", "id")}
    pin = document.get("pin")
    return public_part, None if pin is None else str(pin)


def _as_number_in_use(conflict: Conflict) -> InvalidFields | Conflict:
    if "number" not in str(conflict):
        return conflict
    return InvalidFields({"mailbox": {"unique": {"message": f"Invalid mailbox number or already exists: {conflict}"}}})
