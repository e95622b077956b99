"""`ivr install`: the Debian-style layout, made on this machine or in a folder."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

import typer

from ivr.cli.edge import told
from ivr.errors import Misconfigured
from ivr.installing.plan import SECRETS, Layout, plan, what_remains
from ivr.installing.steps import Ground, user_exists
from ivr.places import share_folder


@told
def install(
    dry_run: bool = typer.Option(False, "--dry-run", help="Only print what it would do."),
    root: Path = typer.Option(Path("/"), help="A folder that will be a machine's /; no user is made, nothing is run."),
    user: str = typer.Option("ivr", help="The service's user."),
    group: str = typer.Option("ivr-asterisk", help="The group that the service and Asterisk share."),
    asterisk: str = typer.Option("asterisk", help="Asterisk's user, and its group."),
) -> None:
    """Make users, folders, settings, Asterisk's samples and the unit of systemd. What a site has changed stays."""
    ground = Ground(root.absolute())
    layout = Layout(Path(sys.argv[0]).absolute(), share_folder(), user, group, asterisk)
    if not dry_run:
        _check(ground, layout)
    for step in plan(layout, "" if dry_run else _secret(ground, layout)):
        typer.echo(step.tell() if dry_run else f"{step.tell()}  → {step.do(ground)}")
    typer.echo("\nThen, by hand:")
    for line in what_remains(layout):
        typer.echo(f"- {line}")


def _check(ground: Ground, layout: Layout) -> None:
    """Raises `Misconfigured` where it cannot be done: before anything is."""
    if not ground.is_this_machine:
        return
    if os.geteuid() != 0:
        raise Misconfigured("users and /etc are root's: sudo ivr install, or --root FOLDER, or --dry-run")
    if not user_exists(layout.asterisk):
        raise Misconfigured(
            f"there is no user {layout.asterisk!r}: install Asterisk first, or say --asterisk and its user's name"
        )


def _secret(ground: Ground, layout: Layout) -> str:
    """The one that is there, else a new one."""
    there = ground.at(layout.data / SECRETS)
    return there.read_text().strip() if there.exists() else secrets.token_hex(32)
