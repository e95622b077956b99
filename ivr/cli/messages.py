"""`ivr message`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import typer

from ivr.app import App
from ivr.audio import wav
from ivr.audio.formats import INPUT_NAMES
from ivr.audio.worker import decode_to_samples
from ivr.cli.audit import record_command
from ivr.cli.boxes import NumberArgument, resolve_box
from ivr.cli.support import (
    TIME_FORMAT,
    AccountOption,
    JsonOption,
    YesOption,
    confirm,
    echo,
    format_time,
    parse_time,
    print_document,
    print_table,
    resolve_account,
    with_app,
)
from ivr.errors import BadInput
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import AuditAction, Caller, ChangeReason, Folder, Message
from ivr.validation.text import caller_text

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["folder", "received", "caller", "caller_name", "length", "id"]
MAX_ROWS = 1000
PRIVATE_MODE = 0o600
"""Exported messages are recordings of people."""

MessageArgument = typer.Argument(metavar="ID", help="Id of the message, or a part of it that no other message has.")


@command.command("add")
@with_app
async def add(
    app: App,
    number: str = NumberArgument,
    file: Path = typer.Argument(help=f"Audio file: {INPUT_NAMES}."),
    caller: str = typer.Option("", help="Number of the caller."),
    caller_name: str = typer.Option("", help="Name of the caller."),
    folder: Folder = typer.Option(Folder.NEW, help="Folder of the message."),
    urgent: bool = typer.Option(False, "--urgent", help="Mark the message urgent."),
    at: str | None = typer.Option(None, help=f"Time of the message: {TIME_FORMAT}. Default: now."),
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """Add an audio file to a box as a message."""
    named_caller = Caller(caller_text(caller), caller_text(caller_name))
    box = await resolve_box(app, account, number)
    samples = await asyncio.to_thread(decode_to_samples, file, app.settings.api.max_audio_s)
    now = app.clock.now()
    time = int(now) if at is None else parse_time(at, now)
    accepted = box.voicemail_settings.message_times(now)
    if time not in accepted:
        days = box.voicemail_settings.message_retention_duration
        reason = f"messages are kept for {days} days" if time < accepted.start else "the time is in the future"
        raise BadInput(f"{reason}: give one from {format_time(accepted.start)} to {format_time(int(now))}")
    message = await app.delivery.import_recording(box, samples, named_caller, time, folder, urgent=urgent)
    await record_command(app, AuditAction.ADDED, box, [message.id])
    print_document(message_document(box, message), as_json)


@command.command("list")
@with_app
async def list_all(
    app: App,
    number: str = NumberArgument,
    folder: Folder | None = typer.Option(None, help="List only this folder."),
    gone: bool = typer.Option(False, help="List the messages that 'ivr message restore' can bring back."),
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """List the newest messages of a box, at most 1000."""
    box = await resolve_box(app, account, number)
    if gone:
        messages = await app.messages.list_soft_deleted(box.id, MAX_ROWS)
    else:
        messages = await _newest_messages(app, box, folder)
    print_table([message_document(box, message) for message in messages], COLUMNS, as_json)


@command.command("show")
@with_app
async def show(
    app: App,
    number: str = NumberArgument,
    message: str = MessageArgument,
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """Show a message."""
    box = await resolve_box(app, account, number)
    print_document(message_document(box, await _find_message(app, box, message)), as_json)


@command.command("export")
@with_app
async def export(
    app: App,
    number: str = NumberArgument,
    message: str = MessageArgument,
    file: Path = typer.Argument(help="The .wav file to write."),
    account: str | None = AccountOption,
) -> None:
    """Write a message to a WAV file.

    Its intro, if it has one, precedes it. Only you can read the file.
    """
    box = await resolve_box(app, account, number)
    found = await _find_message(app, box, message)
    if file.suffix.lower() != ".wav":
        raise BadInput(f"{file} is not a .wav file: messages are exported as WAV")
    samples = b"".join(wav.read_samples(path) for path in await app.delivery.fetch_audio(found))
    write_private_wav(file, samples)
    await record_command(app, AuditAction.EXPORTED, box, [found.id])
    echo(f"message {found.id} of box {box.number} ({found.length_ms / 1000:.1f} s) is in {file}")


@command.command("move")
@with_app
async def move(
    app: App,
    number: str = NumberArgument,
    message: str = MessageArgument,
    to: str = typer.Argument(help="Folder (new, saved or deleted), or number of another box."),
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """Move a message to a folder or box."""
    box = await resolve_box(app, account, number)
    found = await _find_message(app, box, message)
    if to in list(Folder):
        moved = await app.messages.move_to_folder(box.id, found.id, Folder(to), ChangeReason.API_REQUEST)
        action = AuditAction.DELETED if moved.folder is Folder.DELETED else AuditAction.MOVED
        await record_command(app, action, box, [found.id])
    else:
        former, box = box, await resolve_box(app, (await resolve_account(app, account)).id, to)
        moved = await app.delivery.transfer(found, box)
        await record_command(app, AuditAction.MOVED, former, [found.id])
    print_document(message_document(box, moved), as_json)


@command.command("mark")
@with_app
async def mark(
    app: App,
    number: str = NumberArgument,
    message: str = MessageArgument,
    urgent: bool | None = typer.Option(None, "--urgent/--not-urgent", help="Mark the message urgent or not urgent."),
    label: list[str] | None = typer.Option(None, "--label", help="Label of the message; repeat it for several."),
    no_labels: bool = typer.Option(False, "--no-labels", help="Remove the labels of the message."),
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """Mark a message urgent, or replace its labels."""
    labels = [caller_text(text) for text in label] if label else [] if no_labels else None
    if urgent is None and labels is None:
        raise BadInput("nothing to change: use --urgent, --not-urgent, --label NAME or --no-labels")
    box = await resolve_box(app, account, number)
    found = await _find_message(app, box, message)
    marked = await app.messages.set_marks(box.id, found.id, urgent=urgent, labels=labels)
    await record_command(app, AuditAction.CHANGED, box, [found.id])
    print_document(message_document(box, marked), as_json)


@command.command("delete")
@with_app
async def delete(
    app: App,
    number: str = NumberArgument,
    message: str = MessageArgument,
    account: str | None = AccountOption,
    yes: bool = YesOption,
) -> None:
    """Delete a message.

    Only 'ivr message restore' brings it back. To let its owner restore it at the phone, use
    'ivr message move NUMBER ID deleted' instead.
    """
    box = await resolve_box(app, account, number)
    found = await _find_message(app, box, message)
    description = f"message {found.id} of box {box.number}, received {format_time(found.time)}"
    confirm(f"Delete {description}?", assume_yes=yes)
    await app.messages.soft_delete(box.id, [found.id])
    await record_command(app, AuditAction.DELETED, box, [found.id])
    echo(f"{description}, is deleted; 'ivr message restore {box.number} {found.id}' brings it back")


@command.command("restore")
@with_app
async def restore(
    app: App,
    number: str = NumberArgument,
    message: str = MessageArgument,
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """Restore a deleted message.

    It may be in the folder deleted, or have been deleted by 'ivr message delete' and still be stored.
    """
    box = await resolve_box(app, account, number)
    soft_deleted = await app.messages.list_soft_deleted(box.id, MAX_ROWS)
    candidates = [*await _newest_messages(app, box, None), *soft_deleted]
    ids = [candidate.id for candidate in candidates if message in candidate.id]
    if len(ids) > 1:
        raise _ambiguous_id_error(len(ids), message)
    restored = await app.messages.undelete(box.id, ids[0] if ids else message, ChangeReason.API_REQUEST)
    await record_command(app, AuditAction.RESTORED, box, [restored.id])
    print_document(message_document(box, restored), as_json)


def write_private_wav(file: Path, samples: bytes) -> None:
    """Write a recording that only this user can read. Raises OSError."""
    file.touch(mode=PRIVATE_MODE)
    file.chmod(PRIVATE_MODE)
    wav.write(file, samples)


async def _newest_messages(app: App, box: Mailbox, folder: Folder | None) -> list[Message]:
    not_before = box.voicemail_settings.retention_cutoff(app.clock.now())
    return await app.messages.list_page(box.id, folder, not_before, None, MAX_ROWS)


async def _find_message(app: App, box: Mailbox, id_part: str) -> Message:
    """Return the message with this part of an id. Raises `NotFound`; `BadInput` if several have it."""
    found = [message for message in await _newest_messages(app, box, None) if id_part in message.id]
    if len(found) == 1:
        return found[0]
    if found:
        raise _ambiguous_id_error(len(found), id_part)
    return await app.messages.get(box.id, id_part, box.voicemail_settings.retention_cutoff(app.clock.now()))


def _ambiguous_id_error(count: int, id_part: str) -> BadInput:
    return BadInput(f"{count} messages have {id_part!r} in their id: give a longer part of it")


def message_document(box: Mailbox, message: Message) -> dict[str, Any]:
    """Return a message as commands print it."""
    return {
        "id": message.id,
        "mailbox": box.number,
        "folder": message.folder,
        "urgent": message.urgent,
        "caller": message.caller.number,
        "caller_name": message.caller.name,
        "received": format_time(message.time),
        "timestamp": message.gregorian,
        "length_ms": message.length_ms,
        "length": f"{message.length_ms / 1000:.1f} s",
        "intro_ms": message.intro_ms,
        "from": message.from_uri,
        "to": message.to_uri,
        "call_id": message.call_id,
        "labels": list(message.labels),
        "history": list(message.history),
        "forwarded_by": message.forwarded_by and f"{message.forwarded_by.name} ({message.forwarded_by.number})",
    }
