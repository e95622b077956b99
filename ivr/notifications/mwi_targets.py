"""Message lights of mailboxes and endpoints: their MWI mailboxes, and the counts of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import structlog

from ivr.ami.actions import MwiState
from ivr.notifications.settings import MwiSettings
from ivr.storage.process_locks import ProcessLocks
from ivr.storage.protocols import MwiStore
from ivr.storage.records import BoxMwiCounts, EndpointMwiCounts, PublishedLights
from ivr.validation.numbers import is_mwi_mailbox

LIGHTS_LOCK = "lights"
EXCLUSIVE_POLL_S = 0.02
EXCLUSIVE_WAIT_S = 30
"""Longer than one publication may take (`ivr.ami.actions`)."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Lights:
    """The message lights of a mailbox or of an endpoint; the other of the two is "".

    `user_ids`: owner and members of the mailbox. `published`: the names that were published before.
    """

    box_id: str
    endpoint: str
    states: tuple[MwiState, ...] = ()
    user_ids: tuple[str, ...] = ()
    published: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(state.mailbox for state in self.states))


def states_to_publish(lights: Sequence[Lights]) -> list[MwiState]:
    """Return the states of these lights, and zero counts for names that none of them has any longer."""
    states = [state for one in lights for state in one.states]
    names = {state.mailbox for state in states}
    former = dict.fromkeys(name for one in lights for name in one.published if name not in names)
    return [*(MwiState(name, 0, 0) for name in former), *states]


def added_lights(lights: Sequence[Lights]) -> list[PublishedLights]:
    """Return the names that were not published before."""
    return _published_lights((one, {*one.names} - {*one.published}) for one in lights)


def former_lights(lights: Sequence[Lights]) -> list[PublishedLights]:
    """Return the names that were published before and are none any longer."""
    return _published_lights((one, {*one.published} - {*one.names}) for one in lights)


def _published_lights(names: Iterable[tuple[Lights, set[str]]]) -> list[PublishedLights]:
    return [PublishedLights(one.box_id, one.endpoint, tuple(sorted(some))) for one, some in names if some]


