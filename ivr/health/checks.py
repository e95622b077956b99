"""The checks that the service, `ivr doctor` and /readyz share. None of them changes anything."""

from __future__ import annotations

import os
import re
import shlex
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from ivr.health.facts import MEGABYTE, HealthFacts, file_id
from ivr.health.finding import Finding, ok, problem, warning
from ivr.storage.data_folder import DATABASE_NAME, STATE_MODE, database_path, state_folder

DATABASE_FILES = (DATABASE_NAME, f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm")
PEPPER_REMEDY = (
    "restore pepper from a backup; if it is lost: ivr pepper accept; then, for each mailbox: ivr box pin NUMBER"
    " --generate"
)
START = "systemctl start ivr"
RESTART = "systemctl restart ivr"
STOP = "systemctl stop ivr.socket ivr"
"""Without the socket: it starts the service again with the next call."""
_ACCOUNT_FOLDER = re.compile(r"[0-9a-f]{32}")


def check_opened_folder(facts: HealthFacts) -> Iterator[Finding]:
    """Check that the service still has the data folder at its path: it may be moved or deleted at any time."""
    if facts.opened_folder and file_id(facts.folder) != facts.opened_folder:
        what = f"{facts.folder} was moved, deleted or replaced while the service runs"
        remedy = f"bring it back if it is missing; then: {RESTART}"
        command = RESTART if facts.folder.is_dir() else ""
        yield problem("data folder", what, remedy, command=command, prevents_storing=True)


def check_data_folder(facts: HealthFacts) -> Iterator[Finding]:
    """Check that the service can write to its data folder, and that other users cannot read it."""
    folder = facts.folder
    if not folder.is_dir():
        remedy = "mount its disk if it has one, or restore a backup; on a new machine: ivr install"
        yield problem("data folder", f"{folder} does not exist", remedy, prevents_storing=True)
        return
    status = folder.stat()
    if status.st_uid == 0:
        remedy = f"run the service as a user of its own: chown -R ivr:ivr-asterisk {folder}"
        yield warning("data folder", f"{folder} belongs to root", remedy)
    with facts.run_as_owner(folder):
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            user, is_owner = os.geteuid(), os.geteuid() == status.st_uid
            remedy = f"run as the user of the service: sudo -u '#{status.st_uid}' ivr doctor; or: chown -R ivr {folder}"
            yield problem(
                "data folder",
                f"user {user} cannot write to {folder}: {error.strerror}",
                "" if is_owner else remedy,
                command=f"chmod 2750 {quoted(folder)}" if is_owner else "",
                prevents_storing=True,
            )
            return
    if status.st_mode & stat.S_IRWXO:
        yield problem("data folder", f"every user can access {folder}", command=f"chmod 2750 {quoted(folder)}")
        return
    yield ok("data folder", f"{folder}, user {status.st_uid}, group {status.st_gid}")


def check_takes_folder(facts: HealthFacts) -> Iterator[Finding]:
    """Check that Asterisk's group can record, that the service can deliver, and that other users cannot listen."""
    folder = facts.node_folder or facts.folder
    takes = folder / "takes"
    if not takes.is_dir():
        if facts.opened_folder:
            what = f"{takes} does not exist; the start of the service creates it"
            yield problem("data folder", what, command=RESTART, prevents_storing=True)
        return  # Before the first start there is none.
    mode = stat.S_IMODE(takes.stat().st_mode)
    command = f"chgrp --reference={quoted(folder)} {quoted(takes)} && chmod 2770 {quoted(takes)}"
    with facts.run_as_owner(folder):
        is_writable = os.access(takes, os.R_OK | os.W_OK | os.X_OK, effective_ids=True)
    if not is_writable:
        what = f"the service cannot write to {takes}, which belongs to user {takes.stat().st_uid}"
        command = f"chown --reference={quoted(folder)} {quoted(takes)} && chmod 2770 {quoted(takes)}"
        yield problem("data folder", what, command=command, prevents_storing=True)
    elif mode & 0o2070 != 0o2070 or takes.stat().st_gid != folder.stat().st_gid:
        yield problem("data folder", f"Asterisk's group cannot record to {takes} (mode {mode:o})", command=command)
    elif mode & stat.S_IRWXO:
        yield problem("data folder", f"every user can access {takes}", command=command)


def check_recording_folders(facts: HealthFacts) -> Iterator[Finding]:
    """Check the folders of messages and greetings, which may belong to root after a copy by hand.

    They are as many as accounts, so they are not examined in each call: what cannot be stored stays in `takes`.
    """
    group = facts.folder.stat().st_gid if facts.folder.is_dir() else None
    accounts = sorted(path for path in facts.folder.glob("*/") if _ACCOUNT_FOLDER.fullmatch(path.name))
    for account in accounts if group is not None else ():
        folders = [path for path in (account, account / "vm", account / "media") if os.path.exists(path)]
        with facts.run_as_owner(facts.folder):
            closed = [path for path in folders if not os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=True)]
        hidden = [path for path in folders if not _is_readable_by_group(path, group)]
        if closed or hidden:
            what = f"the service cannot write to {closed[0]}" if closed else f"Asterisk cannot read {hidden[0]}"
            command = (
                f"chown -R --reference={quoted(facts.folder)} {quoted(account)} && "
                f"find {quoted(account)} -type d -exec chmod 2750 {{}} + -o -type f -exec chmod 640 {{}} +"
            )
            yield problem("recordings", f"{what}: messages and greetings are there", command=command)


