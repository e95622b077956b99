"""Which key does what: one table, seen whole (kazoo-behaviour §2; design, idea 4).

A box may change it, over its account, over the system. Each menu binds the actions of its rows to its methods; the
spoken menu is made from the same rows, so prompt and key cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ivr.errors import InvalidFields

VALID_KEYS = "0123456789*#"


@dataclass(frozen=True, slots=True)
class KeyBinding:
    """`action` is the name by which a site may give it another key; an empty `key` means none."""

    menu: str
    action: str
    key: str


DEFAULT_BINDINGS = (
    KeyBinding("greeting", "login", "*"),
    KeyBinding("greeting", "operator", "0"),
    KeyBinding("greeting", "continue", ""),
    KeyBinding("review", "save", "1"),
    KeyBinding("review", "listen", "2"),
    KeyBinding("review", "record", "3"),
    KeyBinding("review", "urgent", "4"),
    KeyBinding("review", "discard", "7"),
    KeyBinding("review", "operator", "0"),
    KeyBinding("main", "hear_new", "1"),
    KeyBinding("main", "hear_saved", "2"),
    KeyBinding("main", "hear_deleted", "3"),
    KeyBinding("main", "configure", "5"),
    KeyBinding("main", "exit", "#"),
    KeyBinding("message", "keep", "1"),
    KeyBinding("message", "replay", "2"),
    KeyBinding("message", "forward", "3"),
    KeyBinding("message", "prev", "4"),
    KeyBinding("message", "rewind", "5"),
    KeyBinding("message", "next", "6"),
    KeyBinding("message", "delete", "7"),
    KeyBinding("message", "fastforward", "8"),
    KeyBinding("message", "callback", "9"),
    KeyBinding("message", "return_main_menu", "0"),
    KeyBinding("message", "pause", "*"),
    KeyBinding("message", "envelope", "#"),
    KeyBinding("forward", "prepend", "1"),
    KeyBinding("forward", "plain", "2"),
    KeyBinding("forward", "cancel", "0"),
    KeyBinding("settings", "record_unavailable", "1"),
    KeyBinding("settings", "record_name", "2"),
    KeyBinding("settings", "set_pin", "3"),
    KeyBinding("settings", "record_temporary", "4"),
    KeyBinding("settings", "delete_temporary", "5"),
    KeyBinding("settings", "announcement", "6"),
    KeyBinding("settings", "more", "9"),
    KeyBinding("settings", "return_main_menu", "0"),
)

PRESETS: dict[str, dict[str, str]] = {
    "standard": {},
    "classic": {"rewind": "4", "pause": "5", "fastforward": "6", "prev": "*", "next": "#", "envelope": "8"},
}
"""Ready maps, as changes to the table."""

ACTION_ALIASES = {
    "rec_unavailable": "record_unavailable",
    "rec_name": "record_name",
    "return_main": "return_main_menu",
}
"""Kazoo's schema names three keys otherwise than its code reads them; both are accepted (kazoo-behaviour §2.5)."""

ACTIONS = frozenset(row.action for row in DEFAULT_BINDINGS)


class KeyMap:
    """The keys of one box."""

    def __init__(self, changes: Mapping[str, str] | None = None) -> None:
        changes = changes or {}
        self._bindings = tuple(
            KeyBinding(row.menu, row.action, changes.get(row.action, row.key)) for row in DEFAULT_BINDINGS
        )

    def action_for(self, menu: str, key: str | None) -> str | None:
        """What `key` does in `menu`; None for a key that does nothing."""
        return next((row.action for row in self._bindings if row.menu == menu and row.key == key and key), None)

    def key_for(self, menu: str, action: str) -> str:
        """The key of an action, "" where it has none."""
        return next(row.key for row in self._bindings if row.menu == menu and row.action == action)


def merge_layers(layers: Iterable[tuple[str | None, Mapping[str, str]]]) -> KeyMap:
    """The key map that (ready map, changes) of system, account and box give, in this order.

    A ready map begins anew, so a box's own map is not mixed with changes that its account made to another one.
    Raises `InvalidFields` for an action or key that does not exist, or two actions of one menu on one key.
    """
    changes: dict[str, str] = {}
    for ready, own in layers:
        if ready is not None:
            changes = dict(PRESETS[ready])
        for name, key in own.items():
            changes[_resolve_action(name, key)] = key
    key_map = KeyMap(changes)
    _reject_duplicate_keys(key_map)
    return key_map


def _resolve_action(name: str, key: str) -> str:
    action = ACTION_ALIASES.get(name, name)
    if action not in ACTIONS:
        raise _enum_violation(name, ", ".join(sorted(ACTIONS)))
    if key != "" and (len(key) != 1 or key not in VALID_KEYS):
        raise _enum_violation(name, "one of 0-9, * and #, or empty for none")
    return action


def _enum_violation(name: str, allowed: str) -> InvalidFields:
    message = f"Value not found in enumerated list of values: {allowed}"
    return InvalidFields({f"keys.{name}": {"enum": {"message": message}}})


def _reject_duplicate_keys(key_map: KeyMap) -> None:
    for row in DEFAULT_BINDINGS:
        key = key_map.key_for(row.menu, row.action)
        if key and (other := key_map.action_for(row.menu, key)) != row.action:
            message = f"Key {key} of the {row.menu} menu is taken by {other}: move one of the two"
            raise InvalidFields({f"keys.{row.action}": {"unique": {"message": message}}})
