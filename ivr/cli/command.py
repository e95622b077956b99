"""All commands of `ivr`, in the order in which `ivr --help` lists them."""

from __future__ import annotations

import typer

from ivr import __version__
from ivr.cli import (
    accounts,
    apply,
    audit,
    backup,
    box_export,
    boxes,
    calls,
    doctor,
    endpoints,
    exports,
    greetings,
    import_systems,
    imports,
    install,
    lights,
    maintenance,
    messages,
    nodes,
    outbox,
    person,
    phone,
    secret,
    serve,
    sounds,
    switch_import,
    tokens,
    users,
    watch,
)

command = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # Else Rich takes [name] in a help text for markup and prints nothing.
)
command.command("serve")(serve.serve)
command.command("doctor")(doctor.doctor)
command.command("install")(install.install)
command.command("watch")(watch.watch)
command.command("phone")(phone.phone)
command.command("demo")(phone.demo)
command.command("apply")(apply.apply)
command.command("restore")(backup.restore)
command.command("purge")(maintenance.purge)
command.command("maintain")(maintenance.maintain)
command.command("migrate")(maintenance.migrate)
command.add_typer(accounts.command, name="account", help="Accounts: companies, households, tenants.")
command.add_typer(users.command, name="user", help="Users: people who own boxes and have phones.")
boxes.command.command("export")(box_export.export)
imports.command.command("app-voicemail")(import_systems.app_voicemail)
imports.command.command("freepbx")(import_systems.freepbx)
imports.command.command("kazoo")(import_systems.kazoo)
imports.command.command("fusionpbx")(import_systems.fusionpbx)
imports.command.command("switch")(switch_import.switch)
command.add_typer(endpoints.command, name="endpoint", help="Phones, and which user each belongs to.")
command.add_typer(boxes.command, name="box", help="Boxes and their settings.")
command.add_typer(greetings.command, name="greeting", help="Greetings of boxes, and names of their owners.")
command.add_typer(messages.command, name="message", help="Messages of boxes.")
command.add_typer(lights.command, name="light", help="Message lights of boxes, and why they are on.")
command.add_typer(calls.command, name="calls", help="Records of calls, step by step.")
command.add_typer(audit.command, name="audit", help="Who heard, fetched or deleted what, and changed settings.")
command.add_typer(person.command, name="person", help="Everything about a person, exported or erased.")
command.add_typer(tokens.command, name="token", help="Tokens for programs that use the REST API.")
command.add_typer(secret.command, name="secret", help="Secrets that the service and Asterisk share.")
command.add_typer(maintenance.command, name="pepper", help="The secret in the hashes of PINs and passwords.")
command.add_typer(backup.command, name="backup", help="Backups: taking, listing and verifying them.")
command.add_typer(imports.command, name="import", help="Boxes and messages of another voicemail system.")
command.add_typer(exports.command, name="export", help="The way back: messages for another voicemail system.")
command.add_typer(nodes.command, name="node", help="Nodes that share the rows: Asterisks and their services.")
command.add_typer(outbox.command, name="outbox", help="Pending tasks: mail, message lights, calls, webhooks.")
command.add_typer(sounds.command, name="sounds", help="Recordings of the prompts.")


@command.callback(invoke_without_command=True)
def about(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    """Voicemail for Asterisk."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
