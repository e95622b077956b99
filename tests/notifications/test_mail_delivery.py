"""Delivery of mails: each recipient gets a mail once, whatever mail server or crashes do; cleanup follows."""

from __future__ import annotations

import asyncio
import sqlite3
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ivr.mailbox.mailbox import Mailbox
from ivr.storage.database import Database
from ivr.storage.records import AuditQuery, ChangeReason, Folder, Message
from tests.notifications.conftest import OWNER_EMAIL, NotificationAppFixture
from tests.notifications.test_mail import mail_text
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
        [task] = await mail_app.pending_tasks()
        assert task.due_at == mail_app.clock.now() + wait_s
        assert not task.is_given_up
        mail_app.clock.advance(s=wait_s - 1)
        await mail_app.run_until_idle()
        assert (await mail_app.pending_tasks())[0].attempts == task.attempts, "no attempt before it is due"
        mail_app.clock.advance(s=1)
        await mail_app.run_until_idle()
    [task] = await mail_app.pending_tasks()
    assert task.is_given_up
    assert str(smtp_server.port) in (task.error or "")
    smtp_server.start()
    await mail_app.container.outbox.retry()
    await mail_app.run_until_idle()
    assert len(smtp_server.received) == 1
    assert await mail_app.pending_tasks() == []


@pytest.mark.parametrize("behaviour", ["rejects temporarily", "dies during data"])
async def test_temporary_failure_delivers_later_and_once(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer, behaviour: Behaviour
) -> None:
    smtp_server.behaviours += [behaviour, behaviour]
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


@pytest.mark.parametrize("rejected", ["the mail", "the address"])
async def test_permanent_rejection_is_not_retried(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer, rejected: str
) -> None:
    if rejected == "the mail":
        smtp_server.behaviours += ["rejects", "rejects"]  # With and without the audio.
    else:
        smtp_server.unknown_recipients.add(OWNER_EMAIL)
    await mail_app.leave_message(await mail_app.create_box(notify_email=OWNER_EMAIL))
    await mail_app.run_until_idle()
    [task] = await mail_app.pending_tasks()
    assert task.is_given_up
    assert "55" in (task.error or "")


async def test_unavoidable_duplicate_has_same_message_id(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    """The server accepts the mail and dies before it replies, so the outcome is unknown."""
    smtp_server.behaviours.append("accepts and dies")
    await mail_app.leave_message(await mail_app.create_box(notify_email=OWNER_EMAIL))
    await mail_app.run_until_idle()
    mail_app.clock.advance(s=900)
    await mail_app.run_until_idle()
    first, second = smtp_server.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] == second["Date"]


