"""`--help`: every help text is printed whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from tests.support.all_commands import command


def all_commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield a group and all commands below it, each with its path. Typer has a click of its own, so types are loose."""
    yield path, group
    for name, subcommand in getattr(group, "commands", {}).items():
        yield from all_commands(subcommand, (*path, name))


COMMANDS = dict(all_commands(typer.main.get_command(command)))


def words(text: str) -> str:
    """Remove the spaces, and the hyphens at which click breaks lines."""
    return re.sub(r"[\s-]", "", text)


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "ivr")
def test_help_is_printed_whole(path: tuple[str, ...]) -> None:
    """Rich would take [name] for markup and print nothing in its place."""
    printed = words(CliRunner().invoke(command, [*path, "--help"]).stdout)
    documented = COMMANDS[path]
    assert documented.help
    for paragraph in documented.help.split("\n\n"):
        assert words(paragraph) in printed
    for parameter in documented.params:
        text = getattr(parameter, "help", None)
        assert text, f"{parameter.name} has no help"
        assert words(text) in printed


@pytest.mark.parametrize("path", [path for path in COMMANDS if len(path) != 1], ids=" ".join)
def test_first_line_of_help_fits_into_the_list_of_commands(path: tuple[str, ...]) -> None:
    for subcommand in getattr(COMMANDS[path], "commands", {}).values():
        assert not subcommand.get_short_help_str(60).endswith("...")
