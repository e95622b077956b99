"""Write the manual pages and the bash completion of the commands: `python packaging/manual.py FOLDER`.

Both are made from the same tree of commands that `ivr --help` prints: FOLDER/ivr.1, FOLDER/ivr-agi.1, FOLDER/ivr.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from ivr import __version__
from ivr.cli.command import build_command
from ivr.cli.support import EXIT_STATUS

Commands = dict[tuple[str, ...], Any]
"""Command by its words behind `ivr`; () is `ivr` itself."""

FOOTER = r"""
.SH FILES
.TP
.I /etc/ivr/ivr.toml
Settings. The variable IVR_CONFIG names another file; IVR_SECTION__NAME sets one setting.
.TP
.I /var/lib/ivr
Messages, greetings and the database.
.TP
.I /etc/asterisk/ivr
Dialplan and samples for Asterisk.
.SH SEE ALSO
.BR ivr-agi (1),
.BR asterisk (8),
the documents in /usr/share/doc/ivr-voicemail
"""

AGI_PAGE = r"""
.SH NAME
ivr-agi \- serve one call of Asterisk over classic AGI
.SH SYNOPSIS
.B ivr-agi
.SH DESCRIPTION
Asterisk starts this program for each call where the dialplan sets IVR_TRANSPORT to agi. It reads the AGI header from
standard input, serves the call, and ends with it. No service needs to run. Settings and data are those of
.BR ivr (1).
.SH SEE ALSO
.BR ivr (1),
.BR asterisk (8)
"""


def command_tree() -> Commands:
    """Return all commands with their groups, in the order of the help."""

    def walk(found: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        yield words, found
        for name, below in getattr(found, "commands", {}).items():
            yield from walk(below, (*words, name))

    return {words: found for words, found in walk(typer.main.get_command(build_command()), ()) if not found.hidden}


def manual_page(commands: Commands) -> str:
    """Return ivr(1): every command with its arguments and options."""
    parts = [_title("IVR"), ".SH NAME", r"ivr \- voicemail for mailbox owners on Asterisk", ".SH SYNOPSIS"]
    parts += [".B ivr", r".I COMMAND", "[OPTIONS] [ARGUMENTS]", ".SH DESCRIPTION", _escape(commands[()].help or "")]
    parts.append("An administrator runs commands as root or as the user of the service.")
    parts.append(".SH COMMANDS")
    for words, found in commands.items():
        if getattr(found, "commands", None):
            continue
        usage = [_usage(param) for param in found.params if param.param_type_name == "argument"]
        parts.append(f'.SS "{" ".join(["ivr", *words, *usage])}"')
        parts.append(_paragraphs(found.help or ""))
        for param in found.params:
            if help_text := getattr(param, "help", None):
                name = ", ".join(param.opts + param.secondary_opts) if param.param_type_name == "option" else param.name
                parts += [".TP", f".B {_escape(name.upper() if param.param_type_name == 'argument' else name)}"]
                parts.append(_escape(help_text))
    parts.append(".SH EXIT STATUS")
    for code, meaning in EXIT_STATUS.items():
        parts += [".TP", f".B {code}", _escape(meaning.replace("`", ""))]
    return "\n".join(parts) + FOOTER


def completion(commands: Commands) -> str:
    """Return a completion function for bash: subcommands and options of each command."""
    cases = []
    for words, found in commands.items():
        names = [
            *getattr(found, "commands", {}),
            *(opt for param in found.params for opt in param.opts if opt[0] == "-"),
        ]
        cases.append(f'        "{" ".join(words)}") words="{" ".join([*names, "--help"])}" ;;')
    paths = "|".join(f'"{" ".join(words)}"' for words in commands if words)
    return f"""# Completion of ivr for bash.
_ivr() {{
    local path="" word words=""
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "${{path:+$path }}$word" in
            {paths}) path="${{path:+$path }}$word" ;;
        esac
    done
    case "$path" in
{chr(10).join(cases)}
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}")
}}
complete -o default -F _ivr ivr
"""


def _title(name: str) -> str:
    return f'.TH {name} 1 "" "ivr {__version__}" "ivr"'


def _usage(argument: Any) -> str:
    name = _escape(argument.metavar or argument.name.upper())
    return name if argument.required else f"[{name}]"


def _paragraphs(text: str) -> str:
    return "\n.PP\n".join(_escape(" ".join(part.split())) for part in re.split(r"\n\s*\n", text.strip()))


def _escape(text: str) -> str:
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in escaped.splitlines())


def main(folder: Path) -> None:
    """Write the files."""
    folder.mkdir(parents=True, exist_ok=True)
    commands = command_tree()
    (folder / "ivr.1").write_text(manual_page(commands))
    (folder / "ivr-agi.1").write_text(_title("IVR-AGI") + AGI_PAGE)
    (folder / "ivr").write_text(completion(commands))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
