"""What the checks examine: settings, host, Asterisk's console and the content of the database."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from ivr.app import App
from ivr.audio.sandbox import missing_protection
from ivr.clock import Clock, SystemClock
from ivr.directory.models import Account, Endpoint, User
from ivr.directory.peppers import PepperUsage
from ivr.doctor.console import AsteriskConsole, DialplanContext, parse_dialplan
from ivr.doctor.service_state import fetch_certificate, fetch_readiness, read_unit_properties
from ivr.errors import SettingsError, StoreError
from ivr.health.facts import HealthFacts
from ivr.install.asterisk_start import AsteriskStart, find_asterisk_start
from ivr.mailbox.box_settings import BoxSettings
from ivr.pepper_files import pepper_path
from ivr.settings import Settings
from ivr.storage.files import run_as_owner_of
from ivr.storage.records import NodeStatus, OutboxTask, Token, ZoneUse
from ivr.stores import Stores

CONNECT_TIMEOUT_S = 10.0


def find_audio_error(settings: Settings) -> str:
    """Return why the store of recordings cannot be used, by using it, and what to do; "": it can."""
    try:
        Stores(settings).open_recordings().verify(by_writing=True)
    except (StoreError, SettingsError) as error:
        return str(error)
    return ""


INHERITED_ZONE = "inherit"


@dataclass(frozen=True, slots=True)
class HostInfo:
    """What the checks read from the host; a test replaces it."""

    clock: Clock = field(default_factory=SystemClock)
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free
    find_program: Callable[[str], str | None] = shutil.which
    connect: Callable[[str, int], socket.socket] = lambda host, port: socket.create_connection(
        (host, port), timeout=CONNECT_TIMEOUT_S
    )
    fetch_readiness: Callable[[Settings], Mapping[str, Any]] = fetch_readiness
    """Returns what the running service says at /readyz."""
    fetch_certificate: Callable[[str, int], bytes] = fetch_certificate
    """Returns the certificate that a server presents, in DER."""
    unit_properties: Callable[[str], Mapping[str, str]] = read_unit_properties
    """Returns what systemd says of a unit; {} where systemd does not run."""
    find_audio_error: Callable[[Settings], str] = find_audio_error
    """Returns why recordings cannot be stored in the object store, and what to do; "": nothing."""
    missing_protection: Callable[[], str] = missing_protection
    """Returns what the kernel cannot keep from the decoder of an upload; "": nothing."""
    find_asterisk_start: Callable[[], AsteriskStart | None] = lambda: find_asterisk_start(Path("/"))


@dataclass(frozen=True, slots=True)
class DatabaseSnapshot:
    """The content of the database, as far as the checks need it."""

    accounts: Sequence[Account] = ()
    users: Sequence[User] = ()
    boxes: Sequence[BoxSettings] = ()
    endpoints: Sequence[Endpoint] = ()
    newest_message_at: int = 0
    """Unix seconds; 0: there is no message."""
    trusted_time: int = 0
    """Unix seconds at which retention ran last with a trusted clock; 0: never."""
    is_pepper_right: bool = True
    """Whether the pepper is the one that PINs were stored with."""
    peppers: Sequence[PepperUsage] = ()
    api_keys: Sequence[Token] = ()
    """Tokens of programs that were not revoked; they may have expired."""
    nodes: Sequence[NodeStatus] = ()
    clock_lead_s: int = 0
    """Seconds by which the clock of the database's server is before that of this machine; negative: behind it."""
    given_up_tasks: Sequence[OutboxTask] = ()
    """Mails, calls, lights and webhooks that are no longer retried, oldest first."""
    box_accounts: Sequence[str] = ()
    """Names of the accounts of `boxes`, in their order."""


