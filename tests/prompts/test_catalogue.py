"""The prompt catalogue: valid lines, and the errors of invalid ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivr.errors import CatalogueError
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.clip import Clip

SOUNDS = """
[count]
you-have = "You have"
[envelope]
am = { text = "a.m.", say = "A M." }
pm.text = "p.m."
pm.say = "P M."
[tone]
beep = { text = "(beep)", tone_hz = 440, tone_ms = 500 }
"""


def load_catalogue(folder: Path, text: str) -> Catalogue:
    (folder / "catalogue.toml").write_text(text)
    return Catalogue.load(folder)


def test_catalogue_line_is_text_or_table_or_tone(tmp_path: Path) -> None:
    catalogue = load_catalogue(tmp_path, SOUNDS)
    assert catalogue["count/you-have"] == Clip("count/you-have", text="You have", say="You have")
    assert catalogue["envelope/am"] == Clip("envelope/am", text="a.m.", say="A M.")
    assert catalogue["envelope/pm"].say == "P M."
    assert catalogue["tone/beep"] == Clip("tone/beep", "(beep)", "(beep)", tone_hz=440, tone_ms=500)


def test_keys_are_in_file_order(tmp_path: Path) -> None:
    catalogue = load_catalogue(tmp_path, SOUNDS)
    assert catalogue.keys() == tuple(catalogue) == ("count/you-have", "envelope/am", "envelope/pm", "tone/beep")


def test_recording_path_is_in_folder_of_its_table(tmp_path: Path) -> None:
    assert load_catalogue(tmp_path, SOUNDS).recording_path("count/you-have") == tmp_path / "count" / "you-have.ulaw"


def test_catalogue_contains_only_its_keys(tmp_path: Path) -> None:
    catalogue = load_catalogue(tmp_path, SOUNDS)
    assert "tone/beep" in catalogue
    assert "tone/boop" not in catalogue


def test_unknown_key_error_names_nearest_key(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r'no prompt "count/you-hav"; the nearest is count/you-have: add it'):
        load_catalogue(tmp_path, SOUNDS)["count/you-hav"]


def test_unknown_key_error_of_empty_catalogue_names_no_key(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r'no prompt "a/b": add it'):
        load_catalogue(tmp_path, "")["a/b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[count]\nyou = "You\n', r"catalogue\.toml is not TOML.*line 2.*Correct that line"),
        ('[count]\nyou = "a"\nyou = "b"\n', r"is not TOML.*overwrite"),
        ('hello = "Hello"\n', r"hello is outside of a table: put it below"),
        ("[count]\nyou = 3\n", r"\[count\], you is neither a text nor a table of fields: write"),
        ('[count]\nyou = { say = "you" }\n', r"\[count\], you has no text: write"),
        ('[count]\nyou = { text = "you", sya = "u" }\n', r'\[count\], you: unknown field "sya": write'),
        ('[count]\nyou = ""\n', r"\[count\], you: text must be a text, not ''"),
        ("[count]\nyou = { text = 5 }\n", r"text must be a text, not 5"),
        ('[tone]\nbeep = { text = "b", tone_hz = "440", tone_ms = 5 }\n', r"tone_hz must be a whole number above 0"),
        ('[tone]\nbeep = { text = "b", tone_hz = 440, tone_ms = -5 }\n', r"tone_ms must be a whole number above 0"),
        ('[tone]\nbeep = { text = "b", tone_hz = true, tone_ms = 5 }\n', r"tone_hz must be a whole number above 0"),
        ('[tone]\nbeep = { text = "b", tone_hz = 440 }\n', r"\[tone\], beep: a tone has both tone_hz and tone_ms"),
        ('[tone]\nbeep = { text = "b", say = "b", tone_hz = 440, tone_ms = 5 }\n', r"a tone has .* no say"),
        ('[key]\npause = { text = ",", silence_ms = 9, say = "b" }\n', r"a pause has text and silence_ms, and nothing"),
        ('[count]\n"../x" = "You"\n', r"a name may only have a-z, 0-9 and single hyphens between: rename it"),
        ('["a/b"]\nx = "You"\n', r"a name may only have a-z, 0-9"),
        ('[phrase]\nx = { clips = "a/b" }\n', r"phrase/x: clips has fewer than two keys: name all clips"),
        ('[phrase]\nx = { clips = "a/1..2 b/1..2" }\n', r"phrase/x: clips has two ranges, .* a line for each phrase"),
        ('[phrase]\nx = { clips = "a/b b/1..2", say = "B." }\n', r"or a range and a say: write a line for each"),
        ('[phrase]\nx = { clips = "a/b b/3..2" }\n', r"the range of clips ends before it begins: write the smaller"),
        ('[phrase]\nx = { clips = "a/b b/2", text = "b" }\n', r"a phrase has clips, and say or nothing else: write"),
        ('[tone]\nb = { text = "b", end = "b", tone_hz = 440, tone_ms = 5 }\n', r"a tone has .* no say"),
    ],
)
def test_invalid_line_error_names_line_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CatalogueError, match=message) as raised:
        load_catalogue(tmp_path, text)
    assert str(tmp_path / "catalogue.toml") in str(raised.value)


def test_catalogue_that_is_not_utf8_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "catalogue.toml").write_bytes(b"[count]\nyou = '\xff'\n")
    with pytest.raises(CatalogueError, match="is not TOML in UTF-8"):
        Catalogue.load(tmp_path)


def test_folder_without_catalogue_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"catalogue\.toml cannot be read \(No such file"):
        Catalogue.load(tmp_path)


def test_version_changes_with_text_and_recording(tmp_path: Path) -> None:
    first = load_catalogue(tmp_path, SOUNDS).version
    assert load_catalogue(tmp_path, SOUNDS).version == first
    second = load_catalogue(tmp_path, SOUNDS.replace("You have", "There are")).version
    (tmp_path / "recordings.json").write_text('{"count/you-have": "another"}')
    third = load_catalogue(tmp_path, SOUNDS).version
    assert len({first, second, third}) == 3


# -- recordings for one place in a sentence ----------------------------------------------------------------------------

PLACES = """
[to]
save = "To save,"
[press]
1 = "press one."
[number]
1 = { text = "one", say = "one,", end = "one." }
2 = { text = "two", say = "two,", end = "two." }
[message]
message = { text = "Message", say = "Message," }
saved = { text = "saved", say = "saved,", end = "saved." }
[phrase]
message = { clips = "message/message number/1..2" }
save = { clips = "to/save press/1" }
message-saved = { clips = "message/message message/saved", say = "Message saved," }
"""


@pytest.mark.parametrize(
    ("clips", "recordings"),
    [
        ("message/message number/2", "phrase/message-2"),
        ("message/message number/2 message/saved", "message/message number/2 message/saved-end"),
        ("number/1 number/2", "number/1 number/2-end"),
        ("to/save press/1 to/save press/1", "phrase/save phrase/save"),
        ("message/message number/1 to/save press/1", "phrase/message-1 phrase/save"),
        ("number/1 to/save number/1", "number/1-end to/save number/1-end"),
        ("message/message message/saved number/1", "phrase/message-saved number/1-end"),
        ("message/message message/saved", "message/message message/saved-end"),
        ("number/1 number/7", "number/1 number/7"),
        ("", ""),
    ],
)
def test_recordings_are_those_of_their_place_in_the_sentence(tmp_path: Path, clips: str, recordings: str) -> None:
    assert load_catalogue(tmp_path, PLACES).choose_recordings(clips.split()) == tuple(recordings.split())


def test_phrases_have_the_text_of_their_clips(tmp_path: Path) -> None:
    catalogue = load_catalogue(tmp_path, PLACES)
    parts = ("message/message", "number/2")
    assert catalogue["phrase/message-2"] == Clip("phrase/message-2", "Message two", "Message two.", replaces=parts)
    assert catalogue["phrase/save"].say == "To save, press one."
    assert catalogue["number/2-end"] == Clip("number/2-end", "two", "two.", replaces=("number/2",))
    assert catalogue.incomplete_phrases == ()


def test_phrase_of_a_clip_without_a_line_is_named_and_not_used(tmp_path: Path) -> None:
    catalogue = load_catalogue(tmp_path, PLACES.replace("number/1..2", "number/1..3"))
    assert "phrase/message-2" in catalogue
    assert "phrase/message-3" not in catalogue
    [problem] = catalogue.incomplete_phrases
    assert 'phrase/message names "number/3", which has no line: add it, or correct clips' in problem
