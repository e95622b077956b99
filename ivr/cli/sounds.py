"""`ivr sounds`: the recordings of the prompts."""

from __future__ import annotations

from pathlib import Path

import typer

from ivr import settings
from ivr.cli.support import exit_on_error
from ivr.errors import SoundsError
from ivr.paths import sounds_folder

command = typer.Typer(no_args_is_help=True)
LANGUAGE = "en"
FolderOption = typer.Option(None, "--folder", help="The folder of one language; else the English prompts in use.")


@command.command()
@exit_on_error
def build(
    folder: Path | None = FolderOption,
    demo: bool = typer.Option(False, "--demo", help="The demo messages too."),
) -> None:
    """Speak every prompt whose text has changed, or that has no recording yet. Needs flite and sox."""
    from ivr.prompts import recording

    where = folder or _english_sounds_folder()
    made = recording.build(where, on_progress=typer.echo)
    if demo:
        made += recording.build_demo(where.parent / "demo")
    typer.echo(f"{len(made)} recordings made in {where}")


@command.command()
@exit_on_error
def check(folder: Path | None = FolderOption) -> None:
    """Whether every prompt has a recording that Asterisk can play, and nothing else lies about."""
    from ivr.prompts import recording
    from ivr.prompts.catalogue import Catalogue

    where = folder or _english_sounds_folder()
    problems = recording.check(where, Catalogue.load(where).keys())
    if problems:
        raise SoundsError("\n".join(problems))
    typer.echo(f"All recordings in {where} are as they should be.")


def _english_sounds_folder() -> Path:
    return sounds_folder(settings.load()) / LANGUAGE
