"""`ivr message`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from ivr.app import App
from ivr.audio import wav
from ivr.audio.worker import decode_to_samples
from ivr.cli.boxes import resolve_box
from ivr.cli.support import (
    AccountOption,
    JsonOption,
    exit_on_error,
    print_document,
    print_table,
    resolve_account,
    run_with_app,
)
from ivr.errors import BadInput
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Caller, ChangeReason, Folder, Message

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["folder", "received", "caller", "length", "id"]
MAX_ROWS = 1000


@command.command()
@exit_on_error
def add(
    number: str,
    file: Path,
    caller: str = typer.Option("", help="Number of who left it."),
    caller_name: str = typer.Option("", help="Name of who left it."),
    folder: Folder = typer.Option(Folder.NEW),
    at: datetime = typer.Option(None, help="When it was left (UTC); else now."),
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """Put audio into a box as a message: WAV, MP3, OGG, M4A or what else ffmpeg reads."""

    async def job(app: App) -> None:
        box = await resolve_box(app, account, number)
        pcm = await asyncio.to_thread(decode_to_samples, file)
        time = at.replace(tzinfo=UTC).timestamp() if at else app.clock.now()
        message = await app.delivery.import_recording(box, pcm, Caller(caller, caller_name), int(time), folder)
        print_document(_message_document(box, message), as_json)

    run_with_app(job)


@command.command("list")
@exit_on_error
def list_all(
    number: str,
    folder: Folder | None = typer.Option(None, help="Only this one."),
    gone: bool = typer.Option(False, help="Those out of sight that 'ivr message restore' can bring back."),
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """The newest messages of a box, 1000 at most."""

    async def job(app: App) -> None:
        box = await resolve_box(app, account, number)
        found = (
            await app.messages.list_soft_deleted(box.id, MAX_ROWS) if gone else await _newest_messages(app, box, folder)
        )
        print_table([_message_document(box, message) for message in found], COLUMNS, as_json)

    run_with_app(job)


@command.command("show")
@exit_on_error
def show(number: str, message: str, account: str | None = AccountOption, as_json: bool = JsonOption) -> None:
    """One message; any part of its id that no other has will do."""

    async def job(app: App) -> None:
        box = await resolve_box(app, account, number)
        print_document(_message_document(box, await _find_message(app, box, message)), as_json)

    run_with_app(job)


@command.command()
@exit_on_error
def export(number: str, message: str, file: Path, account: str | None = AccountOption) -> None:
    """Write a message, with its intro if it has one, to a WAV file."""

    async def job(app: App) -> None:
        box = await resolve_box(app, account, number)
        paths = app.delivery.audio_paths(await _find_message(app, box, message))
        if file.suffix.lower() != ".wav":
            raise BadInput(f"{file}: only .wav is written")
        wav.write(file, b"".join(wav.read_samples(path) for path in paths))

    run_with_app(job)


@command.command()
@exit_on_error
def move(
    number: str,
    message: str,
    to: str = typer.Argument(help="A folder (new, saved, deleted) or the number of another box."),
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """Move a message to another folder, or to another box."""

    async def job(app: App) -> None:
        box = await resolve_box(app, account, number)
        found = await _find_message(app, box, message)
        if to in list(Folder):
            moved = await app.messages.move_to_folder(box.id, found.id, Folder(to), ChangeReason.API_REQUEST)
        else:
            where = await resolve_account(app, account)
            box = await resolve_box(app, where.id, to)
            moved = await app.delivery.transfer(found, box)
        print_document(_message_document(box, moved), as_json)

    run_with_app(job)


@command.command()
@exit_on_error
def delete(number: str, message: str, account: str | None = AccountOption) -> None:
    """Take a message out of sight for good. To put it where the phone can still restore it, move it to deleted."""

    async def job(app: App) -> None:
        box = await resolve_box(app, account, number)
        await app.messages.soft_delete(box.id, [(await _find_message(app, box, message)).id])

    run_with_app(job)


@command.command()
@exit_on_error
def restore(number: str, message: str, account: str | None = AccountOption, as_json: bool = JsonOption) -> None:
    """Bring a message back: from the folder deleted, or after 'ivr message delete' while it is still stored."""

    async def job(app: App) -> None:
        box = await resolve_box(app, account, number)
        gone = await app.messages.list_soft_deleted(box.id, MAX_ROWS)
        known = [one.id for one in [*await _newest_messages(app, box, None), *gone] if message in one.id]
        if len(known) > 1:
            raise BadInput(f"{len(known)} messages have {message!r} in their id: give more of it")
        restored = await app.messages.undelete(box.id, known[0] if known else message, ChangeReason.API_REQUEST)
        print_document(_message_document(box, restored), as_json)

    run_with_app(job)


async def _newest_messages(app: App, box: Mailbox, folder: Folder | None) -> list[Message]:
    return await app.messages.list_page(
        box.id, folder, box.voicemail_settings.retention_cutoff(app.clock.now()), None, MAX_ROWS
    )


async def _find_message(app: App, box: Mailbox, id_part: str) -> Message:
    found = [message for message in await _newest_messages(app, box, None) if id_part in message.id]
    if len(found) == 1:
        return found[0]
    if found:
        raise BadInput(f"{len(found)} messages have {id_part!r} in their id: give more of it")
    return await app.messages.get(box.id, id_part, box.voicemail_settings.retention_cutoff(app.clock.now()))


def _message_document(box: Mailbox, message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "mailbox": box.number,
        "folder": message.folder,
        "urgent": message.urgent,
        "caller": message.caller.number,
        "caller_name": message.caller.name,
        "received": f"{box.local_time(message.time):%Y-%m-%d %H:%M:%S}",
        "timestamp": message.gregorian,
        "length_ms": message.length_ms,
        "length": f"{message.length_ms / 1000:.1f} s",
        "intro_ms": message.intro_ms,
        "from": message.from_uri,
        "to": message.to_uri,
        "call_id": message.call_id,
        "history": list(message.history),
    }