@pytest.mark.both_engines
async def test_each_recipient_gets_one_mail_with_its_own_id(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    smtp_server.behaviours += ["rejects temporarily", "accepts"]
    await mail_app.leave_message(await mail_app.create_box(notify_email_addresses=[OWNER_EMAIL, BEN]))
    await mail_app.run_until_idle()
    mail_app.clock.advance(s=900)
    await mail_app.run_until_idle()
    assert sorted(to for to, _ in smtp_server.received) == [OWNER_EMAIL, BEN]
    assert len({mail["Message-ID"] for mail in smtp_server.mails}) == 2


async def test_mails_about_one_mailbox_never_share_message_id(tmp_path: Path, smtp_server: FakeSmtpServer) -> None:
    """Each mail leaves an empty outbox behind, and a restart comes between two of them."""
    smtp_server.behaviours += ["rejects temporarily"] * 4
    mail = {"host": "127.0.0.1", "port": smtp_server.port}
    app = NotificationAppFixture(tmp_path / "data", mail=mail, notifications={"throttle_s": 0})
    await app.open()
    box = await app.create_box(notify_email=OWNER_EMAIL)
    for _ in range(3):
        await app.report_box_full(box)
        await app.run_until_idle()
        for wait_s in RETRY_S:
            app.clock.advance(s=wait_s)
            await app.run_until_idle()
        assert await app.pending_tasks() == []
        account, now = app.account, app.clock.now()
        app.container.close()
        app = NotificationAppFixture(tmp_path / "data", mail=mail, notifications={"throttle_s": 0})
        app.account = account
        app.clock.advance(s=now - app.clock.now())
    ids = [mail["Message-ID"] for mail in smtp_server.mails]
    assert len(ids) == len(set(ids)) == 3
    assert smtp_server.offered_ids[:5] == ids[:1] * 5, "each attempt to send one mail has its id"
    await app.shut_down()


# -- cleanup -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box_settings", "folder"),
    [
        ({"save_after_notify": True}, "saved"),
        ({"delete_after_notify": True}, "deleted"),
        ({"save_after_notify": True, "delete_after_notify": True}, "saved"),
        ({}, "new"),
    ],
)
async def test_message_is_saved_or_deleted_after_mail_and_saving_wins(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer, box_settings: dict[str, Any], folder: str
) -> None:
    smtp_server.behaviours.append("rejects temporarily")
    message = await mail_app.leave_message(await mail_app.create_box(notify_email=OWNER_EMAIL, **box_settings))
    await mail_app.run_until_idle()
    assert await mail_app.folder_of(message) == "new", "the mail has not been sent yet"
    mail_app.clock.advance(s=900)
    await mail_app.run_until_idle()
    assert await mail_app.folder_of(message) == folder
    await mail_app.container.audit_log.flush()
    entries = await mail_app.container.audit_store.find(AuditQuery(subject=message.id), 10)
    afterwards = {"saved": ["moved"], "deleted": ["deleted"], "new": []}[folder]
    assert [str(entry.action) for entry in reversed(entries)] == ["sent", *afterwards]
    assert {(entry.actor.door, entry.actor.device) for entry in entries} == {("service", "mail")}


SIZE_REFUSALS = [
    "552 5.3.4 Message size exceeds fixed limit",
    "552 message size exceeds",
    "552-5.2.3 Your message exceeded our size limits. See\r\n552 5.2.3 our page about sizes",
    "523 5.2.3 Message length exceeds administrative limit",
    "550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient",
    "554 5.3.4 Message too big for system",
    "554 Message is too large",
    "523 refused",
    "554 5.7.0 Message Size Violation",
    "550 Maximum message length exceeded",
    "452 4.3.4 Message too large for this system",
    "451 4.2.3 Message length exceeds administrative limit",
    "552 5.2.2 Mailbox full",
]
CONTENT_REFUSALS = [
    "550 5.7.0 Attachment not allowed",
    "554 5.6.1 Media type not supported",
    "552 5.7.0 blocked because its content presents a potential security issue",
    "554 Message larger than 10485760",
    "550 Nachricht ist zu groß",
    "571 5.7.1 policy",
]
AFTER_MAIL: list[dict[str, Any]] = [{"save_after_notify": True}, {"delete_after_notify": True}]


@pytest.mark.parametrize("refusal", SIZE_REFUSALS)
async def test_mail_refused_for_size_is_sent_without_audio_and_message_stays_new(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer, refusal: str
) -> None:
    smtp_server.max_bytes, smtp_server.size_refusal = 20_000, refusal
    box = await mail_app.create_box(notify_email=OWNER_EMAIL, media_extension="wav", delete_after_notify=True)
    message = await mail_app.leave_message(box, s=2)
    await mail_app.run_until_idle()
    [mail] = smtp_server.mails
    assert [part.get_content_type() for part in mail.walk()].count("audio/wav") == 0
    assert "too long to be attached" in mail_text(mail)
    assert await mail_app.folder_of(message) == "new"
    assert await mail_app.pending_tasks() == []


@pytest.mark.parametrize("refusal", CONTENT_REFUSALS)
async def test_mail_whose_content_is_refused_is_sent_without_audio_and_message_stays_new(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer, refusal: str
) -> None:
    """Whatever the reason for a final refusal behind the content: the owner gets a mail about the message."""
    smtp_server.max_bytes, smtp_server.size_refusal = 20_000, refusal
    box = await mail_app.create_box(notify_email=OWNER_EMAIL, media_extension="wav", delete_after_notify=True)
    message = await mail_app.leave_message(box, s=2)
    await mail_app.run_until_idle()
    [mail] = smtp_server.mails
    assert "audio" not in [part.get_content_maintype() for part in mail.walk()]
    assert "attached to this mail" not in mail_text(mail)
    assert await mail_app.folder_of(message) == "new"
    assert await mail_app.pending_tasks() == []


