"""Joined sentences: bounded, and some that are always ready."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from ivr.errors import SoundsError
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.prompt_cache import EVICTION_GRACE_S, PromptCache
from tests.support.app_fixture import SOUNDS, FakeClock

SORRY = ("problem/not-done",)


def test_preloaded_prompt_is_never_evicted(tmp_path: Path) -> None:
    clock = FakeClock()
    sentences = PromptCache(tmp_path, {"en": Catalogue.load(SOUNDS / "en")}, clock.monotonic, max_entries=3)
    sentences.preload("en", SORRY)
    sentences.render("en", SORRY)  # Somebody asks for it all the same.
    first = sentences.render("en", ("number/0",))
    for n in range(1, 10):
        clock.advance(s=EVICTION_GRACE_S + 1)
        sentences.render("en", (f"number/{n}",))
    assert not first.path.exists(), "the others are bounded"
    ready = sentences.find_cached("en", SORRY)
    assert ready
    assert ready.path.exists()


def test_failed_prompt_write_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = PromptCache(tmp_path, {"en": Catalogue.load(SOUNDS / "en")}, FakeClock().monotonic)
    real = Path.write_bytes

    def half(self: Path, content: bytes) -> int:
        real(self, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(SoundsError, match="No space left"):
        sentences.render("en", SORRY)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
