"""The files of a site that contain a secret which the service and Asterisk share."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from ivr.errors import ConfigurationError
from ivr.storage.files import replace_file

ASTERISK_FOLDER = Path("etc/asterisk")
_IVR_SECRET = re.compile(r"^([^\S\n]*IVR_SECRET\s*=>?\s*)(\S+)", re.MULTILINE)
_SECTION = re.compile(r"^\s*\[([^\]]+)\]")
_MANAGER_SECRET = re.compile(r"^(\s*secret\s*=>?\s*)(\S+)")
_TOML_SECRET = re.compile(r"""^(\s*secret\s*=\s*)("[^"]*"|'[^']*')""")

Edit = tuple[Path, str]
"""A file, and its new text."""


def dialplan_edits(root: Path, known: Sequence[str], secret: str) -> list[Edit]:
    """Return the files in which IVR_SECRET is one of the `known` secrets, with the new one.

    Raises `ConfigurationError` if there is none.
    """

    def replace(text: str) -> str:
        return _IVR_SECRET.sub(lambda line: line[1] + secret if line[2] in known else line[0], text)

    edits = _edits(root, replace)
    if not edits:
        raise ConfigurationError(
            f"no file in {root / ASTERISK_FOLDER} has a line 'IVR_SECRET => ' with the secret of the service: run"
            " 'ivr doctor', which says where it belongs"
        )
    return edits


def manager_edits(root: Path, user: str, known: str, secret: str) -> list[Edit]:
    """Return the files in which the section `user` of manager.conf has the secret `known`, with the new one.

    A file that is included in that section, as manager-secret.conf is, has no section of its own.
    Raises `ConfigurationError` if there is none.
    """

    def replace(text: str) -> str:
        return _replace_in_section(
            text, (user, ""), lambda line: _MANAGER_SECRET.sub(lambda m: m[1] + secret if m[2] == known else m[0], line)
        )

    edits = _edits(root, replace)
    if not edits:
        raise ConfigurationError(
            f"no file in {root / ASTERISK_FOLDER} has a section [{user}] with the secret of the service: see"
            " asterisk-conf/manager.conf"
        )
    return edits


def settings_edit(path: Path, known: str, secret: str) -> Edit:
    """Return ivr.toml with a new secret in its section [ami]. Raises `ConfigurationError` if it has another one."""
    text = path.read_text()
    new = _replace_in_section(
        text,
        ("ami",),
        lambda line: _TOML_SECRET.sub(lambda m: f'{m[1]}"{secret}"' if m[2][1:-1] == known else m[0], line),
    )
    if new == text:
        raise ConfigurationError(
            f"{path} has no line secret = with the present secret in its section [ami]: is it set by IVR_AMI__SECRET?"
        )
    return path, new


def write_edit(edit: Edit) -> None:
    """Write the new text of a file, which keeps its owner, group and mode. Raises OSError."""
    path, text = edit
    path = path.resolve()
    status = path.stat()

    def keep_owner(draft: Path) -> None:
        if os.geteuid() == 0:
            os.chown(draft, status.st_uid, status.st_gid)

    content = text.encode(errors="surrogateescape")
    replace_file(path, content, mode=stat.S_IMODE(status.st_mode), set_owner=keep_owner)


def _edits(root: Path, replace: Callable[[str], str]) -> list[Edit]:
    edits = []
    for path in sorted((root / ASTERISK_FOLDER).rglob("*.conf")):
        if not path.is_file():
            continue
        text = path.read_text(errors="surrogateescape")
        if (new := replace(text)) != text:
            edits.append((path, new))
    return edits


def _replace_in_section(text: str, sections: Sequence[str], replace: Callable[[str], str]) -> str:
    """Replace the lines of some sections. "" is the part of a file before its first section."""
    lines, current = [], ""
    for line in text.splitlines(keepends=True):
        if found := _SECTION.match(line):
            current = found[1]
        lines.append(replace(line) if current in sections else line)
    return "".join(lines)
