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
FolderOption = typer.Option(None, "--folder", help="Folder of one language. Default: the installed English prompts.")


@command.command("build")
@exit_on_error
def build(
    folder: Path | None = FolderOption,
    voice: str | None = typer.Option(
        None, "--voice", help="Synthesiser and voice, as in kokoro:af_heart or flite:rms. Default: the present voice."
    ),
    demo: bool = typer.Option(False, "--demo", help="Build the messages of 'ivr demo' too."),
) -> None:
    """Build missing recordings.

    Builds those of prompts that are new or whose text has changed. Another voice builds all of them. Needs sox, and
    the extra voice-build for kokoro or the Debian package flite for flite.
    """
    from ivr.prompts import recording

    language_folder = folder or _english_sounds_folder()
    speaker = recording.find_speaker(voice) if voice else None
    built = recording.build(language_folder, on_progress=typer.echo, speaker=speaker)
    if demo:
        built += recording.build_demo(language_folder.parent / "demo")
    typer.echo(f"{len(built)} recordings built in {language_folder}")


@command.command("check")
@exit_on_error
def check(folder: Path | None = FolderOption) -> None:
    """Check the recordings.

    Every prompt must have a recording that Asterisk can play, and there must be no other files.
    """
    from ivr.prompts import recording
    from ivr.prompts.catalogue import Catalogue

    language_folder = folder or _english_sounds_folder()
    problems = recording.check(language_folder, Catalogue.load(language_folder).keys())
    if problems:
        raise SoundsError("\n".join(problems))
    typer.echo(f"All recordings in {language_folder} are complete.")


def _english_sounds_folder() -> Path:
    return sounds_folder(settings.load()) / LANGUAGE
