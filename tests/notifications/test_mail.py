"""Mails: their content, attachment and recipients."""

from __future__ import annotations

import asyncio
import email
import io
import re
import threading
import wave
from email import policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ivr.directory.models import Account, User
from ivr.directory.pin_lockout import PinAttempt
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.boxes import to_document
from ivr.mailbox.mailbox import Mailbox, Occupancy
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.notifications.mail.audio import (
    NO_AUDIO,
    Attachment,
    AudioLink,
    MailAudio,
    MailedAudio,
    attachment_filename,
    size_as_sent,
)
from ivr.notifications.mail.composition import MailComposer, compose
from ivr.notifications.mail.rendering import BUILT_IN_FOLDER, MailContent, MailTemplates
from ivr.notifications.mail.subscriber import resolve_recipients
from ivr.notifications.mail.variables import message_variables
from ivr.storage.records import BoxRecord, Caller, ChangeReason, Folder, Message, OutboxTask, TaskKind
from ivr.storage.sqlite.boxes import SqliteBoxes
from ivr.validation.text import has_invisible_characters
from tests.notifications.conftest import OWNER_EMAIL, NotificationAppFixture
from tests.support.app_fixture import NOON
from tests.support.fake_smtp_server import FakeSmtpServer


def mail_text(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part
    return str(part.get_content())


def shown_subject(raw: bytes) -> str:
    """Return the subject as a mail program shows it: unfolded, its encoded words decoded."""
    header = email.message_from_bytes(raw)["Subject"]
    return str(make_header(decode_header("".join(header.splitlines()))))


def strip_tags(text: str) -> str:
    return re.sub(r"<[^>]*>|https?://\S+", " ", text)


def write_templates(folder: Path, *, subject: str = "", body: str = "") -> None:
    """Write the templates of the mail about a new message that are given."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, text in (("subject", subject), ("txt", body), ("html", body)):
        if text:
            (folder / f"new_message.{part}").write_text(text)


def attachments(mail: EmailMessage) -> list[tuple[str | None, str, bytes]]:
    return [(part.get_filename(), part.get_content_type(), part.get_content()) for part in mail.iter_attachments()]


async def test_new_message_mail_has_caller_time_and_audio(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    box = await mail_app.create_box(notify_email_addresses=[OWNER_EMAIL], timezone="Europe/Berlin")
    message = await mail_app.leave_message(box, name="Jane Doe", number="+15550100", s=2)
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
    assert str(message.id) in mail["Message-ID"]
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
    message = await mail_app.create_message(box, caller="5550177", age_s=86_400, urgent=True)
    await mail_app.container.delivery.forward(message, other, sender=box)
    await mail_app.run_until_idle()
    assert "5550177" in smtp_server.mails[0]["Subject"]
    text = " ".join(mail_text(smtp_server.mails[0]).split())
    assert "Box 1000 (1000) forwarded an urgent message from 5550177 to voicemail box 1001 (Box 1001)." in text
    assert "left" not in text
    assert "Received: Monday, May 9, 2016 at 12:00" in text


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


@pytest.mark.parametrize(
    ("quota_mb", "message_s", "count", "expected", "unexpected"),
    [
        (None, 1, 3, "no more than 3 messages.\nYou have 3 of 3 messages. Dial", "MB"),
        (1, 61, 1, "Its recordings fill its 1 MB.\nYou have 1 of 3 messages, 1 of 1 MB. Dial", "no more than"),
        (1, 20, 3, "no more than 3 messages, and its recordings fill its 1 MB.\nYou have 3 of 3 mess", "space again"),
        (1, 1, 1, "By now there is space again.\nYou have 1 of 3 messages, 0.1 of 1 MB. Dial", "fill"),
    ],
    ids=["count", "quota", "both", "neither any more"],
)
async def test_mail_about_full_box_says_what_is_used_up(
    tmp_path: Path,
    smtp_server: FakeSmtpServer,
    quota_mb: int | None,
    message_s: int,
    count: int,
    expected: str,
    unexpected: str,
) -> None:
    app = NotificationAppFixture(
        tmp_path / "data",
        mail={"host": "127.0.0.1", "port": smtp_server.port},
        voicemail={"max_message_count": 3},
        notifications={"nearly_full_percent": 0},
    )
    await app.open()
    box = await app.create_box(quota_mb=quota_mb)
    for _ in range(count):
        await app.leave_message(box, s=message_s)
    await app.run_until_idle()
    box = await app.container.boxes.patch(box, {"notify_email": OWNER_EMAIL})
    await app.report_box_full(box)
    await app.run_until_idle()
    [mail] = smtp_server.mails
    assert expected in mail_text(mail).replace("\r\n", "\n")
    assert expected.replace("\n", " ") in " ".join(mail_text(mail, "html").split())
    assert unexpected not in mail_text(mail)
    await app.shut_down()


async def test_owner_is_warned_once_before_box_is_full_and_again_after_space_was_made(
    tmp_path: Path, smtp_server: FakeSmtpServer
) -> None:
    app = NotificationAppFixture(
        tmp_path / "data",
        mail={"host": "127.0.0.1", "port": smtp_server.port},
        voicemail={"max_message_count": 10},
    )
    await app.open()
    box = await app.create_box(notify_email=OWNER_EMAIL)

    async def leave(count: int) -> list[str]:
        smtp_server.received.clear()
        for _ in range(count):
            await app.leave_message(box, s=1)
            await app.run_until_idle()
        return [mail["Subject"] for mail in smtp_server.mails if "Box" in mail["Subject"]]

    assert await leave(8) == []
    assert await leave(1) == ["Voicemail box 'Box 1000' is nearly full"]
    [warning] = [mail for mail in smtp_server.mails if "Box" in mail["Subject"]]
    assert "You have 9 of 10 messages. Dial your mailbox" in mail_text(warning)
    assert await leave(1) == []
    for message in (await app.messages(box))[:5]:
        await app.container.messages.move_to_folder(box.id, message.id, Folder.DELETED, ChangeReason.DTMF)
    assert await leave(1) == []
    assert await leave(3) == ["Voicemail box 'Box 1000' is nearly full"]
    await app.shut_down()


@pytest.mark.parametrize(
    ("message_s", "subject"), [(55, None), (57, "nearly full"), (60, "full")], ids=["below", "nearly", "quite"]
)
async def test_owner_is_warned_before_quota_is_used_up(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer, message_s: int, subject: str | None
) -> None:
    await mail_app.leave_message(await mail_app.create_box(notify_email=OWNER_EMAIL, quota_mb=1), s=message_s)
    await mail_app.run_until_idle()
    subjects = [mail["Subject"] for mail in smtp_server.mails if "Box" in mail["Subject"]]
    assert subjects == ([f"Voicemail box 'Box 1000' is {subject}"] if subject else [])


async def test_mail_about_message_says_how_much_of_box_is_used(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    box = await mail_app.create_box(notify_email=OWNER_EMAIL, quota_mb=3)
    await mail_app.create_message(box, s=100, folder="saved")
    await mail_app.create_message(box, s=60, folder="deleted")
    await mail_app.leave_message(box)
    await mail_app.run_until_idle()
    for kind in ("plain", "html"):
        assert "You have 2 of 100 messages, 1.7 of 3 MB." in mail_text(smtp_server.mails[0], kind)


async def test_lockout_is_mailed_to_owner(mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer) -> None:
    owner = await mail_app.create_user("carol", email="carol@example.org")
    box = await mail_app.create_box("1234", owner=owner)
    for _ in range(5):
        await mail_app.try_pin(box, "0000")
    await mail_app.run_until_idle()
    [(to, mail)] = smtp_server.received
    assert to == "carol@example.org"
    assert mail["Subject"] == "Voicemail box 'Box 1234' is locked: wrong PINs"
    assert "0000" not in mail_text(mail)


async def test_administrator_is_mailed_when_pins_of_account_are_guessed(
    tmp_path: Path, smtp_server: FakeSmtpServer
) -> None:
    mail = {"host": "127.0.0.1", "port": smtp_server.port, "administrator": "admin@example.org"}
    app = NotificationAppFixture(tmp_path / "data", mail=mail)
    await app.open()
    for n in range(140):
        await app.container.pins.verify(None, "0000", PinAttempt(app.account.id, None, f"trunk {n}"))
        app.clock.advance(s=20)
    await app.run_until_idle()
    [(to, alarm)] = smtp_server.received
    assert to == "admin@example.org"
    assert alarm["Subject"] == "Account 'demo': many wrong PINs"
    assert "ivr account unlock demo" in mail_text(alarm)
    assert 'ivr_events_total{event="account.locked"}' in app.container.metrics.render().decode()
    await app.shut_down()


async def test_right_pin_at_fifth_try_sends_no_mail(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    box = await mail_app.create_box("1234", pin="4716", notify_email=OWNER_EMAIL)
    for pin in ["0000"] * 4 + ["4716"]:
        await mail_app.try_pin(box, pin)
    mail_app.clock.advance(s=6)
    await mail_app.run_until_idle()
    assert smtp_server.received == []


async def test_site_templates_are_chosen_by_account_and_language(tmp_path: Path, smtp_server: FakeSmtpServer) -> None:
    own = tmp_path / "templates"
    for folder, text in {"de": "Neue Nachricht", "demo/de": "Demo: neue Nachricht", "": "Ours"}.items():
        write_templates(own / folder, subject=text + " {{ caller_id.number }}", body="{{ date_called.local }}")
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


async def test_short_mail_has_one_line_and_no_audio(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    box = await mail_app.create_box(
        notify_email=OWNER_EMAIL, short_mail_addresses="pager@example.org", delete_after_notify=True
    )
    await mail_app.leave_message(box, name="Ann")
    await mail_app.run_until_idle()
    received = dict(smtp_server.received)
    assert attachments(received[OWNER_EMAIL])
    short = received["pager@example.org"]
    assert short["Subject"] == "New message"
    assert short.get_content_type() == "text/plain"
    assert short.get_content().startswith("From Ann (2001) in mailbox 1000, 00:00:02, Tuesday")
    [message] = await mail_app.messages(box)
    assert message.folder == "deleted", "the other mail carried the audio"


async def test_short_mail_alone_leaves_the_message_new(mail_app: NotificationAppFixture) -> None:
    box = await mail_app.create_box(short_mail_addresses=["pager@example.org"], delete_after_notify=True)
    await mail_app.leave_message(box)
    await mail_app.run_until_idle()
    [message] = await mail_app.messages(box)
    assert message.folder == "new"


@pytest.mark.parametrize(
    ("template", "subject"),
    [
        ("{{ caller_id.number }} rang", "2001 rang"),
        ("{% if voicemail.urgent %}!{% else %}{{ caller_id.number ~ ' rang' | upper }}{% endif %}", "2001 RANG"),
        ("{{ no.such }}", "New voicemail from 2001"),
    ],
)
async def test_box_has_subject_and_text_of_its_own(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer, template: str, subject: str
) -> None:
    box = await mail_app.create_box(
        notify_email=OWNER_EMAIL, mail_subject=template, mail_text="<b> {{ voicemail.length }}"
    )
    await mail_app.leave_message(box)
    await mail_app.run_until_idle()
    [(_, mail)] = smtp_server.received
    assert mail["Subject"] == subject
    assert mail_text(mail).strip() == "<b> 00:00:02"
    assert mail.get_body(("html",)) is None


@pytest.mark.parametrize(
    "template",
    [
        "{% if %}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 'x' * 10 ** 10 }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ [" + "a, " * 1500 + "] }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ voicemail.name.center(10 ** 9) }}",
        "{{ voicemail.name | center(1000000000) }}",
        "{{ lipsum(10000) }}",
        "{{ caller_id | attr('__class__') }}",
        "{% include 'site/other-account/new_message.txt' %}",
        "{% set a = 'x' %}",
        "{{ " + "(" * 4000 + "1" + ")" * 4000 + " }}",
        "{% if a %}" * 400 + "{% endif %}" * 400,
        "{{ " + "9" * 9000 + " }}",
    ],
    ids=lambda text: text[:30],
)
def test_template_that_is_none_or_could_keep_the_service_busy_is_rejected(template: str) -> None:
    with pytest.raises(ValidationError, match="mail_text"):
        BoxSettings(name="Alice", mailbox="1000", mail_text=template)


async def test_endless_template_of_an_earlier_version_is_replaced_by_the_usual_text(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    box = await mail_app.create_box(notify_email=OWNER_EMAIL)
    stored = {**to_document(box.settings), "mail_text": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"}
    boxes = SqliteBoxes(mail_app.container.database, mail_app.clock)
    await boxes.replace(BoxRecord(box.id, box.account_id, stored, box.revision))
    await mail_app.leave_message(await mail_app.container.boxes.get(box.id))
    await mail_app.run_until_idle()
    [(_, mail)] = smtp_server.received
    assert "left a message in voicemail box 1000" in mail_text(mail)


async def test_mail_is_in_one_language_when_templates_are_incomplete(
    tmp_path: Path, smtp_server: FakeSmtpServer
) -> None:
    """An Italian subject alone makes no Italian mail; a subject in the language of the built-in text is used."""
    own = tmp_path / "templates"
    for folder, text in {"it": "Nuovo messaggio", "fr": "Nouveau message", "": "Call"}.items():
        write_templates(own / folder, subject=text)
    write_templates(own / "fr", body="Le {{ date_called.local }}")
    app = NotificationAppFixture(
        tmp_path / "data", mail={"host": "127.0.0.1", "port": smtp_server.port, "template_folder": own}
    )
    await app.open()
    for number, language in (("1001", "pl"), ("1002", "fr"), ("1003", "eo")):
        owner = await app.create_user(f"user-{language}", language=language, email=f"{language}@example.org")
        await app.leave_message(await app.create_box(number, owner=owner, timezone="Europe/Berlin"))
    await app.run_until_idle()
    mails = {to: (mail["Subject"], mail_text(mail)) for to, mail in smtp_server.received}
    english = "Received:  Tuesday, May 10, 2016 at 14:00 (Central European Summer Time)"
    for to in ("pl@example.org", "eo@example.org"):
        assert mails[to][0] == "Call"
        assert english in mails[to][1]
    assert mails["fr@example.org"][0] == "Nouveau message"
    assert "mardi 10 mai 2016" in mails["fr@example.org"][1]
    assert "d\u2019Europe centrale" in mails["fr@example.org"][1]
    await app.shut_down()


@pytest.mark.parametrize("mail", ["new_message", "box_full", "box_nearly_full", "box_locked"])
def test_built_in_mails_are_wholly_german_for_german_owner(mail: str) -> None:
    box = mailbox(quota_mb=5)
    used = Occupancy(messages=100, new_messages=90, max_messages=100, size_bytes=1_500_000, quota_bytes=5_000_000)
    audio = MailedAudio(link=AudioLink("https://x.example/y", NOON))
    content = MailTemplates(None).render(
        mail, box.account, "de-AT", lambda language: message_variables(box, used, message("", ""), audio, language)
    )
    for text in (content.subject, content.plain_text, content.html):
        assert not re.search(r"\b(you|your|the|is|it|has|from|until|caller|at|messages?)\b", strip_tags(text), re.I), (
            text
        )
    if mail == "new_message":
        assert content.subject == "Neue Nachricht von unbekannt"
        assert "Dienstag, 10. Mai 2016 um 12:00 Uhr (Koordinierte Weltzeit)" in content.plain_text
    if mail != "box_locked":
        assert "Sie haben 100 von 100 Nachrichten, 1,5 von 5 MB." in content.plain_text


@pytest.mark.parametrize(
    ("language", "subject", "date", "count"),
    [
        (
            "es-MX", "Nuevo mensaje de voz de desconocido",
            "martes, 10 de mayo de 2016, 12:00 (tiempo universal coordinado)",
            "Tiene 100 de 100 mensajes, 1,5 de 5 MB.",
        ),
        (
            "fr", "Nouveau message vocal : inconnu",
            "mardi 10 mai 2016 à 12:00 (temps universel coordonné)", "Vous avez 100 sur 100 messages, 1,5 sur 5 Mo.",
        ),
        (
            "it", "Nuovo messaggio vocale da sconosciuto",
            "martedì 10 maggio 2016, 12:00 (Tempo coordinato universale)", "Ha 100 su 100 messaggi, 1,5 su 5 MB.",
        ),
        (
            "pt-BR", "Nova mensagem de voz de desconhecido",
            "terça-feira, 10 de maio de 2016, 12:00 (Horário Universal Coordenado)",
            "Você tem 100 de 100 mensagens, 1,5 de 5 MB.",
        ),
    ],
)  # fmt: skip
def test_built_in_mails_are_wholly_in_the_language_of_the_owner(
    language: str, subject: str, date: str, count: str
) -> None:
    box = mailbox(quota_mb=5)
    used = Occupancy(messages=100, new_messages=90, max_messages=100, size_bytes=1_500_000, quota_bytes=5_000_000)
    audio = MailedAudio(link=AudioLink("https://x.example/y", NOON))
    mails = {
        name: MailTemplates(None).render(
            name, box.account, language, lambda code: message_variables(box, used, message("", ""), audio, code)
        )
        for name in ("new_message", "box_full", "box_nearly_full", "box_locked", "account_locked")
    }
    for mail in mails.values():
        for text in (mail.subject, mail.plain_text, mail.html):
            assert not re.search(
                r"\b(you|your|the|from|until|caller|recording|dial|left|full)\b", strip_tags(text), re.I
            )
    assert mails["new_message"].subject == subject
    assert date in mails["new_message"].plain_text
    for name in ("new_message", "box_full", "box_nearly_full"):
        assert count in mails[name].plain_text
        assert count in strip_tags(mails[name].html)


def test_built_in_mails_of_all_languages_have_the_same_variables() -> None:
    def variables(path: Path) -> set[str]:
        return set(re.findall(r"(?:voicemail|caller_id|date_called|owner|account|to)\.\w+", path.read_text()))

    english = sorted((BUILT_IN_FOLDER / "en").iterdir())
    for folder in BUILT_IN_FOLDER.iterdir():
        assert sorted(path.name for path in folder.iterdir()) == [path.name for path in english]
        for path in english:
            assert variables(folder / path.name) == variables(path), path.name


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


async def test_calls_go_on_while_a_mail_is_composed(mail_app: NotificationAppFixture) -> None:
    """The template waits for something that only happens if the event loop runs meanwhile."""
    has_begun, loop_has_run = threading.Event(), threading.Event()

    class WaitingTemplates(MailTemplates):
        def render(self, *arguments: Any) -> MailContent:
            has_begun.set()
            assert loop_has_run.wait(60)
            return super().render(*arguments)

    box = await mail_app.create_box(notify_email=OWNER_EMAIL)
    left = await mail_app.leave_message(box)
    services = mail_app.container.voicemail_services
    audio = MailAudio(mail_app.container.renditions("mail"), lambda _: None, max_bytes=0)
    composer = MailComposer(
        templates=WaitingTemplates(None), audio=audio, capacity=services.capacity, sender="vm@example.org"
    )
    task = OutboxTask(
        7, box.account_id, box.id, left.id, TaskKind.MAIL, OWNER_EMAIL, {"template": "new_message"}, NOON, NOON, 1,
        None, None,
    )  # fmt: skip
    mail_app.container.renditions("mail").prepare()
    composing = asyncio.create_task(composer.compose(task, box, left))
    while not composing.done() and not has_begun.is_set():
        await asyncio.sleep(0.01)
    loop_has_run.set()
    assert b"too long to be attached" in (await composing)[0]


@given(st.integers(0, 5000))
def test_size_of_attachment_as_sent_is_that_in_the_mail(size: int) -> None:
    content = MailContent("x", "x", "x")
    task = OutboxTask(7, "a", "b", None, TaskKind.MAIL, OWNER_EMAIL, {}, NOON, NOON, 1, None, None, "u")
    account = Account(id="a", name="demo")
    raw = compose(task, account, "vm@example.org", content, Attachment("x.mp3", "mp3", bytes(size)))
    part = raw.partition(b"filename=")[2].partition(b"\r\n\r\n")[2]
    assert len(part[: part.rindex(b"\r\n--")].rstrip(b"\r\n") + b"\r\n" * bool(size)) == size_as_sent(size)


# -- recipients --------------------------------------------------------------------------------------------------------

OWNER = "Owner@example.org"
BUILT_IN = MailTemplates(None)
"""Compiled once for all examples."""
EMPTY = Occupancy(messages=0, new_messages=0, max_messages=100, size_bytes=0, quota_bytes=0)


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
    utc = "Coordinated Universal Time"
    for zone, hour, name in (("Asia/Tokyo", "21", "Japan Standard Time"), ("inherit", "12", utc), (None, "12", utc)):
        variables = message_variables(mailbox(timezone=zone), EMPTY, message(), NO_AUDIO, "en")
        assert variables["date_called"]["local"] == f"Tuesday, May 10, 2016 at {hour}:00 ({name})"


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
        "=?utf-8?Q?a=0D=0ABcc:_x?=",
        "=?utf-8?Q?a=00b?=",
        "=?UTF-8?Q?=0A?=Bcc: x",
        "=?utf-8?b?8J+SqQo=?=Reply-To: evil@example.org",
        "=?utf-8?q?one?= =?utf-8?q?two?=",
        "Jürgen Groß von und zu " * 4,
        "名前" * 40,
        "x" * 300,
        "utf-8''%41%42",
    ]
)


@pytest.mark.parametrize(
    ("name", "shown", "filename"),
    [
        ("=?utf-8?Q?a=0D=0ABcc:_x?=", "=?utf-8?Q?a=0D=0ABcc:_x?=", "utf-8_q_a_0d_0abcc_x"),
        ("=?utf-8?Q?a=00b?=", "=?utf-8?Q?a=00b?=", "utf-8_q_a_00b"),
        (
            "=?utf-8?b?8J+SqQo=?=Reply-To: e@x.y",
            "=?utf-8?b?8J+SqQo=?=Reply-To: e@x.y",
            "utf-8_b_8j+sqqo_reply-to_e@x.y",
        ),
        ("=?utf-8?q?one?= =?utf-8?q?two?=", "=?utf-8?q?one?= =?utf-8?q?two?=", "utf-8_q_one_utf-8_q_two"),
        ("a\r\nBcc: x", "a Bcc: x", "a_bcc_x"),
        ("a\0b\u202ec", "a b c", "a_b_c"),
        ("Jürgen Groß", "Jürgen Groß", "jürgen_groß"),
        ("Grüße aus der längsten Straße von Wanne-Eickel am Rhein-Herne-Kanal, Zürich und Łódź",) * 2
        + ("grüße_aus_der_längsten_straße_von_wanne-eickel_am",),
        ("名前", "名前", "名前"),
        ("Иван Петров", "Иван Петров", "иван_петров"),
        ("../../etc/passwd", "../../etc/passwd", "etc_passwd"),
        ('"Bob" <b@x.y>', '"Bob" <b@x.y>', "bob_b@x.y"),
        ("100 %41", "100 %41", "100_41"),
        ("con.txt", "con.txt", "_con.txt"),
        ("COM¹", "COM¹", "_com¹"),
        ('"Bob" <sip:2001@x.y>', "Bob", "bob"),
        ("Caller ID blocked", "unknown caller", "unknown"),
    ],
)
async def test_caller_name_is_shown_as_it_is_in_subject_and_file_name(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer, name: str, shown: str, filename: str
) -> None:
    await mail_app.leave_message(await mail_app.create_box(notify_email=OWNER_EMAIL), name=name, number="")
    await mail_app.run_until_idle()
    assert shown_subject(smtp_server.raw[0]) == f"New voicemail from {shown}"
    [(attached, _, _)] = attachments(smtp_server.mails[0])
    assert attached == f"{filename}_2016-05-10_12-00-00.mp3"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(HOSTILE_TEXT, HOSTILE_TEXT)
def test_caller_text_cannot_inject_header_markup_or_path(name: str, number: str) -> None:
    box, left = mailbox(), message(name, number)
    audio = Attachment(attachment_filename(box, left), "mp3", b"sound")
    content = BUILT_IN.render(
        "new_message",
        box.account,
        "en",
        lambda language: message_variables(box, EMPTY, left, MailedAudio(audio), language),
    )
    task = OutboxTask(7, "a", box.id, left.id, TaskKind.MAIL, OWNER_EMAIL, {}, NOON, NOON, 1, None, None, "u" * 32)
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
    assert not has_invisible_characters(audio.filename)
    assert len(audio.filename.encode()) < 255
    mail = email.message_from_bytes(raw, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    assert [part.get_filename() for part in mail.iter_attachments()] == [audio.filename]
    assert shown_subject(raw) == content.subject
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert "49" not in content.subject or "49" in name + number
