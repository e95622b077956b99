"""`ivr install`: the Debian-style layout, made on this machine or in a folder."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

import typer

from ivr.cli.support import exit_on_error
from ivr.errors import ConfigurationError
from ivr.install.plan import ASTERISK_SECRET_FILE, Layout, install_steps, manual_steps
from ivr.install.steps import InstallTarget, user_exists
from ivr.paths import package_data_folder


@exit_on_error
def install(
    dry_run: bool = typer.Option(False, "--dry-run", help="Only print what it would do."),
    root: Path = typer.Option(Path("/"), help="A folder that will be a machine's /; no user is made, nothing is run."),
    user: str = typer.Option("ivr", help="The service's user."),
    group: str = typer.Option("ivr-asterisk", help="The group that the service and Asterisk share."),
    asterisk: str = typer.Option("asterisk", help="Asterisk's user, and its group."),
) -> None:
    """Make users, folders, settings, Asterisk's samples and the unit of systemd. What a site has changed stays."""
    ground = InstallTarget(root.absolute())
    layout = Layout(Path(sys.argv[0]).absolute(), package_data_folder(), user, group, asterisk)
    if not dry_run:
        _check_prerequisites(ground, layout)
    for step in install_steps(layout, "" if dry_run else _read_or_generate_secret(ground, layout)):
        typer.echo(step.describe() if dry_run else f"{step.describe()}  → {step.apply(ground)}")
    typer.echo("\nThen, by hand:")
    for line in manual_steps(layout):
        typer.echo(f"- {line}")


def _check_prerequisites(target: InstallTarget, layout: Layout) -> None:
    """Raises `ConfigurationError` where it cannot be done: before anything is."""
    if not target.is_this_machine:
        return
    if os.geteuid() != 0:
        raise ConfigurationError("users and /etc are root's: sudo ivr install, or --root FOLDER, or --dry-run")
    if not user_exists(layout.asterisk_user):
        raise ConfigurationError(
            f"there is no user {layout.asterisk_user!r}: install Asterisk first, or say --asterisk and its user's name"
        )


def _read_or_generate_secret(target: InstallTarget, layout: Layout) -> str:
    """The one that is there, else a new one."""
    there = target.resolve(layout.data_folder / ASTERISK_SECRET_FILE)
    return there.read_text().strip() if there.exists() else secrets.token_hex(32)
