"""Each notification reaches a person once, whatever the mail server or a crash does; afterwards comes after."""

from __future__ import annotations

import sqlite3
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ivr.database.file import Database
from ivr.mailbox.message import Folder
from ivr.mailbox.store import Because
from tests.notify.conftest import ANN, Home
from tests.support.mailserver import MailServer, Mood, signing_in

BEN = "ben@example.org"
RETRY_S = (900, 2700, 7200, 86_400)


async def test_a_server_that_is_down_is_tried_again_after_15_45_120_minutes_and_a_day(
    home: Home, mail_server: MailServer
) -> None:
    mail_server.stop()
    await home.is_left(await home.box(notify_email=ANN))
    await home.settle()
    for wait_s in RETRY_S:
        [row] = await home.waits()
        assert row.due_at == home.clock.now() + wait_s
        assert not row.given_up
        home.clock.advance(s=wait_s - 1)
        await home.settle()
        assert (await home.waits())[0].attempts == row.attempts, "not before it is due"
        home.clock.advance(s=1)
        await home.settle()
    [row] = await home.waits()
    assert row.given_up
    assert str(mail_server.port) in (row.error or "")
    mail_server.start()
    await home.app.outbox.retry()
    await home.settle()
    assert len(mail_server.got) == 1
    assert await home.waits() == []


@pytest.mark.parametrize("mood", ["not now", "dies in mid-data"])
async def test_a_server_that_fails_in_between_gets_it_later_and_once(
    home: Home, mail_server: MailServer, mood: Mood
) -> None:
    mail_server.moods += [mood, mood]
    await home.is_left(await home.box(notify_email=ANN), s=60)
    await home.settle()
    assert mail_server.got == []
    for wait_s in RETRY_S[:2]:
        home.clock.advance(s=wait_s)
        await home.settle()
    assert len(mail_server.got) == 1
    home.clock.advance(s=10**6)
    await home.settle()
    assert len(mail_server.got) == 1


@pytest.mark.parametrize("of", ["the mail", "the address"])
async def test_a_refusal_is_not_asked_for_again(home: Home, mail_server: MailServer, of: str) -> None:
    if of == "the mail":
        mail_server.moods.append("refuses")
    else:
        mail_server.nobody.add(ANN)
    await home.is_left(await home.box(notify_email=ANN))
    await home.settle()
    [row] = await home.waits()
    assert row.given_up
    assert "55" in (row.error or "")


async def test_the_one_double_that_nobody_can_avoid_has_the_same_message_id(
    home: Home, mail_server: MailServer
) -> None:
    """The server takes the mail and dies before it can say so: whether it took it, nobody knows."""
    mail_server.moods.append("takes it and dies")
    await home.is_left(await home.box(notify_email=ANN))
    await home.settle()
    home.clock.advance(s=900)
    await home.settle()
    first, second = mail_server.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] == second["Date"]


async def test_two_people_get_one_mail_each_and_each_its_own_id(home: Home, mail_server: MailServer) -> None:
    mail_server.moods += ["not now", "takes it"]
    await home.is_left(await home.box(notify_email_addresses=[ANN, BEN]))
    await home.settle()
    home.clock.advance(s=900)
    await home.settle()
    assert sorted(to for to, _ in mail_server.got) == [ANN, BEN]
    assert len({mail["Message-ID"] for mail in mail_server.mails}) == 2


# -- afterwards --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "folder"),
    [
        ({"save_after_notify": True}, "saved"),
        ({"delete_after_notify": True}, "deleted"),
        ({"save_after_notify": True, "delete_after_notify": True}, "saved"),
        ({}, "new"),
    ],
)
async def test_after_the_mail_the_message_is_saved_or_deleted_and_saving_wins(
    home: Home, mail_server: MailServer, wanted: dict[str, Any], folder: str
) -> None:
    mail_server.moods.append("not now")
    message = await home.is_left(await home.box(notify_email=ANN, **wanted))
    await home.settle()
    assert await home.folder_of(message) == "new", "nobody has been told yet"
    home.clock.advance(s=900)
    await home.settle()
    assert await home.folder_of(message) == folder


async def test_it_waits_until_everybody_has_been_told(home: Home, mail_server: MailServer) -> None:
    mail_server.moods += ["takes it", "not now"]
    box = await home.box(notify_email_addresses=[ANN, BEN], delete_after_notify=True)
    message = await home.is_left(box)
    await home.settle()
    assert await home.folder_of(message) == "new"
    home.clock.advance(s=900)
    await home.settle()
    assert await home.folder_of(message) == "deleted"


