"""Files that are replaced at once, or stay as they were."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ivr.storage.files import replace_file


def test_replaced_file_has_new_content_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "secret.conf"
    path.write_bytes(b"earlier")
    replace_file(path, b"later", mode=0o640)
    assert path.read_bytes() == b"later"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [file.name for file in tmp_path.iterdir()] == ["secret.conf"]


def test_draft_is_private_until_its_owner_is_set(tmp_path: Path) -> None:
    modes: list[int] = []
    replace_file(
        tmp_path / "key", b"x", mode=0o644, set_owner=lambda draft: modes.append(stat.S_IMODE(draft.stat().st_mode))
    )
    assert modes == [0o600]


def test_file_stays_when_owner_cannot_be_set(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"earlier")

    def refuse(draft: Path) -> None:
        raise PermissionError(draft)

    with pytest.raises(PermissionError):
        replace_file(path, b"later", set_owner=refuse)
    assert path.read_bytes() == b"earlier"


def test_draft_is_not_written_through_a_link(tmp_path: Path) -> None:
    target = tmp_path / "passwd"
    target.write_bytes(b"root")
    (tmp_path / ".key.draft").symlink_to(target)
    replace_file(tmp_path / "key", b"x")
    assert target.read_bytes() == b"root"
    assert not (tmp_path / "key").is_symlink()
