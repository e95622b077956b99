"""Words that are one letter off a known one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.mailbox.text_values import is_one_letter_off

LETTERS = "ab_"
WORDS = st.text(LETTERS, min_size=1, max_size=6)


def neighbours(word: str) -> set[str]:
    """All words that are one letter off, made by force."""
    places = range(len(word) + 1)
    more = {word[:n] + letter + word[n:] for n in places for letter in LETTERS}
    less = {word[:n] + word[n + 1 :] for n in range(len(word))}
    other = {word[:n] + letter + word[n + 1 :] for n in range(len(word)) for letter in LETTERS}
    exchanged = {word[:n] + word[n + 1] + word[n] + word[n + 2 :] for n in range(len(word) - 1)}
    return (more | less | other | exchanged) - {word}


@given(word=WORDS, known=WORDS)
def test_one_letter_off_is_what_a_typing_error_makes(word: str, known: str) -> None:
    assert is_one_letter_off(word, known) is (word in neighbours(known))
    assert all(is_one_letter_off(one, known) for one in neighbours(known))


@pytest.mark.parametrize("word", ["timezone", "time_zones", "zone", ""])
def test_equal_and_distant_words_are_not(word: str) -> None:
    assert not is_one_letter_off(word, "timezone")
