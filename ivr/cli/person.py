"""`ivr person`: everything that is stored about a user or a caller, exported or erased."""

from __future__ import annotations

import asyncio
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from ivr.app import App
from ivr.backup.writers import snapshot_names
from ivr.cli.audit import record_command
from ivr.cli.private_zip import message_file_name, new_private_zip, write_audio, write_json, write_take
from ivr.cli.support import (
    AccountOption,
    JsonOption,
    YesOption,
    confirm,
    echo,
    format_time,
    print_document,
    resolve_account,
    with_app,
)
from ivr.directory.models import User
from ivr.errors import BadInput, Conflict
from ivr.mailbox.caller_id import NumberPlan
from ivr.recovery.fallback_recordings import FILE_PREFIX, FallbackRecording, list_waiting
from ivr.retention.person_erasure import number_matcher
from ivr.storage.data_folder import DATABASE_NAME, state_folder
from ivr.storage.records import AuditAction, Message, PersonContent, PersonQuery

command = typer.Typer(no_args_is_help=True)
DEFAULT_BACKUPS = Path("/var/backups/ivr")

UserOption = typer.Option(None, "--user", help="Name or id of a user.")
CallerOption = typer.Option(
    [],
    "--caller",
    metavar="NUMBER",
    help="A number from which the person calls; repeat it for each. Forms of one number, such as +4930123 and 030123,"
    " are recognised if voicemail.country_code is set.",
)
MailOption = typer.Option([], "--mail", metavar="ADDRESS", help="A mail address, besides that of the user; repeatable.")


@command.command("export")
@with_app
async def export(
    app: App,
    file: Path = typer.Argument(help="The .zip file to write. It must not exist."),
    user: str | None = UserOption,
    callers: list[str] = CallerOption,
    mails: list[str] = MailOption,
    account: str | None = AccountOption,
) -> None:
    """Write everything that is stored about a person to a ZIP file.

    A user: profile, phones, mailboxes with all messages and greetings, calls, mails that wait, tokens, and entries of
    the audit log. A caller: the messages left from a number, with transcriptions, calls, and entries of the audit log.
    Deleted messages that are still stored are included; PINs, passwords and tokens are not. Only you can read the file.

    Example: ivr person export alice.zip --user alice --caller +491701234567
    """
    query, found_user = await _query(app, account, user, callers, mails)
    content = await app.person_erasure.find(query)
    with new_private_zip(file) as archive:
        missing = await _write_person(app, found_user, content, archive)
        await _write_fallback_recordings(app, await _fallback_recordings(app, query, content), archive)
    ids = [message.id for message in content.messages]
    await record_command(app, AuditAction.EXPORTED, query.account_id, ids or [query.user_id or ""])
    counts = f"{len(ids)} messages, {len(content.calls)} calls, {len(content.audit)} entries of the audit log"
    echo(f"{file}: {counts}")
    for name in missing:
        echo(f"ivr: without audio, because its file is missing or damaged: {name}", err=True)
    if missing:
        raise typer.Exit(1)


