"""`ivr backup` and `ivr restore`."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shlex
import sys
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from ivr import __version__, settings
from ivr.backup.backup_run import BackupReport, check_destination, run_backup
from ivr.backup.copying import disk_errors
from ivr.backup.manifest import DATA_PREFIX, MANIFEST_NAME, read_manifest
from ivr.backup.readers import open_backup, verify_backup
from ivr.backup.restoration import Restoration, RestoreOwners, RestoreReport, RestoreTarget
from ivr.backup.selection import BackupSelection
from ivr.backup.writers import (
    BackupWriter,
    SnapshotWriter,
    TarWriter,
    lock_backup_folder,
    remove_old_snapshots,
    snapshot_names,
)
from ivr.cli.audit import command_actor, record_afterwards
from ivr.cli.install import DEFAULT_ASTERISK_USER, DEFAULT_GROUP
from ivr.cli.support import JsonOption, echo, exit_on_error, format_time, print_document, print_table, require_database
from ivr.errors import BadInput, ConfigurationError, NotFound, StoreBusy
from ivr.install.asterisk_start import find_asterisk_start
from ivr.pepper_files import pepper_path
from ivr.storage.data_folder import database_path
from ivr.storage.records import AuditAction
from ivr.stores import Stores
from ivr.trusted_path import changeable_by_others, refusal

MEGABYTE = 10**6
BACKUP_SUBJECT = "backup"
"""What the audit log names, in place of a message."""
DUMP_COMMANDS = (
    "pg_dump --format=custom --file=ivr.dump --dbname={database} && cp -a {folder} FOLDER"
    " (the dump first: a recording is stored before its row; see docs/scale.md#backup)"
)
RESTORE_COMMANDS = (
    "stop the services of all nodes, then {restore} && cp -a FOLDER/. {folder} (see docs/scale.md#backup)"
)
COPY_BUCKET = "copy the bucket of {store} with the programs of its store, after the rows (see docs/scale.md#backup)"
RootOption = typer.Option(Path("/"), help="Root of the machine whose /etc is meant, such as a mounted image.")


class BackupGroup(TyperGroup):
    """A group whose first word is a command, or what `create` is given."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["create", *args]
        return super().parse_args(ctx, args)


command = typer.Typer(no_args_is_help=True, cls=BackupGroup)


@command.command("create")
@exit_on_error
def create(
    destination: str = typer.Argument(
        metavar="FOLDER|-", help="Folder for backups; '-': a tar file to standard output."
    ),
    keep: int = typer.Option(0, min=0, help="Backups to keep in FOLDER; older ones are removed. 0: all."),
    root: Path = RootOption,
    as_json: bool = JsonOption,
) -> None:
    """Back up this installation while it runs. 'ivr backup FOLDER' is short for this.

    Each backup is a folder of its own that shares unchanged recordings with the one before. It contains the database,
    all recordings, the pepper, the secrets, and the settings of ivr and of Asterisk's part. Keep it private.
    """
    loaded = settings.load()
    stores = Stores(loaded)
    _refuse_other_stores(stores, DUMP_COMMANDS)
    require_database(loaded)
    configured = loaded.pins.pepper_file
    pepper = pepper_path(loaded.data.folder, configured) if configured else None
    selection = BackupSelection(loaded.data.folder, root.absolute(), settings.config_path(), pepper)

    def run(writer: BackupWriter) -> BackupReport:
        return run_backup(selection, stores.database_files, writer, stores.clock)

    if destination == "-":
        _require_pipe(sys.stdout.isatty())
        # Unbuffered: nothing is left to be written at exit if its reader has ended.
        with disk_errors(Path("the temporary folder"), "ivr backup -"), open(1, "wb", 0, closefd=False) as stdout:
            report = run(TarWriter(stdout))
        record_afterwards(AuditAction.EXPORTED, BACKUP_SUBJECT)
        _print_warnings(report, pepper)
        return
    folder = Path(destination)
    check_destination(selection, folder)
    with disk_errors(folder, f"ivr backup {destination}"), lock_backup_folder(folder):
        writer = SnapshotWriter(folder, sync=loaded.data.fsync)
        report = run(writer)
        removed = remove_old_snapshots(folder, keep, newest=Path(report.destination).name) if keep else []
    document = {
        "backup": report.destination,
        "messages": report.manifest.message_count,
        "files": len(report.manifest.files),
        "copied": writer.copied_count,
        "size_mb": round(report.manifest.size / MEGABYTE, 1),
        "removed": removed,
    }
    record_afterwards(AuditAction.EXPORTED, BACKUP_SUBJECT)
    print_document(document, as_json)
    _print_warnings(report, pepper)


