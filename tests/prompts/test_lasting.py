"""Sentences that outlive the process which joined them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ivr.prompts.catalogue import Catalogue
from ivr.prompts.lasting import LastingSentences
from ivr.prompts.sentences import IN_USE_S
from tests.support.house import SOUNDS

NOW = 1_800_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sentences"


def process(folder: Path, limit: int = 100) -> LastingSentences:
    """As a new process has them."""
    return LastingSentences(folder, {"en": Catalogue.load(SOUNDS / "en")}, lambda: 0.0, limit)


def test_what_one_process_has_joined_the_next_one_finds(folder: Path) -> None:
    clips = ("count/you-have", "number/2", "count/new-messages")
    first = process(folder)
    assert first.known("en", clips) is None
    joined = first.joined("en", clips)
    assert process(folder).known("en", clips) == joined
    assert joined.text == "You have two new messages"


def test_half_a_sentence_is_joined_anew(folder: Path) -> None:
    sound = process(folder).joined("en", ("number/2",))
    sound.path.with_suffix(".json").write_text("{")
    assert process(folder).known("en", ("number/2",)) is None


def test_the_silence_is_made_once(folder: Path) -> None:
    silence = process(folder).silence()
    made_at = silence.path.stat().st_mtime_ns
    assert process(folder).silence() == silence
    assert silence.path.stat().st_mtime_ns == made_at


def test_beyond_the_limit_those_not_heard_for_longest_go(folder: Path) -> None:
    sentences = process(folder, limit=2)
    sounds = [sentences.joined("en", (f"number/{n}",)) for n in range(5)]
    for age, sound in enumerate(sounds):
        os.utime(sound.path, (NOW, NOW - 10 * IN_USE_S * (age + 1)))
    os.utime(sounds[3].path, (NOW, NOW))
    sentences.trim(NOW)
    assert [sound.path.exists() for sound in sounds] == [True, False, False, True, False]
    assert not sounds[4].path.with_suffix(".json").exists()


def test_what_may_be_playing_stays(folder: Path) -> None:
    sentences = process(folder, limit=1)
    sounds = [sentences.joined("en", (f"number/{n}",)) for n in range(3)]
    for sound in sounds:
        os.utime(sound.path, (NOW, NOW - IN_USE_S / 2))
    sentences.trim(NOW)
    assert all(sound.path.exists() for sound in sounds)
