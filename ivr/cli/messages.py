"""`ivr message`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from ivr.app import App
from ivr.audio import wav
from ivr.audio.transcode import to_samples
from ivr.cli.boxes import the_box
from ivr.cli.edge import AccountOption, JsonOption, show, show_all, the_account, told, with_app
from ivr.errors import BadInput
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Caller, Folder, Message
from ivr.mailbox.store import Because

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["folder", "received", "caller", "length", "id"]
PAGE = 1000


@command.command()
@told
def add(
    number: str,
    file: Path,
    caller: str = typer.Option("", help="Number of who left it."),
    caller_name: str = typer.Option("", help="Name of who left it."),
    folder: Folder = typer.Option(Folder.NEW),
    at: datetime = typer.Option(None, help="When it was left (UTC); else now."),
    account: str | None = AccountOption,
    json: bool = JsonOption,
) -> None:
    """Put audio into a box as a message: WAV, MP3, OGG, M4A or what else ffmpeg reads."""

    async def job(app: App) -> None:
        box = await the_box(app, account, number)
        pcm = await asyncio.to_thread(to_samples, file)
        time = at.replace(tzinfo=UTC).timestamp() if at else app.mailroom.clock.now()
        message = await app.delivery.bring(box, pcm, Caller(caller, caller_name), int(time), folder)
        show(_shown(box, message), json)

    with_app(job)


@command.command("list")
@told
def list_all(
    number: str,
    folder: Folder | None = typer.Option(None, help="Only this one."),
    gone: bool = typer.Option(False, help="Those out of sight that 'ivr message restore' can bring back."),
    account: str | None = AccountOption,
    json: bool = JsonOption,
) -> None:
    """The newest messages of a box, 1000 at most."""

    async def job(app: App) -> None:
        box = await the_box(app, account, number)
        found = await app.messages.soft_deleted(box.id, PAGE) if gone else await _page(app, box, folder)
        show_all([_shown(box, message) for message in found], COLUMNS, json)

    with_app(job)


@command.command("show")
@told
def show_one(number: str, message: str, account: str | None = AccountOption, json: bool = JsonOption) -> None:
    """One message; any part of its id that no other has will do."""

    async def job(app: App) -> None:
        box = await the_box(app, account, number)
        show(_shown(box, await _the_message(app, box, message)), json)

    with_app(job)


@command.command()
@told
def export(number: str, message: str, file: Path, account: str | None = AccountOption) -> None:
    """Write a message, with its intro if it has one, to a WAV file."""

    async def job(app: App) -> None:
        box = await the_box(app, account, number)
        paths = app.delivery.audio(await _the_message(app, box, message))
        if file.suffix.lower() != ".wav":
            raise BadInput(f"{file}: only .wav is written")
        wav.write(file, b"".join(wav.samples(path) for path in paths))

    with_app(job)


@command.command()
@told
def move(
    number: str,
    message: str,
    to: str = typer.Argument(help="A folder (new, saved, deleted) or the number of another box."),
    account: str | None = AccountOption,
    json: bool = JsonOption,
) -> None:
    """Move a message to another folder, or to another box."""

    async def job(app: App) -> None:
        box = await the_box(app, account, number)
        found = await _the_message(app, box, message)
        if to in list(Folder):
            moved = await app.messages.move_to(box.id, found.id, Folder(to), Because.REQUEST)
        else:
            where = await the_account(app, account)
            box = await the_box(app, where.id, to)
            moved = await app.delivery.move(found, box)
        show(_shown(box, moved), json)

    with_app(job)


@command.command()
@told
def delete(number: str, message: str, account: str | None = AccountOption) -> None:
    """Take a message out of sight for good. To put it where the phone can still restore it, move it to deleted."""

    async def job(app: App) -> None:
        box = await the_box(app, account, number)
        await app.messages.remove(box.id, [(await _the_message(app, box, message)).id])

    with_app(job)


@command.command()
@told
def restore(number: str, message: str, account: str | None = AccountOption, json: bool = JsonOption) -> None:
    """Bring a message back: from the folder deleted, or after 'ivr message delete' while it is still stored."""

    async def job(app: App) -> None:
        box = await the_box(app, account, number)
        gone = await app.messages.soft_deleted(box.id, PAGE)
        known = [one.id for one in [*await _page(app, box, None), *gone] if message in one.id]
        if len(known) > 1:
            raise BadInput(f"{len(known)} messages have {message!r} in their id: give more of it")
        restored = await app.messages.bring_back(box.id, known[0] if known else message, Because.REQUEST)
        show(_shown(box, restored), json)

    with_app(job)


async def _page(app: App, box: Mailbox, folder: Folder | None) -> list[Message]:
    return await app.messages.page(box.id, folder, box.system.not_before(app.mailroom.clock.now()), None, PAGE)


async def _the_message(app: App, box: Mailbox, part: str) -> Message:
    found = [message for message in await _page(app, box, None) if part in message.id]
    if len(found) == 1:
        return found[0]
    if found:
        raise BadInput(f"{len(found)} messages have {part!r} in their id: give more of it")
    return await app.messages.get(box.id, part, box.system.not_before(app.mailroom.clock.now()))


def _shown(box: Mailbox, message: Message) -> dict[str, Any]:
    return {
        "id": message.id, "mailbox": box.number, "folder": message.folder, "urgent": message.urgent,
        "caller": message.caller.number, "caller_name": message.caller.name,
        "received": f"{box.local(message.time):%Y-%m-%d %H:%M:%S}", "timestamp": message.gregorian,
        "length_ms": message.length_ms, "length": f"{message.length_ms / 1000:.1f} s", "intro_ms": message.intro_ms,
        "from": message.from_uri, "to": message.to_uri, "call_id": message.call_id, "history": list(message.history),
    }  # fmt: skip
