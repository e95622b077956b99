"""Checks of the machine: settings, data folder, database, prompts, clock, programs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from ivr.doctor.installation import Installation, run_as_owner_of
from ivr.errors import CatalogueError, SettingsError
from ivr.health.checks import run_checks
from ivr.health.finding import Finding, ok, problem, warning
from ivr.paths import sounds_folder
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.voice import LANGUAGES
from ivr.settings import Settings


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


def check_health(installation: Installation) -> Iterator[Finding]:
    """Run the checks that the running service runs too."""
    yield from run_checks(installation.health_facts())


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


def check_ffmpeg(installation: Installation) -> Iterator[Finding]:
    """Check that ffmpeg is installed, which decodes uploads and encodes M4A."""
    found = installation.host.find_program("ffmpeg")
    if found:
        yield ok("ffmpeg", found)
    else:
        yield warning(
            "ffmpeg",
            "ffmpeg is not installed: only WAV can be added, only WAV and MP3 can be mailed and downloaded",
            "apt install ffmpeg",
        )


SECRET_FILES = ("pepper", "asterisk-secret")


def check_secret_files(installation: Installation) -> Iterator[Finding]:
    """Check that only the user of the service can read the files that hold secrets."""
    paths = [path for name in SECRET_FILES for path in sorted(installation.data_folder.glob(f"{name}*"))]
    for path in paths:
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield problem("secrets", f"other users than that of the service can read {path}", f"chmod 600 {path}")
