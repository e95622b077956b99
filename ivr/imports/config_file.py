"""Configuration files of Asterisk, read as Asterisk reads them: comments, templates, `#include`, `=` and `=>`.

https://docs.asterisk.org/Configuration/Core-Configuration/ describes the syntax.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ivr.errors import BadInput, NotFound, describe_error
from ivr.validation.text import reject_utf16

MAX_INCLUDE_DEPTH = 10
MAX_FILES = 1000
MAX_FILE_BYTES = 20_000_000
MAX_LINES = 500_000
"""Lines that are read or copied, of all files: templates of templates may double with each level."""
_HEADER = re.compile(r"\[([^\]]*)\]\s*(?:\(([^)]*)\))?")
_DIRECTIVE = re.compile(r"#\s*(include|tryinclude|exec)\b\s*(.*)", re.IGNORECASE)
BLOCK_COMMENT = ";--"


@dataclass(frozen=True, slots=True)
class ConfigLine:
    """A variable, and where it stands."""

    name: str
    value: str
    file: Path
    line: int

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass
class ConfigSection:
    """A section with its variables, those of its templates first."""

    name: str
    is_template: bool = False
    lines: list[ConfigLine] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        """Return the value of the first variable with this name, as Asterisk looks single variables up."""
        return next((line.value for line in self.lines if line.name.lower() == name.lower()), None)


@dataclass
class ConfigFile:
    """The sections of a file and of those that it includes, in their order; a name may occur several times."""

    sections: list[ConfigSection] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    includes: list[str] = field(default_factory=list)
    """What `#include` and `#tryinclude` name, as it is written."""

    def section(self, name: str) -> ConfigSection:
        """Return the first section with this name; an empty one if there is none."""
        for section in self.sections:
            if section.name.lower() == name.lower() and not section.is_template:
                return section
        return ConfigSection(name)


def read_config(path: Path) -> ConfigFile:
    """Read a file. Paths of `#include` are relative to its folder.

    Raises `NotFound`, OSError; `BadInput` for `#exec`, for a file that includes itself, and for an unknown template.
    """
    if not path.exists():
        raise NotFound(f"{path} does not exist: name the file of app_voicemail with --conf")
    config = ConfigFile()
    _Reader(path.parent, config).read(path, 0)
    return config


def read_config_if_valid(path: Path) -> ConfigFile:
    """Return what can be read of a file: without `#exec` and missing files, up to a line that is refused.

    Raises PermissionError.
    """
    config = ConfigFile()
    try:
        if path.exists():
            _Reader(path.parent, config, skips=True).read(path, 0)
    except PermissionError:
        raise
    except (BadInput, OSError) as error:
        config.warnings.append(describe_error(error))
    return config


def decode_line(line: bytes) -> str:
    """Return a line as text. What is not UTF-8 is Latin-1, as in files of older sites."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


