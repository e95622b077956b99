"""The secret that is shared with Asterisk: the current one, and the previous one for a while after it was replaced."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path

import structlog

from ivr.clock import Clock
from ivr.errors import SettingsError, StoreError
from ivr.paths import load_asterisk_secret, write_secret
from ivr.settings import Settings
from ivr.storage.data_folder import state_folder

SECRET_FILE = "asterisk-secret"
PREVIOUS_FILE = "asterisk-secret.previous"
"""Two lines: the secret, and until when it is accepted (Unix seconds)."""

ID_TEXT = b"ivr asterisk secret id"

log = structlog.get_logger()


class AsteriskSecret:
    """The secret of one installation. A running service notices that it was replaced."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._file = state_folder(settings.data.folder) / SECRET_FILE
        self._previous_file = state_folder(settings.data.folder) / PREVIOUS_FILE
        self._state: object = None
        self._current = ""
        self._previous, self._previous_until = "", 0.0

    def accepted(self) -> Sequence[str]:
        """Return the secrets that our own Asterisk may have now, the current one first."""
        state = (_state_of(self._file), _state_of(self._previous_file))
        if self._state is None or state != self._state:
            try:
                self._current = load_asterisk_secret(self._settings)
                self._previous, self._previous_until = self._read_previous()
                self._state = (_state_of(self._file), _state_of(self._previous_file))
            except StoreError as error:
                if not self._current:
                    raise
                log.error("secret.unreadable", error=str(error))
        overlaps = self._previous and self._clock.now() < self._previous_until
        return (self._current, self._previous) if overlaps else (self._current,)

    def ids(self) -> tuple[str, ...]:
        """Return values by which the accepted secrets are recognised, and from which they cannot be computed."""
        return tuple(hmac.digest(secret.encode(), ID_TEXT, hashlib.sha256).hex() for secret in self.accepted())

    @property
    def previous_until(self) -> float:
        """Unix time until which the previous secret is accepted too; 0: it is not."""
        return self._previous_until if len(self.accepted()) > 1 else 0.0

    def replace(self, secret: str, overlap_s: float) -> None:
        """Replace the secret; the present one is accepted for another `overlap_s` seconds.

        Raises `SettingsError` if the secret is set in the settings, OSError.
        """
        if self._settings.asterisk.secret:
            raise SettingsError(
                "the secret is set as [asterisk] secret in ivr.toml or IVR_ASTERISK__SECRET: replace it there, or"
                " remove it, so that the file asterisk-secret is used"
            )
        current = load_asterisk_secret(self._settings)
        write_secret(self._previous_file, f"{current}\n{int(self._clock.now() + overlap_s)}\n")
        write_secret(self._file, secret)

    def _read_previous(self) -> tuple[str, float]:
        try:
            secret, until = self._previous_file.read_text().split()
            return secret, float(until)
        except (OSError, ValueError):
            return "", 0.0


def _state_of(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
