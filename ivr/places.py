"""Where an installation keeps what is no data: its prompts, what came with the package, its secrets."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from ivr.errors import SettingsError, StoreError
from ivr.settings import Settings

SHARE = Path(sys.prefix) / "share" / "ivr"
CHECKOUT = Path(__file__).parent.parent


def sounds_folder(settings: Settings) -> Path:
    """The prompts: where the settings say, else beside the package, else where a wheel puts them."""
    places = [settings.sounds.folder] if settings.sounds.folder else [CHECKOUT / "sounds", SHARE / "sounds"]
    found = next((place for place in places if place and place.is_dir()), None)
    if found is None:
        raise SettingsError(f"there are no prompts at {' or '.join(map(str, places))}: set sounds.folder")
    return found


def share_folder() -> Path:
    """What came with ivr beside its code: asterisk-conf/, sounds/, systemd/. Raises `SettingsError`."""
    found = next((place for place in (CHECKOUT, SHARE) if (place / "asterisk-conf").is_dir()), None)
    if found is None:
        raise SettingsError(f"there is neither {CHECKOUT / 'asterisk-conf'} nor {SHARE}: install the package again")
    return found


def asterisk_secret(settings: Settings) -> str:
    """What our own Asterisk knows and nobody else: `asterisk.secret`, else a file that the first start makes."""
    return settings.asterisk.secret or secret_file(settings.data.folder / "asterisk-secret")


def secret_file(path: Path) -> str:
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
