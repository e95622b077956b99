"""Mails: their content, attachment and recipients."""

from __future__ import annotations

import io
import wave
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.directory.models import Account, User
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.notifications.mail import composition
from ivr.notifications.mail.composition import MailTemplates, compose
from ivr.notifications.mail.subscriber import resolve_recipients
from ivr.storage.records import Caller, Folder, FolderCounts, Message, OutboxTask, TaskKind
from tests.notifications.conftest import OWNER_EMAIL, NotificationAppFixture
from tests.support.app_fixture import NOON
from tests.support.fake_smtp_server import FakeSmtpServer


def mail_text(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part
    return str(part.get_content())


def attachments(mail: EmailMessage) -> list[tuple[str | None, str, bytes]]:
    return [(part.get_filename(), part.get_content_type(), part.get_content()) for part in mail.iter_attachments()]


async def test_new_message_mail_has_caller_time_and_audio(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    box = await mail_app.create_box(notify_email_addresses=[OWNER_EMAIL], timezone="Europe/Berlin")
    await mail_app.leave_message(box, name="Jane Doe", number="+15550100", s=2)
    await mail_app.run_until_idle()
    [(to, mail)] = smtp_server.received
    assert (to, mail["To"], mail["From"]) == (OWNER_EMAIL, OWNER_EMAIL, "voicemail@localhost")
    assert mail["Subject"] == "New voicemail from Jane Doe (+15550100)"
    for text in (mail_text(mail), mail_text(mail, "html")):
        for expected in ("Jane Doe (+15550100)", "1000", "Tuesday, May 10, 2016 at 14:00", "00:00:02"):
            assert expected in text
    [(name, kind, audio)] = attachments(mail)
    assert (name, kind) == ("jane_doe_2016-05-10_14-00-00.mp3", "audio/mpeg")
    assert len(audio) > 1000
    assert await mail_app.pending_tasks() == []


@pytest.mark.parametrize(("extension", "kind"), [("wav", "audio/wav"), ("mp4", "audio/mp4")])
async def test_attachment_has_format_of_box(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer, extension: str, kind: str
) -> None:
    box = await mail_app.create_box(notify_email=OWNER_EMAIL, media_extension=extension)
    await mail_app.leave_message(box, s=2)
    await mail_app.run_until_idle()
    [(name, content_type, audio)] = attachments(smtp_server.mails[0])
    assert name == f"2001_2016-05-10_12-00-00.{extension}"
    assert content_type == kind
    if extension == "wav":
        with wave.open(io.BytesIO(audio)) as file:
            assert file.getnframes() == 16_000
    else:
        assert audio[4:8] == b"ftyp"


async def test_audio_is_not_attached_when_disabled_by_box(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    await mail_app.leave_message(await mail_app.create_box(notify_email=OWNER_EMAIL, include_message_on_notify=False))
    await mail_app.run_until_idle()
    assert attachments(smtp_server.mails[0]) == []
    assert "Dial your mailbox" in mail_text(smtp_server.mails[0])


async def test_oversized_audio_is_not_attached_and_mail_says_so(tmp_path: Path, smtp_server: FakeSmtpServer) -> None:
    app = NotificationAppFixture(
        tmp_path / "data", mail={"host": "127.0.0.1", "port": smtp_server.port, "max_attachment_mb": 0}
    )
    await app.open()
    await app.leave_message(await app.create_box(notify_email=OWNER_EMAIL))
    await app.run_until_idle()
    assert attachments(smtp_server.mails[0]) == []
    assert "too long to be attached" in mail_text(smtp_server.mails[0])
    await app.shut_down()


async def test_message_uploaded_by_rest_sends_no_mail(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    box, other = (
        await mail_app.create_box(notify_email=OWNER_EMAIL),
        await mail_app.create_box("1001", notify_email=OWNER_EMAIL),
    )
    message = await mail_app.create_message(box)
    await mail_app.container.delivery.copy(message, [other])
    await mail_app.run_until_idle()
    assert smtp_server.received == []


async def test_forwarded_message_is_mailed_to_its_new_owner(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    box, other = await mail_app.create_box(), await mail_app.create_box("1001", notify_email=OWNER_EMAIL)
    message = await mail_app.create_message(box, caller="5550177")
    await mail_app.container.delivery.forward(message, other)
    await mail_app.run_until_idle()
    assert "5550177" in smtp_server.mails[0]["Subject"]
    assert "1001" in mail_text(smtp_server.mails[0])


async def test_full_box_mail_is_sent_at_most_hourly(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    box = await mail_app.create_box(notify_email=OWNER_EMAIL)
    for _ in range(5):
        await mail_app.report_box_full(box)
        await mail_app.run_until_idle()
    assert [mail["Subject"] for mail in smtp_server.mails] == ["Voicemail box 'Box 1000' is full"]
    mail_app.clock.advance(s=3599)
    await mail_app.report_box_full(box)
    await mail_app.run_until_idle()
    assert len(smtp_server.received) == 1
    mail_app.clock.advance(s=1)
    await mail_app.report_box_full(box)
    await mail_app.run_until_idle()
    assert len(smtp_server.received) == 2


async def test_lockout_is_mailed_to_owner(mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer) -> None:
    owner = await mail_app.create_user("carol", email="carol@example.org")
    box = await mail_app.create_box("1234", owner=owner)
    for _ in range(5):
        await mail_app.try_pin(box, "0000")
    await mail_app.run_until_idle()
    assert smtp_server.received == [], "the mail waits until the lockout is settled"
    mail_app.clock.advance(s=6)
    await mail_app.run_until_idle()
    [(to, mail)] = smtp_server.received
    assert to == "carol@example.org"
    assert mail["Subject"] == "Voicemail box 'Box 1234' is locked: wrong PINs"
    assert "0000" not in mail_text(mail)


async def test_right_pin_at_fifth_try_sends_no_mail(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    box = await mail_app.create_box("1234", pin="2580", notify_email=OWNER_EMAIL)
    for pin in ["0000"] * 4 + ["2580"]:
        await mail_app.try_pin(box, pin)
    mail_app.clock.advance(s=6)
    await mail_app.run_until_idle()
    assert smtp_server.received == []


async def test_site_templates_are_chosen_by_account_and_language(tmp_path: Path, smtp_server: FakeSmtpServer) -> None:
    own = tmp_path / "templates"
    for folder, text in {"de": "Neue Nachricht", "demo/de": "Demo: neue Nachricht", "": "Ours"}.items():
        (own / folder).mkdir(parents=True, exist_ok=True)
        (own / folder / "new_message.subject").write_text(text + " {{ caller_id.number }}")
    app = NotificationAppFixture(
        tmp_path / "data", mail={"host": "127.0.0.1", "port": smtp_server.port, "template_folder": own}
    )
    await app.open()
    german = await app.create_user("dora", language="de", email="dora@example.org")
    await app.leave_message(await app.create_box("1001", owner=german))
    await app.leave_message(await app.create_box("1002", notify_email=OWNER_EMAIL))
    await app.run_until_idle()
    assert {to: mail["Subject"] for to, mail in smtp_server.received} == {
        "dora@example.org": "Demo: neue Nachricht 2001",
        OWNER_EMAIL: "Ours 2001",
    }
    await app.shut_down()


async def test_broken_template_falls_back_to_default(tmp_path: Path, smtp_server: FakeSmtpServer) -> None:
    (tmp_path / "new_message.subject").write_text("{{ undefined.variable }}")
    (tmp_path / "new_message.html").write_text("{% if %}")
    app = NotificationAppFixture(
        tmp_path / "data", mail={"host": "127.0.0.1", "port": smtp_server.port, "template_folder": tmp_path}
    )
    await app.open()
    await app.leave_message(await app.create_box(notify_email=OWNER_EMAIL))
    await app.run_until_idle()
    assert smtp_server.mails[0]["Subject"] == "New voicemail from 2001"
    await app.shut_down()


# -- recipients --------------------------------------------------------------------------------------------------------

OWNER = "Owner@example.org"


def mailbox(owner_email: str | None = None, owner_settings: dict[str, object] | None = None, **box: Any) -> Mailbox:
    account = Account(id="a", name="demo", realm="demo.example")
    owner = User(id="u", account_id="a", name="ann", email=owner_email, settings=owner_settings or {})
    return Mailbox("b" * 32, account, owner, BoxSettings(name="Box", mailbox="1000", **box), VoicemailSettings())


def test_recipients_are_box_list_and_owner_without_duplicates() -> None:
    box = mailbox(OWNER, notify_email_addresses=["a@x.y", "OWNER@example.org"], notify_email="b@x.y")
    assert resolve_recipients(box, TaskKind.NEW) == ["a@x.y", "OWNER@example.org", "b@x.y"]


def test_owner_with_mail_disabled_gets_none_even_when_listed() -> None:
    box = mailbox(OWNER, {"vm_to_email_enabled": False}, notify_email_addresses=["a@x.y", "owner@EXAMPLE.org"])
    assert resolve_recipients(box, TaskKind.NEW) == ["a@x.y"]
    assert OWNER in resolve_recipients(box, TaskKind.BOX_FULL) or "owner@EXAMPLE.org" in resolve_recipients(
        box, TaskKind.BOX_FULL
    )


def test_owner_of_shared_box_is_mailed_only_when_box_says_so() -> None:
    assert resolve_recipients(mailbox(OWNER, shared_vmbox=True), TaskKind.NEW) == []
    assert resolve_recipients(
        mailbox(OWNER, shared_vmbox=True, shared_vmbox_notify_owner_email=True), TaskKind.NEW
    ) == [OWNER]


def test_legacy_address_key_is_used() -> None:
    assert resolve_recipients(mailbox(notify_email_address="old@x.y"), TaskKind.NEW) == ["old@x.y"]
    assert resolve_recipients(mailbox(notify_email_address=["old@x.y", "b@x.y"]), TaskKind.NEW) == ["old@x.y", "b@x.y"]


def test_mail_time_zone_is_inherited_from_box_owner_or_account() -> None:
    for zone, hour in (("Asia/Tokyo", "21"), ("inherit", "12"), (None, "12")):
        context = composition.message_context(mailbox(timezone=zone), FolderCounts(), message(), None)
        assert context["date_called"]["local"] == f"Tuesday, May 10, 2016 at {hour}:00"


# -- hostile caller names ----------------------------------------------------------------------------------------------


def message(name: str = "", number: str = "2001") -> Message:
    return Message("201605-" + "0" * 32, "a", "b" * 32, Folder.NEW, NOON, 2000, Caller(name, number))


HOSTILE_TEXT = st.text(max_size=60) | st.sampled_from(
    [
        "x\r\nBcc: evil@example.org",
        "<script>alert(1)</script>",
        "../../etc/passwd",
        "a\0b",
        "\u202egnp.exe",
        "{{ 7*7 }}",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(HOSTILE_TEXT, HOSTILE_TEXT)
def test_caller_text_cannot_inject_header_markup_or_path(name: str, number: str) -> None:
    box, left = mailbox(), message(name, number)
    audio = composition.Attachment(composition.attachment_filename(box, left), "mp3", b"sound")
    context = composition.message_context(box, FolderCounts(1), left, audio)
    content = MailTemplates(None).render("new_message", box.account, "en", context)
    task = OutboxTask(7, "a", box.id, left.id, TaskKind.MAIL, OWNER_EMAIL, {}, NOON, NOON, 1, None, None)
    raw = compose(task, box.account, "vm@example.org", content, audio)
    head, _, _ = raw.partition(b"\r\n\r\n")
    assert {line.split(b":")[0].lower() for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))} == {
        b"from",
        b"to",
        b"subject",
        b"date",
        b"message-id",
        b"auto-submitted",
        b"x-auto-response-suppress",
        b"mime-version",
        b"content-type",
    }
    assert "<script" not in content.html.lower()
    assert "/" not in audio.filename
    assert not audio.filename.startswith(".")
    assert audio.filename.isascii()
    assert audio.filename.isprintable()
    assert "49" not in content.subject or "49" in name + number
