"""Imports on a machine that refuses something: files that may not be read, a disk that is full."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ivr.errors import StoreError
from ivr.imports.app_voicemail import AppVoicemail
from ivr.imports.message_fields import further_fields
from ivr.imports.spool import SpoolMessage
from ivr.imports.system import DecodedAudio
from ivr.storage.audio_folder import Recordings
from tests.cli.conftest import Ivr, ivr, parse_json
from tests.imports.spool_maker import SpoolMaker
from tests.imports.test_import import demo, import_all, listed, maker, notes

__all__ = ["demo", "ivr", "maker"]

UNPRIVILEGED_UID = 65_534


@contextmanager
def other_user() -> Iterator[None]:
    """Context with the effective rights of a user who owns no file."""
    os.seteuid(UNPRIVILEGED_UID)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_user_who_may_not_read_is_told_what_to_do() -> None:
    folder = Path(tempfile.mkdtemp(prefix="ivr-rights-"))
    try:
        folder.chmod(0o755)
        maker = SpoolMaker(folder)
        maker.write_conf()
        message = maker.message()
        system = AppVoicemail(maker.conf, maker.spool)
        context = maker.spool / "default"
        context.chmod(0o700)
        with (
            other_user(),
            pytest.raises(StoreError, match="cannot be read: Permission denied; run the command as root"),
        ):
            system.read_boxes()
        context.chmod(0o755)
        (context / "2001" / "INBOX").chmod(0o700)
        with other_user(), pytest.raises(StoreError, match="INBOX cannot be read: Permission denied"):
            system.read_content("2001", "default")
        (context / "2001" / "INBOX").chmod(0o755)
        message.stem.with_name("msg0000.wav").chmod(0o600)
        with other_user(), pytest.raises(PermissionError, match=r"msg0000\.wav"):
            system.read_content("2001", "default").messages[0].read_audio()
        maker.conf.chmod(0o600)
        with other_user(), pytest.raises(PermissionError, match=r"voicemail\.conf"):
            system.read_boxes()
    finally:
        shutil.rmtree(folder)


def test_full_disk_ends_the_import_which_then_goes_on(
    demo: Ivr, maker: SpoolMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for voice in range(6):
        maker.message(voice=voice)
    write = Recordings.write
    written: list[Path] = []

    def write_until_full(self: Recordings, pcm: bytes, target: Path) -> int:
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "data")
        written.append(target)
        return write(self, pcm, target)

    source = ("import", "app-voicemail", "--conf", str(maker.conf), "--spool", str(maker.spool))
    with monkeypatch.context() as full:
        full.setattr(Recordings, "write", write_until_full)
        assert "No space left on device: free some space, then run the command again" in demo(*source, fails=1).stderr
    assert parse_json(demo("import", "status", "--json"))[0]["state"] == "running or interrupted"
    before = len(listed(demo, "2001"))
    assert before <= 3
    report = parse_json(demo(*source, "--json"))
    assert (report["boxes"][0]["imported"], report["boxes"][0]["already_imported"]) == (6 - before, before)
    assert "all 2 boxes are equal" in demo("import", "verify").stdout


def test_mailbox_that_goes_while_it_is_read_is_named(
    demo: Ivr, maker: SpoolMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The import ended with 4 of 20 messages, exit code 0 and no word."""
    for _ in range(20):
        maker.message()
    read = SpoolMessage.read_audio
    box, away = maker.spool / "default" / "2001", maker.spool / "away"
    count = 0

    def read_while_it_goes(self: SpoolMessage) -> DecodedAudio:
        nonlocal count
        count += 1
        if count == 5:
            box.rename(away)
        return read(self)

    with monkeypatch.context() as going:
        going.setattr(SpoolMessage, "read_audio", read_while_it_goes)
        report = import_all(demo, maker, fails=4)
    missing = 20 - report["boxes"][0]["imported"]
    assert missing
    text = f"loss: messages that are not there any more: {missing}, nor is the folder of the box; run the command again"
    assert text in notes(report, "2001@default")
    away.rename(box)
    assert import_all(demo, maker)["boxes"][0]["imported"] == missing
    assert "all 2 boxes are equal" in demo("import", "verify").stdout


