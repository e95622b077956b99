"""`python -m bench.fill_boxes`: fill a data folder with mailboxes of many messages. Reads the request as JSON.

Rows are written as the store writes them, in a few large transactions. Audio files are hard links, because a recording
never changes. Run it as the service's user, on an empty data folder.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import sqlite3
import sys
import time
from functools import partial
from pathlib import Path

from ivr import logging_setup, settings
from ivr.app import App
from ivr.audio import wav
from ivr.directory.models import Account, Endpoint, User
from ivr.ids import IdGenerator
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Caller, Folder, Message
from ivr.storage.sqlite import counters, message_rows

BATCH = 20_000
MAX_HARD_LINKS = 30_000
"""Names of one file; ext4 allows 65,000."""
MESSAGE_INTERVAL_S = 60
"""Between two messages: a million of them would not lie within retention, so from some number on they are closer."""


async def fill(app: App, mailbox: Mailbox, count: int, audio: Path, size: int, target_folder: Folder) -> None:
    """Put `count` messages into a folder of `mailbox`, the newest an hour old; `size`: the bytes of `audio`."""
    ids, now = IdGenerator(secrets.token_bytes), int(app.clock.now())
    apart_s = min(MESSAGE_INTERVAL_S, 80 * 86_400 / max(1, count))
    folder = app.recordings.message_path(mailbox.account_id, "x").parent
    folder.mkdir(mode=0o2750, parents=True, exist_ok=True)
    source = audio
    for first in range(0, count, BATCH):
        messages = [
            Message(
                id=ids.new_message_id(left_at),
                account_id=mailbox.account_id,
                box_id=mailbox.id,
                folder=target_folder,
                time=left_at,
                length_ms=wav.length_ms_from_size(size),
                bytes=size,
                caller=Caller("2001"),
            )
            for left_at in (now - 3600 - int(n * apart_s) for n in range(first, min(first + BATCH, count)))
        ]
        for n, message in enumerate(messages):
            target = app.recordings.message_path(message.account_id, message.id)
            if (first + n) % MAX_HARD_LINKS == 0:
                shutil.copyfile(source, target)
                target.chmod(0o640)
                source = target
            else:
                os.link(source, target)
        await app.database.write(partial(_insert, messages, now))


def _insert(batch: list[Message], now: int, connection: sqlite3.Connection) -> None:
    for message in batch:
        message_rows.insert_message(connection, message, now)
    size = sum(message.bytes for message in batch)
    counters.adjust(connection, batch[0].account_id, batch[0].box_id, batch[0].folder, len(batch), size, urgent=False)


async def create_boxes(
    app: App, boxes: dict[str, int], box: dict[str, object], audio: Path, target_folder: Folder
) -> None:
    """An account with a box of so many messages for each number: its owner has the phone p…, a stranger the phone s…"""
    account = await app.directory.create_account(Account(name="lab", realm="lab.example"))
    stranger = await app.directory.create_user(User(name="stranger", account_id=account.id))
    system, size = app.settings.asterisk.system_name, audio.stat().st_size
    for number, count in boxes.items():
        owner = await app.directory.create_user(User(name=f"p{number}", account_id=account.id))
        for name, user in ((f"p{number}", owner), (f"s{number}", stranger)):
            phone = Endpoint(system=system, name=name, account_id=account.id, user_id=user.id)
            await app.directory.add_endpoint(phone)
        document = {"name": number, "mailbox": number, "owner_id": owner.id, "is_setup": True, **box}
        mailbox = await app.boxes.create(account, document)
        began = time.monotonic()
        await fill(app, mailbox, count, audio, size, target_folder)
        if count >= BATCH:
            print(f"{count:,} messages in {time.monotonic() - began:.1f} s")


async def main() -> None:
    wanted = json.load(sys.stdin)
    loaded = settings.load()
    logging_setup.configure_logging(loaded.log)
    app = App(loaded).open()
    try:
        into = Folder.SAVED if wanted["saved"] else Folder.NEW
        await create_boxes(app, wanted["boxes"], {"pin": wanted["pin"], **wanted["box"]}, Path(wanted["audio"]), into)
    finally:
        app.close()


if __name__ == "__main__":
    asyncio.run(main())
