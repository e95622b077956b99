"""Every language: complete, no larger than allowed, and complete too for a site that adds one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from ivr.errors import CatalogueError
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.completeness import find_missing_clips, required_keys
from ivr.prompts.languages import LANGUAGES, load_catalogues
from ivr.prompts.prompt_cache import PromptCache
from ivr.prompts.recording import check
from ivr.prompts.voice import Voice
from tests.support.app_fixture import SOUNDS, FakeClock

MAX_BYTES = 8_000_000
ENGLISH = Catalogue.load(SOUNDS / "en")
OTHERS = [code for code in LANGUAGES if code != "en"]
SAME_AS_ENGLISH = {
    "fr": {"Message", "Message six", "minute", "minutes", "plus", "six"}, "it": {"zero"}, "pt-BR": {"zero"},
    "de": {"plus", "April", "August", "September", "November"},
}  # fmt: skip


@pytest.mark.parametrize("code", LANGUAGES)
def test_language_has_all_prompts_recorded_and_no_others(code: str) -> None:
    required = required_keys(code, ENGLISH)
    catalogue = Catalogue.load(SOUNDS / code)
    assert check(SOUNDS / code, required) == []
    assert {key for key in catalogue if not catalogue[key].replaces} == required


@pytest.mark.parametrize("code", LANGUAGES)
def test_language_is_at_most_8_mb(code: str) -> None:
    assert 1_000_000 < sum(path.stat().st_size for path in (SOUNDS / code).rglob("*.*")) <= MAX_BYTES


@pytest.mark.parametrize("code", OTHERS)
def test_no_text_of_another_language_is_left_in_english(code: str) -> None:
    catalogue = Catalogue.load(SOUNDS / code)
    same = {key for key in catalogue if key in ENGLISH and catalogue[key].text == ENGLISH[key].text}
    assert {catalogue[key].text for key in same if not key.startswith("letter/")} == SAME_AS_ENGLISH.get(code, set())


def sentence_clips(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """Each clip that continues a sentence, with what is spoken."""
    for key in catalogue:
        if not catalogue[key].text.endswith((".", "?", ",")):
            yield key, catalogue[key].say


@pytest.mark.parametrize("code", LANGUAGES)
def test_words_within_a_sentence_are_spoken_as_unfinished(code: str) -> None:
    catalogue = Catalogue.load(SOUNDS / code)
    finished = [key for key, say in sentence_clips(catalogue) if not say.endswith(",")]
    assert {key for key in finished if not catalogue[key].replaces and catalogue[key].is_speech} == set()


def test_numbers_times_and_days_have_a_recording_for_the_end_of_a_sentence() -> None:
    for table, names in (("number", (*range(51), 60, 70, 80, 90)), ("oh", range(1, 10)), ("ordinal", range(1, 32))):
        for n in names:
            assert ENGLISH.choose_recordings((f"{table}/{n}",)) == (f"{table}/{n}-end",)


def test_missing_prompt_is_found_by_name(tmp_path: Path) -> None:
    text = (SOUNDS / "es" / "catalogue.toml").read_text()
    for line in ('saved = "Guardado."\n', 'mismatch = "Las dos claves no son iguales."\n'):
        assert line in text
        text = text.replace(line, "")
    (tmp_path / "catalogue.toml").write_text(text)
    assert find_missing_clips("es", Catalogue.load(tmp_path), ENGLISH) == ["done/saved", "pin/mismatch"]


def test_only_installed_languages_are_spoken(tmp_path: Path) -> None:
    shutil.copytree(SOUNDS / "en", tmp_path / "en", ignore=shutil.ignore_patterns("*.ulaw"))
    assert [*load_catalogues(tmp_path)] == ["en"]
    voice = Voice(PromptCache(tmp_path / "cache", load_catalogues(tmp_path), FakeClock().monotonic), "es")
    assert (voice.language_code, voice.languages) == ("en", ("en",))
    with pytest.raises(CatalogueError):
        load_catalogues(tmp_path / "nothing")


@pytest.mark.parametrize("code", OTHERS)
def test_sentence_of_another_language_falls_back_clip_by_clip(code: str, tmp_path: Path) -> None:
    shutil.copytree(SOUNDS / code, tmp_path / code)
    (tmp_path / code / "done" / "saved.ulaw").unlink()
    catalogues = {"en": ENGLISH, code: Catalogue.load(tmp_path / code)}
    cache = PromptCache(tmp_path / "cache", catalogues, FakeClock().monotonic)
    with structlog.testing.capture_logs() as logs:
        sound = cache.render(code, ("done/saved", "done/goodbye"))
    assert sound.text == f"Saved. {catalogues[code]['done/goodbye'].text}"
    assert [line["clip"] for line in logs] == ["done/saved"]


def test_recording_of_a_site_is_played_in_place_of_ours(tmp_path: Path) -> None:
    from ivr.audio import wav

    shutil.copytree(SOUNDS / "es", tmp_path / "es")
    wav.write(tmp_path / "es" / "done" / "saved.wav", wav.silence(700))
    catalogue = Catalogue.load(tmp_path / "es")
    sound = PromptCache(tmp_path / "cache", {"es": catalogue}, FakeClock().monotonic).render("es", ("done/saved",))
    assert sound.length_ms == 700
    assert check(tmp_path / "es", catalogue.keys()) == []
