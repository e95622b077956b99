"""`ivr pepper`: the secret that is mixed into every hash of a PIN or password."""

from __future__ import annotations

import typer

from ivr.app import App
from ivr.cli.support import YesOption, confirm, with_app

command = typer.Typer(no_args_is_help=True)


@command.command("accept")
@with_app
async def accept(app: App, yes: bool = YesOption) -> None:
    """Accept a new pepper.

    Only if the file pepper is lost and no backup has it: every PIN and password must then be set anew.
    """
    confirm("Every PIN and password that was set with another pepper becomes invalid. Continue?", assume_yes=yes)
    await app.secret_store.accept_pepper()
    typer.echo("the pepper is accepted: set PINs with 'ivr box pin NUMBER', passwords with 'ivr user set NAME'")
