"""Checks of the folders that a message needs: each is a folder, belongs to the service, is writable and has space."""

from __future__ import annotations

import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ivr.health.facts import MEGABYTE, HealthFacts, file_id
from ivr.health.finding import MOUNT, RESTART, RUN_AS_ROOT, Finding, Level, ok, problem, quoted, warning
from ivr.storage.audio_cache import CACHE_FOLDER
from ivr.storage.data_folder import STATE_MODE, state_folder

_ACCOUNT_FOLDER = re.compile(r"[0-9a-f]{32}")
_ALL_RIGHTS = os.R_OK | os.W_OK | os.X_OK
SPACE_REMEDY = (
    "see what fills it: du -xh --max-depth=2 $(stat -c %m {folder}) | sort -h | tail; delete other files, or move the"
    " data folder to a larger disk (docs/operations.md); this deletes what is no longer needed"
)
CACHE_REMEDY = (
    "lower cache_mb in [audio] of ivr.toml below the size of {folder}'s disk, or see what fills it: du -xh"
    " --max-depth=2 {folder} | sort -h | tail; until then new recordings wait where Asterisk has recorded them"
)
FREE_SPACE = "apt-get clean; journalctl --vacuum-size=200M; ivr purge --yes"


def is_read_only(path: Path) -> bool:
    """Return whether the file system of a file or folder is mounted read-only, as after an error of the disk."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _read_only(check: str, path: Path) -> Finding:
    what = f"the file system of {path} is read-only: Linux makes it so after an error of the disk"
    remedy = "see the error: dmesg | tail -30; replace a broken disk, else"
    command = f"mount -o remount,rw $(stat -c %m {quoted(path)}) && {RESTART}"
    return problem(check, what, f"{remedy}: {command}", command=command, prevents_storing=True)


def _not_a_folder(check: str, path: Path, *, prevents_storing: bool) -> Finding | None:
    """Return what is wrong if something else than a folder is at a path; None if nothing or a folder is there."""
    if path.is_dir() or not os.path.lexists(path):
        return None
    if path.is_symlink():
        what = f"{path} points to {os.readlink(path)}, which is no folder"
        link = f"ln -sfn FOLDER {quoted(path)}"
        remedy = (
            f"if it has a disk of its own, mount it: {MOUNT}; else point it to the right folder: {link} && {RESTART}"
        )
        return problem(check, what, remedy, command=MOUNT, prevents_storing=prevents_storing)
    command = f"mv {quoted(path)} {quoted(path)}.aside && {RESTART}"
    remedy = f"{command}; what was in the folder comes back from a backup: ivr restore (docs/operations.md)"
    what = f"{path} is a file, where a folder must be"
    return problem(check, what, remedy, command=command, prevents_storing=prevents_storing)


def check_opened_folder(facts: HealthFacts) -> Iterator[Finding]:
    """Check that the service still has the data folder at its path: it may be moved or deleted at any time."""
    if facts.opened_folder and file_id(facts.folder) != facts.opened_folder:
        what = f"{facts.folder} was moved, deleted or replaced while the service runs"
        remedy = f"bring it back if it is missing; then: {RESTART}"
        command = RESTART if facts.folder.is_dir() else MOUNT
        yield problem("data folder", what, remedy, command=command, prevents_storing=True)


def check_data_folder(facts: HealthFacts) -> Iterator[Finding]:
    """Check that the service can write to its data folder, and that other users cannot read it."""
    folder = facts.folder
    if found := _not_a_folder("data folder", folder, prevents_storing=True):
        yield found
        return
    if not folder.is_dir():
        remedy = (
            f"if it has a disk of its own, mount it: {MOUNT}; else restore a backup: ivr restore FOLDER"
            " (docs/operations.md); on a new machine: ivr install"
        )
        yield problem("data folder", f"{folder} does not exist", remedy, command=MOUNT, prevents_storing=True)
        return
    status = folder.stat()
    if status.st_uid == 0:
        command = f"chown -R ivr {quoted(folder)} && ivr install && {RESTART}"
        remedy = f"run the service as a user of its own: {command}"
        yield warning("data folder", f"{folder} belongs to root", remedy, command=command)
    if is_read_only(folder):
        yield _read_only("data folder", folder)
        return
    with facts.run_as_owner(folder):
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                what = f"no file can be created in {folder}: {error.strerror}"
                remedy = SPACE_REMEDY.format(folder=quoted(folder))
                yield problem(_space_check(facts, folder), what, remedy, command=FREE_SPACE, prevents_storing=True)
            else:
                yield _unwritable_data_folder(folder, error)
            return
    if status.st_mode & stat.S_IRWXO:
        yield problem("data folder", f"every user can access {folder}", command=f"chmod 2750 {quoted(folder)}")
        return
    yield ok("data folder", f"{folder}, user {status.st_uid}, group {status.st_gid}")


def _unwritable_data_folder(folder: Path, error: OSError) -> Finding:
    user = os.geteuid()
    what = f"user {user} cannot write to {folder}: {error.strerror}"
    if user == folder.stat().st_uid:
        return problem("data folder", what, command=f"chmod 2750 {quoted(folder)}", prevents_storing=True)
    return problem("data folder", what, command=RUN_AS_ROOT, prevents_storing=True)


def check_takes_folder(facts: HealthFacts) -> Iterator[Finding]:
    """Check that Asterisk's group can record, that the service can deliver, and that other users cannot listen."""
    folder = facts.node_folder or facts.folder
    takes = folder / "takes"
    if found := _not_a_folder("data folder", takes, prevents_storing=True):
        yield found
        return
    if not takes.is_dir():
        if facts.opened_folder:
            what = f"{takes} does not exist; the start of the service creates it"
            yield problem("data folder", what, command=RESTART, prevents_storing=True)
        return  # Before the first start there is none.
    if is_read_only(takes):
        if not is_read_only(facts.folder):
            yield _read_only("data folder", takes)
        return
    mode = stat.S_IMODE(takes.stat().st_mode)
    command = f"chgrp --reference={quoted(folder)} {quoted(takes)} && chmod 2770 {quoted(takes)}"
    with facts.run_as_owner(folder):
        is_writable = os.access(takes, _ALL_RIGHTS, effective_ids=True)
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
    if not facts.folder.is_dir():
        return
    group, device = facts.folder.stat().st_gid, _device_of(facts.folder)
    for account in sorted(path for path in facts.folder.iterdir() if _ACCOUNT_FOLDER.fullmatch(path.name)):
        paths = [path for path in (account, account / "vm", account / "media") if os.path.lexists(path)]
        misplaced = [_not_a_folder("recordings", path, prevents_storing=False) for path in paths]
        if found := next(filter(None, misplaced), None):
            yield found
            continue
        elsewhere = [path for path in paths if _device_of(path) != device]
        if read_only := next((path for path in elsewhere if is_read_only(path)), None):
            yield _read_only("recordings", read_only)
            continue
        for path in elsewhere[:1]:
            yield from _check_space(facts, path, "recordings", prevents_storing=False)
        with facts.run_as_owner(facts.folder):
            closed = [path for path in paths if not os.access(path, _ALL_RIGHTS, effective_ids=True)]
        hidden = [path for path in paths if not _is_readable_by_group(path, group)]
        if (closed or hidden) and not is_read_only(facts.folder):
            what = f"the service cannot write to {closed[0]}" if closed else f"Asterisk cannot read {hidden[0]}"
            command = (
                f"chown -R --reference={quoted(facts.folder)} {quoted(account)} && "
                f"find {quoted(account)} -type d -exec chmod 2750 {{}} + -o -type f -exec chmod 640 {{}} +"
            )
            yield problem("recordings", f"{what}: messages and greetings are there", command=command)


