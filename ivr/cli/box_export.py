"""`ivr box export`: a ZIP file with everything in a box, for its owner or for another system."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import typer

from ivr.app import App
from ivr.cli.audit import record_command
from ivr.cli.boxes import NumberArgument, box_document, command, resolve_box
from ivr.cli.greetings import greeting_uploads
from ivr.cli.messages import message_document
from ivr.cli.private_zip import message_file_name, new_private_zip, write_audio, write_json
from ivr.cli.support import AccountOption, echo, with_app
from ivr.errors import NotFound
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import AuditAction, MediaKind, Message

PAGE_ROWS = 1000


@command.command("export")
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
    with new_private_zip(file) as archive:
        missing, count = await _write_box(app, box, archive)
    await record_command(app, AuditAction.EXPORTED, box)
    echo(f"{file}: box {box.number} with {count} messages")
    for name in missing:
        echo(f"ivr: without audio, because its file is missing or damaged: {name}", err=True)
    if missing:
        raise typer.Exit(1)


async def _write_box(app: App, box: Mailbox, archive: zipfile.ZipFile) -> tuple[list[str], int]:
    """Write everything; return what has no audio, and the number of messages."""
    missing: list[str] = []
    now = app.clock.now()
    write_json(archive, "box.json", {**await box_document(app, box), "account": box.account.name}, now)
    documents = []
    async for message in _all_messages(app, box):
        document = message_document(box, message)
        name = f"messages/{message_file_name(message)}"
        if await asyncio.to_thread(write_audio, archive, name, await app.delivery.fetch_audio(message), message.time):
            document["file"] = name
        else:
            missing.append(f"message {message.id}")
        documents.append(document)
    write_json(archive, "messages.json", documents, now)
    for kind in MediaKind:
        try:
            found = await greeting_uploads(app).find(box, kind)
        except NotFound:
            continue
        name = f"greetings/{kind}.wav"
        recording = await greeting_uploads(app).fetch(found)
        if not await asyncio.to_thread(write_audio, archive, name, [recording], found.media.created_at):
            missing.append(f"greeting {kind}")
    return missing, len(documents)


async def _all_messages(app: App, box: Mailbox) -> AsyncIterator[Message]:
    """Yield the messages of all folders, newest first."""
    not_before, after = box.voicemail_settings.retention_cutoff(app.clock.now()), None
    while page := await app.messages.list_page(box.id, None, not_before, after, PAGE_ROWS):
        for message in page:
            yield message
        after = page[-1].id
