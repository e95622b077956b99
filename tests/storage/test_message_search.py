"""Search: what finds a message, how the index follows every change of messages, and that it forgets removed ones."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from functools import partial

import pytest

from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Caller, ChangeReason, Folder, Message, MessageQuery
from ivr.storage.sqlite import message_search
from ivr.storage.sqlite.listing import SqliteListing
from tests.storage.test_listing import insert_messages, match_all
from tests.storage.test_messages import query_plan
from tests.support.app_fixture import NOON, AppFixture

pytestmark = pytest.mark.both_engines


async def leave(
    app: AppFixture, box: Mailbox, name: str = "", number: str = "", transcript: str | None = None, age_s: int = 60
) -> Message:
    message = await app.container.delivery.import_recording(
        box, b"\0\0" * 8000, Caller(number, name), int(app.clock.now()) - age_s, Folder.NEW
    )
    if transcript is not None:
        document = json.dumps({"result": "success", "text": transcript, "words": []}, ensure_ascii=False)
        await app.container.database.write(
            lambda c: c.execute("UPDATE messages SET transcription = ? WHERE id = ?", (document, message.id)).rowcount
        )
    return message


async def search(app: AppFixture, box: Mailbox, text: str, **options: object) -> list[str]:
    query = replace(MessageQuery(50, match_all, search=text), **options)  # type: ignore[arg-type]
    page = await SqliteListing(app.container.database).list_box_messages([box.id], query)
    return [listed.message.id for listed in page.items]


TEXT = ("María's bicycles", "+441632960001", "Your wheel is ready until Saturday.")
FINDS = ["maria", "MARÍA", "bicy", "01632 960001", "+441632960001", "00441632960001", "960001", "632-96"]
FINDS += ["wheel saturday", "wheel*", "^wheel", "wheel -ready"]
FINDS_NOTHING = ["maria peter", "icycles", "success", "---", "a", "1000", "wheel \0 nothing", '"', '""', 'a"b', "\0"]
FINDS_NOTHING += ["NEAR(wheel ready)", "*", "wheel OR", "AND", "NOT wheel", "name:maria", "{", "(", "𞤀", "\u0301"]
FINDS_NOTHING += ["' OR 1=1 --", "a " * 100, "+", "wheel AND (", "rank:1", "message_search", "x" * 200]


async def test_search_finds_beginnings_of_words_and_parts_of_numbers_and_no_text_is_an_error(app: AppFixture) -> None:
    box, other = await app.create_box("1000"), await app.create_box("1001")
    message = await leave(app, box, *TEXT)
    await leave(app, box, "Peter", "+441632970002", "Nothing of it")
    await leave(app, other, *TEXT)
    assert {text: await search(app, box, text) for text in FINDS} == {key: [message.id] for key in FINDS}
    texts = [*FINDS_NOTHING, box.id, box.account_id]  # The ids in the index are no words.
    assert {text: await search(app, box, text) for text in texts} == {key: [] for key in texts}


async def test_index_follows_each_change_of_a_message(app: AppFixture, engine: str) -> None:
    box, other = await app.create_box("1000"), await app.create_box("1001")
    message = await leave(app, box, "Maria", transcript="first words")
    messages, database = app.container.messages, app.container.database
    assert await search(app, box, "first") == [message.id]

    async def transcribe(text: str) -> None:
        await database.write(
            lambda c: c.execute("UPDATE messages SET transcription = ? WHERE id = ?", (text, message.id)).rowcount
        )

    await transcribe('{"result": "error", "text": "broken"}')
    assert await search(app, box, "first") == await search(app, box, "broken") == []
    await transcribe("plain text of an import")
    assert await search(app, box, "import") == [message.id]
    await messages.transfer_to_box(message, other.id, "1001@x")
    assert (await search(app, box, "maria"), await search(app, other, "maria")) == ([], [message.id])
    await messages.move_to_folder(other.id, message.id, Folder.DELETED, ChangeReason.DTMF)
    assert await search(app, other, "maria", folder=Folder.DELETED) == [message.id]
    assert await search(app, other, "maria", folder=Folder.NEW) == []
    await messages.soft_delete(other.id, [message.id])
    assert await search(app, other, "maria") == []
    await messages.undelete(other.id, message.id, ChangeReason.API_REQUEST)
    assert await search(app, other, "maria") == [message.id]
    await messages.expire(other.account_id, NOON + 1, 10)
    assert await search(app, other, "maria") == []
    await database.write(lambda c: c.execute("DELETE FROM messages").rowcount)
    assert await database.read(lambda c: c.execute("SELECT count(*) FROM message_texts").fetchone()[0]) == 0
    if engine == "sqlite":  # It fails where the index has an entry without its text.
        check = "INSERT INTO message_search (message_search) VALUES ('integrity-check')"
        await database.write(lambda c: c.execute(check).rowcount)


async def test_matches_come_in_order_of_time_and_in_pages(app: AppFixture) -> None:
    box = await app.create_box("1000")
    left = [await leave(app, box, "Maria", age_s=100 * (n // 3)) for n in range(9)]
    await leave(app, box, "Peter", age_s=50)
    newest_first = [m.id for m in sorted(left, key=lambda m: (m.time, m.id), reverse=True)]
    listing = SqliteListing(app.container.database)
    for ascending in (False, True):
        after, found = None, []
        while True:
            query = MessageQuery(2, match_all, after, ascending=ascending, search="maria")
            page = await listing.list_box_messages([box.id], query)
            found += [listed.message.id for listed in page.items]
            if (after := page.next_key) is None:
                break
        assert found == (newest_first[::-1] if ascending else newest_first)
    account = await listing.list_account_messages(box.account_id, MessageQuery(50, match_all, search="maria"))
    assert [listed.message.id for listed in account.items] == newest_first


@pytest.mark.sqlite_only
async def test_search_reads_its_own_matches_without_sorting(app: AppFixture) -> None:
    box = await app.create_box()
    await app.container.database.write(lambda c: insert_messages(c, box, 3000))
    statements: list[str] = []
    read: list[str] = []

    def trace(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(statements.append)
        rows = message_search.iter_matches(
            connection, box.id, {"box_id": box.id}, MessageQuery(5, match_all, search="1")
        )
        read.extend(row["id"] for row, _ in zip(rows, range(2), strict=False))
        connection.set_trace_callback(None)

    await app.container.database.read(trace)
    assert read == [f"201605-{n:032x}" for n in (1, 11)]  # Of a number each ending counts.
    plan = await app.container.database.read(partial(query_plan, next(s for s in statements if "MATCH" in s)))
    assert [step.split()[0] for step in plan] == ["SCAN", "SEARCH", "SEARCH"], plan
    assert "VIRTUAL TABLE" in plan[0]
