"""Where an installation keeps what is no data: its prompts, what came with the package, its secrets."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from ivr.errors import SettingsError, StoreError
from ivr.settings import Settings

INSTALLED_DATA = Path(sys.prefix) / "share" / "ivr"
SOURCE_TREE = Path(__file__).parent.parent


def sounds_folder(settings: Settings) -> Path:
    """The prompts: where the settings say, else beside the package, else where a wheel puts them."""
    places = [settings.sounds.folder] if settings.sounds.folder else [SOURCE_TREE / "sounds", INSTALLED_DATA / "sounds"]
    found = next((place for place in places if place and place.is_dir()), None)
    if found is None:
        raise SettingsError(f"there are no prompts at {' or '.join(map(str, places))}: set sounds.folder")
    return found


def package_data_folder() -> Path:
    """What came with ivr beside its code: asterisk-conf/, sounds/, systemd/. Raises `SettingsError`."""
    found = next((place for place in (SOURCE_TREE, INSTALLED_DATA) if (place / "asterisk-conf").is_dir()), None)
    if found is None:
        raise SettingsError(
            f"there is neither {SOURCE_TREE / 'asterisk-conf'} nor {INSTALLED_DATA}: install the package again"
        )
    return found


def load_asterisk_secret(settings: Settings) -> str:
    """What our own Asterisk knows and nobody else: `asterisk.secret`, else a file that the first start makes."""
    return settings.asterisk.secret or read_or_create_secret(settings.data.folder / "asterisk-secret")


def read_or_create_secret(path: Path) -> str:
    """A secret that only this user can read, made at random when it is first needed."""
    try:
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(32))
                file.flush()
                os.fsync(handle)
        return path.read_text().strip()
    except OSError as error:
        raise StoreError(f"{path} cannot be read or made: {error}") from error
