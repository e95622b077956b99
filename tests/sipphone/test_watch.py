"""Listening for one clip while the audio grows."""

from __future__ import annotations

import pytest

from tests.sipphone.clip import Match
from tests.sipphone.ear import Clip, Vocabulary
from tests.sipphone.speech import on_the_phone, silence, speech
from tests.sipphone.ulaw import RATE, Samples
from tests.sipphone.watch import Watch

HELLO = Clip("hello", speech(1, 900))
SEVEN = Clip("seven", speech(4, 500))
SEVENTY = Clip("seventy", speech(4, 800))
AROUND = Clip("around", on_the_phone(speech(8, 400), SEVEN.samples, speech(9, 400)))
VOCABULARY = Vocabulary([HELLO, SEVEN, SEVENTY, AROUND])


def listen(
    clip: Clip, audio: Samples, *, start_ms: int = 0, settled: bool = False, whole: bool = False
) -> tuple[Match | None, float]:
    """What the watch finds when the audio comes 40 ms at a time, and how many seconds of it that took."""
    watch = Watch(VOCABULARY, clip, start_ms * RATE // 1000, whole=whole)
    for end in range(0, len(audio) + 320, 320):
        if match := watch.look(audio[:end], False):
            return match, end / RATE
    return watch.look(audio, settled), len(audio) / RATE


def test_a_clip_is_recognised_by_its_first_quarter_of_a_second() -> None:
    match, at_s = listen(HELLO, on_the_phone(silence(1000), HELLO.samples))
    assert match
    assert match.begin == pytest.approx(RATE, abs=40)
    assert 1.25 < at_s <= 1.32


def test_a_whole_clip_is_waited_for_to_its_end() -> None:
    match, at_s = listen(HELLO, on_the_phone(HELLO.samples, silence(500)), whole=True)
    assert match
    assert match.complete
    assert 0.9 <= at_s < 1.0
    assert listen(HELLO, on_the_phone(HELLO.samples[:5000], silence(500)), whole=True, settled=True)[0] is None


def test_a_whole_clip_may_come_after_one_that_was_cut() -> None:
    audio = on_the_phone(HELLO.samples[:5000], silence(300), HELLO.samples, silence(100))
    match, _ = listen(HELLO, audio, whole=True)
    assert match
    assert match.begin == pytest.approx(7400, abs=40)


def test_waits_for_what_tells_two_clips_apart() -> None:
    match, at_s = listen(SEVENTY, on_the_phone(SEVENTY.samples, silence(500)))
    assert match
    assert 0.5 < at_s <= 0.6
    match, at_s = listen(SEVEN, on_the_phone(SEVEN.samples, silence(500)))
    assert match
    assert 0.5 < at_s <= 0.6


def test_is_not_taken_in_by_a_clip_that_begins_alike() -> None:
    assert listen(SEVEN, on_the_phone(SEVENTY.samples, silence(500)), settled=True)[0] is None
    assert listen(SEVENTY, on_the_phone(SEVEN.samples, silence(500)), settled=True)[0] is None


def test_is_not_taken_in_by_a_clip_that_contains_the_same_sound() -> None:
    assert listen(SEVEN, on_the_phone(AROUND.samples, silence(500)), settled=True)[0] is None


def test_when_no_more_audio_comes_the_best_explanation_counts() -> None:
    assert listen(SEVEN, on_the_phone(SEVEN.samples))[0] is None
    assert listen(SEVEN, on_the_phone(SEVEN.samples), settled=True)[0]
    assert listen(SEVENTY, on_the_phone(SEVEN.samples), settled=True)[0] is None


def test_hears_nothing_that_began_before_it_listens() -> None:
    audio = on_the_phone(HELLO.samples, silence(300), HELLO.samples)
    match, _ = listen(HELLO, audio, start_ms=100)
    assert match
    assert match.begin == pytest.approx(1.2 * RATE, abs=40)


def test_a_clip_without_sound_cannot_be_listened_for() -> None:
    with pytest.raises(ValueError, match="pause"):
        Watch(VOCABULARY, Clip("pause", silence(300)), 0)
