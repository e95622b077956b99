"""Which key does what: one table, seen whole (kazoo-behaviour §2; design, idea 4).

A box may change it, over its account, over the system. Each menu binds the actions of its rows to its methods; the
spoken menu is made from the same rows, so prompt and key cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ivr.errors import InvalidFields

KEYS = "0123456789*#"


@dataclass(frozen=True, slots=True)
class Row:
    """`action` is the name by which a site may give it another key; an empty `key` means none."""

    menu: str
    action: str
    key: str


TABLE = (
    Row("greeting", "login", "*"),
    Row("greeting", "operator", "0"),
    Row("greeting", "continue", ""),
    Row("review", "save", "1"),
    Row("review", "listen", "2"),
    Row("review", "record", "3"),
    Row("review", "urgent", "4"),
    Row("review", "discard", "7"),
    Row("review", "operator", "0"),
    Row("main", "hear_new", "1"),
    Row("main", "hear_saved", "2"),
    Row("main", "hear_deleted", "3"),
    Row("main", "configure", "5"),
    Row("main", "exit", "#"),
    Row("message", "keep", "1"),
    Row("message", "replay", "2"),
    Row("message", "forward", "3"),
    Row("message", "prev", "4"),
    Row("message", "rewind", "5"),
    Row("message", "next", "6"),
    Row("message", "delete", "7"),
    Row("message", "fastforward", "8"),
    Row("message", "callback", "9"),
    Row("message", "return_main_menu", "0"),
    Row("message", "pause", "*"),
    Row("message", "envelope", "#"),
    Row("forward", "prepend", "1"),
    Row("forward", "plain", "2"),
    Row("forward", "cancel", "0"),
    Row("settings", "record_unavailable", "1"),
    Row("settings", "record_name", "2"),
    Row("settings", "set_pin", "3"),
    Row("settings", "record_temporary", "4"),
    Row("settings", "delete_temporary", "5"),
    Row("settings", "announcement", "6"),
    Row("settings", "more", "9"),
    Row("settings", "return_main_menu", "0"),
)

MAPS: dict[str, dict[str, str]] = {
    "standard": {},
    "classic": {"rewind": "4", "pause": "5", "fastforward": "6", "prev": "*", "next": "#", "envelope": "8"},
}
"""Ready maps, as changes to the table."""

OTHER_SPELLINGS = {
    "rec_unavailable": "record_unavailable",
    "rec_name": "record_name",
    "return_main": "return_main_menu",
}
"""Kazoo's schema names three keys otherwise than its code reads them; both are accepted (kazoo-behaviour §2.5)."""

ACTIONS = frozenset(row.action for row in TABLE)


class KeyMap:
    """The keys of one box."""

    def __init__(self, changes: Mapping[str, str] | None = None) -> None:
        changes = changes or {}
        self._rows = tuple(Row(row.menu, row.action, changes.get(row.action, row.key)) for row in TABLE)

    def action(self, menu: str, key: str | None) -> str | None:
        """What `key` does in `menu`; None for a key that does nothing."""
        return next((row.action for row in self._rows if row.menu == menu and row.key == key and key), None)

    def key(self, menu: str, action: str) -> str:
        """The key of an action, "" where it has none."""
        return next(row.key for row in self._rows if row.menu == menu and row.action == action)


def layered(layers: Iterable[tuple[str | None, Mapping[str, str]]]) -> KeyMap:
    """The key map that (ready map, changes) of system, account and box give, in this order.

    A ready map begins anew, so a box's own map is not mixed with changes that its account made to another one.
    Raises `InvalidFields` for an action or key that does not exist, or two actions of one menu on one key.
    """
    changes: dict[str, str] = {}
    for ready, own in layers:
        if ready is not None:
            changes = dict(MAPS[ready])
        for name, key in own.items():
            changes[_checked(name, key)] = key
    key_map = KeyMap(changes)
    _refuse_doubles(key_map)
    return key_map


def _checked(name: str, key: str) -> str:
    action = OTHER_SPELLINGS.get(name, name)
    if action not in ACTIONS:
        raise _not_one_of(name, ", ".join(sorted(ACTIONS)))
    if key != "" and (len(key) != 1 or key not in KEYS):
        raise _not_one_of(name, "one of 0-9, * and #, or empty for none")
    return action


def _not_one_of(name: str, what: str) -> InvalidFields:
    message = f"Value not found in enumerated list of values: {what}"
    return InvalidFields({f"keys.{name}": {"enum": {"message": message}}})


def _refuse_doubles(key_map: KeyMap) -> None:
    for row in TABLE:
        key = key_map.key(row.menu, row.action)
        if key and (other := key_map.action(row.menu, key)) != row.action:
            message = f"Key {key} of the {row.menu} menu is taken by {other}: move one of the two"
            raise InvalidFields({f"keys.{row.action}": {"unique": {"message": message}}})