def _refuse_other_stores(stores: Stores, commands: str) -> None:
    """Raise `BadInput` with what to do if rows or recordings are not in the data folder, but where others copy them."""
    loaded = stores.settings
    bucket = "" if loaded.audio.is_folder else f"; {COPY_BUCKET.format(store=loaded.audio.store)}"
    folder = shlex.quote(str(loaded.data.folder))
    if loaded.database.url:
        address = stores.database_url
        restore = address.restore_command("ivr.dump")
        steps = commands.format(database=shlex.quote(address.options), restore=restore, folder=folder)
        raise BadInput(f"the rows are in PostgreSQL (database.url), which has programs of its own: {steps}{bucket}")
    if bucket:
        steps = f"stop the services, then cp -a {folder} FOLDER, or back"
        raise BadInput(
            f"the recordings are in {loaded.audio.store} (audio.store), not in the data folder: {steps}{bucket}"
        )


def _require_pipe(is_terminal: bool) -> None:
    if is_terminal:
        raise BadInput("a tar file would go to the terminal: use ivr backup - > FILE.tar")


def _print_warnings(report: BackupReport, pepper: Path | None) -> None:
    if pepper:
        echo(f"ivr: not in the backup: the pepper {pepper} (pins.pepper_file): back it up elsewhere", err=True)
    for link in report.links:
        echo(f"ivr: not in the backup: {link} is a symbolic link", err=True)
    for path, owner in report.missing.items():
        echo(f"ivr: {owner} has no audio: {path} does not exist in the data folder", err=True)
    if report.missing:
        raise typer.Exit(1)


SNAPSHOT_HELP = "Name of one backup in the folder, as 'ivr backup list' prints it. Default: the newest."
SourceArgument = typer.Argument(metavar="FOLDER|FILE|-", help="Folder of backups, one of them, a tar file, or '-'.")


@command.command("list")
@exit_on_error
def list_all(
    folder: Path = typer.Argument(metavar="FOLDER", help="Folder of backups."), as_json: bool = JsonOption
) -> None:
    """List the backups in a folder, oldest first."""
    if not folder.is_dir():
        raise NotFound(f"{folder} does not exist")
    rows: list[dict[str, Any]] = []
    for name in snapshot_names(folder):
        manifest = read_manifest((folder / name / MANIFEST_NAME).read_bytes())
        rows.append(
            {
                "backup": name,
                "taken": format_time(manifest.taken_at),
                "messages": manifest.message_count,
                "files": len(manifest.files),
                "size_mb": round(manifest.size / MEGABYTE, 1),
                "version": manifest.version,
            }
        )
    print_table(rows, ["backup", "taken", "messages", "files", "size_mb", "version"], as_json)


@command.command("verify")
@exit_on_error
def verify(source: str = SourceArgument, snapshot: str | None = typer.Option(None, help=SNAPSHOT_HELP)) -> None:
    """Verify a backup: the hash of every file, the database, and that every message has its audio.

    Exits with 1 if anything is wrong.
    """
    stores = Stores(settings.load())
    with open_backup(source, snapshot) as (name, entries):
        manifest, problems = verify_backup(entries, stores.database_files)
    for problem in problems:
        echo(f"ivr: {problem}", err=True)
    if problems:
        echo(f"{name}: {len(problems)} problems", err=True)
        raise typer.Exit(1)
    files, messages = len(manifest.files), manifest.message_count
    echo(f"{name}: ok, {files} files, {messages} messages, taken {format_time(manifest.taken_at)}")


