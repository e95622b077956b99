"""Message lights of mailboxes and endpoints: their MWI mailboxes, and the counts of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog

from ivr.ami.actions import MwiState
from ivr.notifications.settings import MwiSettings
from ivr.storage.protocols import MwiStore
from ivr.storage.records import BoxMwiCounts, EndpointMwiCounts
from ivr.validation.numbers import is_mwi_mailbox

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BoxMwi:
    """A mailbox: its owner and members, and the states of its message lights.

    `former`: the MWI mailboxes that it no longer has.
    """

    box_id: str
    user_ids: tuple[str, ...]
    states: tuple[MwiState, ...]
    former: tuple[str, ...] = ()


def states_to_publish(boxes: Sequence[BoxMwi]) -> list[MwiState]:
    """Return the states of these mailboxes, and zero counts for MWI mailboxes that none of them has any longer."""
    states = [state for box in boxes for state in box.states]
    names = {state.mailbox for state in states}
    former = dict.fromkeys(name for box in boxes for name in box.former if name not in names)
    return [*(MwiState(name, 0, 0) for name in former), *states]


class MwiTargets:
    """The message lights of one Asterisk, `system`."""

    def __init__(self, store: MwiStore, settings: MwiSettings, system: str) -> None:
        self._store = store
        self._settings = settings
        self._system = system

    async def for_boxes(self, box_ids: Iterable[str]) -> list[BoxMwi]:
        """Return the lights of these mailboxes, deleted ones included."""
        return await self.for_changed_boxes(dict.fromkeys(box_ids, ()))

    async def for_changed_boxes(self, former_numbers: Mapping[str, Sequence[str]]) -> list[BoxMwi]:
        """Return the lights of these mailboxes, by id with the numbers that each no longer has, deleted ones included.

        The mailboxes that have those lights now follow them.
        """
        counts = await self._store.boxes(sorted(former_numbers))
        boxes = [self._box_mwi(box, former_numbers[box.box_id]) for box in counts]
        former = {name for box in boxes for name in box.former}
        if not former:
            return boxes
        successors = await self._store.boxes_with_numbers(self._numbers_of(former))
        return [*boxes, *(self._box_mwi(box) for box in successors if box.box_id not in former_numbers)]

    async def box_page(self, after: str, limit: int) -> list[BoxMwi]:
        """Return the lights of existing mailboxes by id, after the id `after`."""
        return [self._box_mwi(counts) for counts in await self._store.box_page(after, limit)]

    async def record_published(self, boxes: Sequence[BoxMwi], now: float) -> None:
        """Store that the lights of these mailboxes have been published at `now` (Unix s)."""
        await self._store.record_published([box.box_id for box in boxes], int(now))

    async def for_users(self, user_ids: Iterable[str]) -> list[MwiState]:
        """Return the lights of the phones of these users: the sum over all enabled mailboxes of each."""
        counts = await self._store.endpoints_of_users(self._system, user_ids)
        return [state for _, state in self._endpoint_states(counts)]

    async def for_endpoints(self, endpoint_names: Iterable[str]) -> list[MwiState]:
        """Return the lights of these phones; the counts of a phone without a user are 0."""
        names = sorted(set(endpoint_names))
        states = dict(self._endpoint_states(await self._store.endpoints(self._system, names)))
        endpoint_states = [
            states.get(name) or MwiState(self._settings.endpoint_mailbox.format(endpoint=name), 0, 0) for name in names
        ]
        return [state for state in endpoint_states if is_mwi_mailbox(state.mailbox)]

    async def endpoint_page(self, after: str, limit: int) -> list[tuple[str, MwiState]]:
        """Return the endpoints after the name `after`, by name, and their lights."""
        return [*self._endpoint_states(await self._store.endpoint_page(self._system, after, limit))]

    def is_managed(self, system: str) -> bool:
        """Return whether these lights belong to the Asterisk `system`."""
        return system == self._system

    def _box_mwi(self, box: BoxMwiCounts, former_numbers: Sequence[str] = ()) -> BoxMwi:
        new, saved = (box.new, box.saved) if box.is_enabled else (0, 0)
        names = self._mailbox_names(box, [box.mailbox, *box.numbers, *self._with_prefix([box.mailbox])])
        former = self._mailbox_names(box, [*former_numbers, *self._with_prefix(former_numbers)])
        if box.is_deleted:
            names, former = [], [*names, *former]
        return BoxMwi(box.box_id, box.user_ids, tuple(MwiState(name, new, saved) for name in names), tuple(former))

    def _with_prefix(self, numbers: Iterable[str]) -> list[str]:
        prefix = self._settings.blf_prefix
        return [prefix + number for number in numbers if prefix and "@" not in number]

    def _numbers_of(self, names: Iterable[str]) -> set[str]:
        """Return the numbers and further targets by which a mailbox can have these MWI mailboxes."""
        before, _, after = self._settings.mailbox.partition("@")[0].partition("{number}")
        locals_ = {name.partition("@")[0].removeprefix(before).removesuffix(after) for name in names}
        return {*names, *locals_, *(number.removeprefix(self._settings.blf_prefix) for number in locals_)}

    def _endpoint_states(self, endpoints: Iterable[EndpointMwiCounts]) -> Iterator[tuple[str, MwiState]]:
        for counts in endpoints:
            name = self._endpoint_mailbox(counts.endpoint)
            if is_mwi_mailbox(name):
                yield counts.endpoint, MwiState(name, counts.new, counts.saved)

    def _endpoint_mailbox(self, endpoint: str) -> str:
        return self._settings.endpoint_mailbox.format(endpoint=endpoint)

    def _mailbox_names(self, box: BoxMwiCounts, numbers: Sequence[str]) -> list[str]:
        """Return the MWI mailboxes of a mailbox number, of that number with the prefix, and of further targets."""
        names = [
            number
            if "@" in number
            else self._settings.mailbox.format(number=number, realm=box.realm, account=box.account_id)
            for number in dict.fromkeys(numbers)
        ]
        for name in names:
            if not is_mwi_mailbox(name):
                log.warning(
                    "mwi.invalid_mailbox", box=box.box_id, name=name, remedy="correct `numbers` of the box, or [mwi]"
                )
        return [name for name in names if is_mwi_mailbox(name)]
