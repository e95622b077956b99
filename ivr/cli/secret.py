"""`ivr secret`: the secrets that the service and Asterisk share."""

from __future__ import annotations

import secrets
from enum import StrEnum
from pathlib import Path

import typer

from ivr import settings
from ivr.cli.audit import record_afterwards
from ivr.cli.support import echo, exit_on_error, format_time, require_database
from ivr.doctor.console import ConsoleUnavailable, RemoteConsole
from ivr.errors import ConfigurationError
from ivr.install import secret_files
from ivr.paths import AMI_SECRET_FILE, load_ami_settings
from ivr.storage.data_folder import state_folder
from ivr.storage.records import AuditAction
from ivr.stores import Stores

SECRET_BYTES = 32
HOUR_S = 3600

command = typer.Typer(no_args_is_help=True)


class SharedSecret(StrEnum):
    ASTERISK = "asterisk"
    AMI = "ami"


@command.callback()
def group() -> None:
    """Keep `rotate` a word of its own although it is the only command."""


@command.command("rotate")
@exit_on_error
def rotate(
    which: SharedSecret = typer.Argument(
        SharedSecret.ASTERISK,
        help="asterisk: IVR_SECRET, which proves Asterisk's calls; ami: of the manager interface.",
    ),
    overlap_hours: float = typer.Option(
        24, "--overlap", min=0, max=8760, help="Hours for which the present IVR_SECRET is accepted too."
    ),
    root: Path = typer.Option(Path("/"), help="Root of the machine whose /etc/asterisk is meant."),
) -> None:
    """Replace a secret in the files of the service and of Asterisk, and have Asterisk read it.

    Calls go on: a running service accepts the present IVR_SECRET too until the overlap has ended. After 'rotate ami'
    restart the service; until then it keeps the connection that it has.
    """
    require_database(settings.load())  # In any other folder the first use of the secret would create one.
    if which is SharedSecret.AMI:
        _rotate_ami(root.absolute())
    else:
        _rotate_asterisk(root.absolute(), overlap_hours * HOUR_S)
    record_afterwards(AuditAction.SECRET_REPLACED, f"secret of {which}")


def _rotate_asterisk(root: Path, overlap_s: float) -> None:
    stores = Stores(settings.load())
    secret = secrets.token_hex(SECRET_BYTES)
    edits = secret_files.dialplan_edits(root, stores.asterisk_secret.accepted(), secret)
    # First the service: from now on it accepts both.
    stores.asterisk_secret.replace(secret, overlap_s)
    for edit in edits:
        secret_files.write_edit(edit)
        echo(f"replaced in {edit[0]}")
    echo(f"the former secret is accepted until {format_time(stores.clock.now() + overlap_s)}")
    _reload("dialplan reload")


def _rotate_ami(root: Path) -> None:
    loaded, path = settings.load(), settings.config_path()
    ami = load_ami_settings(loaded)
    if not ami.secret:
        raise ConfigurationError(
            "there is no manager account: include \"ivr/manager.conf\" in manager.conf, then run 'ivr install'"
        )
    secret = secrets.token_hex(SECRET_BYTES)
    edits = list(secret_files.manager_edits(root, ami.user, ami.secret, secret))
    if not loaded.ami.secret:
        edits.append((state_folder(loaded.data.folder) / AMI_SECRET_FILE, secret))
    elif path is not None:
        edits.append(secret_files.settings_edit(path, ami.secret, secret))
    else:
        raise ConfigurationError("the secret is set by IVR_AMI__SECRET: replace it there")
    for edit in edits:
        secret_files.write_edit(edit)
        echo(f"replaced in {edit[0]}")
    _reload("manager reload")
    echo("now: systemctl restart ivr")


def _reload(console_command: str) -> None:
    program = settings.load().asterisk.console_command
    try:
        RemoteConsole(program).run_command(console_command)
        echo(f"Asterisk has read it ({console_command})")
    except ConsoleUnavailable:
        echo(f"Asterisk's console did not answer; now: {program} -rx '{console_command}'")
