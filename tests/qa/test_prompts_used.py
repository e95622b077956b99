"""Every prompt that the code names exists, and every prompt that exists is named."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from ivr.mailbox.pin_strength import PinWeakness
from ivr.menus import choose_folder, choose_greeting, compose, greeting_recording, review
from ivr.menus.message_menu import SPOKEN_ACTIONS
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.completeness import rule_keys
from ivr.prompts.english import English

ROOT = Path(__file__).parents[2]
CATALOGUE = Catalogue.load(ROOT / "sounds" / "en")
TABLES = {key.split("/")[0] for key in CATALOGUE.keys()}  # noqa: SIM118 - a catalogue is no dict
RESERVED_PROMPTS = {"problem/one-moment"}
"""Prompts of what is built next."""
SETTINGS = (
    "record-unavailable", "record-name", "set-pin", "record-temporary", "delete-temporary", "announcement-on",
    "announcement-off", "clock-24", "clock-12", "language", "this-language", "more-settings",
    "record-busy", "choose-greeting",
)  # fmt: skip
"""Most names of choices in the settings menu are those of its actions."""


def keys_in_code() -> Iterator[str]:
    """String constants that look like a key of the catalogue."""
    for path in [*(ROOT / "ivr" / "menus").glob("*.py"), ROOT / "ivr" / "prompts" / "language_rules.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                table, slash, name = node.value.partition("/")
                if slash and table in TABLES and name and " " not in name:
                    yield node.value


def computed_keys() -> Iterator[str]:
    """Keys that are put together."""
    yield from rule_keys(English())
    for action in (*SPOKEN_ACTIONS, "restore"):
        yield from (f"{length}/{action.replace('_', '-')}" for length in ("to", "short"))
    yield from (f"to/{action}" for action in ("hear-new", "hear-saved", "hear-deleted", "compose", "configure", "exit"))
    yield from (
        f"to/{spoken}"
        for offers in (
            review.DEFAULT_OPTIONS,
            greeting_recording.REVIEW_OPTIONS,
            compose.OPTIONS,
            choose_greeting.OPTIONS,
        )
        for spoken in offers.values()
    )
    yield from (f"to/{action}" for action in SETTINGS)
    yield from (f"to/{what}" for what in ("mark-urgent", "mark-normal", "operator", "leave-message", "send"))
    yield from (f"to/{action}" for action in ("prepend", "forward-plain", "add-recipient", "back-to-messages"))
    yield from (f"{length}/callback-or-reply" for length in ("to", "short"))
    yield from ("to/call-person", "to/next-name")
    yield from (f"to/{option}" for option in ("folder", *choose_folder.RECORDED_LABELS.values()))
    yield from (f"pin/{weakness}" for weakness in PinWeakness if weakness is not PinWeakness.WRONG_LENGTH)


def test_every_prompt_that_is_named_exists() -> None:
    missing = {key for key in [*keys_in_code(), *computed_keys()] if key not in CATALOGUE}
    assert missing == set()


def test_every_prompt_is_named_somewhere() -> None:
    used = {*keys_in_code(), *computed_keys()}
    orphans = {key for key in CATALOGUE.keys() if key not in used and not CATALOGUE[key].replaces}  # noqa: SIM118
    assert orphans - RESERVED_PROMPTS == set()
