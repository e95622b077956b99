"""Checks of the host: configuration, database, prompts, clock, time zones and programs."""

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
    """Check that there is a settings file, and that other users cannot read secrets in it."""
    if installation.config_file is None:
        yield warning(
            "config",
            "there is no ivr.toml: the settings are the defaults and the IVR_* variables",
            "create /etc/ivr/ivr.toml ('ivr install' does), or set IVR_CONFIG to the path of one",
        )
    elif _contains_secret(installation.settings) and installation.config_file.stat().st_mode & stat.S_IROTH:
        yield problem(
            "config",
            f"{installation.config_file} contains a secret, and every user can read it",
            f"chmod 640 {installation.config_file}",
        )
    else:
        yield ok("config", f"{installation.config_file}")


def _contains_secret(settings: Settings) -> bool:
    return any((settings.asterisk.secret, settings.ami.secret, settings.mail.password))


def check_database(installation: Installation) -> Iterator[Finding]:
    """Check that the database contains an account."""
    if installation.snapshot is None:
        return  # `ivr doctor` has reported why.
    if not installation.snapshot.accounts:
        yield warning("database", "there is no account yet", "ivr account create NAME, then users, endpoints and boxes")
    else:
        snapshot = installation.snapshot
        counts = f"{len(snapshot.accounts)} accounts, {len(snapshot.users)} users, {len(snapshot.boxes)} boxes"
        yield ok("database", f"{counts}, {len(snapshot.endpoints)} endpoints")


def check_sounds(installation: Installation) -> Iterator[Finding]:
    """Check that every prompt has a recording that the service can read."""
    try:
        folder = sounds_folder(installation.settings)
        catalogues = {language: Catalogue.load(folder / language) for language in LANGUAGES}
    except (SettingsError, CatalogueError) as error:
        yield problem("sounds", str(error), "install the package again, or set folder in [sounds] of ivr.toml")
        return
    for language, catalogue in catalogues.items():
        with run_as_owner_of(installation.data_folder):
            recordings = [catalogue.recording_path(key) for key in sorted(catalogue.keys())]
            missing = [path for path in recordings if not os.access(path, os.R_OK, effective_ids=True)]
        if missing:
            yield problem(
                "sounds",
                f"{len(missing)} recordings of language {language} are missing or unreadable, such as {missing[0]}",
                "install the package again, or run 'ivr sounds build'; then: chmod -R a+rX on the folder",
            )
        else:
            yield ok("sounds", f"{folder / language}")


def check_clock(installation: Installation) -> Iterator[Finding]:
    """Check that the clock is plausible: messages are sorted and expire by it."""
    now = installation.host.clock.now()
    newest = installation.snapshot.newest_message_at if installation.snapshot else 0
    if now < max(newest, EARLIEST_PLAUSIBLE_TIME):
        yield problem(
            "clock",
            f"the clock says {_format_time(now)}, but there are messages from {_format_time(newest)}"
            if newest
            else f"the clock says {_format_time(now)}, which is too early",
            "set the clock: timedatectl set-ntp true",
        )
    else:
        yield ok("clock", _format_time(now))


def check_time_zones(installation: Installation) -> Iterator[Finding]:
    """Check the names of time zones. With an unknown name, times are spoken in UTC."""
    snapshot = installation.snapshot
    if snapshot is None:
        return
    names = {account.id: account.name for account in snapshot.accounts}
    found = [
        *((f"account {a.name}", a.timezone, f"ivr account set {a.name}") for a in snapshot.accounts),
        *((f"user {u.name}", u.timezone, f"ivr user set {u.name} -a {names[u.account_id]}") for u in snapshot.users),
        *((f"box {b.mailbox}", b.timezone, f"ivr box set {b.mailbox}") for b in snapshot.boxes),
    ]
    unknown = [(subject, zone, command) for subject, zone, command in found if not _is_time_zone(zone)]
    for subject, zone, command in unknown:
        yield problem(
            "time zones",
            f"{subject} has the unknown time zone {zone!r}: times are spoken in UTC",
            f"{command} timezone=Europe/Berlin",
        )
    if not unknown:
        yield ok("time zones", f"{len({zone for _, zone, _ in found if zone})} time zones, all known")


def check_ffmpeg(installation: Installation) -> Iterator[Finding]:
    """Check that ffmpeg is installed, which converts uploads, mail attachments and downloads."""
    found = installation.host.find_program("ffmpeg")
    if found:
        yield ok("ffmpeg", found)
    else:
        yield warning(
            "ffmpeg",
            "ffmpeg is not installed: only WAV can be added, mailed and downloaded",
            "apt install ffmpeg",
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
