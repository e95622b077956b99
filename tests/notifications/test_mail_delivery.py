"""Each notification reaches a person once, whatever the mail server or a crash does; afterwards comes after."""

from __future__ import annotations

import sqlite3
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ivr.storage.records import ChangeReason, Folder
from ivr.storage.sqlite.database import Database
from tests.notifications.conftest import OWNER_EMAIL, NotificationAppFixture
from tests.support.fake_smtp_server import Behaviour, FakeSmtpServer, authenticated_tls_server

BEN = "ben@example.org"
RETRY_S = (900, 2700, 7200, 86_400)


async def test_unreachable_server_is_retried_after_15_45_120_minutes_and_a_day(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    smtp_server.stop()
    await mail_app.leave_message(await mail_app.create_box(notify_email=OWNER_EMAIL))
    await mail_app.run_until_idle()
    for wait_s in RETRY_S:
        [row] = await mail_app.pending_tasks()
        assert row.due_at == mail_app.clock.now() + wait_s
        assert not row.is_given_up
        mail_app.clock.advance(s=wait_s - 1)
        await mail_app.run_until_idle()
        assert (await mail_app.pending_tasks())[0].attempts == row.attempts, "not before it is due"
        mail_app.clock.advance(s=1)
        await mail_app.run_until_idle()
    [row] = await mail_app.pending_tasks()
    assert row.is_given_up
    assert str(smtp_server.port) in (row.error or "")
    smtp_server.start()
    await mail_app.container.outbox.retry()
    await mail_app.run_until_idle()
    assert len(smtp_server.received) == 1
    assert await mail_app.pending_tasks() == []


@pytest.mark.parametrize("mood", ["not now", "dies in mid-data"])
async def test_temporary_failure_delivers_later_and_once(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer, mood: Behaviour
) -> None:
    smtp_server.behaviours += [mood, mood]
    await mail_app.leave_message(await mail_app.create_box(notify_email=OWNER_EMAIL), s=60)
    await mail_app.run_until_idle()
    assert smtp_server.received == []
    for wait_s in RETRY_S[:2]:
        mail_app.clock.advance(s=wait_s)
        await mail_app.run_until_idle()
    assert len(smtp_server.received) == 1
    mail_app.clock.advance(s=10**6)
    await mail_app.run_until_idle()
    assert len(smtp_server.received) == 1


@pytest.mark.parametrize("of", ["the mail", "the address"])
async def test_permanent_rejection_is_not_retried(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer, of: str
) -> None:
    if of == "the mail":
        smtp_server.behaviours.append("refuses")
    else:
        smtp_server.unknown_recipients.add(OWNER_EMAIL)
    await mail_app.leave_message(await mail_app.create_box(notify_email=OWNER_EMAIL))
    await mail_app.run_until_idle()
    [row] = await mail_app.pending_tasks()
    assert row.is_given_up
    assert "55" in (row.error or "")


async def test_unavoidable_duplicate_has_same_message_id(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    """The server takes the mail and dies before it can say so: whether it took it, nobody knows."""
    smtp_server.behaviours.append("takes it and dies")
    await mail_app.leave_message(await mail_app.create_box(notify_email=OWNER_EMAIL))
    await mail_app.run_until_idle()
    mail_app.clock.advance(s=900)
    await mail_app.run_until_idle()
    first, second = smtp_server.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] == second["Date"]


async def test_two_people_get_one_mail_each_and_each_its_own_id(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    smtp_server.behaviours += ["not now", "takes it"]
    await mail_app.leave_message(await mail_app.create_box(notify_email_addresses=[OWNER_EMAIL, BEN]))
    await mail_app.run_until_idle()
    mail_app.clock.advance(s=900)
    await mail_app.run_until_idle()
    assert sorted(to for to, _ in smtp_server.received) == [OWNER_EMAIL, BEN]
    assert len({mail["Message-ID"] for mail in smtp_server.mails}) == 2


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
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer, wanted: dict[str, Any], folder: str
) -> None:
    smtp_server.behaviours.append("not now")
    message = await mail_app.leave_message(await mail_app.create_box(notify_email=OWNER_EMAIL, **wanted))
    await mail_app.run_until_idle()
    assert await mail_app.folder_of(message) == "new", "nobody has been told yet"
    mail_app.clock.advance(s=900)
    await mail_app.run_until_idle()
    assert await mail_app.folder_of(message) == folder


async def test_cleanup_waits_until_all_recipients_are_mailed(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    smtp_server.behaviours += ["takes it", "not now"]
    box = await mail_app.create_box(notify_email_addresses=[OWNER_EMAIL, BEN], delete_after_notify=True)
    message = await mail_app.leave_message(box)
    await mail_app.run_until_idle()
    assert await mail_app.folder_of(message) == "new"
    mail_app.clock.advance(s=900)
    await mail_app.run_until_idle()
    assert await mail_app.folder_of(message) == "deleted"


async def test_cleanup_is_skipped_when_a_recipient_was_not_mailed(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    smtp_server.unknown_recipients.add(BEN)
    box = await mail_app.create_box(notify_email_addresses=[OWNER_EMAIL, BEN], delete_after_notify=True)
    message = await mail_app.leave_message(box)
    await mail_app.run_until_idle()
    assert await mail_app.folder_of(message) == "new"


async def test_cleanup_is_skipped_without_recipients(mail_app: NotificationAppFixture) -> None:
    message = await mail_app.leave_message(await mail_app.create_box(delete_after_notify=True))
    await mail_app.run_until_idle()
    assert await mail_app.folder_of(message) == "new"


async def test_message_saved_by_owner_is_not_deleted(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    smtp_server.behaviours.append("not now")
    box = await mail_app.create_box(notify_email=OWNER_EMAIL, delete_after_notify=True)
    message = await mail_app.leave_message(box)
    await mail_app.run_until_idle()
    await mail_app.container.messages.move_to(box.id, message.id, Folder.SAVED, ChangeReason.KEY)
    mail_app.clock.advance(s=900)
    await mail_app.run_until_idle()
    assert await mail_app.folder_of(message) == "saved"


# -- killed ------------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The service is gone: whatever comes after never happens."""


def inject_crash(step: int, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
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
async def test_crash_at_any_step_mails_each_recipient_once_then_deletes(
    tmp_path: Path, smtp_server: FakeSmtpServer, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    mail = {"host": "127.0.0.1", "port": smtp_server.port, "at_once": 1}
    first = NotificationAppFixture(tmp_path / "data", mail=mail)
    await first.open()
    box = await first.create_box(notify_email_addresses=[OWNER_EMAIL, BEN], delete_after_notify=True)
    message = await first.leave_message(box)
    inject_crash(step, first.container.database, monkeypatch)
    died = False
    try:
        await first.run_until_idle()
    except Killed:
        died = True
    monkeypatch.undo()
    first.container.close()

    second = NotificationAppFixture(tmp_path / "data", mail=mail)
    second.clock.advance(s=1)
    second.account = first.account
    await second.container.outbox.release_orphaned_leases()
    before = {to: len([1 for told, _ in smtp_server.received if told == to]) for to in (OWNER_EMAIL, BEN)}
    await second.run_until_idle()
    second.clock.advance(s=900)
    await second.run_until_idle()
    told = [to for to, _ in smtp_server.received]
    doubles = [to for to in (OWNER_EMAIL, BEN) if told.count(to) > 1]
    assert set(told) == {OWNER_EMAIL, BEN}
    # A kill between the server's "250" and our own commit is the one double: then it had been told before the kill.
    assert all(died and before[to] == 1 and told.count(to) == 2 for to in doubles)
    assert len(doubles) <= 1
    assert await second.folder_of(message) == "deleted"
    assert await second.pending_tasks() == []
    await second.shut_down()


# -- signing in --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["right", "wrong"])
async def test_mail_is_sent_with_tls_and_password(
    tmp_path: Path, certificate: tuple[Path, Path], password: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = FakeSmtpServer(**authenticated_tls_server("ivr", "right", context))
    server.start()
    mail = {
        "host": "localhost", "port": server.port, "security": "starttls", "ca_file": certificate[0],
        "user": "ivr", "password": password,
    }  # fmt: skip
    home = NotificationAppFixture(tmp_path / "data", mail=mail)
    await home.open()
    await home.leave_message(await home.create_box(notify_email=OWNER_EMAIL))
    await home.run_until_idle()
    assert [to for to, _ in server.received] == ([OWNER_EMAIL] if password == "right" else [])
    if password == "wrong":
        [row] = await home.pending_tasks()
        assert "sign in" in (row.error or "")
        assert "wrong" not in (row.error or "")
    await home.shut_down()
    server.stop()


async def test_untrusted_certificate_is_rejected(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = FakeSmtpServer(ssl_context=context)
    server.start()
    for ca_file, told in ((certificate[0], 1), (None, 0)):
        server.received.clear()
        mail = {"host": "localhost", "port": server.port, "security": "tls", "ca_file": ca_file}
        home = NotificationAppFixture(tmp_path / f"data-{told}", mail=mail)
        await home.open()
        await home.leave_message(await home.create_box(notify_email=OWNER_EMAIL))
        await home.run_until_idle()
        assert len(server.received) == told
        await home.shut_down()
    server.stop()
