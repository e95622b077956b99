"""Audio of app_voicemail: every format is decoded to what was recorded; damaged and foreign files are rejected."""

from __future__ import annotations

import math
import statistics
import subprocess
from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from ivr.audio import telephony_formats, wav
from ivr.errors import InvalidAudio
from ivr.imports.spool import read_box
from ivr.imports.verification import compare_samples, correlation
from ivr.imports.voicemail_conf import read_voicemail_conf
from tests.imports.spool_maker import FORMATS, SpoolMaker
from tests.lab.sip_phone.speech import speech

MS = 1500
MIN_CORRELATION = 0.93
"""GSM keeps the shape of speech, not its samples."""


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> SpoolMaker:
    return SpoolMaker(tmp_path_factory.mktemp("formats"))


@pytest.mark.parametrize("suffix", FORMATS)
def test_each_format_is_decoded_to_the_recording(maker: SpoolMaker, suffix: str) -> None:
    samples, original = telephony_formats.decode(maker.audio(suffix)), speech(1, MS).tobytes()
    assert abs(len(samples) / wav.BYTES_PER_MS - MS) < 45
    assert best_correlation(samples, original) > MIN_CORRELATION
    assert correlation(samples, speech(2, MS).tobytes()) < 0.3
    if suffix in ("wav", "sln"):
        assert samples == original, "to the sample"


CONVERTED = {
    "float.wav": "-c:a pcm_f32le -f wav",
    "24-bit.wav": "-c:a pcm_s24le -ac 2 -ar 44100 -f wav",
    "32-bit.wav": "-c:a pcm_s32le -ar 16000 -f wav",
    "mp3-inside.wav": "-c:a libmp3lame -ac 2 -ar 44100 -f wav",
    "flac.gsm": "-f flac",
    "flac.ulaw": "-ar 48000 -f flac",
    "float.sln": "-c:a pcm_f32le -f wav",
    "stereo.FLAC": "-ac 2 -ar 48000 -f flac",
    "speex.spx": "-c:a libspeex -f ogg",
    "m4a.m4a": "-c:a aac -ar 44100 -f mp4",
    "page.webm": "-c:a libopus -f webm",
    "upper.GSM": "-c:a libgsm -f gsm",
    "no-suffix-of-audio.bak": "-f wav",
}
"""What sites convert recordings to, by the name of the file: options of ffmpeg."""


def test_each_converted_recording_is_read_whatever_its_name_says(maker: SpoolMaker, tmp_path: Path) -> None:
    """An import left float and 24-bit WAV, FLAC and M4A behind, and made noise of a FLAC that is called ulaw."""
    source, original = maker.audio("wav"), speech(1, MS).tobytes()
    outputs = [word for name, options in CONVERTED.items() for word in (*options.split(), str(tmp_path / name))]
    subprocess.run(("ffmpeg", "-v", "error", "-i", str(source), *outputs), check=True)
    wrong = {}
    for name in CONVERTED:
        try:
            found = alike(telephony_formats.decode(tmp_path / name), original)
        except InvalidAudio as error:
            wrong[name] = str(error)
        else:
            if found < 0.9:
                wrong[name] = f"correlation {found:.2f}"
    assert wrong == {}


def alike(one: bytes, other: bytes) -> float:
    """The correlation of loudness, at the best of some delays: MP3 and Speex add up to 70 ms of silence."""
    volumes = [loudness(one[2 * shift :]) for shift in range(0, 800, 80)]
    expected = loudness(other)
    return max(statistics.correlation(found[: len(expected)], expected[: len(found)]) for found in volumes)


def loudness(samples: bytes) -> list[float]:
    values = array("h", samples)
    return [math.sqrt(sum(v * v for v in values[at : at + 160])) for at in range(0, len(values) - 160, 160)]


