"""Audio of app_voicemail: every format is decoded to what was recorded; damaged and foreign files are rejected."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ivr.audio import telephony_formats, wav
from ivr.errors import InvalidAudio
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
