"""Every prompt that the code names exists, and every prompt that exists is named."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from ivr.mailbox.key_map import VALID_KEYS
from ivr.mailbox.pin_strength import PinWeakness
from ivr.menus import greeting_recording, review
from ivr.menus.message_menu import SPOKEN_ACTIONS
from ivr.prompts import english
from ivr.prompts.catalogue import Catalogue
from ivr.storage.records import Folder

ROOT = Path(__file__).parents[2]
CATALOGUE = Catalogue.load(ROOT / "sounds" / "en")
TABLES = {key.split("/")[0] for key in CATALOGUE.keys()}  # noqa: SIM118 - a catalogue is no dict
RESERVED_PROMPTS = {"problem/one-moment"}
"""Prompts of what is built next."""
SETTINGS = (
    "record-unavailable", "record-name", "set-pin", "record-temporary", "delete-temporary", "announcement-on",
    "announcement-off", "clock-24", "clock-12", "more-settings",
)  # fmt: skip
"""Most names of choices in the settings menu are those of its actions."""


def keys_in_code() -> Iterator[str]:
    """String constants that look like a key of the catalogue."""
    for path in [*(ROOT / "ivr" / "menus").glob("*.py"), ROOT / "ivr" / "prompts" / "english.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                table, slash, name = node.value.partition("/")
                if slash and table in TABLES and name and " " not in name:
                    yield node.value


def computed_keys() -> Iterator[str]:
    """Keys that are put together."""
    yield from (clip for n in range(100) for clip in english.number(n))
    yield from (f"oh/{n}" for n in range(1, 10))
    yield from (f"ordinal/{n}" for n in range(1, 32))
    yield from (f"month/{n}" for n in range(1, 13))
    yield from (f"weekday/{n}" for n in range(1, 8))
    yield from (clip for letter in "abcdefghijklmnopqrstuvwxyz" for clip in english.spell(letter))
    yield from (clip for folder in (Folder.DELETED, Folder.SAVED) for clip in english.message_number(1, folder=folder))
    for key in VALID_KEYS:
        yield from (clip for short in (True, False) for clip in english.menu_option("keep", key, short=short))
    for action in (*SPOKEN_ACTIONS, "restore"):
        yield from (f"{length}/{action.replace('_', '-')}" for length in ("to", "short"))
    yield from (f"to/{action}" for action in ("hear-new", "hear-saved", "hear-deleted", "configure", "exit"))
    yield from (
        f"to/{spoken}"
        for offers in (review.DEFAULT_OPTIONS, greeting_recording.REVIEW_OPTIONS)
        for spoken in offers.values()
    )
    yield from (f"to/{action}" for action in SETTINGS)
    yield from (f"to/{what}" for what in ("mark-urgent", "mark-normal", "operator", "leave-message"))
    yield from (f"to/{action}" for action in ("prepend", "forward-plain", "back-to-messages"))
    yield from (f"pin/{weakness}" for weakness in PinWeakness if weakness is not PinWeakness.WRONG_LENGTH)


def test_every_prompt_that_is_named_exists() -> None:
    missing = {key for key in [*keys_in_code(), *computed_keys()] if key not in CATALOGUE}
    assert missing == set()


def test_every_prompt_is_named_somewhere() -> None:
    used = {*keys_in_code(), *computed_keys()}
    orphans = {key for key in CATALOGUE.keys() if key not in used and not CATALOGUE[key].replaces}  # noqa: SIM118
    assert orphans - RESERVED_PROMPTS == set()
