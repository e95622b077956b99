"""All commands of `ivr`, in the order of `ivr --help`."""

from __future__ import annotations

import typer

from ivr import __version__
from ivr.cli import (
    accounts,
    boxes,
    calls,
    demo,
    doctor,
    endpoints,
    install,
    maintain,
    messages,
    outbox,
    phone,
    purge,
    serve,
    sounds,
    tokens,
    users,
    watch,
)

command = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
command.command("serve")(serve.serve)
command.command("doctor")(doctor.doctor)
command.command("install")(install.install)
command.command("watch")(watch.watch)
command.command("phone")(phone.phone)
command.command("demo")(demo.demo)
command.command("purge")(purge.purge)
command.command("maintain")(maintain.maintain)
command.add_typer(accounts.command, name="account", help="Accounts: companies, households, tenants.")
command.add_typer(users.command, name="user", help="Users: people, who own boxes and have phones.")
command.add_typer(endpoints.command, name="endpoint", help="Whose phone is whose.")
command.add_typer(boxes.command, name="box", help="Boxes and their settings.")
command.add_typer(messages.command, name="message", help="Messages.")
command.add_typer(calls.command, name="calls", help="Calls that are over, read step by step.")
command.add_typer(tokens.command, name="token", help="Tokens by which programs use the REST API.")
command.add_typer(outbox.command, name="outbox", help="What still has to be done after changes: mail, lights, calls.")
command.add_typer(sounds.command, name="sounds", help="The recordings of the prompts.")


@command.callback(invoke_without_command=True)
def about(version: bool = typer.Option(False, "--version", help="Show the version.")) -> None:
    """Voicemail for mailbox owners on Asterisk."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
