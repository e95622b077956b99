"""Pages as scripts: numbered steps with what is typed, what is printed, which file is edited and who calls whom.

A block `console` has commands behind "# ", each followed by what it prints: "..." in a line stands for any text, a
line "..." for any lines. A block `ini` behind "In `/path`:" is added to that file, section by section. A block `call`
is a telephone call (`tests.site.calls`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROMPT = "# "
ANY = "..."


@dataclass(frozen=True, slots=True)
class TypedCommand:
    """A command, and the pattern of what it prints."""

    command: str
    expected_lines: tuple[str, ...]

    def has_printed(self, output: str) -> bool:
        """Whether `output` is what the page shows."""
        lines = [r"(?:.*\n)*?" if line == ANY else f"{_line_pattern(line)}\n" for line in self.expected_lines]
        printed = "".join(f"{line.rstrip()}\n" for line in output.splitlines())
        return re.fullmatch("".join(lines), printed) is not None


@dataclass(frozen=True, slots=True)
class FileEdit:
    """Lines that an administrator adds to sections of a file."""

    path: str
    sections: dict[str, list[str]]

    def applied_to(self, text: str) -> str:
        """Return the file with the lines at the end of their sections. A missing section is added at the end."""
        lines = text.splitlines()
        for section, added in self.sections.items():
            if section not in lines:
                lines += ["", section]
            begin = lines.index(section) + 1
            following = (n for n in range(begin, len(lines)) if lines[n].startswith("["))
            end = next(following, len(lines))
            lines[end:end] = added
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class TelephoneCall:
    """A call, line by line."""

    lines: tuple[str, ...]


Action = TypedCommand | FileEdit | TelephoneCall


@dataclass(frozen=True, slots=True)
class Step:
    """A numbered step of a page."""

    title: str
    actions: tuple[Action, ...]


def read_steps(page: Path) -> list[Step]:
    """Return the steps of a page: its headings that begin with a number."""
    parts = re.split(r"^## (?=\d+\. )", page.read_text(), flags=re.MULTILINE)[1:]
    sections = [re.split(r"^## ", part, maxsplit=1, flags=re.MULTILINE)[0] for part in parts]
    return [Step(section.splitlines()[0], tuple(_actions(section))) for section in sections]


def read_commands(page: Path) -> list[TypedCommand]:
    """Return the commands of all blocks `console` of a page, in order."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)
    return [command for block in blocks for command in _commands(block.splitlines())]


PROGRAMS = (
    "apt", "apt-get", "asterisk", "chgrp", "chmod", "chown", "cp", "df", "diff", "fuser", "grep", "ivr", "journalctl",
    "make", "mount", "mv", "openssl", "pip", "promtool", "python3", "rm", "sed", "ss", "systemctl", "tar",
    "timedatectl", "vmstat",
)  # fmt: skip
_COMMAND = rf"(?:/\S+/)?(?:{'|'.join(PROGRAMS)}) "
_REMEDY_COMMAND = re.compile(rf"(?<=[:;|] )({_COMMAND}[^;|]+?)(?=;| ?\\?\||, then| \(|$)")
"""A command in a remedy of `ivr doctor` that has more than one: it stands behind a colon or a semicolon."""


def read_written_commands(page: Path) -> list[str]:
    """Return each command that a page writes outside of its blocks once, in order.

    These are lines that are indented by four spaces, code in sentences, and commands in remedies of `ivr doctor`. A
    command has a program of `PROGRAMS` and another word. Of a pipe it is the first command.
    """
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    found: list[str] = []
    for line in text.splitlines():
        code = re.findall(rf"^    ({_COMMAND}.+)$|`({_COMMAND}[^`]+)`", line)
        found += [indented or inline for indented, inline in code]
        found += _REMEDY_COMMAND.findall(re.sub(r"`[^`]*`", "", line))
    return list(dict.fromkeys(command.split(" | ")[0].strip() for command in found))


def _actions(section: str) -> Iterator[Action]:
    for block in re.finditer(r"(?:In `(/[^`]+)`:\n\n)?```(\w+)\n(.*?)```", section, re.DOTALL):
        path, language, text = block.groups()
        if language == "console":
            yield from _commands(text.splitlines())
        elif language == "ini" and path:
            yield FileEdit(path, _sections(text.splitlines()))
        elif language == "call":
            yield TelephoneCall(tuple(text.splitlines()))
        else:
            raise ValueError(f"a block {language} without a file: {text}")


def _commands(lines: list[str]) -> Iterator[TypedCommand]:
    begins = [n for n, line in enumerate(lines) if line.startswith(PROMPT)]
    for begin, end in zip(begins, [*begins[1:], len(lines)], strict=True):
        yield TypedCommand(lines[begin].removeprefix(PROMPT), tuple(lines[begin + 1 : end]))


def _sections(lines: list[str]) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    added: list[str] = []
    for line in lines:
        if line.startswith("["):
            added = sections.setdefault(line, [])
        elif line:
            added.append(line)
    return sections


def _line_pattern(line: str) -> str:
    return ".*".join(map(re.escape, line.split(ANY))).rstrip()