def _is_readable_by_group(folder: Path, group: int) -> bool:
    status = folder.stat()
    return status.st_gid == group and status.st_mode & 0o050 == 0o050


def check_state_folder(facts: HealthFacts) -> Iterator[Finding]:
    """Check that only the user of the service can enter the folder of database, pepper and secrets."""
    state = state_folder(facts.folder)
    if found := _not_a_folder("data folder", state, prevents_storing=True):
        yield found
    elif state.is_dir():
        status, owner = state.stat(), facts.folder.stat().st_uid
        if status.st_uid != owner:
            command = f"chown --reference={quoted(facts.folder)} {quoted(state)} && chmod 700 {quoted(state)}"
            what = f"{state} belongs to user {status.st_uid}, not to user {owner} of the service"
            yield problem("data folder", what, command=command, prevents_storing=True)
        elif (mode := stat.S_IMODE(status.st_mode)) & 0o777 != STATE_MODE:
            who = "others than the service can enter" if mode & 0o077 else "the service cannot use"
            yield problem("data folder", f"{who} {state} (mode {mode:o})", command=f"chmod 700 {quoted(state)}")
        elif is_read_only(state) and not is_read_only(facts.folder):
            yield _read_only("data folder", state)


def check_disk_space(facts: HealthFacts) -> Iterator[Finding]:
    """Check that there is space for recordings on each file system that a message is written to."""
    takes = (facts.node_folder or facts.folder) / "takes"
    places = [path for path in (state_folder(facts.folder), takes, facts.folder) if path.is_dir()]
    for place in {_device_of(path): path for path in places}.values():
        yield from _check_space(facts, place, _space_check(facts, place), prevents_storing=True)
    cache = (facts.node_folder or facts.folder) / CACHE_FOLDER
    if cache.is_dir() and _device_of(cache) not in {_device_of(path) for path in places}:
        for finding in _check_space(facts, cache, "audio cache", prevents_storing=False):
            yield (
                finding
                if finding.level is Level.OK
                else replace(finding, remedy=CACHE_REMEDY.format(folder=quoted(cache)), command="")
            )


def _space_check(facts: HealthFacts, place: Path) -> str:
    """Return the check that finds no space at a place: "disk" if the dialplan cannot record by itself then."""
    takes = (facts.node_folder or facts.folder) / "takes"
    return "disk" if not takes.is_dir() or _device_of(takes) == _device_of(place) else "data folder"


def _check_space(facts: HealthFacts, place: Path, check: str, *, prevents_storing: bool) -> Iterator[Finding]:
    free_bytes, free_files, limits = facts.free_bytes(place), facts.free_files(place), facts.limits
    what, remedy = f"{free_bytes // MEGABYTE} MB free for {place}", SPACE_REMEDY.format(folder=quoted(place))
    if free_bytes < limits.critical_space_bytes:
        is_full = prevents_storing and free_bytes < limits.full_bytes
        yield problem(check, what, remedy, command=FREE_SPACE, prevents_storing=is_full)
    elif free_files < limits.critical_files:
        what = f"{free_files} further files can be created on the file system of {place}: its inodes are used up"
        remedy = remedy.replace("du -xh", "du -x --inodes").replace("sort -h", "sort -n")
        is_full = prevents_storing and free_files < limits.full_files
        yield problem(check, what, remedy, command=FREE_SPACE, prevents_storing=is_full)
    elif free_bytes < limits.low_space_bytes:
        yield warning(check, what, remedy, command=FREE_SPACE)
    else:
        yield ok(check, what)


def _device_of(path: Path) -> int:
    return path.stat().st_dev