class MwiTargets:
    """The message lights of one Asterisk, `system`. `locks`: those of its node."""

    def __init__(self, store: MwiStore, settings: MwiSettings, system: str, locks: ProcessLocks) -> None:
        self._store = store
        self._settings = settings
        self.system = system
        self._locks = locks

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Keep other services of this Asterisk from reading and publishing lights meanwhile.

        Else the slower one of two would publish what it read before the other one's, and it would stay. After
        `EXCLUSIVE_WAIT_S` the one that holds the lock is stopped, and this one goes on without.
        """
        attempts = int(EXCLUSIVE_WAIT_S / EXCLUSIVE_POLL_S)
        while not (is_exclusive := self._locks.acquire(LIGHTS_LOCK)) and attempts:
            attempts -= 1
            await asyncio.sleep(EXCLUSIVE_POLL_S)
        try:
            if not is_exclusive:
                log.warning("mwi.lock_not_released", remedy="look for a service of this Asterisk that is stopped")
            yield
        finally:
            if is_exclusive:
                self._locks.release(LIGHTS_LOCK)

    async def for_boxes(self, box_ids: Iterable[str]) -> list[Lights]:
        """Return the lights of these mailboxes, deleted ones included."""
        return [self._box_lights(counts) for counts in await self._store.boxes(sorted(set(box_ids)))]

    async def for_users(self, user_ids: Iterable[str]) -> list[Lights]:
        """Return the lights of the phones of these users: the sum over all enabled mailboxes of each."""
        counts = await self._store.endpoints_of_users(self.system, user_ids)
        return [self._endpoint_lights(one) for one in counts]

    async def for_endpoints(self, endpoint_names: Iterable[str]) -> list[Lights]:
        """Return the lights of these phones; a phone without a user has given its light up."""
        names = sorted(set(endpoint_names))
        counts = {one.endpoint: one for one in await self._store.endpoints(self.system, names)}
        return [self._endpoint_lights(counts[name]) if name in counts else self._given_up(name) for name in names]

    async def box_page(self, after: str, limit: int) -> list[Lights]:
        """Return the lights of existing mailboxes by id, after the id `after`."""
        return [self._box_lights(counts) for counts in await self._store.box_page(after, limit)]

    async def endpoint_page(self, after: str, limit: int) -> list[Lights]:
        """Return the lights of endpoints by name, after the name `after`."""
        return [self._endpoint_lights(counts) for counts in await self._store.endpoint_page(self.system, after, limit)]

    async def without_subject(self, limit: int) -> list[Lights]:
        """Return the published lights of mailboxes and endpoints that do not exist any longer; they have no states."""
        return [
            Lights(one.box_id, one.endpoint) for one in await self._store.published_without_subject(self.system, limit)
        ]

    async def with_published(self, lights: Sequence[Lights]) -> list[Lights]:
        """Return these lights with the names that were published before.

        What has a name now that one of them gives up follows, so that its light does not go dark.
        """
        boxes, endpoints = {one.box_id for one in lights} - {""}, {one.endpoint for one in lights} - {""}
        published = {
            (one.box_id, one.endpoint): one.names for one in await self._store.published(self.system, boxes, endpoints)
        }
        lights = [
            replace(one, published=tuple(sorted({*one.published, *published.get((one.box_id, one.endpoint), ())})))
            for one in lights
        ]
        given_up = {name for one in lights for name in one.published} - {name for one in lights for name in one.names}
        if not given_up:
            return lights
        others = await self._store.published_with_names(self.system, given_up)
        successors = [
            *await self.for_boxes({one.box_id for one in others} - boxes - {""}),
            *await self._existing({one.endpoint for one in others} - endpoints - {""}),
        ]
        # What these have given up themselves is put out by their own tasks, with their own successors.
        return [*lights, *successors]

    async def add_published(self, lights: Sequence[Lights]) -> None:
        """Store the names that were not published before, ahead of their publication."""
        if added := added_lights(lights):
            await self._store.add_published(self.system, added)

    async def record_published(self, lights: Sequence[Lights], now: float) -> None:
        """Store that these lights were published at `now` (Unix s), and forget the former ones."""
        box_ids = [one.box_id for one in lights if one.box_id]
        await self._store.record_published(self.system, box_ids, former_lights(lights), int(now))

    async def _existing(self, endpoint_names: Collection[str]) -> list[Lights]:
        counts = await self._store.endpoints(self.system, endpoint_names) if endpoint_names else []
        return [self._endpoint_lights(one) for one in counts]

    def is_managed(self, system: str) -> bool:
        """Return whether these lights belong to the Asterisk `system`."""
        return system == self.system

    def _box_lights(self, box: BoxMwiCounts) -> Lights:
        if box.is_deleted:
            return Lights(box.box_id, "", user_ids=box.user_ids)
        new, saved = (box.new, box.saved) if box.is_enabled else (0, 0)
        names = self._mailbox_names(box, [box.mailbox, *box.numbers, *self._with_prefix([box.mailbox])])
        return Lights(box.box_id, "", tuple(MwiState(name, new, saved) for name in names), box.user_ids)

    def _given_up(self, endpoint: str) -> Lights:
        """Return the light of a phone without a user: an earlier version did not store that it was published."""
        former = self._endpoint_lights(EndpointMwiCounts(endpoint, 0, 0))
        return Lights("", endpoint, published=former.names)

    def _endpoint_lights(self, counts: EndpointMwiCounts) -> Lights:
        name = self._settings.endpoint_mailbox.format(endpoint=counts.endpoint)
        states = (MwiState(name, counts.new, counts.saved),) if is_mwi_mailbox(name) else ()
        return Lights("", counts.endpoint, states)

    def _with_prefix(self, numbers: Iterable[str]) -> list[str]:
        prefix = self._settings.blf_prefix
        return [prefix + number for number in numbers if prefix and "@" not in number]

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
