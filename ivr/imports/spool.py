"""The spool of app_voicemail: folders, messages and greetings as files. It is read, and never changed.

app_voicemail numbers the messages of a folder anew whenever one is moved or deleted, so the number of a message says
nothing. Its identity is `msg_id`; where that is missing, a hash of what else is known of it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ivr.audio import telephony_formats, wav
from ivr.audio.asterisk_recording import open_regular, read_start
from ivr.errors import InvalidAudio, NotFound, StoreError
from ivr.imports.config_file import decode_line
from ivr.imports.message_fields import (
    FOLDERS,
    GREETING_NAMES,
    TEXT_FIELDS,
    AppVoicemailMessage,
    further_fields,
    message_time,
    with_source_ids,
)
from ivr.imports.system import DecodedAudio

TMP = "tmp"
DURATION_TOLERANCE_S = 2
"""app_voicemail counts whole seconds, with the beep and silence that it cuts off."""
MAX_TEXT_BYTES = 65_536
_MESSAGE_FILE = re.compile(r"(msg[0-9]{4,})\.([\w-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolMessage(AppVoicemailMessage):
    """A message of the spool. `stem`: path of its files without a suffix."""

    stem: Path
    text: bytes
    """Content of its .txt file."""
    audio: tuple[Path, ...]
    """Its audio files, the best first."""

    @property
    def name(self) -> str:
        return f"{self.folder}/{self.stem.name}"

    def read_audio(self) -> DecodedAudio:
        """Return the samples of its best file.

        A file that is shorter than app_voicemail says is used only if no other is longer. Raises `InvalidAudio` if no
        file of it can be read; `NotFound` if app_voicemail has moved it meanwhile.
        """
        found = read_best(self.audio, max(0, self.expected_s - DURATION_TOLERANCE_S))
        _require_unchanged(self)
        if found is None:
            if self.audio:
                raise NotFound(f"the audio of {self.name} was moved while it was read")
            raise InvalidAudio("it has no audio")
        return found

    def fingerprint(self) -> str:
        """Return a hash of what is known of it, and of its best audio file."""
        digest = hashlib.sha256()
        for key in ("origtime", "callerid", "duration"):
            digest.update(self.fields.get(key, "").encode() + b"\0")
        for path in self.audio[:1]:
            try:
                with open_regular(path) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            except (OSError, InvalidAudio):
                digest.update(b"unreadable")
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class SpoolGreeting:
    """A greeting of the spool. `files`: the best first."""

    name: str
    files: tuple[Path, ...]

    def read_audio(self) -> DecodedAudio | None:
        """Return the samples of its best file; None if it has gone. Raises `InvalidAudio`."""
        return read_best(self.files)


@dataclass
class SpoolBox:
    """A mailbox folder of the spool. `problems`: what in it is no message and may be meant as one."""

    path: Path
    exists: bool = False
    messages: list[SpoolMessage] = field(default_factory=list)
    greetings: dict[str, SpoolGreeting] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def list_boxes(spool: Path) -> list[str]:
    """Return the folders of mailboxes, as `number@context`. Links to others are left out: they would be read twice.

    Raises `NotFound` if there is no spool, and `StoreError` if it cannot be read.
    """
    with _readable(spool):
        contexts = _subfolders(spool)
        return [f"{box.name}@{context.name}" for context in contexts for box in _subfolders(context)]


LINK_REMEDY = "put the folder itself in its place (or mount it there), and repeat the import"


def read_box(spool: Path, number: str, context: str) -> SpoolBox:
    """Read a mailbox. One that has no folder is empty. Raises `StoreError` for a folder that cannot be read."""
    box = SpoolBox(spool / context / number)
    with _readable(box.path):
        if box.path.is_symlink() and not box.path.resolve().is_relative_to(spool.resolve()):
            box.problems.append(f"{box.path} is a link out of the spool, which is not read: {LINK_REMEDY}")
            return box
        if not box.path.is_dir():
            for path in (box.path.parent, box.path):
                if os.path.lexists(path) and not path.is_dir():
                    box.problems.append(f"{path} is no folder, or a link that leads nowhere: nothing of it is read")
            return box
        if box.path.is_symlink():
            box.notes.append(f"{box.path} is a link to another folder, which is read where it is")
            return box
        box.exists = True
        for path in sorted(box.path / name for name in FOLDERS):
            if path.is_symlink():
                box.problems.append(f"{path} is a link, which is not read: {LINK_REMEDY}")
            elif path.exists() and not path.is_dir():
                box.problems.append(f"{path} is no folder: nothing of it is read")
        box.greetings = _read_greetings(box)
        for folder in _subfolders(box.path):
            if folder.name in FOLDERS:
                box.messages.extend(_read_folder(box, folder))
            elif folder.name != TMP and folder.name not in GREETING_NAMES and any(folder.glob("msg*")):
                box.problems.append(f"{folder.name}: app_voicemail has no such folder, its messages are not read")
    box.notes.extend(further_fields((message.fields for message in box.messages), TEXT_FIELDS))
    box.messages = with_source_ids(_without_moved(box.messages), f"{number}@{context}")
    return box


def read_best(paths: tuple[Path, ...], expected_s: int = 0) -> DecodedAudio | None:
    """Return the samples of the first file that can be read and has `expected_s` seconds, else of the longest.

    None: no file exists. Raises `InvalidAudio` if none can be read.
    """
    reasons: list[str] = []
    longest: tuple[bytes, Path] | None = None
    for path in paths:
        try:
            samples = telephony_formats.decode(path)
        except InvalidAudio as error:
            reasons.append(str(error))
            continue
        except FileNotFoundError:
            continue
        if longest is None or len(samples) > len(longest[0]):
            longest = samples, path
        if len(samples) >= expected_s * 1000 * wav.BYTES_PER_MS:
            break
        reasons.append(f"{path.name} has {len(samples) / 1000 / wav.BYTES_PER_MS:.1f} s")
    if longest is None:
        if reasons:
            raise InvalidAudio("; ".join(reasons))
        return None
    samples, file = longest
    others = tuple(reason for reason in reasons if not reason.startswith(f"{file.name} has"))
    return DecodedAudio(samples, file.name, others)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Context in which errors of the file system are raised with what to do: as `NotFound` or `StoreError`."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"{error.filename or path} does not exist: name the spool with --spool") from None
    except OSError as error:
        raise StoreError(
            f"{error.filename or path} cannot be read: {error.strerror}; run the command as root"
        ) from None


def _subfolders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))


def _read_greetings(box: SpoolBox) -> dict[str, SpoolGreeting]:
    files: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted(box.path.iterdir()):
        if path.stem in GREETING_NAMES and path.is_file():
            files[path.stem].append(path)
    found: dict[str, SpoolGreeting] = {}
    for name, paths in files.items():
        if audio := tuple(telephony_formats.best_first(paths)):
            found[name] = SpoolGreeting(name, audio)
        else:
            box.problems.append(f"greeting {name}: {', '.join(path.name for path in paths)}: no format that is read")
    return found


def _read_folder(box: SpoolBox, folder: Path) -> Iterator[SpoolMessage]:
    """Yield the messages of a folder. One that moves meanwhile is looked for again, and found where it is then."""
    files: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if match := _MESSAGE_FILE.fullmatch(path.name):
            files[match[1]].append(path)
    for stem, paths in sorted(files.items()):
        text_file = folder / f"{stem}.txt"
        audio = tuple(telephony_formats.best_first(paths))
        if text_file not in paths:
            box.problems.append(f"{folder.name}/{stem}: it has no .txt file, so app_voicemail does not know it either")
            continue
        try:
            yield _read_message(folder / stem, folder.name, audio)
        except FileNotFoundError:
            continue
        except InvalidAudio as error:
            box.problems.append(f"{folder.name}/{stem}: {error}")


def _read_message(stem: Path, folder: str, audio: tuple[Path, ...]) -> SpoolMessage:
    text_file = stem.with_name(f"{stem.name}.txt")
    with open_regular(text_file) as descriptor:
        text = os.pread(descriptor, MAX_TEXT_BYTES, 0)
        modified_at = int(os.fstat(descriptor).st_mtime)
    fields = _parse_fields(text)
    time, warnings = message_time(fields, modified_at)
    return SpoolMessage(
        folder=folder,
        fields=fields,
        time=time,
        modified_at=modified_at,
        warnings=warnings,
        stem=stem,
        text=text,
        audio=audio,
    )


def _parse_fields(text: bytes) -> dict[str, str]:
    """Return the variables of a .txt file. A semicolon begins no comment behind a value: names have them."""
    fields: dict[str, str] = {}
    for line in map(decode_line, text.replace(b"\0", b"").splitlines()):
        name, separator, value = line.partition("=")
        if separator and not name.lstrip().startswith((";", "[")):
            fields.setdefault(name.strip().lower(), value.removeprefix(">").strip())
    return fields


def _without_moved(messages: list[SpoolMessage]) -> list[SpoolMessage]:
    """Leave out what was read in one folder, and then in another that app_voicemail has moved it to."""
    used = Counter(message.call_id for message in messages)
    return [one for one in messages if used[one.call_id] == 1 or _is_unchanged(one)]


def _is_unchanged(message: SpoolMessage) -> bool:
    try:
        _require_unchanged(message)
    except NotFound:
        return False
    return True


def _require_unchanged(message: SpoolMessage) -> None:
    try:
        text = read_start(message.stem.with_name(f"{message.stem.name}.txt"), MAX_TEXT_BYTES)
    except (FileNotFoundError, InvalidAudio):
        text = b""
    if text != message.text:
        raise NotFound(f"{message.name} was moved while it was read")
