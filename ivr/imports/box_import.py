"""The mailboxes of an import: planned as a people file is, and stored with a record of where each came from."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ivr.directory.models import Account
from ivr.errors import BadInput
from ivr.imports.box_mapping import MappedBox, map_box
from ivr.imports.import_target import source_id
from ivr.imports.pin_mapping import PinRules
from ivr.imports.report import BoxReport
from ivr.imports.source import ImportOptions, Source, SourceBox
from ivr.imports.system import NoteLevel
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.pins import generate_pin
from ivr.provisioning.people import AccountEntry, PeopleFile
from ivr.provisioning.people_plan import NewPin, Plan
from ivr.provisioning.planner import PlanOptions
from ivr.provisioning.provisioning import Provisioning
from ivr.storage.files import fsync, naming_file
from ivr.storage.records import ImportedKind, ImportedObject

PRIVATE_MODE = 0o600
BOXES_PER_TRANSACTION = 50


class PinList:
    """A CSV file of generated PINs that only the user of the command can read. It is synced before a PIN is stored."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def require(self) -> None:
        """Raise `BadInput` if no file was named."""
        if self._path is None:
            raise BadInput(
                "some boxes get generated PINs: name a new file for them with --pins FILE.csv, or keep the boxes"
                " without a PIN with --short-pins none (and weak PINs with --weak-pins keep)"
            )

    def append(self, rows: list[tuple[str, str, str]]) -> None:
        """Append account, number and PIN of mailboxes. Raises OSError."""
        assert self._path
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, PRIVATE_MODE)
        with naming_file(self._path), os.fdopen(descriptor, "a", newline="") as file:
            os.fchmod(file.fileno(), PRIVATE_MODE)
            csv.writer(file).writerows([*map(_text_cell, row)] for row in rows)
        fsync(self._path)


def _text_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula. A number may begin with +."""
    return f"'{text}" if text.startswith(("=", "@", "-", "\t", "\r")) or re.match(r"\+(?!\d+$)", text) else text


class BoxImport:
    """Plans and stores the mailboxes of one source."""

    def __init__(
        self,
        provisioning: Provisioning,
        boxes: Boxes,
        random_bytes: Callable[[int], bytes],
        *,
        system_name: str,
        pin_list: PinList,
    ) -> None:
        self._provisioning = provisioning
        self._boxes = boxes
        self._random_bytes = random_bytes
        self._plan_options = PlanOptions(system_name, allows_weak_pins=True)
        self._pin_list = pin_list

    async def map_boxes(
        self, source: Source, options: ImportOptions, reports: dict[str, BoxReport]
    ) -> dict[str, MappedBox]:
        """Return what each mailbox becomes that does not exist here yet, by its name at the source."""
        mapped: dict[str, MappedBox] = {}
        for box in source.boxes:
            report = reports[box.key]
            if box.definition is None:
                continue
            if await self._boxes.find_by_number(box.account.id, box.number):
                report.note(NoteLevel.INFO, "the box exists, its settings and its PIN stay as they are")
                continue
            limits = self._boxes.voicemail_settings_for(box.account)
            rules = PinRules(
                options.short_pins,
                options.weak_pins,
                min_length=limits.min_pin_length,
                max_length=limits.max_pin_length,
            )
            try:
                mapped[box.key] = map_box(
                    box.definition, source.conf, box.account.name, rules, sum(report.messages.values())
                )
            except BadInput as error:
                report.note(NoteLevel.LOSS, f"the box is not created: {error}")
                continue
            report.notes.extend(mapped[box.key].notes)
        return mapped

    def require_pin_list(self, mapped: dict[str, MappedBox]) -> None:
        """Raise `BadInput` if PINs are generated, and no file was named that lists them."""
        if any(one.generates_pin for one in mapped.values()):
            self._pin_list.require()

    async def create(
        self,
        system: str,
        source: Source,
        mapped: dict[str, MappedBox],
        reports: dict[str, BoxReport],
        *,
        run_id: str | None,
        now: int,
    ) -> None:
        """Create the mailboxes, some in a transaction. Without `run_id` nothing is stored, and all is checked."""
        by_key = {box.key: box for box in source.boxes}
        accounts = self._accounts_with_longer_pins(by_key, mapped)
        keys = list(mapped)
        for start in range(0, len(keys), BOXES_PER_TRANSACTION):
            chunk = keys[start : start + BOXES_PER_TRANSACTION]
            rows = [replace(mapped[key].row, line=number) for number, key in enumerate(chunk)]
            plan = await self._provisioning.plan(PeopleFile(accounts=accounts, rows=rows), self._plan_options)
            failed = {error.line for error in plan.errors}
            for error in plan.errors:
                named = chunk if error.line < 0 else [chunk[error.line]]
                for key in named:
                    reports[key].note(NoteLevel.LOSS, f"the box is not created: {error.message}")
            for number, key in enumerate(chunk):
                reports[key].created = number not in failed
            if run_id:
                await self._apply(system, plan, [by_key[key] for key in chunk], run_id, now)

    async def _apply(self, system: str, plan: Plan, chunk: list[SourceBox], run_id: str, now: int) -> None:
        pins = []
        for position, new_pin in enumerate(plan.new_pins):
            if new_pin.pin is None:
                pin = generate_pin(new_pin.mailbox, self._random_bytes)
                plan.new_pins[position] = NewPin(new_pin.mailbox, pin)
                pins.append((new_pin.mailbox.account.name, new_pin.mailbox.number, pin))
        if pins:
            self._pin_list.append(pins)
        plan.imported = _imported_objects(system, plan, chunk, run_id, now, {number for _, number, _ in pins})
        await self._provisioning.apply(plan)

    def _accounts_with_longer_pins(
        self, by_key: dict[str, SourceBox], mapped: dict[str, MappedBox]
    ) -> list[AccountEntry]:
        """Return accounts whose PINs must be longer than they permit so far."""
        longest: dict[str, tuple[Account, int]] = {}
        for key, box in mapped.items():
            account = by_key[key].account
            _, length = longest.get(account.id, (account, 0))
            longest[account.id] = account, max(length, len(box.clear_pin or ""))
        return [
            AccountEntry(-1, account.name, {"settings": {"max_pin_length": length}})
            for account, length in longest.values()
            if length > self._boxes.voicemail_settings_for(account).max_pin_length
        ]


def _imported_objects(
    system: str, plan: Plan, chunk: list[SourceBox], run_id: str, now: int, generated: set[str]
) -> list[ImportedObject]:
    """Return records of the mailboxes and users that a plan creates, and of PINs that are not those of the source."""
    objects: list[ImportedObject] = []
    created = {(box.account_id, str(box.settings["mailbox"])): box for box in plan.new_boxes.values()}
    for source_box in chunk:
        record = created.get((source_box.account.id, source_box.number))
        if record is None:
            continue
        targets = {ImportedKind.BOX: record.id}
        owner_id = record.settings.get("owner_id")
        if owner_id in plan.new_users:
            targets[ImportedKind.USER] = str(owner_id)
        if source_box.number in generated:
            targets[ImportedKind.PIN] = record.id
        key = source_id(system, source_box.account.id, source_box.key)
        objects.extend(
            ImportedObject(kind, key, source_box.account.id, record.id, target_id, "", run_id, now)
            for kind, target_id in targets.items()
        )
    return objects