def test_message_that_is_deleted_while_it_is_read_is_named(
    demo: Ivr, maker: SpoolMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = maker.message()
    maker.message(voice=2)
    read = SpoolMessage.read_audio

    def read_after_it_was_deleted(self: SpoolMessage) -> DecodedAudio:
        gone.stem.with_suffix(".txt").unlink(missing_ok=True)
        return read(self)

    monkeypatch.setattr(SpoolMessage, "read_audio", read_after_it_was_deleted)
    found = notes(import_all(demo, maker, fails=3), "2001@default")
    assert "warning: messages that are not there any more: 1, deleted or moved there; run the command again" in found


def test_alias_that_is_a_mailbox_of_its_own_does_not_get_its_messages(demo: Ivr, maker: SpoolMaker) -> None:
    """2002 was not created, and its messages went to 2001, which had its number as an alias."""
    maker.write_conf(
        "[general]\naliasescontext=more\n[more]\n2002 => 2001@default\n9001 => 2001@default\n"
        "[default]\n2001 => 4716,Rosa\n2002 => 58391,Sven\n"
    )
    maker.message(box="2002@default")
    report = import_all(demo, maker, fails=3)
    assert "warning: alias 2002: it is a mailbox of its own" in notes(report, "2001@default")
    assert parse_json(demo("box", "show", "2001", "--json"))["aliases"] == ["9001"]
    assert [len(listed(demo, number)) for number in ("2001", "2002")] == [0, 1]


def test_number_that_is_an_alias_here_is_refused_until_it_is_free(demo: Ivr, maker: SpoolMaker) -> None:
    """The messages went to the mailbox that has the alias, whose owner is another one."""
    demo("box", "create", "3000", "aliases=2001", "--pin", "47163")
    maker.message()
    source = ("import", "app-voicemail", "--conf", str(maker.conf), "--spool", str(maker.spool))
    text = "box 2001@default would be one with box 3000 of demo, which has 2001 as an alias"
    assert text in demo(*source, "--dry-run", fails=4).stdout
    assert text in demo(*source, fails=4).stderr
    assert listed(demo, "3000") == []
    demo("box", "set", "3000", "aliases=")
    import_all(demo, maker)
    # One that was renumbered here since goes on where it is.
    demo("box", "set", "2001", "mailbox=4001", "aliases=2001")
    maker.message(voice=2)
    import_all(demo, maker)
    assert len(listed(demo, "4001")) == 2


def test_dry_run_counts_what_an_import_would_import(demo: Ivr, maker: SpoolMaker) -> None:
    """It counted what was imported already, and what stays behind."""
    maker.message()
    import_all(demo, maker)
    maker.message(voice=2)
    maker.message(voice=3).stem.with_suffix(".wav").unlink()
    source = ("import", "app-voicemail", "--conf", str(maker.conf), "--spool", str(maker.spool))
    printed = demo(*source, "--dry-run", fails=4).stdout
    assert "would import 1 of 3 messages of 2 boxes" in printed
    assert "1 already imported" in printed
    assert "imported before: 1; left behind: 1\nwould import" in printed, "at the end, where it is seen"


def test_note_on_further_fields_is_short() -> None:
    """A damaged file has thousands of names that are none."""
    [text] = further_fields([{f"{n:03}" + "x" * 5_000: "1" for n in range(300)}], ())
    assert text.endswith(" and 280 others")
    assert len(text) < 1_500


def test_context_with_any_name_can_be_left_out_as_the_refusal_says(demo: Ivr, maker: SpoolMaker) -> None:
    maker.write_conf("[default]\n2001 => 4716\n[my ctx]\n2002 => 58391\n[a=b]\n2003 => 83917\n")
    source = ("import", "app-voicemail", "--conf", str(maker.conf), "--spool", str(maker.spool))
    refusal = demo(*source, fails=4).stderr
    for name in ("'my ctx=-'", "a=b=-"):
        assert f"--context {name} to leave it out" in refusal
    twice = demo(*source, "--context", "default=demo,default=-", fails=2).stderr
    assert "--context names default twice" in twice
    import_all(demo, maker, "--context", "my ctx=-", "--context", "a=b=-", fails=3)
    assert [box["mailbox"] for box in parse_json(demo("box", "list", "--json"))] == ["2001"]


@pytest.mark.parametrize("option", ["--pins", "--report"])
def test_full_disk_of_a_report_names_the_file(demo: Ivr, maker: SpoolMaker, option: str) -> None:
    maker.write_conf("[default]\n2001 => 12,Rosa\n")
    pins = () if option == "--pins" else ("--short-pins", "none")
    source = ("--conf", str(maker.conf), "--spool", str(maker.spool), *pins, option, "/dev/full")
    assert "ivr: /dev/full: No space left on device" in demo("import", "app-voicemail", *source, fails=1).stderr
