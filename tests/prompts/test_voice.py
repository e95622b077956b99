"""The voice of a call: what it can say is ready before it is needed, and trouble waits until it is said."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ivr.prompts.catalogue import Catalogue
from ivr.prompts.sentences import Sentences
from ivr.prompts.voice import Voice
from tests.support.house import SOUNDS, FakeClock


def voice(folder: Path) -> Voice:
    return Voice(Sentences(folder, {"en": Catalogue.load(SOUNDS / "en")}, FakeClock().monotonic), "en")


async def settled() -> None:
    """What runs in other threads has ended."""
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_what_was_prepared_is_known_when_it_is_needed(tmp_path: Path) -> None:
    alice = voice(tmp_path)
    said = alice.rules.message_number(2)
    assert alice.known(said) is None
    alice.prepare(said)
    await settled()
    sound = alice.known(said)
    assert sound
    assert sound.text == "Message two"
    assert sound.path.exists()


async def test_what_cannot_be_prepared_troubles_nobody_yet(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("where a folder should be")
    alice = voice(tmp_path / "a file")
    alice.prepare("done/saved")
    await settled()
    assert alice.known("done/saved") is None
