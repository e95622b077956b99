"""What people reported of mails of other voicemail systems, and what holds here (docs/dev/field-reports.md)."""

from __future__ import annotations

import asyncio
import email
import re
from email.message import Message as MailPart
from pathlib import Path
from typing import Any

import pytest

from ivr.service.service import start_service
from ivr.terminal.fake_asterisk import AgiRequest, FakeAsterisk
from tests.notifications.conftest import OWNER_EMAIL, NotificationAppFixture
from tests.notifications.test_mail import attachments, mail_text, shown_subject
from tests.notifications.test_mail_delivery import BEN
from tests.support.fake_smtp_server import FakeSmtpServer
from tests.support.handset import ScriptedHandset
from tests.support.scripted_call import Speak
from tests.support.speech import speech_pcm
from tests.support.tone_prompts import write_tone_prompts

SECRET = "5ec2e7"
ODD_CALLERS = [
    ("5550100", '"Bob" <2001>, x'),
    ("5550100", "${EVAL(${X})} $(id) `id`"),
    ("5550100", "=1+1"),
    ("5550100", "x" * 300),
    ("5550100", "🎉 party"),
    ("5550100", "名前"),
    ("5550100", "\u202egnp.exe\t\udce4\udcff"),
    ("5550100", "<script>alert(1)</script>"),
    ("5550100", "a: b; c=d|e&f%41"),
    ("", ""),
    ("1" * 35, "unknown"),
    ("sip:bob@example.org", "Bob"),
    ('"Bob" <2001>', "unknown"),
]


async def test_odd_callers_leave_messages_that_are_mailed(tmp_path: Path, smtp_server: FakeSmtpServer) -> None:
    """Row 43, over FastAGI: each call goes on, its message is stored, and its mail is whole."""
    app = NotificationAppFixture(
        tmp_path / "data",
        mail={"host": "127.0.0.1", "port": smtp_server.port},
        sounds={"folder": write_tone_prompts(tmp_path / "sounds")},
        asterisk={"secret": SECRET},
        fastagi={"port": 0},
    )
    await app.open()
    box = await app.create_box(notify_email=OWNER_EMAIL)
    service = await start_service(app.container, component="calls")
    for number, name in ODD_CALLERS:
        request = AgiRequest(
            "leave",
            ("account=demo", "number=1000"),
            "PJSIP/trunk-00000001",
            number,
            {"GLOBAL(IVR_SECRET)": SECRET, "REDIRECTING(count)": "0", "PJSIP_ENDPOINT(trunk,auth)": ""},
            caller_name=name,
        )
        handset = ScriptedHandset(speech=speech_pcm(2000))
        assert await FakeAsterisk(request, handset).connect_and_run(*service.fastagi_address) == "DONE", (number, name)
    while any(not task.error for task in await app.pending_tasks()):
        await asyncio.sleep(0.01)
    assert len(await app.messages(box)) == len(smtp_server.received) == len(ODD_CALLERS)
    for raw, mail in zip(smtp_server.raw, smtp_server.mails, strict=True):
        assert re.fullmatch(r"New voicemail from [^\x00-\x1f\u202a-\u202e]+", shown_subject(raw))
        assert "<script" not in mail_text(mail, "html")
        [(filename, _, audio)] = attachments(mail)
        assert filename
        assert not re.search(r'[/\\:*?"<>|%\x00-\x1f\u202e]', filename)
        assert len(audio) > 1000
        assert [name for name in mail if name.lower() in ("bcc", "cc", "reply-to")] == []
    await service.stop()


def leaves(raw: bytes) -> list[MailPart]:
    return [part for part in email.message_from_bytes(raw).walk() if not part.is_multipart()]


async def test_lines_of_mails_end_with_crlf_and_are_short(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    """Row 44, on the bytes that arrive: long names, a dot at the beginning of a line, and audio."""
    box = await mail_app.create_box(name=".hidden " + "long " * 20, notify_email=OWNER_EMAIL)
    await mail_app.leave_message(box, name=".\r\n.\r\nGrüße " * 20, s=10)
    await mail_app.run_until_idle()
    [raw] = smtp_server.raw
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    long_lines = [line.split(b":")[0] for line in raw.split(b"\r\n") if len(line) > 78]
    assert long_lines in ([], [b"Message-ID"]), "an id cannot be folded"
    assert len(leaves(raw)) == 3


async def test_greylisted_refused_and_doubled_recipients(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    """Row 45: 451 twice is retried, 550 is given up for that recipient alone, a doubled address gets one mail."""
    smtp_server.behaviours += ["rejects temporarily"] * 2
    smtp_server.unknown_recipients.add("gone@example.org")
    addresses = [OWNER_EMAIL, "gone@example.org", OWNER_EMAIL.upper()]
    box = await mail_app.create_box(notify_email_addresses=addresses, delete_after_notify=True)
    message = await mail_app.leave_message(box)
    for wait_s in (0, 900, 2700, 7200):
        mail_app.clock.advance(s=wait_s)
        await mail_app.run_until_idle()
    assert [to for to, _ in smtp_server.received] == [OWNER_EMAIL]
    assert [(task.target, task.is_given_up) for task in await mail_app.pending_tasks()] == [("gone@example.org", True)]
    assert await mail_app.folder_of(message) == "new"


@pytest.mark.parametrize("mail_server", ["set", "not set"])
async def test_mail_switched_off_for_owner_reaches_others_and_nothing_is_tried_without_server(
    tmp_path: Path, smtp_server: FakeSmtpServer, mail_server: str
) -> None:
    """Row 47: the others get theirs, and the mail names the called box."""
    mail: dict[str, Any] = {"host": "127.0.0.1", "port": smtp_server.port} if mail_server == "set" else {}
    app = NotificationAppFixture(tmp_path / "data", mail=mail)
    await app.open()
    owner = await app.create_user("carol", email=OWNER_EMAIL, settings={"vm_to_email_enabled": False})
    await app.leave_message(await app.create_box("1001", owner=owner, notify_email_addresses=[BEN, OWNER_EMAIL]))
    await app.run_until_idle()
    assert [to for to, _ in smtp_server.received] == ([BEN] if mail else [])
    assert all("1001" in mail_text(mail) for mail in smtp_server.mails)
    assert await app.pending_tasks() == []
    await app.shut_down()


async def test_copy_is_whole_after_first_mailbox_has_deleted_its_message(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    """Row 48: one message for two mailboxes, the first of which deletes it after the mail."""
    first = await mail_app.create_box("1000", notify_email=OWNER_EMAIL, delete_after_notify=True, media_extension="wav")
    second = await mail_app.create_box("1001", notify_email=BEN, media_extension="wav")
    await mail_app.run_call([Speak(3000, then="hang-up")], path="leave", number="1000&1001")
    await mail_app.run_until_idle()
    await mail_app.container.messages.soft_delete(first.id, [(await mail_app.messages(first))[0].id])
    [copy] = await mail_app.messages(second)
    assert (copy.folder, copy.length_ms) == ("new", 3000)
    [recording] = mail_app.container.delivery.audio_paths(copy)
    assert recording.stat().st_size == 48_044
    assert {to: len(attachments(mail)[0][2]) for to, mail in smtp_server.received} == {OWNER_EMAIL: 48_044, BEN: 48_044}
