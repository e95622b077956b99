"""Commands that correct `ivr.toml` and Asterisk's files: misspelt names, wrong lines, values that Asterisk knows."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from ivr.errors import SettingsError
from ivr.health.finding import EDITOR, RESTART, quoted
from ivr.settings import Settings
from ivr.settings_errors import misspelt_names

_TABLE = re.compile(r"^ *\[([\w-]+)\]")
_KEY = re.compile(r"^ *([\w-]+) *=")
_LINE_OF_ERROR = re.compile(r"\(at line (\d+),")


def rename_command(error: SettingsError, file: Path | None) -> str:
    """Return the command that corrects names of settings which are misspelt; "" where more than that is wrong."""
    edits, misspelt = [], misspelt_names(error, Settings.model_fields)
    for section, name, meant in misspelt:
        if section:
            edits.append(f"/^ *\\[{section}\\]/,/^ *\\[/s/^ *{name} *=/{meant} =/")
        else:
            edits.append(f"s/^ *\\[{name}\\]/[{meant}]/")
    is_plain = all(re.fullmatch(r"\w+", word) for names in misspelt for word in names if word)
    return f"sed -i '{'; '.join(edits)}' {quoted(file)} && {RESTART}" if edits and is_plain and file else ""


def comment_command(error: SettingsError, file: Path | None) -> str:
    """Return the command that makes comments of the lines which are wrong; "" where that does not correct the file."""
    if file is None or not file.is_file():
        return ""
    invalid, text = error.__cause__, file.read_text(errors="replace")
    if isinstance(invalid, tomllib.TOMLDecodeError) and (found := _LINE_OF_ERROR.search(str(invalid))):
        return _comment_lines_command(file, text, {int(found[1])}, [f"{found[1]}s/^/# /"])
    violations = invalid.errors() if isinstance(invalid, ValidationError) else []
    wrong = [(one["type"], tuple(map(str, one["loc"]))) for one in violations]
    if any(len(name) == 1 and kind != "extra_forbidden" for kind, name in wrong):
        return ""  # Settings that contradict each other: which of them is meant?
    return _comment_names(file, text, sorted({name[:2] for _, name in wrong}))


def unset_command(file: Path | None, section: str, *keys: str, then: str = RESTART) -> str:
    """Return the command that makes comments of settings, so that their defaults are used; "" if no file sets them."""
    text = file.read_text(errors="replace") if file else ""
    return _comment_names(file, text, [(section, key) for key in keys], then) if file else ""


def edit_command(file: Path | None, section: str, *keys: str) -> str:
    """Return the command that opens the file at the first of these settings, or at their section; "" without a file.

    It is for secrets, which do not belong into the history of a shell.
    """
    if file is None:
        return ""
    text = file.read_text(errors="replace")
    headers = [number for number, line in enumerate(text.splitlines(), 1) if re.match(rf" *\[{section}\]", line)]
    numbers = sorted(_lines_of(text, [(section, key) for key in keys])) or headers or [len(text.splitlines())]
    return f"{EDITOR} +{numbers[0]} {quoted(file)} && {RESTART}"


def set_command(file: Path | None, section: str, values: Mapping[str, str]) -> str:
    """Return the command that sets these values in a section of ivr.toml; "" where there is no such file."""
    if file is None:
        return ""
    header = rf"^ *\[{section}\]"
    keys, lines = "|".join(values), "".join(f"\\n{key} = {value}" for key, value in values.items())
    edit = f"/{header}/,/^ *\\[/{{/^ *({keys}) *=/d}}; s|{header}.*|&{lines}|"
    path = quoted(file)
    add_section = f"printf '\\n[{section}]\\n' >>{path}"
    return f"grep -q '{header}' {path} || {add_section}; sed -Ei '{edit}' {path} && {RESTART}"


def set_in_section_command(file: str, section: str, name: str, value: str, *, merges: bool = False) -> str:
    """Return the command that sets a variable of a section in a file of Asterisk, which gets the section if need be.

    `merges`: sections of the same name become `[section](+)` and continue the first, where Asterisk refuses two.
    """
    edit = section_edit(section, name, value, merges=merges)
    header, path = shlex.quote(_header(section)), shlex.quote(file)
    return f"grep -qi {header} {path} || printf '\\n[{section}]\\n' >>{path}; sed -i {shlex.quote(edit)} {path}"


def section_edit(section: str, name: str, value: str, *, merges: bool = False, in_all: bool = False) -> str:
    """Return the script of sed that sets a variable in the first section of this name, or `in_all`.

    Asterisk takes a name in any case, blanks before it, and several sections of one name; of [general] it reads the
    first. sed holds the header of the section that a line is in.
    """
    header = _header(section)
    remove = rf"/^\s*\[/h; x; /{header}/I{{x; /^\s*{name}\s*+\?=/Id; x}}; x"
    merge = rf"; 0,/{header}/I!s/{header}[^;]*/[{section}](+)/I" if merges else ""
    where = "" if in_all else f"0,/{header}/I"
    return rf"{remove}{merge}; {where}s/{header}.*/&\n{name} = {value}/I"


def _header(section: str) -> str:
    escaped = re.sub(r"([.*\[\]/\\^$])", r"\\\1", section)
    return rf"^\s*\[{escaped}\]"


def _comment_names(file: Path, text: str, names: Sequence[tuple[str, ...]], then: str = RESTART) -> str:
    """Return the command that makes comments of settings (section, key) and of whole sections (section)."""
    edits = []
    for section, *keys in names:
        lines = f"/^ *\\[{section}\\]/,/^ *\\[/"
        of_section = f"{{/^ *\\[{section}\\]/s/^/# /; /^ *[^[# ]/s/^/# /}}"
        edits.append(f"{lines}s/^ *{keys[0]} *=/# &/" if keys else f"{lines}{of_section}")
    is_plain = all(re.fullmatch(r"[\w-]+", word) for name in names for word in name)
    return _comment_lines_command(file, text, _lines_of(text, names), edits, then) if is_plain else ""


def _lines_of(text: str, names: Collection[tuple[str, ...]]) -> set[int]:
    """Return the numbers of the lines of settings (section, key) and of whole sections (section)."""
    numbers, section = set(), ""
    for number, line in enumerate(text.splitlines(), 1):
        if table := _TABLE.match(line):
            section = table[1]
        key = _KEY.match(line)
        is_content = line.strip() and not line.lstrip().startswith("#")
        if is_content and ((section,) in names or (key and (section, key[1]) in names)):
            numbers.add(number)
    return numbers


def _comment_lines_command(
    file: Path, text: str, numbers: Collection[int], edits: Sequence[str], then: str = RESTART
) -> str:
    """Return the command that makes `edits`; "" if the settings were still wrong with these lines as comments."""
    lines = [f"# {line}" if number in numbers else line for number, line in enumerate(text.splitlines(), 1)]
    try:
        for section, values in tomllib.loads("\n".join(lines)).items():
            model = Settings.model_fields[section].annotation
            assert model is not None
            model(**values)
    except (tomllib.TOMLDecodeError, ValidationError, KeyError, TypeError):
        return ""
    return f"sed -i '{'; '.join(edits)}' {quoted(file)} && {then}" if numbers else ""
