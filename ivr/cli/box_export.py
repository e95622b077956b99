"""`ivr box export`: a ZIP file with everything in a box, for its owner or for another system."""

from __future__ import annotations

import asyncio
import json
import os
import re
import zipfile
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from ivr.app import App
from ivr.audio import wav
from ivr.cli.audit import record_command
from ivr.cli.boxes import NumberArgument, box_document, resolve_box
from ivr.cli.greetings import greeting_uploads
from ivr.cli.messages import message_document
from ivr.cli.support import AccountOption, with_app
from ivr.errors import BadInput, InvalidAudio, NotFound
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import AuditAction, MediaKind, Message

PRIVATE_MODE = 0o600
PAGE_ROWS = 1000
EARLIEST_ZIP_YEAR = 1980


@with_app
async def export(
    app: App,
    number: str = NumberArgument,
    file: Path = typer.Argument(help="The .zip file to write. It must not exist."),
    account: str | None = AccountOption,
) -> None:
    """Write a box with all its messages and greetings to a ZIP file.

    It contains the settings (box.json), the messages of all folders with their audio (messages.json, messages/*.wav),
    and the greetings. It does not contain the PIN. Only you can read the file.
    """
    box = await resolve_box(app, account, number)
    draft = _draft_of(file)
    try:
        # As root in a folder of others: what lies under that name is not followed, and not written.
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE_MODE)
        with os.fdopen(handle, "wb") as raw, zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
            missing, count = await _write_box(app, box, archive)
        draft.rename(file)
        await record_command(app, AuditAction.EXPORTED, box)
    finally:
        draft.unlink(missing_ok=True)
    typer.echo(f"{file}: box {box.number} with {count} messages")
    for name in missing:
        typer.echo(f"ivr: without audio, because its file is missing or damaged: {name}", err=True)
    if missing:
        raise typer.Exit(1)


def _draft_of(file: Path) -> Path:
    """Return the name of the file while it is written. Raises `BadInput`."""
    if file.suffix.lower() != ".zip":
        raise BadInput(f"{file} is not a .zip file: a box is exported as ZIP")
    if file.exists():
        raise BadInput(f"{file} exists: choose another name")
    if not file.parent.is_dir():
        raise BadInput(f"{file.parent} is not a folder: create it, or choose another one")
    return file.with_name(f".{file.name}.draft")


async def _write_box(app: App, box: Mailbox, archive: zipfile.ZipFile) -> tuple[list[str], int]:
    """Write everything; return what has no audio, and the number of messages."""
    missing: list[str] = []
    now = app.clock.now()
    _write_json(archive, "box.json", {**await box_document(app, box), "account": box.account.name}, now)
    documents = []
    async for message in _all_messages(app, box):
        document = message_document(box, message)
        name = f"messages/{_file_name(message)}"
        if await asyncio.to_thread(_write_audio, archive, name, app.delivery.audio_paths(message), message.time):
            document["file"] = name
        else:
            missing.append(f"message {message.id}")
        documents.append(document)
    _write_json(archive, "messages.json", documents, now)
    for kind in MediaKind:
        try:
            found = await greeting_uploads(app).find(box, kind)
        except NotFound:
            continue
        name = f"greetings/{kind}.wav"
        if not await asyncio.to_thread(_write_audio, archive, name, [found.recording], found.media.created_at):
            missing.append(f"greeting {kind}")
    return missing, len(documents)


async def _all_messages(app: App, box: Mailbox) -> AsyncIterator[Message]:
    """Yield the messages of all folders, newest first."""
    not_before, after = box.voicemail_settings.retention_cutoff(app.clock.now()), None
    while page := await app.messages.list_page(box.id, None, not_before, after, PAGE_ROWS):
        for message in page:
            yield message
        after = page[-1].id


def _file_name(message: Message) -> str:
    """Return a name that sorts by time and says who has called; every file system accepts it."""
    time = datetime.fromtimestamp(message.time).astimezone().strftime("%Y-%m-%d_%H%M%S")
    caller = re.sub(r"[^0-9A-Za-z+]", "", message.caller.number)[:32] or "anonymous"
    return f"{time}_{caller}_{message.id}.wav"


def _write_audio(archive: zipfile.ZipFile, name: str, paths: Sequence[Path], time: int) -> bool:
    """Write recordings one behind the other as one WAV. Return whether all of them could be read."""
    try:
        samples = b"".join(wav.read_samples(path) for path in paths)
    except (FileNotFoundError, InvalidAudio):
        return False
    archive.writestr(_entry(name, time), wav.header(len(samples)) + samples)
    return True


def _write_json(archive: zipfile.ZipFile, name: str, document: Any, time: float) -> None:
    archive.writestr(_entry(name, time), json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _entry(name: str, time: float) -> zipfile.ZipInfo:
    """Return an entry with a local time, as ZIP files have it; they cannot express one before 1980."""
    local = datetime.fromtimestamp(int(time)).astimezone()
    year = max(local.year, EARLIEST_ZIP_YEAR)
    entry = zipfile.ZipInfo(name, (year, local.month, local.day, local.hour, local.minute, local.second))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = PRIVATE_MODE << 16
    return entry
