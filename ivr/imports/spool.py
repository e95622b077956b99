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
from dataclasses import dataclass, field, replace
from email.header import decode_header, make_header
from pathlib import Path

from ivr.audio import telephony_formats, wav
from ivr.errors import InvalidAudio, NotFound, StoreError
from ivr.imports.config_file import decode_line
from ivr.storage.records import Caller

INBOX, OLD, URGENT, DELETED, TMP = "INBOX", "Old", "Urgent", "Deleted", "tmp"
FURTHER_FOLDERS = ("Work", "Family", "Friends", "Cust1", "Cust2", "Cust3", "Cust4", "Cust5")
FOLDERS = (INBOX, URGENT, OLD, *FURTHER_FOLDERS, DELETED)
GREETING_NAMES = ("unavail", "busy", "temp", "greet")
DURATION_TOLERANCE_S = 2
"""app_voicemail counts whole seconds, with the beep and silence that it cuts off."""
MAX_TEXT_BYTES = 65_536
NO_CALLER = frozenset({"", "unknown", "anonymous", "asterisk"})
LATEST_TIME = 4_102_444_800
"""1 January 2100, in Unix seconds: a later time is no time."""

_MESSAGE_FILE = re.compile(r"(msg[0-9]{4,})\.([\w-]+)")
_ID_TIME = re.compile(r"([0-9]{9,10})-[0-9A-Fa-f]+")
_CALLER = re.compile(r'\s*"?(?P<name>.*?)"?\s*<(?P<number>[^<>]*)>?\s*', re.DOTALL)


@dataclass(frozen=True, slots=True)
class SpoolMessage:
    """A message of the spool. `stem`: path of its files without a suffix."""

    stem: Path
    folder: str
    text: bytes
    """Content of its .txt file."""
    fields: dict[str, str]
    audio: tuple[Path, ...]
    """Its audio files of known formats, the best first."""
    time: int
    """Unix seconds at which it was left."""
    modified_at: int
    """Unix seconds at which its .txt file was written."""
    warnings: tuple[str, ...] = ()
    source_id: str = ""
    """Identifies it among all messages of the source; set by `read_box`."""

    @property
    def name(self) -> str:
        return f"{self.folder}/{self.stem.name}"

    @property
    def caller(self) -> Caller:
        return parse_caller(self.fields.get("callerid", ""))

    @property
    def origin(self) -> str:
        """The number of the mailbox that it was left in. It is another one for a message that was forwarded."""
        return self.fields.get("origmailbox", "")

    @property
    def is_urgent(self) -> bool:
        return self.folder == URGENT or self.fields.get("flag", "").strip().lower() == "urgent"


@dataclass
class SpoolBox:
    """A mailbox folder of the spool. `problems`: what in it is no message and may be meant as one."""

    path: Path
    exists: bool = False
    messages: list[SpoolMessage] = field(default_factory=list)
    greetings: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    """Audio files of each greeting, the best first."""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def list_boxes(spool: Path) -> list[str]:
    """Return the folders of mailboxes, as `number@context`. Links to others are left out: they would be read twice.

    Raises `NotFound` if there is no spool, and `StoreError` if it cannot be read.
    """
    with _readable(spool):
        contexts = _subfolders(spool)
        return [f"{box.name}@{context.name}" for context in contexts for box in _subfolders(context)]


def read_box(spool: Path, number: str, context: str) -> SpoolBox:
    """Read a mailbox. One that has no folder is empty. Raises `StoreError` for a folder that cannot be read."""
    box = SpoolBox(spool / context / number)
    with _readable(box.path):
        if not box.path.is_dir():
            return box
        if box.path.is_symlink():
            box.notes.append(f"{box.path} is a link to another folder, which is read where it is")
            return box
        box.exists = True
        box.greetings = _read_greetings(box)
        for folder in _subfolders(box.path):
            if folder.name in FOLDERS:
                box.messages.extend(_read_folder(box, folder))
            elif folder.name != TMP and folder.name not in GREETING_NAMES and any(folder.glob("msg*")):
                box.problems.append(f"{folder.name}: app_voicemail has no such folder, its messages are not read")
    box.messages = _with_source_ids(_without_moved(box.messages), f"{number}@{context}")
    return box


def read_samples(message: SpoolMessage) -> tuple[bytes, Path, list[str]]:
    """Return the samples of a message, the file that they are from, and why better files were not used.

    A file that is shorter than app_voicemail says is used only if no other is longer. Raises `InvalidAudio` if no file
    of it can be read; `NotFound` if app_voicemail has moved it meanwhile.
    """
    duration = message.fields.get("duration", "")
    expected_s = int(duration) if duration.isascii() and duration.isdigit() and len(duration) < 7 else 0
    found = read_best(message.audio, max(0, expected_s - DURATION_TOLERANCE_S))
    _require_unchanged(message)
    if found is None:
        if message.audio:
            raise NotFound(f"the audio of {message.name} was moved while it was read")
        raise InvalidAudio("it has no audio")
    return found


