"""`ivr greeting`: what callers of a box hear, and the recorded name of its owner."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import typer

from ivr.app import App
from ivr.audio import formats, wav
from ivr.cli.audit import record_command
from ivr.cli.boxes import NumberArgument, resolve_box
from ivr.cli.messages import write_private_wav
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
    with_app,
)
from ivr.errors import BadInput, InvalidAudio, NotFound
from ivr.mailbox.greetings import GreetingUploads, greeting_setting
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import AuditAction, MediaKind, StoredMedia
from ivr.validation.fields import END_OF_CALENDAR

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["greeting", "recording", "length", "recorded", "source", "until"]
GENERIC = {
    MediaKind.UNAVAILABLE: "none: callers hear the generic greeting",
    MediaKind.BUSY: "none: callers hear the other greetings",
    MediaKind.TEMPORARY: "none",
    MediaKind.NAME: "none: callers hear the number",
}

KindArgument = typer.Argument(metavar="GREETING", help="unavailable, busy, temporary or name.")


@command.command("list")
@with_app
async def list_all(
    app: App, number: str = NumberArgument, account: str | None = AccountOption, as_json: bool = JsonOption
) -> None:
    """List the greetings of a box, and the recorded name of its owner.

    A temporary greeting takes precedence over the other one until it expires.
    """
    box = await resolve_box(app, account, number)
    rows = []
    for kind in MediaKind:
        try:
            rows.append(_greeting_row(box, kind, (await greeting_uploads(app).find(box, kind)).media))
        except NotFound:
            rows.append(_greeting_row(box, kind, None))
    print_table(rows, COLUMNS, as_json)


@command.command("show")
@with_app
async def show(
    app: App,
    number: str = NumberArgument,
    greeting: str = KindArgument,
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """Show a greeting."""
    box = await resolve_box(app, account, number)
    kind = _parse_kind(greeting)
    print_document(_greeting_row(box, kind, (await greeting_uploads(app).find(box, kind)).media), as_json)


@command.command("set")
@with_app
async def replace(
    app: App,
    number: str = NumberArgument,
    greeting: str = KindArgument,
    file: Path = typer.Argument(help=f"Audio file: {formats.INPUT_NAMES}."),
    until: str | None = typer.Option(
        None, "--until", help=f"When a temporary greeting expires: {TIME_FORMAT}; a date includes its day."
    ),
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """Use an audio file as a greeting of a box, or as the name of its owner.

    It replaces what was recorded at the phone. A name is used in all boxes of the owner.
    """
    box = await resolve_box(app, account, number)
    kind = _parse_kind(greeting)
    expires_at = _parse_expiry(app, kind, until)
    _check_size(file, app.settings.api.max_audio_bytes)
    uploads = app.uploads
    try:
        with uploads.new_draft() as draft:
            await asyncio.to_thread(shutil.copyfile, file, draft)
            audio = await uploads.convert(box.account_id, draft)
            media = await greeting_uploads(app).activate(box, kind, audio)
    finally:
        await app.conversion_pool.close()
    await record_command(app, AuditAction.SETTINGS_CHANGED, box, [greeting_setting(kind)])
    if expires_at is not None:
        box = await app.boxes.patch(await app.boxes.get(box.id), {"media": {"temporary_until": expires_at}})
    print_document(_greeting_row(await app.boxes.get(box.id), kind, media), as_json)


@command.command("export")
@with_app
async def export(
    app: App,
    number: str = NumberArgument,
    greeting: str = KindArgument,
    file: Path = typer.Argument(help="The .wav file to write."),
    account: str | None = AccountOption,
) -> None:
    """Write a greeting to a WAV file. Only you can read the file."""
    box = await resolve_box(app, account, number)
    kind = _parse_kind(greeting)
    found = await greeting_uploads(app).find(box, kind)
    recording = await greeting_uploads(app).fetch(found)
    write_private_wav(file, await asyncio.to_thread(wav.read_samples, recording))
    await record_command(app, AuditAction.EXPORTED, box, [greeting_setting(found.media.kind)])
    echo(f"the recording {kind} of box {box.number} ({found.media.length_ms / 1000:.1f} s) is in {file}")


@command.command("remove")
@with_app
async def remove(
    app: App,
    number: str = NumberArgument,
    greeting: str = KindArgument,
    account: str | None = AccountOption,
    yes: bool = YesOption,
) -> None:
    """Stop using a greeting. Callers hear what they hear without it."""
    box = await resolve_box(app, account, number)
    kind = _parse_kind(greeting)
    found = await greeting_uploads(app).find(box, kind)
    description = f"the recording {kind} of box {box.number} ({found.media.length_ms / 1000:.1f} s)"
    confirm(f"Remove {description}?", assume_yes=yes)
    await greeting_uploads(app).deactivate(box, kind)
    await record_command(app, AuditAction.SETTINGS_CHANGED, box, [greeting_setting(kind)])
    echo(f"{description} is removed")


def greeting_uploads(app: App) -> GreetingUploads:
    """Return the greetings as REST clients manage them: the same checks apply."""
    return GreetingUploads(store=app.media, recordings=app.recordings, clock=app.clock, ids=app.ids)


def _parse_kind(text: str) -> MediaKind:
    """Return the greeting that a word means; its beginning is enough. Raises `BadInput`."""
    found = [kind for kind in MediaKind if text and kind.startswith(text.lower())]
    if len(found) != 1:
        raise BadInput(f"{text!r} is not a greeting: use unavailable, busy, temporary or name")
    return found[0]


def _parse_expiry(app: App, kind: MediaKind, until: str | None) -> int | None:
    if until is None:
        return None
    if kind is not MediaKind.TEMPORARY:
        raise BadInput(f"only a temporary greeting expires: leave --until out, or set 'temporary' instead of '{kind}'")
    now = app.clock.now()
    expires_at = parse_time(until, now, end_of_day=True)
    if expires_at <= now:
        raise BadInput(f"--until {until} is past: no caller would hear the greeting")
    if expires_at > END_OF_CALENDAR:
        raise BadInput(f"--until {until} is later than calendars of all time zones go: leave --until out")
    return expires_at


def _check_size(file: Path, max_bytes: int) -> None:
    """Raise `InvalidAudio` for a file that the REST API would not accept, OSError for one that cannot be read."""
    with file.open("rb") as audio:
        if formats.sniff(audio.read(formats.SNIFF_BYTES)) is None:
            raise InvalidAudio(f"{file} is not {formats.INPUT_NAMES}: convert it, for example with ffmpeg or sox")
    if file.stat().st_size > max_bytes:
        raise InvalidAudio(f"{file} is larger than {max_bytes} bytes: see max_audio_bytes in [api] of ivr.toml")


def _greeting_row(box: Mailbox, kind: MediaKind, media: StoredMedia | None) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"mailbox": box.number, "greeting": kind.value, "recording": GENERIC[kind], "media_id": None}
    if media is not None:
        row |= {
            "recording": "in use",
            "length": f"{media.length_ms / 1000:.1f} s",
            "length_ms": media.length_ms,
            "recorded": format_time(media.created_at),
            "source": media.source,
            "media_id": media.id,
        }
        expires_at = box.settings.media.temporary_until
        if kind is MediaKind.TEMPORARY and expires_at is not None:
            row["until"] = format_time(expires_at)
    return row
