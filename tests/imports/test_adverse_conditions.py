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
from ivr.storage.audio_folder import Recordings
from tests.cli.conftest import Ivr, ivr, parse_json
from tests.imports.spool_maker import SpoolMaker
from tests.imports.test_import import demo, listed, maker

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
