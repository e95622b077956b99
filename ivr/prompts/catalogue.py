"""The prompt catalogue of one language: the text of each prompt and the path of its recording.

`<folder>/catalogue.toml` has a table for each sub-folder, with a line for each recording:

    [count]
    you-have = "You have"                              # key "count/you-have", recording count/you-have.wav
    [envelope]
    am = { text = "a.m.", say = "A M." }               # `say`: spoken in place of the text
    [tone]
    beep = { text = "(beep)", tone_hz = 440, tone_ms = 500 }
"""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ivr.errors import CatalogueError

CATALOGUE_FILE = "catalogue.toml"
MANIFEST_FILE = "recordings.json"
"""The build manifest, beside the catalogue: what each recording was made from. Written by the builder."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_FIELD_TYPES = {"text": str, "say": str, "tone_hz": int, "tone_ms": int}
_LINE_SYNTAX = (
    'name = "text", or name = { text = "...", say = "..." }, or { text = "...", tone_hz = 440, tone_ms = 500 }'
)


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording: `text` is shown, `say` is spoken. A tone has `tone_hz` and `tone_ms` instead of speech."""

    key: str
    text: str
    say: str
    tone_hz: int | None = None
    tone_ms: int | None = None


class Catalogue:
    """The prompts of one language by key ("table/name")."""

    def __init__(self, folder: Path, clips: Mapping[str, Clip], version: str) -> None:
        self.folder = folder
        self.version = version
        """A hash that changes with every text and every recording."""
        self._clips = dict(clips)

    @classmethod
    def load(cls, folder: Path) -> Catalogue:
        """Read `folder`/catalogue.toml. Raises `CatalogueError` with the faulty line and its remedy."""
        path = folder / CATALOGUE_FILE
        try:
            content = path.read_bytes()
            manifest_path = folder / MANIFEST_FILE
            manifest = manifest_path.read_bytes() if manifest_path.exists() else b""
            tables = tomllib.loads(content.decode())
        except OSError as error:
            remedy = "correct [sounds] folder, or make the file readable"
            raise CatalogueError(f"{error.filename} cannot be read ({error.strerror}): {remedy}") from error
        except ValueError as error:  # tomllib's, with line and column, or bytes that are not UTF-8.
            raise CatalogueError(f"{path} is not TOML in UTF-8: {error}. Correct that line") from error
        return cls(folder, _parse_clips(path, tables), hashlib.sha256(content + b"\0" + manifest).hexdigest())

    def __getitem__(self, key: str) -> Clip:
        try:
            return self._clips[key]
        except KeyError:
            raise CatalogueError(self._missing_key_message(key)) from None

    def __contains__(self, key: object) -> bool:
        return key in self._clips

    def __iter__(self) -> Iterator[str]:
        return iter(self._clips)

    def keys(self) -> tuple[str, ...]:
        """Return all keys, in the order of the file."""
        return tuple(self._clips)

    def recording_path(self, key: str) -> Path:
        """Return the path of the recording of `key`, whether it exists or not."""
        return self.folder / f"{key}.wav"

    def _missing_key_message(self, key: str) -> str:
        nearest = difflib.get_close_matches(key, self._clips, n=1, cutoff=0)
        hint = f"; the nearest is {nearest[0]}" if nearest else ""
        return f'{self.folder / CATALOGUE_FILE} has no prompt "{key}"{hint}: add it there, or correct the key'


def _parse_clips(path: Path, tables: Mapping[str, object]) -> dict[str, Clip]:
    clips: dict[str, Clip] = {}
    for table, lines in tables.items():
        if not isinstance(lines, dict):
            raise CatalogueError(f"{path}: {table} is outside of a table: put it below a line such as [count]")
        for name, line in lines.items():
            clip = _parse_clip(path, table, name, line)
            clips[clip.key] = clip
    return clips


def _parse_clip(path: Path, table: str, name: str, line: object) -> Clip:
    where = f"{path}, [{table}], {name}"
    if not (_NAME.fullmatch(table) and _NAME.fullmatch(name)):  # They become a path.
        raise CatalogueError(f"{where}: a name may only have a-z, 0-9 and single hyphens between: rename it")
    fields = {"text": line} if isinstance(line, str) else line
    if not isinstance(fields, dict):
        raise CatalogueError(f"{where} is neither a text nor a table of fields: write {_LINE_SYNTAX}")
    for field, value in fields.items():
        if field not in _FIELD_TYPES:
            raise CatalogueError(f'{where}: unknown field "{field}": write {_LINE_SYNTAX}')
        if type(value) is not _FIELD_TYPES[field] or not value or (isinstance(value, int) and value < 0):
            kind = "a text" if _FIELD_TYPES[field] is str else "a whole number above 0"
            raise CatalogueError(f"{where}: {field} must be {kind}, not {value!r}")
    if "text" not in fields:
        raise CatalogueError(f"{where} has no text: write {_LINE_SYNTAX}")
    if ("tone_hz" in fields) != ("tone_ms" in fields) or ("tone_hz" in fields and "say" in fields):
        raise CatalogueError(f"{where}: a tone has both tone_hz and tone_ms, and no say: write {_LINE_SYNTAX}")
    return Clip(f"{table}/{name}", **{"say": fields["text"], **fields})
