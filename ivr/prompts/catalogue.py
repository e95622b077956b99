"""The prompt catalogue of one language: the text of each prompt and the path of its recording.

`<folder>/catalogue.toml` has a table for each sub-folder, with a line for each recording:

    [count]
    you-have = "You have"                              # key "count/you-have", recording count/you-have.ulaw
    [envelope]
    am = { text = "a.m.", say = "A M." }               # `say`: spoken in place of the text
    [number]
    2 = { text = "two", say = "two,", end = "two." }   # `end`: a second recording, "number/2-end"
    [phrase]
    message = { clips = "message/message number/1..50" }   # fifty recordings, "phrase/message-1" to "phrase/message-50"
    [tone]
    beep = { text = "(beep)", tone_hz = 440, tone_ms = 500 }
    [key]
    pause = { text = ",", silence_ms = 100 }           # between groups of digits

Menus name the clips. `Catalogue.choose_recordings` replaces those that end a sentence by the recordings made for that
place: by a phrase, which is several clips recorded whole, or by the `end` of a clip.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ivr.errors import CatalogueError
from ivr.prompts import clip_file, phrases
from ivr.prompts.clip import Clip

CATALOGUE_FILE = "catalogue.toml"
MANIFEST_FILE = "recordings.json"
"""The build manifest, beside the catalogue: what each recording was made from. Written by the builder."""

RECORDING_SUFFIXES = (clip_file.ULAW_SUFFIX, clip_file.WAV_SUFFIX)

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_FIELD_TYPES = {"text": str, "say": str, "end": str, "clips": str, "tone_hz": int, "tone_ms": int, "silence_ms": int}
_LINE_SYNTAX = (
    'name = "text", or name = { text = "...", say = "...", end = "..." }, or { clips = "table/name table/1..9" }, '
    'or { text = "...", tone_hz = 440, tone_ms = 500 }, or { text = "...", silence_ms = 100 }'
)


class Catalogue:
    """The prompts of one language by key ("table/name")."""

    def __init__(
        self, folder: Path, clips: Mapping[str, Clip], version: str, incomplete_phrases: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self.version = version
        """A hash that changes with every text and every recording."""
        self._clips = dict(clips)
        self._replacements = phrases.index_replacements(clips.values())
        self.incomplete_phrases = tuple(incomplete_phrases)
        """What is wrong with the phrases that name clips which the catalogue does not have; they are not used."""

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
        clips, incomplete_phrases = _parse_clips(path, tables)
        version = hashlib.sha256(content + b"\0" + manifest).hexdigest()
        return cls(folder, clips, version, incomplete_phrases)

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

    def choose_recordings(self, clip_keys: Sequence[str]) -> tuple[str, ...]:
        """Return the recordings to play for `clip_keys`: phrases and `end` recordings where they end a sentence."""
        return phrases.choose_recordings(clip_keys, self._clips, self._replacements)

    def recording_path(self, key: str) -> Path:
        """Return the path of the recording of `key`, whether it exists or not. A WAV comes before a µ-law file."""
        return clip_file.find(self.folder, key)

    def find_orphans(self) -> list[Path]:
        """Return the recordings in the folder that belong to no key."""
        expected = {self.folder / f"{key}{suffix}" for key in self for suffix in RECORDING_SUFFIXES}
        found = (path for suffix in RECORDING_SUFFIXES for path in self.folder.rglob(f"*{suffix}"))
        return sorted(path for path in found if path not in expected)

    def _missing_key_message(self, key: str) -> str:
        nearest = difflib.get_close_matches(key, self._clips, n=1, cutoff=0)
        hint = f"; the nearest is {nearest[0]}" if nearest else ""
        return f'{self.folder / CATALOGUE_FILE} has no prompt "{key}"{hint}: add it there, or correct the key'


def _parse_clips(path: Path, tables: Mapping[str, object]) -> tuple[dict[str, Clip], list[str]]:
    """Return the clips, and the lines of phrases that cannot be used."""
    clips: dict[str, Clip] = {}
    phrase_lines: list[tuple[str, dict[str, Any]]] = []
    for table, lines in tables.items():
        if not isinstance(lines, dict):
            raise CatalogueError(f"{path}: {table} is outside of a table: put it below a line such as [count]")
        for name, line in lines.items():
            fields = _parse_fields(path, table, name, line)
            if "clips" in fields:
                phrase_lines.append((f"{table}/{name}", fields))
            else:
                clips.update(_make_clips(f"{table}/{name}", fields))
    incomplete_phrases: list[str] = []
    for key, fields in phrase_lines:
        try:
            made, unknown = phrases.expand(key, fields, clips)
        except CatalogueError as error:
            raise CatalogueError(f"{path}, {key}: {error}") from None
        clips.update(made)
        incomplete_phrases += [
            f'{path}, {key} names "{part}", which has no line: add it, or correct clips' for part in unknown
        ]
    return clips, incomplete_phrases


def _make_clips(key: str, fields: dict[str, Any]) -> dict[str, Clip]:
    """Return the clip of a line, and that of its `end`."""
    end = fields.pop("end", None)
    clip = Clip(key, **{"say": fields["text"], **fields})
    made = {key: clip}
    if end:
        made[f"{key}-end"] = Clip(f"{key}-end", clip.text, end, replaces=(key,))
    return made


def _parse_fields(path: Path, table: str, name: str, line: object) -> dict[str, Any]:
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
    if "clips" in fields:
        if not fields.keys() <= {"clips", "say"}:
            raise CatalogueError(f"{where}: a phrase has clips, and say or nothing else: write {_LINE_SYNTAX}")
        return dict(fields)
    if "text" not in fields:
        raise CatalogueError(f"{where} has no text: write {_LINE_SYNTAX}")
    if ("tone_hz" in fields) != ("tone_ms" in fields) or ("tone_hz" in fields and fields.keys() & {"say", "end"}):
        raise CatalogueError(f"{where}: a tone has both tone_hz and tone_ms, and no say: write {_LINE_SYNTAX}")
    if "silence_ms" in fields and fields.keys() != {"text", "silence_ms"}:
        raise CatalogueError(f"{where}: a pause has text and silence_ms, and nothing else: write {_LINE_SYNTAX}")
    return dict(fields)
