"""Message lights of mailboxes and endpoints: their MWI mailboxes, and the counts of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
    """A mailbox: its owner and members, and the states of its message lights."""

    box_id: str
    user_ids: tuple[str, ...]
    states: tuple[MwiState, ...]


class MwiTargets:
    """The message lights of one Asterisk, `system`."""

    def __init__(self, store: MwiStore, settings: MwiSettings, system: str) -> None:
        self._store = store
        self._settings = settings
        self._system = system

    async def for_boxes(self, box_ids: Sequence[str]) -> list[BoxMwi]:
        """Return the lights of these mailboxes, deleted ones included."""
        return [self._box_mwi(counts) for counts in await self._store.boxes(box_ids)]

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

    def _box_mwi(self, box: BoxMwiCounts) -> BoxMwi:
        new, saved = (box.new, box.saved) if box.is_enabled and not box.is_deleted else (0, 0)
        names = () if box.is_deleted and box.is_number_in_use else self._mailbox_names(box)
        return BoxMwi(box.box_id, box.user_ids, tuple(MwiState(name, new, saved) for name in names))

    def _endpoint_states(self, endpoints: Iterable[EndpointMwiCounts]) -> Iterator[tuple[str, MwiState]]:
        for counts in endpoints:
            name = self._endpoint_mailbox(counts.endpoint)
            if is_mwi_mailbox(name):
                yield counts.endpoint, MwiState(name, counts.new, counts.saved)

    def _endpoint_mailbox(self, endpoint: str) -> str:
        return self._settings.endpoint_mailbox.format(endpoint=endpoint)

    def _mailbox_names(self, box: BoxMwiCounts) -> list[str]:
        """Return the MWI mailboxes of the mailbox number, of the number with the prefix, and of its `numbers`."""
        numbers = [box.mailbox, *box.numbers]
        if self._settings.blf_prefix:
            numbers.append(self._settings.blf_prefix + box.mailbox)
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