@dataclass(frozen=True, slots=True)
class Installation:
    """The installation to check."""

    settings: Settings
    config_file: Path | None
    """File that the settings were read from; None: there is none."""
    host: HostInfo
    console: AsteriskConsole
    snapshot: DatabaseSnapshot | None = None
    """None: the database does not exist yet or cannot be opened."""
    database_error: str = ""
    """Why the database cannot be opened, read or written; "" if it can."""

    @property
    def data_folder(self) -> Path:
        return self.settings.data.folder

    @property
    def takes_folder(self) -> Path:
        """The folder that Asterisk records to."""
        return self.settings.node_folder / "takes"

    @property
    def pepper_file(self) -> Path:
        return pepper_path(self.data_folder, self.settings.pins.pepper_file)

    def health_facts(self) -> HealthFacts:
        """Return what the checks examine that the running service runs too."""
        snapshot = self.snapshot or DatabaseSnapshot()
        return HealthFacts(
            folder=self.data_folder,
            now=self.host.clock.now(),
            node_folder=self.settings.node_folder,
            database_error=self.database_error,
            audio_error=self.host.find_audio_error(self.settings),
            pepper_file=self.pepper_file,
            is_pepper_right=snapshot.is_pepper_right,
            peppers=snapshot.peppers,
            newest_message_at=snapshot.newest_message_at,
            trusted_time=snapshot.trusted_time,
            clock_lead_s=snapshot.clock_lead_s,
            zones=_zones_of(snapshot),
            free_bytes=self.host.free_bytes,
            run_as_owner=run_as_owner_of,
        )


def _zones_of(snapshot: DatabaseSnapshot) -> list[ZoneUse]:
    names = {account.id: account.name for account in snapshot.accounts}
    uses = [
        *(("account", account.name, account.timezone, "") for account in snapshot.accounts),
        *(("user", user.name, user.timezone, names.get(user.account_id, "")) for user in snapshot.users),
        *(
            ("box", box.mailbox, box.timezone, account or "")
            for box, account in zip_longest(snapshot.boxes, snapshot.box_accounts)
        ),
    ]
    return [ZoneUse(kind, name, zone, account) for kind, name, zone, account in uses if zone and zone != INHERITED_ZONE]


async def read_database_snapshot(app: App) -> DatabaseSnapshot:
    """Read the content of the database that the checks need. Raises `StoreError`, also if it cannot be written."""
    await app.health_store.verify_writable()
    accounts = await app.directory.accounts()
    users = [user for account in accounts for user in await app.directory.users(account.id)]
    boxes = [(account, box) for account in accounts for box in await app.boxes.list_by_account(account.id)]
    newest = await app.overview.newest_message_at()
    server_time = await app.health_store.server_time()
    return DatabaseSnapshot(
        accounts=accounts,
        users=users,
        boxes=[box.settings for _, box in boxes],
        box_accounts=[account.name for account, _ in boxes],
        endpoints=await app.directory.endpoints(),
        is_pepper_right=await app.secret_store.has_stored_pepper(),
        peppers=await app.secret_store.pepper_usage(),
        newest_message_at=newest,
        trusted_time=await app.health_store.trusted_time(),
        api_keys=[token for account in accounts for token in await app.tokens.list_api_keys(account.id)],
        nodes=await app.node_store.list_nodes(),
        clock_lead_s=0 if server_time is None else server_time - int(app.clock.now()),
        given_up_tasks=await app.outbox.list_tasks(given_up_only=True),
    )


@dataclass(frozen=True, slots=True)
class RunningAsterisk:
    """An Asterisk whose console replies."""

    installation: Installation
    variables: dict[str, str] = field(default_factory=dict)
    """Its global variables."""

    def run_command(self, command: str) -> str:
        """Return the output of a console command. Raises `ConsoleUnavailable`."""
        return self.installation.console.run_command(command)

    def read_dialplan(self) -> list[DialplanContext]:
        """Return all contexts of the dialplan."""
        return list(parse_dialplan(self.run_command("dialplan show")).values())

    def read_context(self, name: str) -> DialplanContext | None:
        """Return a context of the dialplan; None if it does not exist."""
        return parse_dialplan(self.run_command(f"dialplan show {name}")).get(name)
