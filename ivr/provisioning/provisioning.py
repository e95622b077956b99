"""Applies people files: reads them, plans, and stores all of a plan in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ivr.directory.directory import Directory
from ivr.errors import BadInput
from ivr.ids import IdGenerator
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.pins import Pins, generate_pin
from ivr.provisioning.inventory import read_inventory
from ivr.provisioning.people import PeopleFile
from ivr.provisioning.people_csv import parse_csv
from ivr.provisioning.people_plan import Plan
from ivr.provisioning.planner import OnProgress, Planner, PlanOptions
from ivr.storage.protocols import ProvisioningStore


@dataclass(frozen=True, slots=True)
class GeneratedPin:
    """A PIN that was generated and set; it is not stored in readable form anywhere else."""

    mailbox: Mailbox
    pin: str


def read_people_file(path: Path, *, allow_unknown_keys: bool = False) -> PeopleFile:
    """Read a .csv, .yaml or .yml file. Raises `BadInput`, OSError."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise BadInput(f"line {line} is not UTF-8: save the file as UTF-8 (in Excel: CSV UTF-8)") from None
    match path.suffix.lower():
        case ".csv":
            return parse_csv(text, allow_unknown_keys=allow_unknown_keys)
        case ".yaml" | ".yml":
            from ivr.provisioning.people_yaml import parse_yaml

            return parse_yaml(text, allow_unknown_keys=allow_unknown_keys)
    raise BadInput("the file must be named .csv, .yaml or .yml")


class Provisioning:
    """Plans and applies files. `random_bytes(n)` returns n random bytes, for generated PINs."""

    def __init__(
        self,
        store: ProvisioningStore,
        directory: Directory,
        boxes: Boxes,
        pins: Pins,
        ids: IdGenerator,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._store = store
        self._directory = directory
        self._boxes = boxes
        self._pins = pins
        self._ids = ids
        self._random_bytes = random_bytes

    async def plan(
        self, people: PeopleFile, options: PlanOptions, on_progress: OnProgress = lambda done, total: None
    ) -> Plan:
        """Compare a file with what is stored. Nothing is written."""
        inventory = await read_inventory(self._directory, self._boxes)
        planner = Planner(inventory=inventory, boxes=self._boxes, pins=self._pins, ids=self._ids, options=options)
        return await planner.plan(people, on_progress)

    async def apply(self, plan: Plan, on_progress: OnProgress = lambda done, total: None) -> list[GeneratedPin]:
        """Store a plan, all of it or nothing, and return the PINs that were generated.

        PINs are hashed before the transaction, which takes about 60 ms each. Raises `Conflict` if something was
        changed since the plan was made, `PepperChanged`, `StoreError`.
        """
        secrets, generated = [], []
        for done, new_pin in enumerate(plan.new_pins):
            on_progress(done, len(plan.new_pins))
            pin = new_pin.pin
            if pin is None:
                pin = generate_pin(new_pin.mailbox, self._random_bytes)
                generated.append(GeneratedPin(new_pin.mailbox, pin))
            secrets.append(await self._pins.hash(new_pin.mailbox, pin))
        await self._store.apply(plan.batch(secrets))
        for new_pin in plan.new_pins:
            await self._pins.unlock(new_pin.mailbox)
        on_progress(len(plan.new_pins), len(plan.new_pins))
        return generated
