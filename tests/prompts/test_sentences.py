"""Joined sentences: bounded, and some that are always ready."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from ivr.errors import SoundsError
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.sentences import IN_USE_S, Sentences
from tests.support.house import SOUNDS, FakeClock

SORRY = ("problem/not-done",)


def test_what_is_kept_ready_stays_whatever_comes(tmp_path: Path) -> None:
    clock = FakeClock()
    sentences = Sentences(tmp_path, {"en": Catalogue.load(SOUNDS / "en")}, clock.monotonic, limit=3)
    sentences.keep_ready("en", SORRY)
    sentences.joined("en", SORRY)  # Somebody asks for it all the same.
    first = sentences.joined("en", ("number/0",))
    for n in range(1, 10):
        clock.advance(s=IN_USE_S + 1)
        sentences.joined("en", (f"number/{n}",))
    assert not first.path.exists(), "the others are bounded"
    ready = sentences.known("en", SORRY)
    assert ready
    assert ready.path.exists()


def test_a_sentence_that_finds_no_room_leaves_none_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = Sentences(tmp_path, {"en": Catalogue.load(SOUNDS / "en")}, FakeClock().monotonic)
    real = Path.write_bytes

    def half(self: Path, content: bytes) -> int:
        real(self, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(SoundsError, match="No space left"):
        sentences.joined("en", SORRY)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
