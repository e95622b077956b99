"""What can be looked at without Asterisk: configuration, database, prompts, clock, zones, programs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from ivr.doctor.finding import Finding, ok, problem, warning
from ivr.doctor.installation import Installation, run_as_owner_of
from ivr.errors import CatalogueError, SettingsError
from ivr.paths import sounds_folder
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.voice import LANGUAGES
from ivr.settings import Settings

EARLIEST_PLAUSIBLE_TIME = datetime(2025, 1, 1, tzinfo=UTC).timestamp()


def check_configuration(installation: Installation) -> Iterator[Finding]:
    """Which file the settings come from, and whether a secret in it is anybody's to read."""
    if installation.config_file is None:
        yield warning(
            "config",
            "there is no ivr.toml: all settings are the shipped ones or IVR_* variables",
            "make /etc/ivr/ivr.toml ('ivr install' does), or point IVR_CONFIG at one",
        )
    elif _contains_secret(installation.settings) and installation.config_file.stat().st_mode & stat.S_IROTH:
        yield problem(
            "config",
            f"{installation.config_file} holds a secret, and everybody may read it",
            f"chmod 640 {installation.config_file}",
        )
    else:
        yield ok("config", f"{installation.config_file}")


def _contains_secret(settings: Settings) -> bool:
    return any((settings.asterisk.secret, settings.ami.secret, settings.mail.password))


def check_database(installation: Installation) -> Iterator[Finding]:
    """Whether there is a database with somebody in it."""
    if installation.snapshot is None:
        return  # Told by whoever tried to open it.
    if not installation.snapshot.accounts:
        yield warning("database", "there is no account yet", "ivr account create NAME, then users, endpoints and boxes")
    else:
        census = installation.snapshot
        counted = f"{len(census.accounts)} accounts, {len(census.users)} users, {len(census.boxes)} boxes"
        yield ok("database", f"{counted}, {len(census.endpoints)} endpoints")


def check_sounds(installation: Installation) -> Iterator[Finding]:
    """Whether every prompt has its recording."""
    try:
        folder = sounds_folder(installation.settings)
        catalogues = {language: Catalogue.load(folder / language) for language in LANGUAGES}
    except (SettingsError, CatalogueError) as error:
        yield problem("sounds", str(error), "install the package again, or set [sounds] folder to where they are")
        return
    for language, catalogue in catalogues.items():
        with run_as_owner_of(installation.data_folder):
            recordings = [catalogue.recording_path(key) for key in sorted(catalogue.keys())]
            missing = [path for path in recordings if not os.access(path, os.R_OK, effective_ids=True)]
        if missing:
            yield problem(
                "sounds",
                f"{len(missing)} recordings of {language} are not there, or not the service's to read, "
                f"such as {missing[0]}",
                "install the package again, or build them (ivr sounds build); chmod -R a+rX them",
            )
        else:
            yield ok("sounds", f"{folder / language}")


def check_clock(installation: Installation) -> Iterator[Finding]:
    """Whether the time of day can be right: messages are sorted and forgotten by it."""
    now = installation.host.clock.now()
    newest = installation.snapshot.newest_message_at if installation.snapshot else 0
    if now < max(newest, EARLIEST_PLAUSIBLE_TIME):
        yield problem(
            "clock",
            f"the clock says {_format_time(now)}, and there are messages from {_format_time(newest)}"
            if newest
            else f"the clock says {_format_time(now)}, which cannot be",
            "set it: timedatectl set-ntp true",
        )
    else:
        yield ok("clock", _format_time(now))


def check_time_zones(installation: Installation) -> Iterator[Finding]:
    """Whether each name of a time zone is one: with a wrong one, times are told in UTC."""
    census = installation.snapshot
    if census is None:
        return
    names = {account.id: account.name for account in census.accounts}
    found = [
        *((f"account {a.name}", a.timezone, f"ivr account set {a.name}") for a in census.accounts),
        *((f"user {u.name}", u.timezone, f"ivr user set {u.name} -a {names[u.account_id]}") for u in census.users),
        *((f"box {b.mailbox}", b.timezone, f"ivr box set {b.mailbox}") for b in census.boxes),
    ]
    wrong = [(who, zone, change) for who, zone, change in found if not _is_time_zone(zone)]
    for who, zone, change in wrong:
        yield problem(
            "time zones",
            f"{who} has the time zone {zone!r}, which there is not: times are said in UTC",
            f"{change} timezone=Europe/Berlin",
        )
    if not wrong:
        yield ok("time zones", f"{len({zone for _, zone, _ in found if zone})} names, all known")


def check_ffmpeg(installation: Installation) -> Iterator[Finding]:
    """Whether uploads and mail can be turned into other forms."""
    found = installation.host.find_program("ffmpeg")
    if found:
        yield ok("ffmpeg", found)
    else:
        yield warning(
            "ffmpeg", "there is no ffmpeg: only WAV can be added, mailed and downloaded", "apt install ffmpeg"
        )


def _is_time_zone(name: str | None) -> bool:
    if not name or name == "inherit":
        return True
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True


def _format_time(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"
