"""Which version of each file `ivr install` has put on a machine, so that an upgrade keeps what the site has changed.

The record holds the hash of the text that ivr wrote or offered, as dpkg does for configuration files. Secrets differ on
each machine and are replaced there, so they do not count: neither as a change of the site nor as a new version.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from enum import Enum, auto
from pathlib import Path

from ivr.errors import ConfigurationError

RECORD_FILE = "installed.json"
"""In the folder of ivr.toml."""
NEW_SUFFIX = ".new"
"""Behind the name of a file that the site has changed: its new version, beside it."""
_SECTION = re.compile(r"^[#;]?\s*\[([^\]]+)\]")
_SECRET_LINE = re.compile(r"^([#;]?\s*(?:secret|password|IVR_SECRET)\s*=>?\s*)(\S.*?)\s*$")
MASK = "..."
PLACEHOLDER = "change-me-to-a-long-random-word"
"""In the samples, instead of a secret."""


class FileState(Enum):
    """A file on a machine, compared with the record and with the version to be installed."""

    MISSING = auto()
    CURRENT = auto()
    OUTDATED = auto()
    """An earlier version of ours, as it was installed."""
    CHANGED = auto()
    """The site has changed it, and there is no version that it has not been offered."""
    CONFLICT = auto()
    """The site has changed it, or nothing is known about it, and there is a new version."""


class InstalledFiles:
    """Hashes of the installed files by their paths. `version`: the version of ivr that wrote them; "": none has."""

    def __init__(self, hashes: dict[str, str] | None = None, version: str = "") -> None:
        self.hashes = hashes or {}
        self.version = version

    @classmethod
    def read(cls, path: Path) -> InstalledFiles:
        """Return the record in a file; an empty one if there is no file. Raises `ConfigurationError`, OSError."""
        try:
            document = json.loads(path.read_bytes())
            return cls({str(name): str(value) for name, value in document["files"].items()}, str(document["version"]))
        except FileNotFoundError:
            return cls()
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ConfigurationError(
                f"{path} is damaged: remove it and run 'ivr install'; every file that differs then counts as yours"
            ) from None

    def to_json(self) -> str:
        return json.dumps({"version": self.version, "files": dict(sorted(self.hashes.items()))}, indent=2) + "\n"

    def add(self, path: Path, text: str) -> None:
        """Record the text that was written to `path`, or offered beside it."""
        self.hashes[str(path)] = text_digest(text)

    def state(self, path: Path, present: str | None, new: str, known_digests: frozenset[str]) -> FileState:
        """Return the state of a file. `present`: its text; None: it does not exist.

        `known_digests`: of versions that were installed before there was a record.
        """
        if present is None:
            return FileState.MISSING
        digest, recorded = text_digest(present), self.hashes.get(str(path))
        if digest == text_digest(new):
            return FileState.CURRENT
        if digest == recorded or (recorded is None and digest in known_digests):
            return FileState.CONFLICT if has_other_secrets(present, new) else FileState.OUTDATED
        return FileState.CHANGED if recorded == text_digest(new) else FileState.CONFLICT


def text_digest(text: str) -> str:
    """Return the SHA-256 of a text without its secrets, in hexadecimal."""
    masked = "".join(_SECRET_LINE.sub(rf"\1{MASK}\n", line) for line in text.splitlines(keepends=True))
    return hashlib.sha256(masked.encode(errors="surrogateescape")).hexdigest()


def keep_secrets(new: str, present: str) -> str:
    """Return the text `new` with the secrets of `present`: those of the same key in the same section."""
    secrets = {where: value for where, _, value in _secret_lines(present)}
    lines = new.splitlines(keepends=True)
    for (section, key, number), index, value in _secret_lines(new):
        secret = secrets.get((section, key, number), value)
        lines[index] = _SECRET_LINE.sub(lambda line, secret=secret: f"{line[1]}{secret}\n", lines[index])  # type: ignore[misc]
    return "".join(lines)


def has_other_secrets(present: str, new: str) -> bool:
    """Return whether `present` has a secret of the site for which `new` has no line."""
    lines = {where for where, _, _ in _secret_lines(new)}
    return any(where not in lines and value != PLACEHOLDER for where, _, value in _secret_lines(present))


def _secret_lines(text: str) -> Iterator[tuple[tuple[str, str, int], int, str]]:
    """Yield section, key and running number of each secret, the index of its line, and its value."""
    section, counts = "", dict[tuple[str, str], int]()
    for index, line in enumerate(text.splitlines()):
        if found := _SECTION.match(line):
            section = found[1]
        elif found := _SECRET_LINE.match(line):
            key = found[1].strip("#;=> \t")
            counts[section, key] = counts.get((section, key), 0) + 1
            yield (section, key, counts[section, key]), index, found[2]