def test_small_file_that_becomes_endless_audio_is_refused(
    tmp_path: Path, maker: SpoolMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it would be in memory."""
    monkeypatch.setattr(telephony_formats, "LIMITS", replace(telephony_formats.LIMITS, file_bytes=20_000))
    with pytest.raises(InvalidAudio, match=r"1-1500\.WAV becomes larger than"):
        telephony_formats.decode(maker.audio("WAV"))


def test_g729_that_begins_like_mp3_is_g729(tmp_path: Path) -> None:
    frames = tmp_path / "msg0000.g729"
    frames.write_bytes(b"\xff\xfb\x10\x20\x30\x40\x50\x60\x70\x80" * 100)
    assert abs(len(telephony_formats.decode(frames)) - 2 * 8000) < 400


def test_message_whose_only_file_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    """It said that the message has no audio."""
    folder = tmp_path / "default" / "2001" / "INBOX"
    folder.mkdir(parents=True)
    (folder / "msg0000.txt").write_text("[message]\norigtime=1460000000\n")
    (folder / "msg0000.wma").write_bytes(b"\x30\x26\xb2\x75" * 100)
    (folder.parent / "unavail.amr").write_bytes(b"#!AMR\n" + bytes(100))
    box = read_box(tmp_path, "2001", "default")
    reason = "is in a format that is not read: convert it to WAV, MP3, OGG, M4A, FLAC or WebM"
    with pytest.raises(InvalidAudio, match=f"msg0000.wma {reason}"):
        box.messages[0].read_audio()
    with pytest.raises(InvalidAudio, match=f"unavail.amr {reason}"):
        box.greetings["unavail"].read_audio()


def best_correlation(one: bytes, other: bytes) -> float:
    """The best of some milliseconds: codecs delay the sound."""
    return max(correlation(one[2 * shift :], other) for shift in range(60))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.wav", b""),
        ("empty.gsm", b""),
        ("header-only.wav", wav.header(0)),
        ("text.wav", b"From: ann@example.com, it is no recording at all.\n" * 9),
        ("text.gsm", b"From: ann@example.com, it is no recording at all.\n" * 9),
        ("text.ulaw", b"From: ann@example.com, it is no recording at all.\n" * 9),
        ("picture.WAV", b"\x89PNG\r\n\x1a\n" + bytes(2000)),
        ("other.gsm", bytes(3300)),
        ("unknown.xyz", b"\x01\x02" * 100),
    ],
)
def test_what_is_no_audio_is_rejected(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidAudio, match=name):
        telephony_formats.decode(tmp_path / name)


def test_quiet_ulaw_that_begins_like_mp3_is_ulaw(tmp_path: Path) -> None:
    quiet = tmp_path / "quiet.ulaw"
    quiet.write_bytes(b"\xff\xfb\xff\x7f" * 2000)
    assert len(telephony_formats.decode(quiet)) == 2 * 8000


def test_links_are_not_followed(tmp_path: Path, maker: SpoolMaker) -> None:
    (tmp_path / "link.wav").symlink_to(maker.audio("wav"))
    with pytest.raises(InvalidAudio, match="is a link"):
        telephony_formats.decode(tmp_path / "link.wav")


def test_file_that_asterisk_swaps_for_a_link_is_not_read(
    tmp_path: Path, maker: SpoolMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asterisk owns the spool and root imports it: what was checked is what is read."""
    secret, audio = tmp_path / "secret", tmp_path / "msg0000.ulaw"
    secret.write_bytes(b"\x10" * 8000)
    audio.write_bytes(maker.audio("ulaw").read_bytes())
    original = telephony_formats.decode(audio)

    def swap(path: Path, *others: object) -> None:
        path.unlink()
        path.symlink_to(secret)

    monkeypatch.setattr(telephony_formats, "_reject_other_content", swap)
    assert telephony_formats.decode(audio) == original


def test_password_file_of_the_spool_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    box = tmp_path / "default" / "1000"
    box.mkdir(parents=True)
    (tmp_path / "other").write_text("[general]\npassword = 4711\n")
    conf = tmp_path / "voicemail.conf"
    conf.write_text("[general]\npasswordlocation=spooldir\n[default]\n1000 => 1379,Alice\n")
    file = box / "secret.conf"
    file.write_bytes((tmp_path / "other").read_bytes())
    assert read_voicemail_conf(conf, tmp_path).mailboxes["1000@default"].password == "4711"
    file.unlink()
    file.symlink_to(tmp_path / "other")
    assert read_voicemail_conf(conf, tmp_path).mailboxes["1000@default"].password == "1379"


def test_audio_with_other_samples_is_found() -> None:
    one, other = speech(1, MS).tobytes(), speech(2, MS).tobytes()
    assert compare_samples(one, one) == ""
    assert "correlation" in compare_samples(one, other)
    assert "1.5 s at the source, 0.7 s here" in compare_samples(one, one[: len(one) // 2 - 800])
    assert math.isclose(correlation(one, one), 1.0)
    assert correlation(bytes(100), bytes(100)) == 1.0