def _is_readable_by_group(folder: Path, group: int | None) -> bool:
    status = folder.stat()
    return status.st_gid == group and status.st_mode & 0o050 == 0o050


def check_state_folder(facts: HealthFacts) -> Iterator[Finding]:
    """Check that only the user of the service can enter the folder of database, pepper and secrets."""
    state = state_folder(facts.folder)
    if state.is_dir():
        status, owner = state.stat(), facts.folder.stat().st_uid
        if status.st_uid != owner:
            command = f"chown --reference={quoted(facts.folder)} {quoted(state)} && chmod 700 {quoted(state)}"
            what = f"{state} belongs to user {status.st_uid}, not to user {owner} of the service"
            yield problem("data folder", what, command=command, prevents_storing=True)
        elif (mode := stat.S_IMODE(status.st_mode)) & 0o777 != STATE_MODE:
            who = "others than the service can enter" if mode & 0o077 else "the service cannot use"
            yield problem("data folder", f"{who} {state} (mode {mode:o})", command=f"chmod 700 {quoted(state)}")
    elif state.exists():
        yield problem("data folder", f"{state} is no folder", f"move it away; then: {RESTART}", prevents_storing=True)


def check_database_files(facts: HealthFacts) -> Iterator[Finding]:
    """Check that the service can write the database, whose files may belong to root after a restore."""
    folder = facts.folder
    paths = [state_folder(folder) / name for name in DATABASE_FILES]
    with facts.run_as_owner(folder):
        unwritable = [
            path for path in paths if path.exists() and not os.access(path, os.R_OK | os.W_OK, effective_ids=True)
        ]
    if unwritable:
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
        what, remedy = facts.database_error, _database_remedy(facts.database_error, database_path(facts.folder))
        if "postgresql://" in what or "database.url" in what:  # Such an error says what to do.
            what, bracket, remedy = what.rpartition("): ")
            what += bracket[:1]
        yield problem("database", what, remedy, prevents_storing=True)


def _database_remedy(error: str, path: Path) -> str:
    """Return what to do about an error of the database."""
    if "locked by another process" in error:
        return f"find the process and end it, or let it finish: fuser -v {quoted(path)}"
    if "newer version" in error:
        return "install the newer version again; or go back with the copy beside the database (docs/upgrading.md)"
    if "pepper" in error:
        return f"correct pins.pepper_file, or {PEPPER_REMEDY}"
    if "not a database" in error or "malformed" in error:
        return f"{STOP}; restore the newest backup: ivr restore FOLDER --replace (docs/operations.md)"
    return f"chown -R {path.parent.parent} to the user of the service; restore a damaged file from a backup"


