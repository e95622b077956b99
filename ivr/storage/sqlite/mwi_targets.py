"""What the message lights of boxes have to show, read in a few statements whatever the number of boxes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from ivr.ami.mwi import MwiState, is_valid_mailbox
from ivr.notifications.settings import MwiSettings

log = structlog.get_logger()

_FOLDER_COUNT_SQL = "coalesce((SELECT messages FROM counters WHERE box_id = boxes.id AND folder = '{}'), 0)"
_BOXES_SQL = (
    "SELECT boxes.id, boxes.account_id, boxes.mailbox, boxes.owner_id, boxes.settings, boxes.deleted_at,"
    " accounts.realm,"
    f" {_FOLDER_COUNT_SQL.format('new')} AS new, {_FOLDER_COUNT_SQL.format('saved')} AS saved,"
    " EXISTS (SELECT 1 FROM numbers WHERE account_id = boxes.account_id AND number = boxes.mailbox) AS in_use"
    " FROM boxes JOIN accounts ON accounts.id = boxes.account_id"
)
_ENDPOINTS_SQL = (
    "SELECT endpoints.name, coalesce(sum(CASE folder WHEN 'new' THEN messages END), 0) AS new,"
    " coalesce(sum(CASE folder WHEN 'saved' THEN messages END), 0) AS saved FROM endpoints"
    " LEFT JOIN boxes ON boxes.account_id = endpoints.account_id AND boxes.owner_id = endpoints.user_id"
    " AND boxes.deleted_at IS NULL"
    " LEFT JOIN counters ON counters.box_id = boxes.id WHERE endpoints.system = ? AND {} GROUP BY endpoints.name"
)


@dataclass(frozen=True, slots=True)
class BoxMwi:
    """One box: who owns it, and its own lamps."""

    box_id: str
    owner_id: str | None
    states: tuple[MwiState, ...]


class MwiTargetReader:
    """Names the lights of one Asterisk, `system`."""

    def __init__(self, settings: MwiSettings, system: str) -> None:
        self._settings = settings
        self._system = system

    def for_boxes(self, connection: sqlite3.Connection, box_ids: Sequence[str]) -> list[BoxMwi]:
        """Of these boxes, whether they still exist or not."""
        marks = ", ".join("?" * len(box_ids))
        return [*self._box_states(connection.execute(f"{_BOXES_SQL} WHERE boxes.id IN ({marks})", tuple(box_ids)))]

    def box_page(self, connection: sqlite3.Connection, after: str, limit: int) -> list[BoxMwi]:
        """Of all boxes that exist, by id, behind `after`."""
        where = "WHERE boxes.id > ? AND boxes.deleted_at IS NULL ORDER BY boxes.id LIMIT ?"
        return [*self._box_states(connection.execute(f"{_BOXES_SQL} {where}", (after, limit)))]

    def for_owners(self, connection: sqlite3.Connection, owner_ids: Iterable[str]) -> list[MwiState]:
        """Of the phones of these users: the sum over all boxes that each owns (kazoo-behaviour §3.6)."""
        owners = sorted(set(owner_ids))
        where = f"endpoints.user_id IN ({', '.join('?' * len(owners))})"
        return [
            lamp
            for _, lamp in self._endpoint_states(
                connection.execute(_ENDPOINTS_SQL.format(where), (self._system, *owners))
            )
        ]

    def for_endpoints(self, connection: sqlite3.Connection, endpoint_names: Iterable[str]) -> list[MwiState]:
        """Of these phones, whosever they are: nobody's is dark."""
        wanted = sorted(set(endpoint_names))
        where = f"endpoints.name IN ({', '.join('?' * len(wanted))})"
        found = dict(self._endpoint_states(connection.execute(_ENDPOINTS_SQL.format(where), (self._system, *wanted))))
        lamps = [found.get(name) or MwiState(self._settings.device.format(endpoint=name), 0, 0) for name in wanted]
        return [lamp for lamp in lamps if is_valid_mailbox(lamp.mailbox)]

    def is_managed(self, system: str) -> bool:
        """Whether it is the Asterisk whose lights these are."""
        return system == self._system

    def endpoint_page(self, connection: sqlite3.Connection, after: str, limit: int) -> list[tuple[str, MwiState]]:
        """Of all phones, by endpoint, behind `after`."""
        sql = f"{_ENDPOINTS_SQL.format('endpoints.name > ?')} ORDER BY endpoints.name LIMIT ?"
        return [*self._endpoint_states(connection.execute(sql, (self._system, after, limit)))]

    def _box_states(self, rows: Iterable[sqlite3.Row]) -> Iterator[BoxMwi]:
        for row in rows:
            gone = row["deleted_at"] is not None
            new, saved = (0, 0) if gone else (row["new"], row["saved"])
            names = () if gone and row["in_use"] else self._mailbox_names(row)
            lamps = tuple(MwiState(name, new, saved) for name in names)
            yield BoxMwi(row["id"], row["owner_id"], lamps)

    def _endpoint_states(self, rows: Iterable[sqlite3.Row]) -> Iterator[tuple[str, MwiState]]:
        for row in rows:
            name = self._settings.device.format(endpoint=row["name"])
            if is_valid_mailbox(name):
                yield row["name"], MwiState(name, row["new"], row["saved"])

    def _mailbox_names(self, row: sqlite3.Row) -> list[str]:
        """Of the box itself, with the prefix, and of its `numbers` (design: further message-light targets)."""
        numbers = [row["mailbox"], *json.loads(row["settings"]).get("numbers", ())]
        if self._settings.prefix:
            numbers.append(self._settings.prefix + row["mailbox"])
        names = [
            number
            if "@" in number
            else self._settings.mailbox.format(number=number, realm=row["realm"], account=row["account_id"])
            for number in dict.fromkeys(map(str, numbers))
        ]
        for name in names:
            if not is_valid_mailbox(name):
                log.warning("light.no_mailbox", box=row["id"], name=name)
        return [name for name in names if is_valid_mailbox(name)]
