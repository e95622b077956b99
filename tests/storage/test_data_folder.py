"""The upgrade of a data folder of an earlier release."""

from __future__ import annotations

from pathlib import Path

from ivr.storage.data_folder import upgrade_data_folder


def test_fallback_recordings_are_renamed_and_locks_and_caches_deleted(tmp_path: Path) -> None:
    for name in (
        "attended/tending",
        "attended/0123",
        "takes/alone-a-1000-.wav",
        "sentences/en/x.wav",
        "forms/y.mp3",
        "locks/0",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    upgrade_data_folder(tmp_path)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"takes/fallback-a-1000-.wav"}
    assert (tmp_path / "takes/fallback-a-1000-.wav").read_text() == "takes/alone-a-1000-.wav"


def test_up_to_date_folder_is_left_alone(tmp_path: Path) -> None:
    for name in ("state/locks/maintenance", "state/pepper", "takes/fallback-a-1000-.wav", "prompt-cache/x.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    upgrade_data_folder(tmp_path)
    assert all((tmp_path / name).exists() for name in ("state/locks/maintenance", "state/pepper", "prompt-cache/x.wav"))


def test_empty_folder_is_left_alone(tmp_path: Path) -> None:
    upgrade_data_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []
