"""Paths of the prompts and of the package data, and the files that hold secrets."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from ivr.ami.settings import AmiSettings
from ivr.errors import SettingsError, StoreError, describe_error
from ivr.local_peer import AsteriskUsers
from ivr.settings import Settings
from ivr.storage.data_folder import prepare_state_folder, state_folder
from ivr.storage.files import inherit_owner, replace_file

INSTALLED_DATA = Path(sys.prefix) / "share" / "ivr"
SOURCE_TREE = Path(__file__).parent.parent
AMI_SECRET_FILE = "ami-secret"


def sounds_folder(settings: Settings) -> Path:
    """Return the folder of the prompts: of the settings, else beside the package, else as a wheel installs it.

    Raises `SettingsError`.
    """
    candidates = [SOURCE_TREE / "sounds", INSTALLED_DATA / "sounds"]
    if settings.sounds.folder:
        candidates = [settings.sounds.folder]
    folder = next((candidate for candidate in candidates if candidate.is_dir()), None)
    if folder is None:
        raise SettingsError(f"there are no prompts in {' or '.join(map(str, candidates))}: set sounds.folder")
    return folder


def package_data_folder() -> Path:
    """Return the folder that contains asterisk-conf/, sounds/ and systemd/ of this package. Raises `SettingsError`."""
    candidates = (SOURCE_TREE, INSTALLED_DATA)
    folder = next((candidate for candidate in candidates if (candidate / "asterisk-conf").is_dir()), None)
    if folder is None:
        raise SettingsError(
            f"neither {SOURCE_TREE / 'asterisk-conf'} nor {INSTALLED_DATA} exists: install the package again"
        )
    return folder


def load_asterisk_secret(settings: Settings) -> str:
    """Return the secret shared with our own Asterisk: `asterisk.secret`, else the file that the first start creates."""
    if settings.asterisk.secret:
        return settings.asterisk.secret
    try:
        state = prepare_state_folder(settings.data.folder)
    except OSError as error:
        raise StoreError(f"{settings.data.folder} cannot be written: {describe_error(error)}") from error
    return read_or_create_secret(state / "asterisk-secret")


def asterisk_users(settings: Settings) -> AsteriskUsers:
    """Return whose programs get credentials at the ports of an Asterisk on this machine."""
    return AsteriskUsers(settings.asterisk.user, settings.data.folder)


def load_ami_settings(settings: Settings) -> AmiSettings:
    """Return `[ami]`, with the secret that `ivr install` wrote if the settings have none.

    Without either the secret is empty: no connection to Asterisk's manager. Raises `StoreError`.
    """
    path = state_folder(settings.data.folder) / AMI_SECRET_FILE
    if settings.ami.secret:
        return settings.ami
    try:
        return settings.ami.model_copy(update={"secret": path.read_text().strip()})
    except FileNotFoundError:
        return settings.ami
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} cannot be read: {describe_error(error)}; 'ivr install' writes it anew") from error


def write_secret(path: Path, text: str) -> None:
    """Replace a file that only its user can read, at once and synced. It keeps its owner. Raises OSError."""
    replace_file(path, text.encode(), set_owner=inherit_owner)


def read_or_create_secret(path: Path) -> str:
    """Return the secret in a file that only this user can read; it is created if missing. Raises `StoreError`."""
    try:
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(32))
                file.flush()
                os.fsync(handle)
            inherit_owner(path)
        return path.read_text().strip()
    except OSError as error:
        raise StoreError(f"{path} cannot be read or created: {describe_error(error)}") from error
    except UnicodeDecodeError as error:
        raise StoreError(
            f"{path} is no text: restore it; or, if it is new, write it with openssl rand -hex 32"
        ) from error
