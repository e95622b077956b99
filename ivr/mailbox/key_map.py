"""The key map: which key performs which action in which menu, as one table.

The settings of the mailbox take precedence over those of the account, and these over those of the system. A menu binds
the actions of its rows to methods and announces its keys from the same rows, so prompts and keys cannot disagree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from ivr.errors import InvalidFields

VALID_KEYS = "0123456789*#"


@dataclass(frozen=True, slots=True)
class KeyBinding:
    """A row of the table. `action`: the name used in the setting `keys`. An empty `key` disables the action."""

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
    KeyBinding("main", "compose", "4"),
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
    KeyBinding("message", "file_message", ""),
    KeyBinding("message", "reply", ""),
    KeyBinding("callback", "call_sender", "1"),
    KeyBinding("callback", "send_reply", "2"),
    KeyBinding("callback", "cancel", "0"),
    KeyBinding("forward", "prepend", "1"),
    KeyBinding("forward", "plain", "2"),
    KeyBinding("forward", "add_recipient", "3"),
    KeyBinding("forward", "cancel", "0"),
    KeyBinding("compose", "record_message", "1"),
    KeyBinding("compose", "add_recipient", "3"),
    KeyBinding("compose", "cancel", "0"),
    KeyBinding("settings", "record_unavailable", "1"),
    KeyBinding("settings", "record_name", "2"),
    KeyBinding("settings", "set_pin", "3"),
    KeyBinding("settings", "record_temporary", "4"),
    KeyBinding("settings", "delete_temporary", "5"),
    KeyBinding("settings", "announcement", "6"),
    KeyBinding("settings", "clock", "7"),
    KeyBinding("settings", "language", "8"),
    KeyBinding("settings", "record_busy", "*"),
    KeyBinding("settings", "choose_greeting", "#"),
    KeyBinding("settings", "more", "9"),
    KeyBinding("settings", "return_main_menu", "0"),
    KeyBinding("greetings", "use_greeting", "1"),
    KeyBinding("greetings", "hear_greeting", "2"),
    KeyBinding("greetings", "next_greeting", "3"),
    KeyBinding("greetings", "cancel", "0"),
)

PRESETS: dict[str, dict[str, str]] = {
    "standard": {},
    "classic": {"rewind": "4", "pause": "5", "fastforward": "6", "prev": "*", "next": "#", "envelope": "8"},
}
"""Predefined key maps, as changes to the table."""

ACTION_ALIASES = {
    "rec_unavailable": "record_unavailable",
    "rec_name": "record_name",
    "return_main": "return_main_menu",
}
"""Kazoo's schema and Kazoo's code name three actions differently; both names are accepted."""

ACTIONS = frozenset(row.action for row in DEFAULT_BINDINGS)
YIELDING_ACTIONS = frozenset(
    {
        "language",
        "record_busy",
        "compose",
        "call_sender",
        "send_reply",
        "add_recipient",
        "record_message",
        "choose_greeting",
        "use_greeting",
        "hear_greeting",
        "next_greeting",
    }
)
"""Actions that have no key where a site gives theirs to another action: it may have done so before they existed."""


KeyLayer = tuple[str | None, tuple[tuple[str, str], ...]]
"""A predefined map, and changes as action and key."""


class KeyMap:
    """The keys of one mailbox."""

    def __init__(self, changes: Mapping[str, str] | None = None) -> None:
        changes = changes or {}
        taken = {(row.menu, changes[row.action]) for row in DEFAULT_BINDINGS if row.action in changes}
        self._bindings = tuple(
            KeyBinding(row.menu, row.action, changes.get(row.action, "" if _yields(row, taken) else row.key))
            for row in DEFAULT_BINDINGS
        )

    def action_for(self, menu: str, key: str | None) -> str | None:
        """The action of a key in a menu; None if the key has none."""
        return next((row.action for row in self._bindings if row.menu == menu and row.key == key and key), None)

    def key_for(self, menu: str, action: str) -> str:
        """The key of an action; "" if the action is disabled."""
        return next(row.key for row in self._bindings if row.menu == menu and row.action == action)


def merge_layers(layers: Iterable[tuple[str | None, Mapping[str, str]]]) -> KeyMap:
    """Merge the layers (predefined map, changes) of system, account and mailbox, in this order.

    A predefined map replaces all layers before it, so it is not mixed with changes to another map. Raises
    `InvalidFields` for an unknown action or key, and for two actions of one menu on the same key.
    """
    changes: dict[str, str] = {}
    for preset, own_changes in layers:
        if preset is not None:
            changes = dict(PRESETS[preset])
        for name, key in own_changes.items():
            changes[_resolve_action(name, key)] = key
    key_map = KeyMap(changes)
    _reject_duplicate_keys(key_map)
    return key_map


@lru_cache(maxsize=256)
def merge_valid_layers(system: KeyLayer, box: KeyLayer) -> KeyMap:
    """Return the keys of two layers; those of the mailbox are left out if they conflict, then those of the account.

    Each call needs one, and a site has few: they are kept.
    """
    for layers in ([system, box], [system]):
        try:
            return merge_layers((preset, dict(changes)) for preset, changes in layers)
        except InvalidFields:
            continue
    return KeyMap()


def _yields(row: KeyBinding, taken: Collection[tuple[str, str]]) -> bool:
    return row.action in YIELDING_ACTIONS and (row.menu, row.key) in taken


def _resolve_action(name: str, key: str) -> str:
    action = ACTION_ALIASES.get(name, name)
    if action not in ACTIONS:
        raise _enum_violation(name, ", ".join(sorted(ACTIONS)))
    if key != "" and (len(key) != 1 or key not in VALID_KEYS):
        raise _enum_violation(name, "one of 0-9, * and #, or empty to disable the action")
    return action


def _enum_violation(name: str, allowed: str) -> InvalidFields:
    message = f"Value not found in enumerated list of values: {allowed}"
    return InvalidFields({f"keys.{name}": {"enum": {"message": message}}})


def _reject_duplicate_keys(key_map: KeyMap) -> None:
    for row in DEFAULT_BINDINGS:
        key = key_map.key_for(row.menu, row.action)
        if key and (other := key_map.action_for(row.menu, key)) != row.action:
            message = f"Key {key} of the {row.menu} menu is used by {other} already: change one of the two"
            raise InvalidFields({f"keys.{row.action}": {"unique": {"message": message}}})
