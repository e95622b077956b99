"""`python -m bench.fill`: a data folder with boxes of many messages, as fast as can be; reads what is wanted as JSON.

Rows go in as the store writes them, in a few large transactions; audio is linked, for a recording never changes. Run as
the service's user, on a data folder that is empty.
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

from ivr import logs, settings
from ivr.app import App, build
from ivr.audio import wav
from ivr.directory.people import Account, Endpoint, User
from ivr.ids import Ids
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Caller, Folder, Message
from ivr.mailbox.sqlite import counters, rows

BATCH = 20_000
LINKS = 30_000
"""Names of one file; ext4 allows 65,000."""
APART_S = 60
"""Between two messages: a million of them would not lie within retention, so from some number on they are closer."""


async def fill(app: App, mailbox: Mailbox, count: int, audio: Path, size: int, into: Folder) -> None:
    """Put `count` messages into a folder of `mailbox`, the newest an hour old; `size`: the bytes of `audio`."""
    ids, now = Ids(secrets.token_bytes), int(app.mailroom.clock.now())
    apart_s = min(APART_S, 80 * 86_400 / max(1, count))
    folder = app.recordings.message(mailbox.account_id, "x").parent
    folder.mkdir(mode=0o2750, parents=True, exist_ok=True)
    source = audio
    for first in range(0, count, BATCH):
        messages = [
            Message(
                id=ids.message(left_at), account_id=mailbox.account_id, box_id=mailbox.id, folder=into,
                time=left_at, length_ms=wav.length_of(size), bytes=size, caller=Caller("2001"),
            )
            for left_at in (now - 3600 - int(n * apart_s) for n in range(first, min(first + BATCH, count)))
        ]  # fmt: skip
        for n, message in enumerate(messages):
            target = app.recordings.message(message.account_id, message.id)
            if (first + n) % LINKS == 0:
                shutil.copyfile(source, target)
                target.chmod(0o640)
                source = target
            else:
                os.link(source, target)
        await app.database.write(partial(_insert, messages, now))


def _insert(batch: list[Message], now: int, connection: sqlite3.Connection) -> None:
    arrival = rows.next_arrival(connection, batch[0].account_id)
    for message in batch:
        rows.insert(connection, message, arrival, now)
    size = sum(message.bytes for message in batch)
    counters.add(connection, batch[0].account_id, batch[0].box_id, batch[0].folder, len(batch), size, urgent=False)


async def furnish(app: App, boxes: dict[str, int], box: dict[str, object], audio: Path, into: Folder) -> None:
    """An account with a box of so many messages for each number: its owner has the phone p…, a stranger the phone s…"""
    account = await app.directory.create_account(Account(name="lab", realm="lab.example"))
    stranger = await app.directory.create_user(User(name="stranger", account_id=account.id))
    system, size = app.settings.asterisk.system, audio.stat().st_size
    for number, count in boxes.items():
        owner = await app.directory.create_user(User(name=f"p{number}", account_id=account.id))
        for name, user in ((f"p{number}", owner), (f"s{number}", stranger)):
            phone = Endpoint(system=system, name=name, account_id=account.id, user_id=user.id)
            await app.directory.add_endpoint(phone)
        document = {"name": number, "mailbox": number, "owner_id": owner.id, "is_setup": True, **box}
        mailbox = await app.boxes.create(account, document)
        began = time.monotonic()
        await fill(app, mailbox, count, audio, size, into)
        if count >= BATCH:
            print(f"{count:,} messages in {time.monotonic() - began:.1f} s")


async def main() -> None:
    wanted = json.load(sys.stdin)
    loaded = settings.load()
    logs.configure(loaded.log)
    app = build(loaded)
    try:
        into = Folder.SAVED if wanted["saved"] else Folder.NEW
        await furnish(app, wanted["boxes"], {"pin": wanted["pin"], **wanted["box"]}, Path(wanted["audio"]), into)
    finally:
        app.close()


if __name__ == "__main__":
    asyncio.run(main())
