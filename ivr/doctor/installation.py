"""What the doctor looks at: settings, machine, Asterisk's console, and what is in the database."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ivr.app import App
from ivr.clock import Clock, SystemClock
from ivr.directory.models import Account, Endpoint, User
from ivr.doctor.console import AsteriskConsole
from ivr.install.asterisk_start import AsteriskStart, find_asterisk_start
from ivr.mailbox.box_settings import BoxSettings
from ivr.settings import Settings

CONNECT_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class HostInfo:
    """What the doctor asks of the machine, so that a test can have it otherwise."""

    clock: Clock = field(default_factory=SystemClock)
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free
    find_program: Callable[[str], str | None] = shutil.which
    connect: Callable[[str, int], socket.socket] = lambda host, port: socket.create_connection(
        (host, port), timeout=CONNECT_TIMEOUT_S
    )
    find_asterisk_start: Callable[[], AsteriskStart | None] = lambda: find_asterisk_start(Path("/"))


@dataclass(frozen=True, slots=True)
class DatabaseSnapshot:
    """Who and what is in the database."""

    accounts: Sequence[Account] = ()
    users: Sequence[User] = ()
    boxes: Sequence[BoxSettings] = ()
    endpoints: Sequence[Endpoint] = ()
    newest_message_at: int = 0
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class Installation:
    """One installation, to be looked at."""

    settings: Settings
    config_file: Path | None
    """The file that the settings were read from."""
    host: HostInfo
    console: AsteriskConsole
    snapshot: DatabaseSnapshot | None = None
    """None where the database could not be opened, or is not there yet."""

    @property
    def data_folder(self) -> Path:
        return self.settings.data.folder


async def read_database_snapshot(app: App) -> DatabaseSnapshot:
    """All of the database that the checks need. Raises `StoreError`."""
    accounts = await app.directory.accounts()
    users = [user for account in accounts for user in await app.directory.users(account.id)]
    boxes = [box.settings for account in accounts for box in await app.boxes.list_by_account(account.id)]
    newest = await app.overview.newest_message_at()
    return DatabaseSnapshot(accounts, users, boxes, await app.directory.endpoints(None), newest)


@contextmanager
def run_as_owner_of(folder: Path) -> Iterator[None]:
    """Root may do anything, so what root finds says nothing: while inside, root is the owner of `folder`.

    Nothing that is made inside belongs to root, either.
    """
    if os.geteuid() != 0 or not folder.exists():
        yield
        return
    owner, group, groups = folder.stat(), os.getegid(), os.getgroups()
    os.setgroups([])
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)