async def test_nothing_becomes_of_a_message_that_somebody_was_never_told_of(
    home: Home, mail_server: MailServer
) -> None:
    mail_server.nobody.add(BEN)
    box = await home.box(notify_email_addresses=[ANN, BEN], delete_after_notify=True)
    message = await home.is_left(box)
    await home.settle()
    assert await home.folder_of(message) == "new"


async def test_without_recipients_nothing_becomes_of_it(home: Home) -> None:
    message = await home.is_left(await home.box(delete_after_notify=True))
    await home.settle()
    assert await home.folder_of(message) == "new"


async def test_what_the_owner_has_saved_meanwhile_is_not_deleted(home: Home, mail_server: MailServer) -> None:
    mail_server.moods.append("not now")
    box = await home.box(notify_email=ANN, delete_after_notify=True)
    message = await home.is_left(box)
    await home.settle()
    await home.app.messages.move_to(box.id, message.id, Folder.SAVED, Because.KEY)
    home.clock.advance(s=900)
    await home.settle()
    assert await home.folder_of(message) == "saved"


# -- killed ------------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The service is gone: whatever comes after never happens."""


def killed_at(step: int, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service dies at one of its writes: before it happens where `step` is even, behind it where it is odd."""
    count = 0
    write = database.write

    async def counted(verb: Callable[[sqlite3.Connection], Any]) -> Any:
        nonlocal count
        count += 1
        last = step // 2 + 1
        if count > last or (count == last and step % 2 == 0):
            raise Killed
        result = await write(verb)
        if count == last:
            raise Killed
        return result

    monkeypatch.setattr(database, "write", counted)


@pytest.mark.parametrize("step", range(30))
async def test_killed_between_any_two_steps_each_person_is_told_once_and_the_message_is_deleted_after_that(
    tmp_path: Path, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    mail = {"host": "127.0.0.1", "port": mail_server.port, "at_once": 1}
    first = Home(tmp_path / "data", mail=mail)
    await first.open()
    box = await first.box(notify_email_addresses=[ANN, BEN], delete_after_notify=True)
    message = await first.is_left(box)
    killed_at(step, first.app.database, monkeypatch)
    died = False
    try:
        await first.settle()
    except Killed:
        died = True
    monkeypatch.undo()
    first.app.close()

    second = Home(tmp_path / "data", mail=mail)
    second.clock.advance(s=1)
    second.account = first.account
    await second.app.outbox.recover()
    before = {to: len([1 for told, _ in mail_server.got if told == to]) for to in (ANN, BEN)}
    await second.settle()
    second.clock.advance(s=900)
    await second.settle()
    told = [to for to, _ in mail_server.got]
    doubles = [to for to in (ANN, BEN) if told.count(to) > 1]
    assert set(told) == {ANN, BEN}
    # A kill between the server's "250" and our own commit is the one double: then it had been told before the kill.
    assert all(died and before[to] == 1 and told.count(to) == 2 for to in doubles)
    assert len(doubles) <= 1
    assert await second.folder_of(message) == "deleted"
    assert await second.waits() == []
    await second.leaves()


# -- signing in --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["right", "wrong"])
async def test_with_tls_and_a_password(tmp_path: Path, certificate: tuple[Path, Path], password: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = MailServer(**signing_in("ivr", "right", context))
    server.start()
    mail = {
        "host": "localhost", "port": server.port, "security": "starttls", "ca_file": certificate[0],
        "user": "ivr", "password": password,
    }  # fmt: skip
    home = Home(tmp_path / "data", mail=mail)
    await home.open()
    await home.is_left(await home.box(notify_email=ANN))
    await home.settle()
    assert [to for to, _ in server.got] == ([ANN] if password == "right" else [])
    if password == "wrong":
        [row] = await home.waits()
        assert "sign in" in (row.error or "")
        assert "wrong" not in (row.error or "")
    await home.leaves()
    server.stop()


async def test_a_certificate_that_nobody_vouches_for_gets_no_mail(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = MailServer(ssl_context=context)
    server.start()
    for ca_file, told in ((certificate[0], 1), (None, 0)):
        server.got.clear()
        mail = {"host": "localhost", "port": server.port, "security": "tls", "ca_file": ca_file}
        home = Home(tmp_path / f"data-{told}", mail=mail)
        await home.open()
        await home.is_left(await home.box(notify_email=ANN))
        await home.settle()
        assert len(server.got) == told
        await home.leaves()
    server.stop()