@exit_on_error
def restore(
    source: str = SourceArgument,
    snapshot: str | None = typer.Option(None, help=SNAPSHOT_HELP),
    data: Path | None = typer.Option(None, "--data", help="Data folder to restore to. Default: that of the settings."),
    replace: bool = typer.Option(
        False, "--replace", help="Restore into a data folder that is not empty; its content is moved aside."
    ),
    config: bool = typer.Option(True, help="Restore the settings in /etc too."),
    user: str = typer.Option("ivr", help="User of the service, for a data folder that has no owner yet."),
    root: Path = RootOption,
) -> None:
    """Restore a backup, on this machine or another.

    The service must not run. Owners are set as by 'ivr install', which is run first on a new machine.
    """
    loaded = settings.load()
    stores = Stores(loaded)
    if data is None:
        _refuse_other_stores(stores, RESTORE_COMMANDS)
    folder = data or loaded.data.folder
    root = root.absolute()
    if config and root == Path("/"):
        _refuse_to_redirect_service(stores, folder)
    config_file = settings.config_path()
    target = RestoreTarget(
        folder,
        root,
        _owners(folder, root, user),
        with_config=config,
        config_file=config_file and config_file.absolute(),
    )
    restoration = Restoration(target, stores.database_files, stores.clock)
    with disk_errors(folder, f"ivr restore {source}"), open_backup(source, snapshot) as (name, entries):
        if config and source != "-":
            _refuse_settings_of_others(Path(name))
        report = restoration.run(entries, command_actor(), replace=replace)
    echo(f"restored {name} to {folder}: {report.manifest.message_count} messages")
    is_trial = not config and folder.absolute() != loaded.data.folder
    for line in _advice(report, folder, loaded.pins.pepper_file, is_trial=is_trial):
        echo(line)


def _refuse_settings_of_others(backup: Path) -> None:
    """Raise `BadInput` if root would restore settings that another user can change.

    Once they are in /etc they look like those of root, and name programs that root runs.
    """
    if os.geteuid() != 0:
        return
    files = sorted(path for path in backup.glob("config/**/*") if path.is_file()) if backup.is_dir() else [backup]
    for path in files:
        if changeable := changeable_by_others(path):
            raise BadInput(
                f"root does not restore the settings of {backup}: {refusal(changeable)}; if you know who has made it,"
                " or leave /etc alone with --no-config"
            )


def _refuse_to_redirect_service(stores: Stores, folder: Path) -> None:
    """Raise `StoreBusy` if the settings in /etc would name another folder than the one that the service works with."""
    present = stores.settings.data.folder
    if folder.absolute() != present and stores.database_files.is_in_use(database_path(present)):
        raise StoreBusy(
            f"the service runs on {present}, and the restored settings in /etc would name {folder}: leave /etc alone"
            " with --no-config, or stop the service (systemctl stop ivr.socket ivr), then restore"
        )


def _advice(report: RestoreReport, folder: Path, configured_pepper: str, *, is_trial: bool) -> list[str]:
    lines = list(report.changes)
    has_pepper = f"{DATA_PREFIX}pepper" in report.manifest.files
    if not has_pepper:
        lines.append(
            f"the backup has no pepper: bring it back to {configured_pepper or 'the path of pins.pepper_file'}, else"
            " every PIN and password is wrong"
        )
    elif configured_pepper:
        present = pepper_path(folder, "")
        lines.append(f"the pepper of the backup is {present}; pins.pepper_file is {configured_pepper}: move it there")
    if report.moved_to:
        lines.append(f"the former content of {folder} is in {report.moved_to}: delete it when it is no longer needed")
    if report.manifest.version != __version__:
        lines.append(
            f"the backup was taken by version {report.manifest.version}, this is {__version__}: run ivr install"
        )
    if is_trial:
        return [*lines, f"look at it: IVR_DATA__FOLDER={shlex.quote(str(folder))} ivr box list"]
    return [*lines, "now: asterisk -rx 'dialplan reload'; systemctl start ivr; ivr doctor"]


def _owners(folder: Path, root: Path, user: str) -> RestoreOwners | None:
    """Return the owners that `ivr install` has set or would set; None if this process cannot change owners."""
    if os.geteuid() != 0:
        return None
    start = find_asterisk_start(root)
    asterisk_user = (start and start.user) or DEFAULT_ASTERISK_USER
    asterisk_group = (start and start.run_group) or asterisk_user
    with contextlib.suppress(FileNotFoundError):
        owner = folder.stat()
        if owner.st_uid != 0:
            private_gid = _group_id(_user_name(owner.st_uid), owner.st_gid)
            return RestoreOwners(owner.st_uid, owner.st_gid, _group_id(asterisk_group, owner.st_gid), private_gid)
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise ConfigurationError(
            f"user {user!r} does not exist: run 'ivr install' first, or name the user of the service with --user"
        ) from None
    service_gid = _group_id((start and start.run_group) or DEFAULT_GROUP, account.pw_gid)
    private_gid = _group_id(user, service_gid)
    return RestoreOwners(account.pw_uid, service_gid, _group_id(asterisk_group, service_gid), private_gid)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def _group_id(name: str, default: int) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return default