def read_best(paths: tuple[Path, ...], expected_s: int = 0) -> tuple[bytes, Path, list[str]] | None:
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
    return longest[0], longest[1], [reason for reason in reasons if not reason.startswith(f"{longest[1].name} has")]


def parse_caller(text: str) -> Caller:
    """Return the caller of `"Ann" <5551>`, `Ann <5551>`, `<5551>` or `5551`; empty for one that is not known."""
    decoded = _decode_words(text.replace('\\"', '"')).strip()
    match = _CALLER.fullmatch(decoded)
    if match:
        name, number = match["name"].strip(), match["number"].strip()
    else:
        bare = decoded.strip('"').strip()
        name, number = ("", bare) if re.fullmatch(r"[0-9+*#().\s-]+", bare) else (bare, "")
    return Caller(
        "" if number.lower() in NO_CALLER else number,
        "" if name.lower() in NO_CALLER or name == number else name,
    )


def fingerprint(message: SpoolMessage) -> str:
    """Return a hash of the content of a message: what is known of it, and its best audio file."""
    digest = hashlib.sha256()
    for key in ("origtime", "callerid", "duration"):
        digest.update(message.fields.get(key, "").encode() + b"\0")
    for path in message.audio[:1]:
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError:
            digest.update(b"unreadable")
    return digest.hexdigest()


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


def _read_greetings(box: SpoolBox) -> dict[str, tuple[Path, ...]]:
    files: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted(box.path.iterdir()):
        if path.stem in GREETING_NAMES and path.is_file():
            files[path.stem].append(path)
    found: dict[str, tuple[Path, ...]] = {}
    for name, paths in files.items():
        if audio := tuple(telephony_formats.best_first(paths)):
            found[name] = audio
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
        audio = tuple(telephony_formats.best_first(path for path in paths if path.suffix != ".txt"))
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
    if text_file.is_symlink() or not text_file.is_file():
        raise InvalidAudio(f"{text_file.name} is no regular file")
    with text_file.open("rb") as file:
        text = file.read(MAX_TEXT_BYTES)
        modified_at = int(os.fstat(file.fileno()).st_mtime)
    fields = _parse_fields(text)
    time, warnings = _message_time(fields, modified_at)
    return SpoolMessage(stem, folder, text, fields, audio, time, modified_at, tuple(warnings))


def _parse_fields(text: bytes) -> dict[str, str]:
    """Return the variables of a .txt file. A semicolon begins no comment behind a value: names have them."""
    fields: dict[str, str] = {}
    for line in map(decode_line, text.replace(b"\0", b"").splitlines()):
        name, separator, value = line.partition("=")
        if separator and not name.lstrip().startswith((";", "[")):
            fields.setdefault(name.strip().lower(), value.removeprefix(">").strip())
    return fields


def _message_time(fields: dict[str, str], modified_at: int) -> tuple[int, list[str]]:
    text = fields.get("origtime", "")
    if text.isascii() and text.isdigit() and 0 < int(text[:12]) < LATEST_TIME and len(text) < 12:
        return int(text), []
    if match := _ID_TIME.fullmatch(fields.get("msg_id", "")):
        return int(match[1]), [f"origtime is {text!r}: the time of msg_id is used"]
    return modified_at, [f"origtime is {text!r}: the time of the file is used"]


def _without_moved(messages: list[SpoolMessage]) -> list[SpoolMessage]:
    """Leave out what was read in one folder, and then in another that app_voicemail has moved it to."""
    used = Counter(message.fields.get("msg_id", "") for message in messages)
    return [one for one in messages if used[one.fields.get("msg_id", "")] == 1 or _is_unchanged(one)]


def _is_unchanged(message: SpoolMessage) -> bool:
    try:
        _require_unchanged(message)
    except NotFound:
        return False
    return True


def _require_unchanged(message: SpoolMessage) -> None:
    try:
        text = message.stem.with_name(f"{message.stem.name}.txt").read_bytes()[:MAX_TEXT_BYTES]
    except FileNotFoundError:
        text = b""
    if text != message.text:
        raise NotFound(f"{message.name} was moved while it was read")


def _with_source_ids(messages: list[SpoolMessage], box: str) -> list[SpoolMessage]:
    """Give each message its id: `msg_id`, with a hash of the content where a mailbox has one twice, or none."""
    used = Counter(message.fields.get("msg_id", "") for message in messages)
    identified: list[SpoolMessage] = []
    copies: Counter[str] = Counter()
    for message in messages:
        msg_id = message.fields.get("msg_id", "")
        source_id = f"{box}/{msg_id}"
        if not msg_id or used[msg_id] > 1:
            source_id += f"#{fingerprint(message)[:32]}"
        copies[source_id] += 1
        if copies[source_id] > 1:
            source_id += f"#{copies[source_id]}"
        identified.append(replace(message, source_id=source_id))
    return identified


def _decode_words(text: str) -> str:
    """Decode words as mail headers write them (RFC 2047)."""
    if "=?" not in text:
        return text
    try:
        return str(make_header(decode_header(text)))
    except (ValueError, LookupError, UnicodeError):
        return text