def check_pepper(facts: HealthFacts) -> Iterator[Finding]:
    """Check that the pepper is the one that PINs and passwords were stored with."""
    in_state = state_folder(facts.folder) / "pepper"
    path = facts.pepper_file or in_state
    with facts.run_as_owner(facts.folder):
        is_missing = not path.is_file() and (database_path(facts.folder)).exists()
    if is_missing:
        remedy = PEPPER_REMEDY if path == in_state else f"mount its disk, or correct pins.pepper_file; then: {RESTART}"
        yield problem("pepper", f"{path} is missing or no file: no PIN can be verified", remedy)
    elif not facts.is_pepper_right:
        yield problem("pepper", f"{path} is not the pepper of the database: every PIN is wrong", PEPPER_REMEDY)
    else:
        if path != in_state and in_state.exists():
            what = f"a pepper lies beside the database: {in_state}; the one in use is {path}"
            yield warning("pepper", what, f"if it is the same, delete it here and in backups: {in_state}")
        yield from _check_earlier_peppers(facts)


def _check_earlier_peppers(facts: HealthFacts) -> Iterator[Finding]:
    for usage in facts.peppers:
        if usage.is_current or not usage.hash_count:
            continue
        if usage.is_lost:
            what = f"{usage.hash_count} PINs and passwords need the pepper {usage.id}, which is lost: they are wrong"
            remedy = f"restore pepper.{usage.id} from a backup; if it is lost: set them with ivr box pin, ivr user set"
            yield problem("pepper", what, remedy)
        else:
            yield ok("pepper", f"{usage.hash_count} PINs and passwords still need the former pepper {usage.id}")


def check_clock(facts: HealthFacts) -> Iterator[Finding]:
    """Check that the clock is plausible: messages are sorted and expire by it."""
    now, newest = facts.now, facts.newest_message_at
    remedy, command = "set the clock: timedatectl set-ntp true", "timedatectl set-ntp true"
    if now < facts.limits.earliest_time:
        what = f"the clock says {_format_time(now)}, which is too early: messages would be past their retention"
        yield problem("clock", what, remedy, command=command, prevents_storing=True)
    elif now < newest:
        what = f"the clock says {_format_time(now)}, but there are messages from {_format_time(newest)}"
        yield problem("clock", what, remedy, command=command)
    else:
        yield ok("clock", _format_time(now))


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


def check_disk_space(facts: HealthFacts) -> Iterator[Finding]:
    """Check that there is space for recordings."""
    if not facts.folder.is_dir():
        return
    free_bytes, limits = facts.free_bytes(facts.folder), facts.limits
    what = f"{free_bytes // MEGABYTE} MB free for {facts.folder}"
    remedy = "delete other files, or move the data folder to a larger disk and set folder in [data] of ivr.toml"
    if free_bytes < limits.critical_space_bytes:
        yield problem("disk", what, remedy, prevents_storing=free_bytes < limits.full_bytes)
    elif free_bytes < limits.low_space_bytes:
        yield warning("disk", what, remedy)
    else:
        yield ok("disk", what)


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
CHECKS: tuple[Check, ...] = (*FILE_CHECKS, check_recording_folders, check_pepper, check_time_zones)
"""All checks, for `ivr doctor`, /readyz and the log of the service."""


def run_checks(facts: HealthFacts, checks: Iterable[Check] = CHECKS) -> list[Finding]:
    """Run checks. A file that disappears meanwhile is a finding, never an exception."""
    findings: list[Finding] = []
    for check in checks:
        try:
            findings += check(facts)
        except OSError as error:
            what = f"{error.filename or facts.folder} cannot be examined: {error.strerror}"
            findings.append(problem("data folder", what, "run ivr doctor as root", prevents_storing=True))
    return findings


def quoted(path: Path) -> str:
    """Return a path as a word of a shell."""
    return shlex.quote(str(path))


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True


def _format_time(time: float) -> str:
    """Return a time as commands print it: of this machine's time zone, with its offset."""
    return datetime.fromtimestamp(int(time)).astimezone().isoformat(sep=" ")
