"""Opens the store of recordings that the settings name."""

from __future__ import annotations

from pathlib import Path

from ivr.clock import Clock
from ivr.errors import SettingsError
from ivr.storage.audio_folder import Recordings
from ivr.storage.settings import AudioSettings


def open_audio_store(settings: AudioSettings, data_folder: Path, node_folder: Path, clock: Clock) -> Recordings:
    """Return where recordings are stored. `prepare` creates its folders. Raises `SettingsError`."""
    if settings.is_folder:
        return Recordings(data_folder, node_folder)
    try:
        from ivr.storage.audio_objects import open_object_recordings
    except ImportError as error:
        what = f"audio.store needs the library obstore ({error})"
        raise SettingsError(f"{what}: pip install 'ivr-voicemail[scale]'") from error
    return open_object_recordings(settings, node_folder, clock)
