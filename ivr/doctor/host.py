"""Checks of the machine: settings, data folder, database, prompts, clock, programs."""

from __future__ import annotations

import os
import stat
import tempfile
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


def _is_time_zone(name: str | None) -> bool:
    if not name or name == "inherit":
        return True
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True


def _format_time(time: float) -> str:
    """Return a time as commands print it: of this machine's time zone, with its offset."""
    return datetime.fromtimestamp(int(time)).astimezone().isoformat(sep=" ")


MEGABYTE = 2**20
LOW_SPACE_BYTES = 1024 * MEGABYTE
CRITICAL_SPACE_BYTES = 100 * MEGABYTE
"""A message of 500 s is 8 MB."""
SECRET_FILES = ("pepper", "asterisk-secret")
DATABASE_FILES = ("ivr.db", "ivr.db-wal", "ivr.db-shm")
PEPPER_REMEDY = "restore pepper from a backup; if it is lost: ivr pepper accept, then set PINs with ivr box pin NUMBER"


def check_data_folder(installation: Installation) -> Iterator[Finding]:
    """Check that the service can write to its data folder, and that other users cannot read it."""
    folder = installation.data_folder
    if not folder.is_dir():
        yield problem(
            "data folder",
            f"{folder} does not exist",
            f"'ivr install' creates it; or: install -d -o ivr -g ivr-asterisk -m 2750 {folder}",
        )
        return
    status = folder.stat()
    if status.st_uid == 0:
        yield warning(
            "data folder",
            f"{folder} belongs to root",
            f"run the service as a user of its own: chown -R ivr:ivr-asterisk {folder}",
        )
    with run_as_owner_of(folder):
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            yield problem(
                "data folder",
                f"user {os.geteuid()} cannot write to {folder}: {error.strerror}",
                f"run as the user of the service: sudo -u '#{status.st_uid}' ivr doctor; or: chown -R ivr {folder}",
            )
            return
    if status.st_mode & stat.S_IRWXO:
        yield problem("data folder", f"every user can access {folder}", f"chmod 2750 {folder}")
        return
    yield ok("data folder", f"{folder}, user {status.st_uid}, group {status.st_gid}")


def check_takes_folder(installation: Installation) -> Iterator[Finding]:
    """Check that Asterisk's group can record, and that other users cannot listen."""
    takes, folder = installation.data_folder / "takes", installation.data_folder
    if not takes.is_dir():
        return  # The first start of the service creates it.
    mode, remedy = stat.S_IMODE(takes.stat().st_mode), f"chgrp --reference={folder} {takes} && chmod 2770 {takes}"
    if mode & 0o2070 != 0o2070 or takes.stat().st_gid != folder.stat().st_gid:
        yield problem("data folder", f"Asterisk's group cannot record to {takes} (mode {mode:o})", remedy)
    elif mode & stat.S_IRWXO:
        yield problem("data folder", f"every user can access {takes}", remedy)


def check_secret_files(installation: Installation) -> Iterator[Finding]:
    """Check that only the user of the service can read the files that hold secrets."""
    paths = [path for name in SECRET_FILES for path in sorted(installation.data_folder.glob(f"{name}*"))]
    for path in paths:
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield problem("secrets", f"other users than that of the service can read {path}", f"chmod 600 {path}")


def check_database_files(installation: Installation) -> Iterator[Finding]:
    """Check that the service can write the database, whose files may belong to root after a restore."""
    folder = installation.data_folder
    for path in [folder / name for name in DATABASE_FILES]:
        if not path.exists():
            continue
        with run_as_owner_of(folder):
            is_writable = os.access(path, os.R_OK | os.W_OK, effective_ids=True)
        if not is_writable:
            owner = folder.stat().st_uid
            yield problem(
                "database",
                f"user {owner} of {folder} cannot write {path}, which belongs to user {path.stat().st_uid}:"
                " nothing can be stored",
                f"chown --reference={folder} {path} && chmod 640 {path}; then: systemctl restart ivr",
            )


def check_pepper(installation: Installation) -> Iterator[Finding]:
    """Check that the pepper is the one that PINs and passwords were stored with."""
    if installation.snapshot and not installation.snapshot.is_pepper_right:
        path = installation.data_folder / "pepper"
        yield problem("pepper", f"{path} is not the pepper of the database: every PIN is wrong", PEPPER_REMEDY)
        return
    earlier = [usage for usage in (installation.snapshot.peppers if installation.snapshot else ()) if usage.hash_count]
    for usage in [usage for usage in earlier if not usage.is_current]:
        if usage.is_lost:
            what = f"{usage.hash_count} PINs and passwords need the pepper {usage.id}, which is lost: they are wrong"
            remedy = f"restore pepper.{usage.id} from a backup; if it is lost: set them with ivr box pin, ivr user set"
            yield problem("pepper", what, remedy)
        else:
            yield ok("pepper", f"{usage.hash_count} PINs and passwords still need the former pepper {usage.id}")


def check_disk_space(installation: Installation) -> Iterator[Finding]:
    """Check that there is space for recordings."""
    if not installation.data_folder.is_dir():
        return
    free_bytes = installation.host.free_bytes(installation.data_folder)
    what = f"{free_bytes // MEGABYTE} MB free for {installation.data_folder}"
    remedy = "delete other files, or move the data folder to a larger disk and set folder in [data] of ivr.toml"
    if free_bytes < CRITICAL_SPACE_BYTES:
        yield problem("disk", what, remedy)
    elif free_bytes < LOW_SPACE_BYTES:
        yield warning("disk", what, remedy)
    else:
        yield ok("disk", what)
