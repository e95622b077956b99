"""Clips are recognised where they are, as far as they go, and recognised apart from those that begin alike."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from tests.lab.sip_phone.clip_recognition import Clip, Vocabulary, find, locate, matches_at, transcript
from tests.lab.sip_phone.speech import silence, speech, through_ulaw
from tests.lab.sip_phone.ulaw import RATE

HELLO = Clip("hello", speech(1, 900))
WORLD = Clip("world", speech(2, 1300))
LETTER = Clip("letter", speech(3, 140))
SEVEN = Clip("seven", speech(4, 500))
SEVENTY = Clip("seventy", speech(4, 800))
CLIPS = [HELLO, WORLD, LETTER, SEVEN, SEVENTY]


def test_clip_is_found_at_any_position() -> None:
    audio = through_ulaw(silence(333), HELLO.samples, silence(77), HELLO.samples)
    found = find(audio, HELLO)
    assert [heard.start_s for heard in found] == pytest.approx([0.333, 1.31], abs=0.001)
    assert [heard.end_s for heard in found] == pytest.approx([1.233, 2.21], abs=0.003)
    assert all(heard.complete and heard.score > 0.99 and heard.name == "hello" for heard in found)
    assert find(audio, WORLD) == []


def test_what_asterisk_never_plays_of_a_file_does_not_make_it_incomplete() -> None:
    clip = Clip("odd", speech(1, 903))  # its last 20 ms have only 24 samples
    (heard,) = find(through_ulaw(clip.samples[:-22], silence(500)), clip)
    assert heard.complete


def test_a_clip_begins_with_its_silence() -> None:
    clip = Clip("late", speech(5, 600, lead_ms=200))
    assert find(through_ulaw(silence(300), clip.samples), clip)[0].start_s == pytest.approx(0.3, abs=0.001)


def test_interrupted_clip_reports_how_far_it_was_heard() -> None:
    (heard,) = find(through_ulaw(WORLD.samples[:3200], silence(500)), WORLD)
    assert (heard.start_s, heard.complete) == (0, False)
    assert heard.end_s == pytest.approx(0.4, abs=0.021)


def test_a_clip_that_another_one_cuts_off_ends_there() -> None:
    recognised = transcript(through_ulaw(WORLD.samples[:4000], HELLO.samples), CLIPS)
    assert [(heard.name, heard.complete) for heard in recognised] == [("world", False), ("hello", True)]
    assert recognised[0].end_s == pytest.approx(0.5, abs=0.021)


def test_one_fifth_of_a_second_is_not_enough_of_a_long_clip_but_all_of_a_short_one() -> None:
    assert find(through_ulaw(WORLD.samples[:1600], silence(500)), WORLD) == []
    assert len(find(through_ulaw(silence(100), LETTER.samples, HELLO.samples), LETTER)) == 1


def test_words_without_pause_are_recognised() -> None:
    audio = through_ulaw(HELLO.samples, LETTER.samples, SEVEN.samples, WORLD.samples)
    assert [heard.name for heard in transcript(audio, CLIPS)] == ["hello", "letter", "seven", "world"]


@pytest.mark.parametrize("seed", range(20, 26))
def test_clips_with_same_start_are_distinguished(seed: int) -> None:
    pair = [Clip("short", speech(seed, 500)), Clip("long", speech(seed, 800))]
    for spoken in pair:
        for next_word in (silence(300), HELLO.samples):
            recognised = transcript(through_ulaw(silence(50), spoken.samples, next_word), [HELLO, *pair])
            assert recognised[0].name == spoken.name
            assert recognised[0].complete


def test_a_clip_heard_whole_is_likelier_than_one_cut_there() -> None:
    noisy = Clip("noisy", SEVEN.samples + np.random.default_rng(1).integers(-30, 30, 4000).astype(np.int16))
    recognised = transcript(through_ulaw(SEVEN.samples, silence(300)), [SEVENTY, noisy])
    assert [(heard.name, heard.complete) for heard in recognised] == [("noisy", True)]


def test_softer_speech_is_recognised_and_whispered_is_not() -> None:
    assert find(through_ulaw((HELLO.samples * 0.4).astype(np.int16)), HELLO)
    assert not find(through_ulaw((HELLO.samples * 0.1).astype(np.int16)), HELLO)


def test_a_beep_is_found_once_and_where_it_begins() -> None:
    tone = (8000 * np.sin(np.arange(3200) * 2 * np.pi * 1000 / RATE)).astype(np.int16)
    (heard,) = find(through_ulaw(silence(500), tone, silence(500)), Clip("beep", tone))
    assert heard.start_s == pytest.approx(0.5, abs=0.002)
    assert heard.complete


def test_noise_and_silence_match_no_clip() -> None:
    assert transcript(through_ulaw(speech(99, 4000)), CLIPS) == []
    assert transcript(silence(0), CLIPS) == transcript(silence(2000), CLIPS) == []
    assert transcript(speech(1, 500), []) == []


def test_a_clip_without_sound_is_left_out() -> None:
    assert len(Vocabulary([HELLO, Clip("pause", silence(500))])) == 1


def test_rivals_are_the_clips_that_sound_alike_for_a_while_but_no_second_name() -> None:
    again = Clip("seven/again", SEVEN.samples + 1)
    around = Clip("around", np.concatenate([silence(100), WORLD.samples, SEVEN.samples, HELLO.samples]))
    vocabulary = Vocabulary([*CLIPS, again, around])
    rivals = {template.clip.name: offset for template, offset in vocabulary.rivals(SEVEN)}
    assert set(rivals) == {"seventy", "around"}
    assert rivals["around"] == pytest.approx(800 + len(WORLD.samples), abs=80)


def test_kept_rivals_are_those_of_these_clips_only(tmp_path: Path) -> None:
    def rivals(*clips: Clip) -> list[tuple[str, int]]:
        vocabulary = Vocabulary(clips, rivals_folder=tmp_path)
        return [(template.clip.name, offset) for template, offset in vocabulary.rivals(clips[0])]

    first = rivals(SEVEN, SEVENTY, HELLO)
    assert [name for name, _ in first] == ["seventy"]
    files = [*tmp_path.rglob("*.json")]
    assert len(files) == 1
    assert rivals(SEVEN, SEVENTY, HELLO) == first
    assert rivals(SEVEN, HELLO, SEVENTY) == first
    assert rivals(SEVEN, HELLO, WORLD) == []
    assert rivals(Clip("seven", SEVENTY.samples), SEVENTY, HELLO) == []
    files[0].write_text("[]")
    assert rivals(SEVEN, SEVENTY, HELLO) == []  # read, not computed again


def test_a_vocabulary_is_read_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "number").mkdir()
    for name, rate in (("number/7", RATE), ("wide", 2 * RATE)):
        with wave.open(str(tmp_path / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes(SEVEN.samples.astype("<i2").tobytes())
    with pytest.raises(ValueError, match=r"wide\.wav"):
        Vocabulary.from_folder(tmp_path)
    vocabulary = Vocabulary.from_folder(tmp_path / "number")
    assert [clip.name for clip in vocabulary] == ["7"]
    assert vocabulary["7"].samples.tolist() == SEVEN.samples.tolist()


def test_window_is_located_to_the_sample() -> None:
    recording = speech(6, 7900)
    heard = through_ulaw(recording)
    for at in (0, 1, 12345, len(recording) - 800):
        assert locate(heard[at : at + 800], recording) == at
    assert locate(through_ulaw(speech(7, 200)), recording) is None
    assert locate(silence(100), recording) is None


def test_window_is_located_at_best_then_first_position() -> None:
    word = speech(6, 300)
    worse = word + speech(7, 300) // 10
    assert locate(through_ulaw(word), np.concatenate([worse, silence(50), word, silence(50), word])) == 2800


def test_matches_at_requires_exact_position_and_whole_length() -> None:
    audio = through_ulaw(silence(100), HELLO.samples, silence(100))
    assert matches_at(audio, HELLO.samples, 0.1)
    assert not matches_at(audio, HELLO.samples, 0.1 + 5 / RATE)
    assert not matches_at(audio[:-801], HELLO.samples, 0.1)
    assert not matches_at(audio, HELLO.samples, -0.1)
