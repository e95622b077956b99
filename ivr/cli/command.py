"""All commands of `ivr`, in the order in which `ivr --help` lists them."""

from __future__ import annotations

from importlib import import_module

import typer

from ivr import __version__

_COMMANDS = {
    "serve": "serve.serve",
    "doctor": "doctor.doctor",
    "install": "install.install",
    "watch": "watch.watch",
    "phone": "phone.phone",
    "demo": "phone.demo",
    "apply": "apply.apply",
    "restore": "backup.restore",
    "purge": "maintenance.purge",
    "maintain": "maintenance.maintain",
    "migrate": "maintenance.migrate",
    "move-store": "move_store.move_store",
}
"""The function in `ivr.cli` of each command without subcommands."""
_GROUPS = {
    "account": (("accounts",), "Accounts: companies, households, tenants."),
    "user": (("users",), "Users: people who own boxes and have phones."),
    "endpoint": (("endpoints",), "Phones, and which user each belongs to."),
    "box": (("boxes", "box_export"), "Boxes and their settings."),
    "greeting": (("greetings",), "Greetings of boxes, and names of their owners."),
    "message": (("messages",), "Messages of boxes."),
    "light": (("lights",), "Message lights of boxes, and why they are on."),
    "calls": (("calls",), "Records of calls, step by step."),
    "audit": (("audit",), "Who heard, fetched or deleted what, and changed settings."),
    "person": (("person",), "Everything about a person, exported or erased."),
    "token": (("tokens",), "Tokens for programs that use the REST API."),
    "secret": (("secret",), "Secrets that the service and Asterisk share."),
    "pepper": (("maintenance",), "The secret in the hashes of PINs and passwords."),
    "backup": (("backup",), "Backups: taking, listing and verifying them."),
    "import": (("imports", "import_systems", "switch_import"), "Boxes and messages of another voicemail system."),
    "export": (("exports",), "The way back: messages for another voicemail system."),
    "node": (("nodes",), "Nodes that share the rows: Asterisks and their services."),
    "outbox": (("outbox",), "Pending tasks: mail, message lights, calls, webhooks."),
    "sounds": (("sounds",), "Recordings of the prompts."),
}
"""Modules in `ivr.cli` that add subcommands to the `command` of the first of them, and the help text."""


def build_command(only: str | None = None) -> typer.Typer:
    """All commands; where `only` is the name of one, that one alone; where it is `--version`, none.

    Importing the modules of all commands takes longer than most commands do.
    """
    command = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # Else Rich takes [name] in a help text for markup and prints nothing.
    )
    command.callback(invoke_without_command=True)(about)
    known = only in _COMMANDS or only in _GROUPS or only == "--version"
    for name, function in _COMMANDS.items():
        if not known or name == only:
            _add(command, name, function)
    for name, (modules, help_text) in _GROUPS.items():
        if not known or name == only:
            group, *_ = [import_module(f"ivr.cli.{module}") for module in modules]
            command.add_typer(group.command, name=name, help=help_text)
    return command


def about(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    """Voicemail for Asterisk."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


def _add(command: typer.Typer, name: str, function: str) -> None:
    module, _, attribute = function.partition(".")
    command.command(name)(getattr(import_module(f"ivr.cli.{module}"), attribute))
