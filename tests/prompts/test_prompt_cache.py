"""The prompt caches: of a service, and of processes that live for one call."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from ivr.audio import wav
from ivr.audio.formats import Sound
from ivr.errors import SoundsError
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.prompt_cache import EVICTION_GRACE_S, PersistentPromptCache, PromptCache
from ivr.prompts.recording import audio_processing
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


def test_sentence_that_cannot_be_written_becomes_a_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = PromptCache(tmp_path, {"en": Catalogue.load(SOUNDS / "en")}, FakeClock().monotonic)
    cache.render_silence()

    def fail(self: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    pause = cache.render("en", SORRY)
    assert pause.path.exists()
    assert pause.length_ms < 1000


# -- a site's own recordings, of which some are missing or broken ------------------------------------------------------


@pytest.fixture
def own_sounds(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SOUNDS / "en", tmp_path / "own"))


@pytest.mark.parametrize("fault", ["missing", "empty", "noise", "no samples", "not in the catalogue"])
def test_faulty_clip_is_left_out_and_back_once_it_is_mended(own_sounds: Path, tmp_path: Path, fault: str) -> None:
    clip = own_sounds / "number" / "1.ulaw"
    content = clip.read_bytes()
    match fault:
        case "missing":
            clip.unlink()
        case "empty":
            clip.write_bytes(b"")
        case "no samples":
            wav.write(clip.with_suffix(".wav"), b"")
        case "noise":
            clip.with_suffix(".wav").write_bytes(b"RIFF" + bytes(100))
        case _:
            lines = (own_sounds / "catalogue.toml").read_text().splitlines()
            (own_sounds / "catalogue.toml").write_text("\n".join(x for x in lines if not x.startswith("1 = ")))
    cache = PromptCache(tmp_path / "cache", {"en": Catalogue.load(own_sounds)}, FakeClock().monotonic)
    prompt = ("message/message", "number/1", "message/saved")
    assert cache.render("en", prompt).text == "Message saved"
    assert cache.find_cached("en", prompt) is None
    if fault != "not in the catalogue":
        clip.with_suffix(".wav").unlink(missing_ok=True)
        clip.write_bytes(content)
        assert cache.render("en", prompt).text == "Message one saved"
        assert cache.find_cached("en", prompt)


def test_phrase_without_its_recording_is_said_by_its_clips_and_logged_once(own_sounds: Path, tmp_path: Path) -> None:
    whole = PromptCache(tmp_path / "whole", {"en": Catalogue.load(own_sounds)}, FakeClock().monotonic)
    prompt = ("message/message", "number/1")
    assert spoken_clips(whole.render("en", prompt)) == ["phrase/message-1"]
    (own_sounds / "phrase" / "message-1.ulaw").unlink()
    cache = PromptCache(tmp_path / "cache", {"en": Catalogue.load(own_sounds)}, FakeClock().monotonic)
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            assert spoken_clips(cache.render("en", prompt)) == ["message/message", "number/1"]
    assert [(line["event"], line["clip"]) for line in logs] == [("prompt.clip_missing", "phrase/message-1")]


def test_clip_that_a_language_lacks_is_said_in_english_and_logged_once(own_sounds: Path, tmp_path: Path) -> None:
    (own_sounds / "message" / "saved.ulaw").unlink()
    (own_sounds / "message" / "saved-end.ulaw").unlink()
    catalogues = {"xx": Catalogue.load(own_sounds), "en": Catalogue.load(SOUNDS / "en")}
    cache = PromptCache(tmp_path / "cache", catalogues, FakeClock().monotonic)
    with structlog.testing.capture_logs() as logs:
        sounds = [cache.render("xx", ("message/message", "number/1", "message/saved")) for _ in range(2)]
    assert [sound.text for sound in sounds] == ["Message one saved"] * 2
    assert [line["clip"] for line in logs] == ["message/saved-end", "message/saved"]
    assert {line["language"] for line in logs} == {"xx"}


def spoken_clips(sound: Sound) -> list[str]:
    return [clip["key"] for clip in json.loads(sound.path.with_suffix(".json").read_text())["clips"]]


@pytest.mark.parametrize("fault", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_beep_is_made_where_its_recording_is_missing(
    own_sounds: Path, tmp_path: Path, fault: Callable[[Path], object]
) -> None:
    fault(own_sounds / "tone" / "beep.ulaw")
    beep = PromptCache(tmp_path / "cache", {"en": Catalogue.load(own_sounds)}, FakeClock().monotonic).render(
        "en", ("tone/beep",)
    )
    assert beep.length_ms == 500
    assert audio_processing.rms_db(audio_processing.from_pcm(wav.read_samples(beep.path))) > -15


def test_sentence_of_missing_clips_only_is_a_pause(own_sounds: Path, tmp_path: Path) -> None:
    (own_sounds / "done" / "deleted.ulaw").unlink()
    cache = PromptCache(tmp_path / "cache", {"en": Catalogue.load(own_sounds)}, FakeClock().monotonic)
    assert 0 < cache.render("en", ("done/deleted",)).length_ms < 1000


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
