"""What the message lights of boxes have to show, read in a few statements whatever the number of boxes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from ivr.ami.lamps import Lamp, is_mailbox
from ivr.notify.settings import LightSettings

log = structlog.get_logger()

_COUNT = "coalesce((SELECT messages FROM counters WHERE box_id = boxes.id AND folder = '{}'), 0)"
_BOXES = (
    "SELECT boxes.id, boxes.account_id, boxes.mailbox, boxes.owner_id, boxes.settings, boxes.deleted_at,"
    " accounts.realm,"
    f" {_COUNT.format('new')} AS new, {_COUNT.format('saved')} AS saved,"
    " EXISTS (SELECT 1 FROM numbers WHERE account_id = boxes.account_id AND number = boxes.mailbox) AS in_use"
    " FROM boxes JOIN accounts ON accounts.id = boxes.account_id"
)
_DEVICES = (
    "SELECT endpoints.name, coalesce(sum(CASE folder WHEN 'new' THEN messages END), 0) AS new,"
    " coalesce(sum(CASE folder WHEN 'saved' THEN messages END), 0) AS saved FROM endpoints"
    " LEFT JOIN boxes ON boxes.account_id = endpoints.account_id AND boxes.owner_id = endpoints.user_id"
    " AND boxes.deleted_at IS NULL"
    " LEFT JOIN counters ON counters.box_id = boxes.id WHERE endpoints.system = ? AND {} GROUP BY endpoints.name"
)


@dataclass(frozen=True, slots=True)
class BoxLights:
    """One box: who owns it, and its own lamps."""

    box_id: str
    owner_id: str | None
    lamps: tuple[Lamp, ...]


class Targets:
    """Names the lights of one Asterisk, `system`."""

    def __init__(self, settings: LightSettings, system: str) -> None:
        self._settings = settings
        self._system = system

    def of_boxes(self, connection: sqlite3.Connection, box_ids: Sequence[str]) -> list[BoxLights]:
        """Of these boxes, whether they still exist or not."""
        marks = ", ".join("?" * len(box_ids))
        return [*self._boxes(connection.execute(f"{_BOXES} WHERE boxes.id IN ({marks})", tuple(box_ids)))]

    def page(self, connection: sqlite3.Connection, after: str, limit: int) -> list[BoxLights]:
        """Of all boxes that exist, by id, behind `after`."""
        where = "WHERE boxes.id > ? AND boxes.deleted_at IS NULL ORDER BY boxes.id LIMIT ?"
        return [*self._boxes(connection.execute(f"{_BOXES} {where}", (after, limit)))]

    def of_owners(self, connection: sqlite3.Connection, owner_ids: Iterable[str]) -> list[Lamp]:
        """Of the phones of these users: the sum over all boxes that each owns (kazoo-behaviour §3.6)."""
        owners = sorted(set(owner_ids))
        where = f"endpoints.user_id IN ({', '.join('?' * len(owners))})"
        return [lamp for _, lamp in self._devices(connection.execute(_DEVICES.format(where), (self._system, *owners)))]

    def of_phones(self, connection: sqlite3.Connection, names: Iterable[str]) -> list[Lamp]:
        """Of these phones, whosever they are: nobody's is dark."""
        wanted = sorted(set(names))
        where = f"endpoints.name IN ({', '.join('?' * len(wanted))})"
        found = dict(self._devices(connection.execute(_DEVICES.format(where), (self._system, *wanted))))
        lamps = [found.get(name) or Lamp(self._settings.device.format(endpoint=name), 0, 0) for name in wanted]
        return [lamp for lamp in lamps if is_mailbox(lamp.mailbox)]

    def is_ours(self, system: str) -> bool:
        """Whether it is the Asterisk whose lights these are."""
        return system == self._system

    def device_page(self, connection: sqlite3.Connection, after: str, limit: int) -> list[tuple[str, Lamp]]:
        """Of all phones, by endpoint, behind `after`."""
        sql = f"{_DEVICES.format('endpoints.name > ?')} ORDER BY endpoints.name LIMIT ?"
        return [*self._devices(connection.execute(sql, (self._system, after, limit)))]

    def _boxes(self, rows: Iterable[sqlite3.Row]) -> Iterator[BoxLights]:
        for row in rows:
            gone = row["deleted_at"] is not None
            new, saved = (0, 0) if gone else (row["new"], row["saved"])
            names = () if gone and row["in_use"] else self._names(row)
            lamps = tuple(Lamp(name, new, saved) for name in names)
            yield BoxLights(row["id"], row["owner_id"], lamps)

    def _devices(self, rows: Iterable[sqlite3.Row]) -> Iterator[tuple[str, Lamp]]:
        for row in rows:
            name = self._settings.device.format(endpoint=row["name"])
            if is_mailbox(name):
                yield row["name"], Lamp(name, row["new"], row["saved"])

    def _names(self, row: sqlite3.Row) -> list[str]:
        """Of the box itself, with the prefix, and of its `numbers` (design: further message-light targets)."""
        numbers = [row["mailbox"], *json.loads(row["settings"]).get("numbers", ())]
        if self._settings.prefix:
            numbers.append(self._settings.prefix + row["mailbox"])
        names = [
            number if "@" in number else self._settings.mailbox.format(
                number=number, realm=row["realm"], account=row["account_id"]
            )
            for number in dict.fromkeys(map(str, numbers))
        ]  # fmt: skip
        for name in names:
            if not is_mailbox(name):
                log.warning("light.no_mailbox", box=row["id"], name=name)
        return [name for name in names if is_mailbox(name)]