async def test_size_named_by_server_is_respected_before_a_byte_of_audio_is_sent(tmp_path: Path) -> None:
    """EHLO names a limit between the size of the file and its size in base64: nothing larger is offered."""
    server = FakeSmtpServer(data_size_limit=40_000)
    server.start()
    app = NotificationAppFixture(tmp_path / "data", mail={"host": "127.0.0.1", "port": server.port})
    await app.open()
    box = await app.create_box(notify_email=OWNER_EMAIL, media_extension="wav", save_after_notify=True)
    fits = await app.leave_message(box, s=1)
    too_large = await app.leave_message(box, s=2)
    await app.run_until_idle()
    assert sorted("audio" in [part.get_content_maintype() for part in mail.walk()] for mail in server.mails) == [
        False,
        True,
    ]
    assert server.mail_commands == 2, "the larger one is not even announced with its audio"
    assert [await app.folder_of(message) for message in (fits, too_large)] == ["saved", "new"]
    assert await app.pending_tasks() == []
    await app.shut_down()
    server.stop()


async def test_mail_whose_recording_cannot_be_read_is_sent_without_it_at_first_retry(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    box = await mail_app.create_box(notify_email=OWNER_EMAIL, delete_after_notify=True)
    message = await mail_app.leave_message(box)
    [recording] = mail_app.container.delivery.audio_paths(message)
    recording.rename(recording.with_suffix(".lost"))
    await mail_app.run_until_idle()
    assert smtp_server.received == []
    mail_app.clock.advance(s=900)
    await mail_app.run_until_idle()
    assert "Its recording could not be attached. Dial" in " ".join(mail_text(smtp_server.mails[0]).split())
    assert await mail_app.folder_of(message) == "new"


@pytest.mark.parametrize("size_mb", [1, 2])
async def test_largest_attachment_is_measured_as_sent(
    tmp_path: Path, smtp_server: FakeSmtpServer, size_mb: int
) -> None:
    """A minute of WAV has 960 kB; in a mail it has 1.3 MB."""
    mail = {"host": "127.0.0.1", "port": smtp_server.port, "max_attachment_mb": size_mb}
    app = NotificationAppFixture(tmp_path / "data", mail=mail)
    await app.open()
    await app.leave_message(await app.create_box(notify_email=OWNER_EMAIL, media_extension="wav"), s=60)
    await app.run_until_idle()
    assert ("too long" in mail_text(smtp_server.mails[0])) == (size_mb == 1)
    assert len(smtp_server.raw[0]) < size_mb * 10**6
    await app.shut_down()


@pytest.mark.parametrize("settings", AFTER_MAIL)
async def test_message_stays_new_when_mail_carries_no_audio(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer, settings: dict[str, Any]
) -> None:
    box = await mail_app.create_box(notify_email=OWNER_EMAIL, include_message_on_notify=False, **settings)
    message = await mail_app.leave_message(box)
    await mail_app.run_until_idle()
    assert len(smtp_server.received) == 1
    assert await mail_app.folder_of(message) == "new"


@pytest.mark.parametrize("order", [(OWNER_EMAIL, BEN), (BEN, OWNER_EMAIL)])
async def test_message_stays_new_when_one_of_two_mails_carries_no_audio(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer, order: tuple[str, str]
) -> None:
    """The first mail is refused for its size, and sent without audio; the second carries it, after a retry."""
    smtp_server.refusals_by_recipient[order[0]] = "552 5.3.4 too large"
    smtp_server.behaviours += ["accepts", "rejects temporarily"]
    box = await mail_app.create_box(notify_email_addresses=list(order), delete_after_notify=True)
    message = await mail_app.leave_message(box)
    await mail_app.run_until_idle()
    mail_app.clock.advance(s=900)
    await mail_app.run_until_idle()
    carried = {
        to: "audio" in [part.get_content_maintype() for part in mail.walk()] for to, mail in smtp_server.received
    }
    assert carried == {order[0]: False, order[1]: True}
    assert await mail_app.folder_of(message) == "new"
    assert await mail_app.pending_tasks() == []


async def mail_two_recipients(mail_app: NotificationAppFixture) -> tuple[Mailbox, Message]:
    """Leave a message that is deleted after its mails to the owner and to Ben, and try each of them once."""
    box = await mail_app.create_box(notify_email_addresses=[OWNER_EMAIL, BEN], delete_after_notify=True)
    message = await mail_app.leave_message(box)
    await mail_app.run_until_idle()
    return box, message


async def test_cleanup_waits_until_all_recipients_are_mailed(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    smtp_server.behaviours += ["accepts", "rejects temporarily"]
    _, message = await mail_two_recipients(mail_app)
    assert await mail_app.folder_of(message) == "new"
    mail_app.clock.advance(s=900)
    await mail_app.run_until_idle()
    assert await mail_app.folder_of(message) == "deleted"


async def test_cleanup_is_skipped_when_a_recipient_was_not_mailed(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    smtp_server.unknown_recipients.add(BEN)
    _, message = await mail_two_recipients(mail_app)
    assert await mail_app.folder_of(message) == "new"


async def test_mail_that_waits_goes_to_the_address_that_took_the_place_of_its_own(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    """A corrected address got nothing: retries, also those of `ivr outbox retry`, went to the wrong one for ever."""
    smtp_server.unknown_recipients.add("ane@example.org")
    box = await mail_app.create_box(notify_email_addresses=["ane@example.org", BEN], delete_after_notify=True)
    message = await mail_app.leave_message(box)
    await mail_app.run_until_idle()
    assert [to for to, _ in smtp_server.received] == [BEN]
    await mail_app.container.boxes.patch(box, {"notify_email_addresses": [BEN.upper(), OWNER_EMAIL]})
    await mail_app.container.outbox.retry()
    await mail_app.run_until_idle()
    assert [to for to, _ in smtp_server.received] == [BEN, OWNER_EMAIL]
    assert await mail_app.folder_of(message) == "deleted"


async def test_mail_that_waits_is_not_sent_to_an_address_that_was_removed(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    smtp_server.unknown_recipients.add(BEN)
    box, message = await mail_two_recipients(mail_app)
    await mail_app.container.boxes.patch(box, {"notify_email_addresses": [OWNER_EMAIL]})
    smtp_server.unknown_recipients.clear()
    await mail_app.container.outbox.retry()
    await mail_app.run_until_idle()
    assert [to for to, _ in smtp_server.received] == [OWNER_EMAIL]
    assert await mail_app.pending_tasks() == []
    assert await mail_app.folder_of(message) == "new"


async def test_cleanup_is_skipped_without_recipients(mail_app: NotificationAppFixture) -> None:
    message = await mail_app.leave_message(await mail_app.create_box(delete_after_notify=True))
    await mail_app.run_until_idle()
    assert await mail_app.folder_of(message) == "new"


async def test_message_saved_by_owner_is_not_deleted(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    smtp_server.behaviours.append("rejects temporarily")
    box = await mail_app.create_box(notify_email=OWNER_EMAIL, delete_after_notify=True)
    message = await mail_app.leave_message(box)
    await mail_app.run_until_idle()
    await mail_app.container.messages.move_to_folder(box.id, message.id, Folder.SAVED, ChangeReason.DTMF)
    mail_app.clock.advance(s=900)
    await mail_app.run_until_idle()
    assert await mail_app.folder_of(message) == "saved"


@pytest.mark.parametrize("moved_to", [Folder.SAVED, Folder.DELETED])
async def test_mail_that_waits_is_not_sent_about_a_message_that_its_owner_deleted(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer, moved_to: Folder
) -> None:
    """Greylisting delays mails; a saved message is still mailed, and only the short mail, which says "new", is not."""
    smtp_server.behaviours += ["rejects temporarily", "rejects temporarily"]
    message = await mail_app.leave_message(
        await mail_app.create_box(notify_email=OWNER_EMAIL, short_mail_addresses=[BEN])
    )
    await mail_app.run_until_idle()
    assert len(await mail_app.pending_tasks()) == 2
    await mail_app.container.messages.move_to_folder(message.box_id, message.id, moved_to, ChangeReason.DTMF)
    mail_app.clock.advance(s=900)
    await mail_app.run_until_idle()
    assert [to for to, _ in smtp_server.received] == ([OWNER_EMAIL] if moved_to is Folder.SAVED else [])
    assert await mail_app.pending_tasks() == []


async def test_restored_message_stays_new_when_one_of_its_mails_was_not_sent_while_it_was_deleted(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    smtp_server.behaviours += ["rejects temporarily"] * 2
    box, message = await mail_two_recipients(mail_app)
    to_owner, to_ben = await mail_app.pending_tasks()
    move = mail_app.container.messages.move_to_folder
    await move(box.id, message.id, Folder.DELETED, ChangeReason.DTMF)
    await mail_app.container.outbox.retry([to_ben.id])
    await mail_app.run_until_idle()
    await move(box.id, message.id, Folder.NEW, ChangeReason.DTMF)
    await mail_app.container.outbox.retry([to_owner.id])
    await mail_app.run_until_idle()
    assert [to for to, _ in smtp_server.received] == [OWNER_EMAIL]
    assert await mail_app.folder_of(message) == "new", "Ben has not got it"


@pytest.mark.both_engines
@pytest.mark.parametrize("settings", AFTER_MAIL)
async def test_message_stays_new_when_a_mail_about_it_was_dropped(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer, settings: dict[str, Any]
) -> None:
    """One mail was given up and is dropped; the other one is delivered later, as the last one."""
    smtp_server.unknown_recipients.add(BEN)
    smtp_server.behaviours.append("rejects temporarily")
    box = await mail_app.create_box(notify_email_addresses=[OWNER_EMAIL, BEN], **settings)
    message = await mail_app.leave_message(box)
    await mail_app.run_until_idle()
    [given_up] = [task for task in await mail_app.pending_tasks() if task.is_given_up]
    await mail_app.container.outbox.delete([given_up.id])
    mail_app.clock.advance(s=900)
    await mail_app.run_until_idle()
    assert [to for to, _ in smtp_server.received] == [OWNER_EMAIL]
    assert await mail_app.folder_of(message) == "new", "Ben has not got it"
    assert await mail_app.pending_tasks() == []


# -- crashes -----------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The service was killed; nothing runs after this."""


def inject_crash(step: int, database: Database, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Kill the service at one of its writes: before the write when `step` is even, after it when odd.

    Return what is set when it was killed, maybe in a task whose error is not waited for.
    """
    count, is_killed = 0, asyncio.Event()
    write = database.write

    async def counting_write(txn: Callable[[sqlite3.Connection], Any], **options: Any) -> Any:
        nonlocal count
        count += 1
        last = step // 2 + 1
        if count > last or (count == last and step % 2 == 0):
            is_killed.set()
            raise Killed
        result = await write(txn, **options)
        if count == last:
            is_killed.set()
            raise Killed
        return result

    monkeypatch.setattr(database, "write", counting_write)
    return is_killed


@pytest.mark.parametrize("step", range(30))
async def test_crash_at_any_step_mails_each_recipient_once_then_deletes(
    tmp_path: Path, smtp_server: FakeSmtpServer, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    mail = {"host": "127.0.0.1", "port": smtp_server.port, "max_connections": 1}
    first = NotificationAppFixture(tmp_path / "data", mail=mail)
    await first.open()
    box = await first.create_box(notify_email_addresses=[OWNER_EMAIL, BEN], delete_after_notify=True)
    message = await first.leave_message(box)
    is_killed = inject_crash(step, first.container.database, monkeypatch)
    with suppress(Killed):
        await first.run_until_idle()
    monkeypatch.undo()
    first.container.close()

    second = NotificationAppFixture(tmp_path / "data", mail=mail)
    second.clock.advance(s=1)
    second.account = first.account
    await second.container.outbox.release_orphaned_leases()
    before = {to: len([1 for recipient, _ in smtp_server.received if recipient == to]) for to in (OWNER_EMAIL, BEN)}
    await second.run_until_idle()
    second.clock.advance(s=900)
    await second.run_until_idle()
    recipients = [to for to, _ in smtp_server.received]
    doubles = [to for to in (OWNER_EMAIL, BEN) if recipients.count(to) > 1]
    assert set(recipients) == {OWNER_EMAIL, BEN}
    # The only possible duplicate is a kill between the server's "250" and our commit: the mail was sent before.
    assert all(is_killed.is_set() and before[to] == 1 and recipients.count(to) == 2 for to in doubles)
    assert len(doubles) <= 1
    assert await second.folder_of(message) == "deleted"
    assert await second.pending_tasks() == []
    await second.shut_down()


async def test_address_in_another_script_is_mailed_by_a_server_that_can_and_given_up_with_the_reason_by_another(
    tmp_path: Path,
) -> None:
    """Its domain is sent in ASCII by each; a name before the @ needs SMTPUTF8 (RFC 6531)."""
    for is_able in (True, False):
        server = FakeSmtpServer(enable_SMTPUTF8=is_able)
        server.start()
        mail = {"host": "127.0.0.1", "port": server.port, "sender": "B\u00fcro <vm@b\u00fccher.example>"}
        app = NotificationAppFixture(tmp_path / f"data-{server.port}", mail=mail)
        await app.open()
        box = await app.create_box(
            notify_email_addresses="\u00fc@x.example, a@b\u00fccher.example", notify_email=OWNER_EMAIL
        )
        await app.leave_message(box)
        await app.run_until_idle()
        recipients = {"\u00fc@x.example", "a@xn--bcher-kva.example", OWNER_EMAIL}
        recipients -= set() if is_able else {"\u00fc@x.example"}
        assert {(to, str(mail["To"])) for to, mail in server.received} == {(to, to) for to in recipients}
        senders = [mail["From"].addresses[0] for mail in server.mails]
        names = {one.display_name.encode(errors="surrogateescape").decode() for one in senders}
        assert (names, {one.addr_spec for one in senders}) == ({"B\u00fcro"}, {"vm@xn--bcher-kva.example"})
        reasons = [task.error or "" for task in await app.pending_tasks() if task.is_given_up]
        assert len(reasons) == (0 if is_able else 1)
        assert all("does not support" in reason and "\u00fc@x.example" in reason for reason in reasons)
        await app.shut_down()
        server.stop()


# -- authentication-----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["right", "wrong"])
async def test_mail_is_sent_with_tls_and_password(
    tmp_path: Path, certificate: tuple[Path, Path], password: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = FakeSmtpServer(**authenticated_tls_server("ivr", "right", context))
    server.start()
    mail = {
        "host": "localhost",
        "port": server.port,
        "security": "starttls",
        "ca_file": certificate[0],
        "username": "ivr",
        "password": password,
    }
    app = NotificationAppFixture(tmp_path / "data", mail=mail)
    await app.open()
    await app.leave_message(await app.create_box(notify_email=OWNER_EMAIL))
    await app.run_until_idle()
    assert [to for to, _ in server.received] == ([OWNER_EMAIL] if password == "right" else [])
    if password == "wrong":
        [task] = await app.pending_tasks()
        assert "rejects the login" in (task.error or "")
        assert "wrong" not in (task.error or "")
    await app.shut_down()
    server.stop()


async def test_untrusted_certificate_is_rejected(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = FakeSmtpServer(ssl_context=context)
    server.start()
    for ca_file, count in ((certificate[0], 1), (None, 0)):
        server.received.clear()
        mail = {"host": "localhost", "port": server.port, "security": "tls", "ca_file": ca_file}
        app = NotificationAppFixture(tmp_path / f"data-{count}", mail=mail)
        await app.open()
        await app.leave_message(await app.create_box(notify_email=OWNER_EMAIL))
        await app.run_until_idle()
        assert len(server.received) == count
        await app.shut_down()
    server.stop()
