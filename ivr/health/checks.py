"""The checks that the service, `ivr doctor` and /readyz share. None of them changes anything."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from ivr.clock import CLOCK_TRUSTED_AFTER_S, CONFIRM_CLOCK, MAX_CLOCK_JUMP_S, SET_CLOCK
from ivr.health.facts import HealthFacts
from ivr.health.finding import MOUNT, RESTART, RUN_AS_ROOT, START, STOP, Finding, ok, problem, quoted, warning
from ivr.health.folders import (
    check_data_folder,
    check_disk_space,
    check_opened_folder,
    check_recording_folders,
    check_state_folder,
    check_takes_folder,
    is_read_only,
)
from ivr.storage.data_folder import DATABASE_NAME, database_path, state_folder

DATABASE_FILES = (DATABASE_NAME, f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm")
LOST = "but there are recordings, such as"
UNSEEN = ", and whether there are recordings cannot be seen: "
MAX_CLOCK_DIFFERENCE_S = 60
LOST_PEPPER = "if it is lost: ivr pepper accept; then, for each mailbox: ivr box pin NUMBER --generate"
INSTALL_FUSER = "command -v fuser >/dev/null || apt install -y psmisc"
"""A minimal Debian does not have it."""
RESTORE = f"{STOP} && ivr restore FOLDER --replace && {START}"


def check_database_files(facts: HealthFacts) -> Iterator[Finding]:
    """Check that the service can write the database, whose files may belong to root after a restore."""
    folder = facts.folder
    paths = [state_folder(folder) / name for name in DATABASE_FILES]
    with facts.run_as_owner(folder):
        unwritable = [
            path for path in paths if path.exists() and not os.access(path, os.R_OK | os.W_OK, effective_ids=True)
        ]
    if unwritable and not is_read_only(state_folder(folder)):  # That is a finding of its own.
        first, words = unwritable[0], " ".join(map(quoted, unwritable))
        yield problem(
            "database",
            f"user {folder.stat().st_uid} of {folder} cannot write {first}, which belongs to user"
            f" {first.stat().st_uid}: nothing can be stored",
            command=f"chown --reference={quoted(folder)} {words} && chmod 600 {words} && {RESTART}",
            prevents_storing=True,
        )


def check_database(facts: HealthFacts) -> Iterator[Finding]:
    """Check that the database can be read and written."""
    if facts.database_error:
        what = facts.database_error
        is_lost = LOST in what or UNSEEN in what
        if not is_lost and ("postgresql://" in what or "database.url" in what):  # Such an error says what to do.
            what, bracket, remedy = what.rpartition("): ")
            yield problem("database", what + bracket[:1], remedy, prevents_storing=True)
        else:
            yield _database_finding(what, facts.folder, facts.pepper_file or state_folder(facts.folder) / "pepper")


def check_audio_store(facts: HealthFacts) -> Iterator[Finding]:
    """Check that the object store answers. Until it does, recordings wait in the folder of takes."""
    if facts.audio_error:
        what, _, remedy = facts.audio_error.rpartition(": ")
        if " is slow (" in what:
            what += "; callers and owners wait that long for what is not in the cache"
        elif "lets everybody" not in what:
            what += "; until then recordings wait where Asterisk has recorded them"
        yield problem("audio store", what, remedy)


def _database_finding(error: str, folder: Path, pepper: Path) -> Finding:
    """Return the finding for an error of the database, with what to do about it."""
    if LOST in error:
        what, _, remedy = error.partition(": ")
        command = remedy.partition(": ")[2].partition("; without")[0]
        fill_in: tuple[str, ...] = ("FOLDER",) if "FOLDER" in command else ("FILE",)
        return problem("database", what, remedy, command=command, fill_in=fill_in, prevents_storing=True)
    if UNSEEN in error:
        what, _, reason = error.partition(UNSEEN)
        what += f"{UNSEEN}{reason.rpartition(': ')[0]}"
        remedy = f"see the finding audio store; what is lost is known when it is mended: {RESTART}"
        return problem("database", what, remedy, command=RESTART, prevents_storing=True)
    path, restore = quoted(database_path(folder)), "restore the newest backup of FOLDER (docs/operations.md)"
    fill_in = ("FOLDER",)
    command = RESTORE
    if "locked by another process" in error:
        remedy = f"let the process finish, or find it and end it: fuser -v {path}"
        command, fill_in = f"{STOP}; {INSTALL_FUSER}; fuser -k -TERM {path}; {START}", ()
    elif "newer version" in error and "migrate --back" in error:
        remedy = (
            "install the newer version again: it has all messages; or go back to the copy made before the upgrade"
            " (docs/upgrading.md)"
        )
        copy = f"cp -a {quoted(folder)} {quoted(folder)}.newer"
        command, fill_in = f"{STOP} && {copy} && ivr migrate --back --yes && {START}", ()
    elif "newer version" in error:
        remedy = f"install the newer version again: it has all messages; or {restore}"
    elif "pepper" in error:
        remedy = f"restore pepper from a backup, FILE, or correct pins.pepper_file in ivr.toml; {LOST_PEPPER}"
        command, fill_in = _restore_pepper(pepper, folder), ("FILE",)
    elif "not a database" in error or "malformed" in error:
        remedy = restore
    else:
        remedy, command = (
            f"if a file is damaged, {restore}",
            f"chown -R --reference={quoted(folder)} {path}* && {RESTART}",
        )
        fill_in = ()
    return problem("database", error, remedy, command=command, fill_in=fill_in, prevents_storing=True)


def check_pepper(facts: HealthFacts) -> Iterator[Finding]:
    """Check that the pepper is the one that PINs and passwords were stored with."""
    in_state = state_folder(facts.folder) / "pepper"
    path = facts.pepper_file or in_state
    with facts.run_as_owner(facts.folder):
        is_missing = not path.is_file() and (database_path(facts.folder)).exists()
    if is_missing:
        what = f"{path} is missing or no file: no PIN can be verified"
        if path == in_state:
            yield _pepper_problem(what, path, facts.folder)
        else:
            remedy = f"mount its disk: {MOUNT}; or correct pins.pepper_file in ivr.toml"
            yield problem("pepper", what, remedy, command=MOUNT)
    elif not facts.is_pepper_right:
        what = f"{path} is not the pepper of the database: every PIN is wrong"
        yield _pepper_problem(what, path, facts.folder)
    else:
        if path != in_state and in_state.exists():
            what = f"a pepper lies beside the database: {in_state}; the one in use is {path}"
            command = f"cmp {quoted(in_state)} {quoted(path)} && rm {quoted(in_state)}"
            yield warning("pepper", what, f"if it is the same, delete it, also in backups: {command}", command=command)
        yield from _check_earlier_peppers(facts)


def _pepper_problem(what: str, path: Path, folder: Path, lost: str = LOST_PEPPER) -> Finding:
    """Return a finding about a pepper, with the command that restores it."""
    remedy = f"restore it from FILE of a backup (data/{path.name} there); {lost}"
    return problem("pepper", what, remedy, command=_restore_pepper(path, folder), fill_in=("FILE",))


def _restore_pepper(path: Path, folder: Path) -> str:
    own = f"chown --reference={quoted(folder)} {quoted(path)} && chmod 600 {quoted(path)}"
    return f"cp FILE {quoted(path)} && {own} && {RESTART}"


def _check_earlier_peppers(facts: HealthFacts) -> Iterator[Finding]:
    for usage in facts.peppers:
        if usage.is_current or not usage.hash_count:
            continue
        if usage.is_lost:
            what = f"{usage.hash_count} PINs and passwords need the pepper {usage.id}, which is lost: they are wrong"
            path = (facts.pepper_file or state_folder(facts.folder) / "pepper").with_name(f"pepper.{usage.id}")
            lost = "if it is lost: set them with ivr box pin, ivr user set"
            yield _pepper_problem(what, path, facts.folder, lost)
        else:
            yield ok("pepper", f"{usage.hash_count} PINs and passwords still need the former pepper {usage.id}")


def check_clock(facts: HealthFacts) -> Iterator[Finding]:
    """Check that the clock is plausible: messages are sorted and expire by it."""
    now, newest = facts.now, facts.newest_message_at
    remedy, command = f"set the clock: {SET_CLOCK}", SET_CLOCK
    if now < facts.limits.earliest_time:
        what = f"the clock says {_format_time(now)}, which is too early: messages would be past their retention"
        yield problem("clock", what, remedy, command=command, prevents_storing=True)
    elif now < newest:
        what = f"the clock says {_format_time(now)}, but there are messages from {_format_time(newest)}"
        yield problem("clock", what, remedy, command=command)
    elif facts.trusted_time and now - facts.trusted_time > MAX_CLOCK_JUMP_S:
        yield warning(
            "clock",
            f"the clock says {_format_time(now)}, but retention ran last at {_format_time(facts.trusted_time)}: what"
            " has become due since then is not removed",
            f"if the clock is right, {CONFIRM_CLOCK}, or wait {CLOCK_TRUSTED_AFTER_S // 86_400} days; else set it:"
            f" {SET_CLOCK}",
            command=CONFIRM_CLOCK,
        )
    else:
        yield ok("clock", _format_time(now))


def compare_clocks(lead_s: int) -> Iterator[Finding]:
    """Yield a finding if the clock of the database's server is `lead_s` seconds before that of this machine.

    It does not say which one is wrong. If it is the server's, all nodes find this, so it ends no readiness.
    """
    if abs(lead_s) > MAX_CLOCK_DIFFERENCE_S:
        yield warning(
            "clock",
            f"the clock of this machine is {abs(lead_s)} s {'behind' if lead_s > 0 else 'before'} that of PostgreSQL:"
            " messages of this node are sorted and expire at the wrong time",
            f"set both clocks, here and on the machine of PostgreSQL: {SET_CLOCK}",
            command=SET_CLOCK,
        )


def check_server_clock(facts: HealthFacts) -> Iterator[Finding]:
    """Check that the clocks of this machine and of PostgreSQL agree: nodes with another time store other times."""
    yield from compare_clocks(facts.clock_lead_s)


def check_time_zones(facts: HealthFacts) -> Iterator[Finding]:
    """Check the names of time zones. With an unknown name, times are spoken in UTC."""
    unknown = [use for use in facts.zones if not _is_time_zone(use.zone)]
    for use in unknown:
        yield problem(
            "time zones",
            f"{use.kind} {use.name} has the unknown time zone {use.zone!r}: times are spoken in UTC",
            command=f"ivr {use.kind} set {shlex.quote(use.name)}"
            f"{f' -a {shlex.quote(use.account)}' if use.account else ''} timezone=Europe/Berlin",
        )
    if facts.zones and not unknown:
        yield ok("time zones", f"{len({use.zone for use in facts.zones})} time zones, all known")


Check = Callable[[HealthFacts], Iterator[Finding]]

FILE_CHECKS: tuple[Check, ...] = (
    check_opened_folder,
    check_data_folder,
    check_takes_folder,
    check_state_folder,
    check_database_files,
    check_database,
    check_clock,
    check_disk_space,
)
"""The checks that decide whether a message can be stored. They cost microseconds and run at the start of each call."""
CHECKS: tuple[Check, ...] = (
    *FILE_CHECKS,
    check_server_clock,
    check_audio_store,
    check_recording_folders,
    check_pepper,
    check_time_zones,
)
"""All checks, for `ivr doctor`, /readyz and the log of the service."""


def run_checks(facts: HealthFacts, checks: Iterable[Check] = CHECKS) -> list[Finding]:
    """Run checks. A file that disappears meanwhile is a finding, never an exception."""
    findings: list[Finding] = []
    for check in checks:
        try:
            findings += check(facts)
        except OSError as error:
            what = f"{error.filename or facts.folder} cannot be examined: {error.strerror}"
            findings.append(problem("data folder", what, command=RUN_AS_ROOT, prevents_storing=True))
    return findings


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True


def _format_time(time: float) -> str:
    """Return a time as commands print it: of this machine's time zone, with its offset."""
    return datetime.fromtimestamp(int(time)).astimezone().isoformat(sep=" ")