@command.command("erase")
@with_app
async def erase(
    app: App,
    user: str | None = UserOption,
    callers: list[str] = CallerOption,
    mails: list[str] = MailOption,
    backups: list[Path] = typer.Option(
        [DEFAULT_BACKUPS], "--backups", help="Folder of backups, which the report names; repeatable."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print what would be erased; change nothing."),
    account: str | None = AccountOption,
    yes: bool = YesOption,
    as_json: bool = JsonOption,
) -> None:
    """Erase everything that is stored about a person, for good.

    What 'ivr person export' writes: the user with mailboxes, messages, greetings, phones and sessions; messages left by
    the person, in all mailboxes; records of calls; mails that wait; cached audio. Entries of the audit log remain
    without the person. The report names the backups and copies that still contain the person: they are not changed.
    """
    query, found_user = await _query(app, account, user, callers, mails)
    content = await app.person_erasure.find(query)
    waiting = await _fallback_recordings(app, query, content)
    if not dry_run:
        _check_erasable(content)
        who = ", ".join(filter(None, [f"user {found_user.name}" if found_user else "", *callers, *mails]))
        boxes = ", ".join(str(box.settings["mailbox"]) for box in content.boxes) or "none"
        confirm(
            f"Erase {who} for good ({len(content.messages)} messages; mailboxes: {boxes};"
            f" {len(content.calls)} records of calls; --dry-run prints all of it)?",
            assume_yes=yes,
        )
        for recording in waiting:  # At first: what is delivered meanwhile is a message, which is erased below.
            await asyncio.to_thread(app.recordings.remove, recording.path)
        report = await app.person_erasure.erase(query)
        await record_command(app, AuditAction.ERASED, query.account_id, [query.user_id or ""])
        document = _summary(content) | {"messages": report.messages, "cached_audio": report.renditions}
    else:
        document = _summary(content)
    document["fallback_recordings"] = len(waiting)
    print_document({"erased": not dry_run, **document, **_remaining(app, backups)}, as_json)


def _check_erasable(content: PersonContent) -> None:
    """Raise `Conflict` while the person is in a call: its record would be stored afterwards."""
    if content.live_calls:
        raise Conflict(
            f"nothing was changed, as the person is in a call ({', '.join(content.live_calls)}): repeat this afterwards"
        )


async def _query(
    app: App, account: str | None, user: str | None, callers: list[str], mails: list[str]
) -> tuple[PersonQuery, User | None]:
    """Return who is meant. Raises `BadInput` if no person is named, `NotFound`."""
    if user is None and not callers and not mails:
        raise BadInput("no person is named: give --user NAME, --caller NUMBER or --mail ADDRESS")
    for address in mails:
        if "@" not in address:
            raise BadInput(f"{address!r} is not a mail address")
    found_account = await resolve_account(app, account)
    found_user = await app.directory.find_user_by_name(found_account.id, user) if user is not None else None
    system = app.boxes.voicemail_settings_for(found_account)
    plan = NumberPlan(system.country_code, system.international_prefix, system.national_prefix)
    addresses = {address.lower() for address in (*mails, (found_user and found_user.email) or "") if address}
    query = PersonQuery(
        found_account.id, found_user.id if found_user else None, number_matcher(callers, plan), frozenset(addresses)
    )
    return query, found_user


async def _write_person(app: App, user: User | None, content: PersonContent, archive: zipfile.ZipFile) -> list[str]:
    """Write all files of the archive. Return what has no audio."""
    now = app.clock.now()
    missing: list[str] = []
    for name, messages in (("messages", content.messages), ("forwarded", content.forwarded)):
        documents = []
        for message in messages:
            document = _message_document(message)
            paths = await app.delivery.fetch_audio(message)
            path = f"{name}/{message_file_name(message)}"
            if await asyncio.to_thread(write_audio, archive, path, paths, message.time):
                document["file"] = path
            elif message.has_audio:
                missing.append(f"message {message.id}")
            documents.append(document)
        write_json(archive, f"{name}.json", documents, now)
    for media in content.media:
        path = f"greetings/{media.kind}_{media.id}.wav"
        recording = app.recordings.media_path(media.account_id, media.id)
        await app.recordings.fetch(recording)
        if not await asyncio.to_thread(write_audio, archive, path, [recording], media.created_at):
            missing.append(f"greeting {media.id}")
    for take in content.takes:
        recording = app.recordings.take_path(take["id"])
        await asyncio.to_thread(write_take, archive, f"recordings/{take['id']}.wav", recording, take["began_at"])
    person = {
        "user": user.model_dump() if user else None,
        "phones": [asdict(phone) for phone in content.phones],
        "boxes": [dict(box.settings) for box in content.boxes],
        "shared_boxes": [box.settings["mailbox"] for box in content.shared_boxes],
        "settings_of_others": content.settings_of_others,
        "tokens": content.tokens,
        "wrong_pins": content.attempts,
    }
    files: dict[str, Any] = {
        "person": person,
        "calls": content.calls,
        "calls_of_others": content.calls_of_others,
        "audit": [asdict(entry) for entry in content.audit],
        "pending": content.tasks,
        "recordings": content.takes,
        "imports": content.import_notes,
    }
    for name, listed in files.items():
        write_json(archive, f"{name}.json", listed, now)
    return missing


async def _fallback_recordings(app: App, query: PersonQuery, content: PersonContent) -> list[FallbackRecording]:
    """Return what the dialplan recorded of the person, or for a mailbox of the person, and is no message yet.

    Their names have the digits of the caller's number without the plus sign.
    """
    box_ids = {box.id for box in content.boxes}
    return [
        recording
        for recording, mailbox in await list_waiting(app.boxes, app.recordings)
        if mailbox.account_id == query.account_id
        and (
            mailbox.id in box_ids or any(map(query.is_number, (f"+{recording.caller_number}", recording.caller_number)))
        )
    ]


async def _write_fallback_recordings(app: App, waiting: list[FallbackRecording], archive: zipfile.ZipFile) -> None:
    names = ("box_number", "caller_number", "recorded_at")
    documents = [{name: getattr(recording, name) for name in names} for recording in waiting]
    write_json(archive, "fallback_recordings.json", documents, app.clock.now())
    for recording in waiting:
        path = f"recordings/{recording.path.name}"
        await asyncio.to_thread(write_take, archive, path, recording.path, recording.recorded_at)


def _message_document(message: Message) -> dict[str, Any]:
    return {**asdict(message), "received": format_time(message.time)}


def _summary(content: PersonContent) -> dict[str, Any]:
    """Return what was found, as counts and numbers of mailboxes."""
    return {
        "mailboxes": [box.settings["mailbox"] for box in content.boxes],
        "phones": [phone.name for phone in content.phones],
        "messages": len(content.messages),
        "greetings": len(content.media),
        "forwarded_messages_without_forwarder": len(content.forwarded),
        "mailboxes_of_others_changed": [box.settings["mailbox"] for box in content.shared_boxes],
        "calls": len(content.calls),
        "calls_of_others_changed": len(content.calls_of_others),
        "pending_mails_and_calls": len(content.tasks),
        "unfinished_recordings": len(content.takes),
        "tokens_and_sessions": len(content.tokens),
        "counters_of_wrong_pins": len(content.attempts),
        "audit_entries_without_person": len(content.audit),
        "notes_of_imports": len(content.import_notes),
    }


def _remaining(app: App, backups: list[Path]) -> dict[str, Any]:
    """Return what may still contain the person, and was not changed."""
    folder = app.settings.data.folder
    copies = [*state_folder(folder).glob(f"{DATABASE_NAME}.schema-*"), *folder.glob("before-restore-*")]
    snapshots = [backup / name for backup in backups for name in snapshot_names(backup)]
    return {
        "not_changed": {
            "backups": [str(path) for path in snapshots],
            "copies_of_the_data_folder": sorted(map(str, copies)),
            "fallback_recordings_not_yet_delivered": len(app.recordings.take_file_sizes(FILE_PREFIX)),
            "elsewhere": [
                "mails that were sent",
                "logs of ivr and of Asterisk, and its call detail records",
                "spoken digits in the prompt cache, until the service is restarted",
                "people files, exports, and backups in other folders",
            ],
        }
    }