class _Reader:
    def __init__(self, folder: Path, config: ConfigFile, *, skips: bool = False) -> None:
        self._folder = folder
        self._config = config
        self._skips = skips
        self._section: ConfigSection | None = None
        self._first: dict[str, ConfigSection] = {}
        self._line_count = 0

    def read(self, path: Path, depth: int) -> None:
        if depth > MAX_INCLUDE_DEPTH:
            raise BadInput(f"{path} is included {depth} times, one file in another: it includes itself")
        self._config.files.append(path)
        if len(self._config.files) > MAX_FILES:
            raise BadInput(f"{path}: more than {MAX_FILES} files are included")
        for number, text in _without_comments(_read_regular(path)):
            if text.startswith("#") and (directive := _DIRECTIVE.match(text)):
                self._include(directive[1].lower(), directive[2], path, number, depth)
            elif text.startswith("["):
                self._open_section(text, path, number)
            elif text:
                self._add_variable(text, path, number)

    def _include(self, directive: str, argument: str, path: Path, line: int, depth: int) -> None:
        if directive == "exec" and self._skips:
            return
        if directive == "exec":
            raise BadInput(
                f"{path}:{line}: #exec is not run: put what the program prints into a file, and include that"
            )
        pattern = argument.strip().strip("\"'<>").strip()
        self._config.includes.append(pattern)
        target = Path(pattern)
        folder, relative = (Path("/"), pattern.lstrip("/")) if target.is_absolute() else (self._folder, pattern)
        relative = re.sub(r"\*\*+", "*", relative)  # As in glob(3): no walk through all folders below.
        found = sorted(folder.glob(relative)) if any(c in pattern for c in "*?[") else [folder / relative]
        for file in found:
            if not file.exists():
                if directive == "include" and not self._skips:
                    raise NotFound(f"{path}:{line}: {file} does not exist: Asterisk does not start without it")
                continue
            self.read(file, depth + 1)

    def _open_section(self, text: str, path: Path, line: int) -> None:
        header = _HEADER.match(text)
        if header is None:
            self._config.warnings.append(f"{path}:{line}: {text!r} is no section: Asterisk ignores the file from here")
            return
        section = ConfigSection(header[1])
        for option in filter(None, (part.strip() for part in (header[2] or "").split(","))):
            if option == "!":
                section.is_template = True
            elif option.startswith("+"):
                if section.name.lower() not in self._first:
                    raise BadInput(f"{path}:{line}: [{section.name}](+) continues a section that does not exist")
                self._section = self._first[section.name.lower()]
                return
            else:
                if option.lower() not in self._first:
                    raise BadInput(f"{path}:{line}: there is no template [{option}] before this line")
                self._count_lines(len(self._first[option.lower()].lines), path, line)
                section.lines.extend(self._first[option.lower()].lines)
        self._first.setdefault(section.name.lower(), section)
        self._config.sections.append(section)
        self._section = section

    def _add_variable(self, text: str, path: Path, line: int) -> None:
        name, separator, value = text.partition("=")
        if not separator or self._section is None:
            self._config.warnings.append(f"{path}:{line}: {text!r} is no variable of a section: Asterisk ignores it")
            return
        name, value = name.strip(), value.removeprefix(">").strip()
        if name.endswith("+"):
            name = name[:-1].strip()
            self._count_lines(len(self._section.lines), path, line)
            value = (self._section.get(name) or "") + value
        self._count_lines(1, path, line)
        self._section.lines.append(ConfigLine(name, value, path, line))

    def _count_lines(self, added: int, path: Path, line: int) -> None:
        self._line_count += added
        if self._line_count > MAX_LINES:
            raise BadInput(
                f"{path}:{line}: the sections have more than {MAX_LINES} lines, with those of their templates: such a"
                " file is not read"
            )


def _read_regular(path: Path) -> bytes:
    """Read a file that may belong to Asterisk: a pipe would be waited for, a device has no end. Raises `BadInput`."""
    if path.is_dir():
        raise BadInput(f"{path} is a folder: it is not read")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise BadInput(f"{path} is not a file: it is not read")
        if found.st_size > MAX_FILE_BYTES:
            raise BadInput(f"{path} has more than {MAX_FILE_BYTES // 1_000_000} MB: it is no configuration file")
        return reject_utf16(file.read(MAX_FILE_BYTES), path)


def _without_comments(content: bytes) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each line that has something else than a comment."""
    in_block = False
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        text, in_block = _strip_comments(decode_line(raw), in_block)
        if text.strip():
            yield number, text.strip()


def _strip_comments(line: str, in_block: bool) -> tuple[str, bool]:
    content: list[str] = []
    position = 0
    while position < len(line):
        if in_block:
            end = line.find("--;", position)
            if end < 0:
                return "".join(content), True
            position, in_block = end + 3, False
        elif line.startswith("\\;", position):
            content.append(";")
            position += 2
        elif line.startswith(BLOCK_COMMENT, position) and line[position + 3 : position + 4] != "-":
            position, in_block = position + 3, True
        elif line[position] == ";":
            break
        else:
            content.append(line[position])
            position += 1
    return "".join(content), in_block
