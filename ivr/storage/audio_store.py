"""Opens the store of recordings that the settings name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ivr.clock import Clock
from ivr.errors import SettingsError, StoreError, install_command
from ivr.storage.audio_folder import Recordings
from ivr.storage.data_folder import database_path
from ivr.storage.settings import AudioSettings

if TYPE_CHECKING:
    from ivr.storage.postgresql.url import DatabaseUrl


def open_audio_store(settings: AudioSettings, data_folder: Path, node_folder: Path, clock: Clock) -> Recordings:
    """Return where recordings are stored. `prepare` creates its folders. Raises `SettingsError`."""
    if settings.is_folder:
        return Recordings(data_folder, node_folder)
    try:
        from ivr.storage.audio_objects import open_object_recordings
    except ImportError as error:
        what = f"audio.store needs the library obstore ({error})"
        raise SettingsError(f"{what}: {install_command('scale')}") from error
    return open_object_recordings(settings, node_folder, clock)


def verify_database_kept(
    folder: Path, has_accounts: Callable[[Path], bool], open_recordings: Callable[[], Recordings]
) -> None:
    """Raise `StoreError` if there are recordings, but no database or an empty one: a new one would hide the loss.

    `has_accounts(path)`: whether a database has ever had an account. Only without one is the store of recordings asked.
    """
    path = database_path(folder)
    exists = path.exists()
    if not exists or not has_accounts(path):
        recordings = open_recordings()
        loss = f"{path} {'is empty' if exists else 'is missing'}"
        _verify_no_recordings(loss, recordings, recordings.describe_restoration(folder))


def verify_rows_kept(url: DatabaseUrl, folder: Path, open_recordings: Callable[[], Recordings]) -> None:
    """Raise `StoreError` if there are recordings beside a database in PostgreSQL that has no account."""
    recordings = open_recordings()
    restoration = recordings.describe_restoration(folder, url.restore_command("FILE"))
    _verify_no_recordings(f"{url} is empty", recordings, restoration)


def _verify_no_recordings(loss: str, recordings: Recordings, restoration: str) -> None:
    """Raise `StoreError` if there are recordings, or if that cannot be seen. `loss`: of what; `restoration`: how."""
    try:
        found = recordings.find_any()
    except StoreError as error:
        raise StoreError(f"{loss}, and whether there are recordings cannot be seen: {error}") from error
    if found:
        raise StoreError(f"{loss}, but there are recordings, such as {found}: {restoration}")
