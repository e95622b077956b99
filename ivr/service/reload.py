"""Reload on SIGHUP: the log settings are applied; changes of other settings are reported, and need a restart."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from ivr.errors import IvrError
from ivr.settings import LogSettings, Settings

log = structlog.get_logger()

RELOADED_SECTIONS = ("log",)


class SettingsReloader:
    """Reads the settings again.

    `running`: the settings of the service. `load`: reads them; raises `SettingsError`. `apply_log` configures the log.
    """

    def __init__(
        self, running: Settings, load: Callable[[], Settings], apply_log: Callable[[LogSettings], None]
    ) -> None:
        self._running = running
        self._load = load
        self._apply_log = apply_log

    def reload(self) -> None:
        """Apply what can be changed while calls are served. Invalid settings are logged, and nothing changes."""
        try:
            loaded = self._load()
        except (IvrError, OSError) as error:
            log.error("settings.invalid", error=str(error), effect="the settings in use stay")
            return
        self._apply_log(loaded.log)
        waiting = [
            section
            for section in type(loaded).model_fields
            if section not in RELOADED_SECTIONS and getattr(loaded, section) != getattr(self._running, section)
        ]
        log.warning("settings.reloaded", level=loaded.log.level, json_lines=loaded.log.json_lines)
        if waiting:
            log.warning("settings.restart_needed", sections=waiting, remedy="systemctl restart ivr")
