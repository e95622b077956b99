"""The prompt caches: of a service, and of processes that live for one call."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ivr.errors import SoundsError
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.prompt_cache import EVICTION_GRACE_S, PersistentPromptCache, PromptCache
from tests.support.app_fixture import SOUNDS, FakeClock

NOW = 1_800_000_000.0
SORRY = ("problem/not-done",)


def test_preloaded_prompt_is_never_evicted(tmp_path: Path) -> None:
    clock = FakeClock()
    cache = PromptCache(tmp_path, {"en": Catalogue.load(SOUNDS / "en")}, clock.monotonic, max_entries=3)
    cache.preload("en", SORRY)
    cache.render("en", SORRY)  # Preloaded prompts may be rendered again.
    first = cache.render("en", ("number/0",))
    for n in range(1, 10):
        clock.advance(s=EVICTION_GRACE_S + 1)
        cache.render("en", (f"number/{n}",))
    assert not first.path.exists(), "other prompts are evicted"
    preloaded = cache.find_cached("en", SORRY)
    assert preloaded
    assert preloaded.path.exists()


def test_failed_prompt_write_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = PromptCache(tmp_path, {"en": Catalogue.load(SOUNDS / "en")}, FakeClock().monotonic)
    write_bytes = Path.write_bytes

    def write_half(self: Path, content: bytes) -> int:
        write_bytes(self, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(SoundsError, match="No space left"):
        cache.render("en", SORRY)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "prompt-cache"


def new_process_cache(folder: Path, limit: int = 100) -> PersistentPromptCache:
    """Return the cache as a new process opens it."""
    return PersistentPromptCache(folder, {"en": Catalogue.load(SOUNDS / "en")}, lambda: 0.0, limit)


def test_cached_prompt_is_shared_between_processes(folder: Path) -> None:
    clips = ("count/you-have", "number/2", "count/new-messages")
    first = new_process_cache(folder)
    assert first.find_cached("en", clips) is None
    rendered = first.render("en", clips)
    assert new_process_cache(folder).find_cached("en", clips) == rendered
    assert rendered.text == "You have two new messages"


def test_persistent_truncated_cache_file_is_rendered_again(folder: Path) -> None:
    sound = new_process_cache(folder).render("en", ("number/2",))
    sound.path.with_suffix(".json").write_text("{")
    assert new_process_cache(folder).find_cached("en", ("number/2",)) is None


def test_persistent_silence_file_is_created_once(folder: Path) -> None:
    silence = new_process_cache(folder).render_silence()
    written_at = silence.path.stat().st_mtime_ns
    assert new_process_cache(folder).render_silence() == silence
    assert silence.path.stat().st_mtime_ns == written_at


def test_persistent_least_recently_used_prompts_are_evicted(folder: Path) -> None:
    cache = new_process_cache(folder, limit=2)
    sounds = [cache.render("en", (f"number/{n}",)) for n in range(5)]
    for age, sound in enumerate(sounds):
        os.utime(sound.path, (NOW, NOW - 10 * EVICTION_GRACE_S * (age + 1)))
    os.utime(sounds[3].path, (NOW, NOW))
    cache.trim(NOW)
    assert [sound.path.exists() for sound in sounds] == [True, False, False, True, False]
    assert not sounds[4].path.with_suffix(".json").exists()


def test_persistent_recently_played_prompt_is_not_evicted(folder: Path) -> None:
    cache = new_process_cache(folder, limit=1)
    sounds = [cache.render("en", (f"number/{n}",)) for n in range(3)]
    for sound in sounds:
        os.utime(sound.path, (NOW, NOW - EVICTION_GRACE_S / 2))
    cache.trim(NOW)
    assert all(sound.path.exists() for sound in sounds)
