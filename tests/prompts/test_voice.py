"""The voice of a call: what it can say is ready before it is needed, and trouble waits until it is said."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ivr.prompts.catalogue import Catalogue
from ivr.prompts.prompt_cache import PromptCache
from ivr.prompts.voice import Voice
from tests.support.app_fixture import SOUNDS, FakeClock


def create_voice(folder: Path) -> Voice:
    return Voice(PromptCache(folder, {"en": Catalogue.load(SOUNDS / "en")}, FakeClock().monotonic), "en")


async def wait_for_threads() -> None:
    """What runs in other threads has ended."""
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_prepared_prompt_is_cached(tmp_path: Path) -> None:
    alice = create_voice(tmp_path)
    said = alice.language.message_number(2)
    assert alice.find_cached(said) is None
    alice.prepare(said)
    await wait_for_threads()
    sound = alice.find_cached(said)
    assert sound
    assert sound.text == "Message two"
    assert sound.path.exists()


async def test_prepare_failure_is_deferred_until_playback(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("where a folder should be")
    alice = create_voice(tmp_path / "a file")
    alice.prepare("done/saved")
    await wait_for_threads()
    assert alice.find_cached("done/saved") is None
