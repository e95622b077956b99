"""The admin process: prepares and inspects the data of a lab, as the service's user.

It reads one JSON object per line, such as `{"command": "create_box", ...}`, and answers each with one. Each test
process starts one. Like the `ivr` command, it works through `App`.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sqlite3
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ivr import logging_setup, settings
from ivr.app import App
from ivr.audio import wav
from ivr.directory.models import Account, Endpoint, User
from ivr.errors import Conflict, NotFound
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import (
    NEVER_DUE,
    Caller,
    ChangeReason,
    Folder,
    MediaKind,
    RecordingPurpose,
    StoredMedia,
    TaskKind,
)
from ivr.storage.sqlite.events import enqueue
from ivr.storage.sqlite.media import SqliteMedia

ACCOUNT = "lab"
SYSTEMS = os.environ.get("LAB_SYSTEMS", "asterisk").split(",")
"""The Asterisks at which the phones of users are registered."""
COUNTED = (
    "SELECT box_id, folder, urgent, count(*), sum(bytes) FROM messages"
    " WHERE bytes > 0 AND deleted_at IS NULL AND expired_at IS NULL GROUP BY box_id, folder, urgent"
)
COUNTERS = "SELECT box_id, folder, urgent, messages, bytes FROM folder_counters WHERE messages <> 0 OR bytes <> 0"


class AdminProcess:
    """The commands. Each public method is one `command`."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def find_or_create_account(self) -> Account:
        """The lab's account, created on first use."""
        try:
            return await self._app.directory.create_account(Account(name=ACCOUNT, realm="lab.example"))
        except Conflict:
            return await self._app.directory.find_account_by_name(ACCOUNT)

    async def set_account_settings(self, **settings: Any) -> None:
        """Settings of the lab's account; those that other tests have set stay."""
        account = await self.find_or_create_account()
        changed = account.model_copy(update={"settings": {**account.settings, **settings}})
        await self._app.directory.update_account(changed)

    async def create_user(self, name: str, endpoint: bool = True) -> dict[str, Any]:
        """A user, whose phone is the endpoint of the same name."""
        account = await self.find_or_create_account()
        user = await self._app.directory.create_user(User(name=name, account_id=account.id))
        for system in SYSTEMS if endpoint else ():
            await self._app.directory.add_endpoint(
                Endpoint(system=system, name=name, account_id=account.id, user_id=user.id)
            )
        return user.model_dump()

    async def add_endpoint(self, name: str, user: str) -> None:
        """One more phone of a user."""
        owner = await self._app.directory.find_user_by_name((await self.find_or_create_account()).id, user)
        await self._app.directory.add_endpoint(
            Endpoint(system="asterisk", name=name, account_id=owner.account_id, user_id=owner.id)
        )

    async def remove_endpoint(self, name: str) -> None:
        """Remove the endpoint from its user."""
        await self._app.directory.remove_endpoint("asterisk", name)

    async def update_user(self, name: str, **changes: Any) -> None:
        user = await self._app.directory.find_user_by_name((await self.find_or_create_account()).id, name)
        await self._app.directory.update_user(user.model_copy(update=changes))

    async def create_box(self, **document: Any) -> str:
        """A box, in whose greeting any key goes to the beep unless the test wants hunting; gives its id."""
        usual = {"name": "a box", "is_setup": True, "hunt": False}
        return (await self._app.boxes.create(await self.find_or_create_account(), {**usual, **document})).id

    async def activate_recording(self, number: str, kind: str, file: str) -> None:
        """The WAV `file` comes into use as a greeting or a name of a box."""
        box, pcm = await self._box(number), wav.read_samples(Path(file))
        media_id = secrets.token_hex(16)
        size = self._app.recordings.write(pcm, self._app.recordings.media_path(box.account_id, media_id))
        now = int(self._app.clock.now())
        length_ms = wav.length_ms_from_size(size)
        media = StoredMedia(media_id, box.account_id, box.id, MediaKind(kind), length_ms, size, now)
        await SqliteMedia(self._app.database, self._app.clock).add(media)
        await self._app.boxes.patch(box, {"media": {kind: media_id}})

    async def update_box(self, number: str, **changes: Any) -> None:
        await self._app.boxes.patch(await self._box(number), changes)

    async def find_greeting_path(self, number: str) -> str | None:
        """The file that callers of a box are greeted with; None: the generic sentence."""
        sound = await self._app.voicemail_services.greetings.find_greeting(await self._box(number))
        return str(sound.path) if sound else None

    async def list_greetings(self, number: str) -> list[dict[str, Any]]:
        """The greeting of a box that is in use, and the one that its owner is asked about."""
        box = await self._box(number)
        in_use = box.settings.media.unavailable
        used = [(in_use, True, self._app.recordings.media_path(box.account_id, in_use))] if in_use else []
        await self._app.recordings.fetch(*(path for _, _, path in used))
        takes = await self._app.voicemail_services.takes.list_awaiting_owner(box.id)
        aside = [(take.id, False, take.path) for take in takes if take.purpose is RecordingPurpose.GREETING]
        return [{"id": id_, "in_use": is_used, "audio": [str(path)]} for id_, is_used, path in [*used, *aside]]

    async def create_message(
        self, number: str, file: str, caller: str, age_s: int, folder: str, announce: bool = False
    ) -> str:
        """The WAV `file` as a message; gives its id."""
        pcm = wav.read_samples(Path(file))
        time = int(self._app.clock.now()) - age_s
        box = await self._box(number)
        return (
            await self._app.delivery.import_recording(box, pcm, Caller(caller), time, Folder(folder), notify=announce)
        ).id

    async def list_messages(self, number: str) -> list[dict[str, Any]]:
        """All messages of a box, newest first, each with its audio files."""
        box = await self._box(number)
        found = await self._app.messages.list_page(box.id, None, 0, None, 1000)
        return [{**asdict(m), "audio": [*map(str, await self._app.delivery.fetch_audio(m))]} for m in found]

    async def move_message(self, number: str, message: str, folder: str) -> None:
        await self._app.messages.move_to_folder(
            (await self._box(number)).id, message, Folder(folder), ChangeReason.API_REQUEST
        )

    async def remove_message(self, number: str, message: str) -> None:
        await self._app.messages.soft_delete((await self._box(number)).id, [message])

    async def add_undelivered_mail(self, number: str) -> None:
        """A mail about a box that was given up."""
        box, now = await self._box(number), int(self._app.clock.now())

        def insert(connection: sqlite3.Connection) -> None:
            enqueue(
                connection,
                TaskKind.MAIL,
                now,
                account_id=box.account_id,
                box_id=box.id,
                target="gone@example.org",
                due_at=NEVER_DUE,
                payload={"template": "new_message"},
            )

        await self._app.database.write(insert)

    async def list_outbox_kinds(self, number: str) -> list[str]:
        """The kinds of what still has to be done about a box."""
        box = await self._box(number)
        return [str(row.kind) for row in await self._app.outbox.list_tasks() if row.box_id == box.id]

    async def create_api_token(self, number: str) -> dict[str, str]:
        """What a program needs to use a box over REST."""
        box = await self._box(number)
        token, _ = await self._app.tokens.create(box.account_id)
        return {"token": token, "account_id": box.account_id, "box_id": box.id}

    async def list_takes(self) -> list[str]:
        return [take.id for take in await self._app.voicemail_services.takes.list_unfinished()]

    async def list_calls(self, channel: str) -> list[dict[str, Any]]:
        """Records of calls whose channel name begins like this, oldest first."""
        sql = "SELECT channel, status, steps FROM calls WHERE channel LIKE ? || '-%' ORDER BY began_at"
        rows = await self._app.database.read(lambda c: c.execute(sql, (channel,)).fetchall())
        return [{**dict(row), "steps": json.loads(row["steps"])} for row in rows]

    async def count_calls(self) -> dict[str, Any]:
        """How calls ended, by status; and what of them is still there that goes when they end."""

        def count(connection: sqlite3.Connection) -> dict[str, Any]:
            ended = dict(connection.execute("SELECT status, count(*) FROM calls GROUP BY status").fetchall())
            live, takes, messages = (
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("live_calls", "takes", "messages")
            )
            return {"ended": ended, "live": live, "takes": takes, "messages": messages}

        return await self._app.database.read(count)

    async def list_wrong_counters(self) -> list[str]:
        """Counters that do not say what the rows say, and the reverse."""

        def compare(connection: sqlite3.Connection) -> list[str]:
            counters, counted = ({tuple(row) for row in connection.execute(sql)} for sql in (COUNTERS, COUNTED))
            return [str(row) for row in counters ^ counted]

        return await self._app.database.read(compare)

    async def _box(self, number: str) -> Mailbox:
        box = await self._app.boxes.find_by_number((await self.find_or_create_account()).id, number)
        if box is None:
            raise NotFound(f"no box {number}")
        return box


async def main() -> None:
    loaded = settings.load()
    logging_setup.configure_logging(loaded.log)
    admin = AdminProcess(App(loaded).open())
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        request = json.loads(line)
        try:
            response = {"ok": await getattr(admin, request.pop("command"))(**request)}
        except Exception as error:
            response = {"error": repr(error)}
        print(json.dumps(response, default=str), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
