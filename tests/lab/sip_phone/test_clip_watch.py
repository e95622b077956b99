"""Listening for one clip while the audio grows."""

from __future__ import annotations

import pytest

from tests.lab.sip_phone.clip_recognition import Clip, Vocabulary
from tests.lab.sip_phone.clip_template import Match
from tests.lab.sip_phone.clip_watch import ClipWatch
from tests.lab.sip_phone.speech import silence, speech, through_ulaw
from tests.lab.sip_phone.ulaw import RATE, Samples

HELLO = Clip("hello", speech(1, 900))
SEVEN = Clip("seven", speech(4, 500))
SEVENTY = Clip("seventy", speech(4, 800))
POSITION_TOLERANCE_S = Clip("around", through_ulaw(speech(8, 400), SEVEN.samples, speech(9, 400)))
VOCABULARY = Vocabulary([HELLO, SEVEN, SEVENTY, POSITION_TOLERANCE_S])


def watch_for_clip(
    clip: Clip, audio: Samples, *, start_ms: int = 0, settled: bool = False, whole: bool = False
) -> tuple[Match | None, float]:
    """What the watch finds when the audio comes 40 ms at a time, and how many seconds of it that took."""
    watch = ClipWatch(VOCABULARY, clip, start_ms * RATE // 1000, whole=whole)
    for end in range(0, len(audio) + 320, 320):
        if match := watch.search(audio[:end], False):
            return match, end / RATE
    return watch.search(audio, settled), len(audio) / RATE


def test_a_clip_is_recognised_by_its_first_quarter_of_a_second() -> None:
    match, at_s = watch_for_clip(HELLO, through_ulaw(silence(1000), HELLO.samples))
    assert match
    assert match.begin == pytest.approx(RATE, abs=40)
    assert 1.25 < at_s <= 1.32


def test_a_whole_clip_is_waited_for_to_its_end() -> None:
    match, at_s = watch_for_clip(HELLO, through_ulaw(HELLO.samples, silence(500)), whole=True)
    assert match
    assert match.complete
    assert 0.9 <= at_s < 1.0
    assert watch_for_clip(HELLO, through_ulaw(HELLO.samples[:5000], silence(500)), whole=True, settled=True)[0] is None


def test_a_whole_clip_may_come_after_one_that_was_cut() -> None:
    audio = through_ulaw(HELLO.samples[:5000], silence(300), HELLO.samples, silence(100))
    match, _ = watch_for_clip(HELLO, audio, whole=True)
    assert match
    assert match.begin == pytest.approx(7400, abs=40)


def test_watch_waits_until_clips_can_be_distinguished() -> None:
    match, at_s = watch_for_clip(SEVENTY, through_ulaw(SEVENTY.samples, silence(500)))
    assert match
    assert 0.5 < at_s <= 0.6
    match, at_s = watch_for_clip(SEVEN, through_ulaw(SEVEN.samples, silence(500)))
    assert match
    assert 0.5 < at_s <= 0.6


def test_clip_with_same_start_does_not_match() -> None:
    assert watch_for_clip(SEVEN, through_ulaw(SEVENTY.samples, silence(500)), settled=True)[0] is None
    assert watch_for_clip(SEVENTY, through_ulaw(SEVEN.samples, silence(500)), settled=True)[0] is None


def test_clip_containing_same_sound_does_not_match() -> None:
    assert watch_for_clip(SEVEN, through_ulaw(POSITION_TOLERANCE_S.samples, silence(500)), settled=True)[0] is None


def test_best_match_is_used_when_audio_ends() -> None:
    assert watch_for_clip(SEVEN, through_ulaw(SEVEN.samples))[0] is None
    assert watch_for_clip(SEVEN, through_ulaw(SEVEN.samples), settled=True)[0]
    assert watch_for_clip(SEVENTY, through_ulaw(SEVEN.samples), settled=True)[0] is None


def test_clip_started_before_watch_is_ignored() -> None:
    audio = through_ulaw(HELLO.samples, silence(300), HELLO.samples)
    match, _ = watch_for_clip(HELLO, audio, start_ms=100)
    assert match
    assert match.begin == pytest.approx(1.2 * RATE, abs=40)


def test_a_clip_without_sound_cannot_be_listened_for() -> None:
    with pytest.raises(ValueError, match="pause"):
        ClipWatch(VOCABULARY, Clip("pause", silence(300)), 0)
