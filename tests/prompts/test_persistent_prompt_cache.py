"""Sentences that outlive the process which joined them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ivr.prompts.catalogue import Catalogue
from ivr.prompts.persistent_prompt_cache import PersistentPromptCache
from ivr.prompts.prompt_cache import EVICTION_GRACE_S
from tests.support.app_fixture import SOUNDS

NOW = 1_800_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "prompt-cache"


def new_process_cache(folder: Path, limit: int = 100) -> PersistentPromptCache:
    """As a new process has them."""
    return PersistentPromptCache(folder, {"en": Catalogue.load(SOUNDS / "en")}, lambda: 0.0, limit)


def test_cached_prompt_is_shared_between_processes(folder: Path) -> None:
    clips = ("count/you-have", "number/2", "count/new-messages")
    first = new_process_cache(folder)
    assert first.find_cached("en", clips) is None
    joined = first.render("en", clips)
    assert new_process_cache(folder).find_cached("en", clips) == joined
    assert joined.text == "You have two new messages"


def test_truncated_cache_file_is_rendered_again(folder: Path) -> None:
    sound = new_process_cache(folder).render("en", ("number/2",))
    sound.path.with_suffix(".json").write_text("{")
    assert new_process_cache(folder).find_cached("en", ("number/2",)) is None


def test_silence_file_is_created_once(folder: Path) -> None:
    silence = new_process_cache(folder).render_silence()
    made_at = silence.path.stat().st_mtime_ns
    assert new_process_cache(folder).render_silence() == silence
    assert silence.path.stat().st_mtime_ns == made_at


def test_least_recently_used_prompts_are_evicted(folder: Path) -> None:
    sentences = new_process_cache(folder, limit=2)
    sounds = [sentences.render("en", (f"number/{n}",)) for n in range(5)]
    for age, sound in enumerate(sounds):
        os.utime(sound.path, (NOW, NOW - 10 * EVICTION_GRACE_S * (age + 1)))
    os.utime(sounds[3].path, (NOW, NOW))
    sentences.trim(NOW)
    assert [sound.path.exists() for sound in sounds] == [True, False, False, True, False]
    assert not sounds[4].path.with_suffix(".json").exists()


def test_recently_played_prompt_is_not_evicted(folder: Path) -> None:
    sentences = new_process_cache(folder, limit=1)
    sounds = [sentences.render("en", (f"number/{n}",)) for n in range(3)]
    for sound in sounds:
        os.utime(sound.path, (NOW, NOW - EVICTION_GRACE_S / 2))
    sentences.trim(NOW)
    assert all(sound.path.exists() for sound in sounds)
