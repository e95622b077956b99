"""The voice of a call: prompts are rendered ahead, and errors are raised only when a prompt is used."""

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
    """Wait until other threads have finished."""
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_prepared_prompt_is_cached(tmp_path: Path) -> None:
    voice = create_voice(tmp_path)
    prompt = voice.language.message_number(2)
    assert voice.find_cached(prompt) is None
    voice.prepare(prompt)
    await wait_for_threads()
    sound = voice.find_cached(prompt)
    assert sound
    assert sound.text == "Message two"
    assert sound.path.exists()


async def test_prepare_failure_is_deferred_until_playback(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("not a folder")
    voice = create_voice(tmp_path / "a file")
    voice.prepare("done/saved")
    await wait_for_threads()
    assert voice.find_cached("done/saved") is None
