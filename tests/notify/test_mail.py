"""What is in a mail, and who gets it."""

from __future__ import annotations

import io
import wave
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.directory.people import Account, User
from ivr.mailbox.box import Box
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Caller, Counts, Folder, Message
from ivr.mailbox.sqlite.outbox import Kind
from ivr.mailbox.system import VoicemailSettings
from ivr.notify.mail import macros
from ivr.notify.mail.compose import compose
from ivr.notify.mail.recipients import recipients
from ivr.notify.mail.templates import Templates
from ivr.notify.outbox import Row
from tests.notify.conftest import ANN, Home
from tests.support.house import NOON
from tests.support.mailserver import MailServer


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part
    return str(part.get_content())


def files_of(mail: EmailMessage) -> list[tuple[str | None, str, bytes]]:
    return [(part.get_filename(), part.get_content_type(), part.get_content()) for part in mail.iter_attachments()]


async def test_a_new_message_is_told_with_who_called_when_and_what_they_said(
    home: Home, mail_server: MailServer
) -> None:
    box = await home.box(notify_email_addresses=[ANN], timezone="Europe/Berlin")
    message = await home.is_left(box, name="Jane Doe", number="+15550100", s=2)
    await home.settle()
    [(to, mail)] = mail_server.got
    assert (to, mail["To"], mail["From"]) == (ANN, ANN, "voicemail@localhost")
    assert mail["Subject"] == "New voicemail from Jane Doe (+15550100)"
    for text in (text_of(mail), text_of(mail, "html")):
        for said in ("Jane Doe (+15550100)", "1000", "Tuesday, May 10, 2016 at 14:00", "00:00:02"):
            assert said in text
    [(name, kind, audio)] = files_of(mail)
    assert (name, kind) == ("jane_doe_2016-05-10_14-00-00.mp3", "audio/mpeg")
    assert len(audio) > 1000
    assert str(message.id) in mail["Message-ID"]
    assert await home.waits() == []


@pytest.mark.parametrize(("extension", "kind"), [("wav", "audio/wav"), ("mp4", "audio/mp4")])
async def test_the_audio_is_in_the_form_that_the_box_wants(
    home: Home, mail_server: MailServer, extension: str, kind: str
) -> None:
    box = await home.box(notify_email=ANN, media_extension=extension)
    await home.is_left(box, s=2)
    await home.settle()
    [(name, content_type, audio)] = files_of(mail_server.mails[0])
    assert name == f"2001_2016-05-10_12-00-00.{extension}"
    assert content_type == kind
    if extension == "wav":
        with wave.open(io.BytesIO(audio)) as file:
            assert file.getnframes() == 16_000
    else:
        assert audio[4:8] == b"ftyp"


async def test_without_the_audio_where_the_box_wants_none(home: Home, mail_server: MailServer) -> None:
    await home.is_left(await home.box(notify_email=ANN, include_message_on_notify=False))
    await home.settle()
    assert files_of(mail_server.mails[0]) == []
    assert "Dial your mailbox" in text_of(mail_server.mails[0])


async def test_audio_that_is_too_large_is_left_out_and_the_mail_says_so(
    tmp_path: Path, mail_server: MailServer
) -> None:
    home = Home(tmp_path / "data", mail={"host": "127.0.0.1", "port": mail_server.port, "largest_mb": 0})
    await home.open()
    await home.is_left(await home.box(notify_email=ANN))
    await home.settle()
    assert files_of(mail_server.mails[0]) == []
    assert "too long to be attached" in text_of(mail_server.mails[0])
    await home.leaves()


async def test_a_program_that_brings_a_message_mails_nobody(home: Home, mail_server: MailServer) -> None:
    box, other = await home.box(notify_email=ANN), await home.box("1001", notify_email=ANN)
    message = await home.message(box)
    await home.app.delivery.copy(message, [other])
    await home.settle()
    assert mail_server.got == []


async def test_a_forwarded_message_is_told_to_whom_it_was_forwarded(home: Home, mail_server: MailServer) -> None:
    box, other = await home.box(), await home.box("1001", notify_email=ANN)
    message = await home.message(box, caller="5550177")
    await home.app.delivery.forward(message, other)
    await home.settle()
    assert "5550177" in mail_server.mails[0]["Subject"]
    assert "1001" in text_of(mail_server.mails[0])


async def test_a_full_box_is_told_once_an_hour_however_many_callers_find_it_full(
    home: Home, mail_server: MailServer
) -> None:
    box = await home.box(notify_email=ANN)
    for _ in range(5):
        await home.finds_full(box)
        await home.settle()
    assert [mail["Subject"] for mail in mail_server.mails] == ["Voicemail box 'Box 1000' is full"]
    home.clock.advance(s=3599)
    await home.finds_full(box)
    await home.settle()
    assert len(mail_server.got) == 1
    home.clock.advance(s=1)
    await home.finds_full(box)
    await home.settle()
    assert len(mail_server.got) == 2


async def test_a_box_that_wrong_pins_have_locked_is_told_to_its_owner(home: Home, mail_server: MailServer) -> None:
    owner = await home.user("carol", email="carol@example.org")
    box = await home.box("1234", owner=owner)
    for _ in range(5):
        await home.tries_pin(box, "0000")
    await home.settle()
    assert mail_server.got == [], "it is told when the lock has settled"
    home.clock.advance(s=6)
    await home.settle()
    [(to, mail)] = mail_server.got
    assert to == "carol@example.org"
    assert mail["Subject"] == "Voicemail box 'Box 1234' is locked: wrong PINs"
    assert "0000" not in text_of(mail)


async def test_a_right_pin_at_the_fifth_try_locks_nothing_and_tells_nobody(home: Home, mail_server: MailServer) -> None:
    box = await home.box("1234", pin="2580", notify_email=ANN)
    for pin in ["0000"] * 4 + ["2580"]:
        await home.tries_pin(box, pin)
    home.clock.advance(s=6)
    await home.settle()
    assert mail_server.got == []


async def test_a_sites_own_templates_win_by_account_and_language(tmp_path: Path, mail_server: MailServer) -> None:
    own = tmp_path / "templates"
    for place, text in {"de": "Neue Nachricht", "demo/de": "Demo: neue Nachricht", "": "Ours"}.items():
        (own / place).mkdir(parents=True, exist_ok=True)
        (own / place / "new.subject").write_text(text + " {{ caller_id.number }}")
    home = Home(tmp_path / "data", mail={"host": "127.0.0.1", "port": mail_server.port, "templates": own})
    await home.open()
    german = await home.user("dora", language="de", email="dora@example.org")
    await home.is_left(await home.box("1001", owner=german))
    await home.is_left(await home.box("1002", notify_email=ANN))
    await home.settle()
    assert {to: mail["Subject"] for to, mail in mail_server.got} == {
        "dora@example.org": "Demo: neue Nachricht 2001", ANN: "Ours 2001",
    }  # fmt: skip
    await home.leaves()


async def test_a_template_with_a_slip_in_it_costs_no_mail(tmp_path: Path, mail_server: MailServer) -> None:
    (tmp_path / "new.subject").write_text("{{ nobody.knows.this }}")
    (tmp_path / "new.html").write_text("{% if %}")
    home = Home(tmp_path / "data", mail={"host": "127.0.0.1", "port": mail_server.port, "templates": tmp_path})
    await home.open()
    await home.is_left(await home.box(notify_email=ANN))
    await home.settle()
    assert mail_server.mails[0]["Subject"] == "New voicemail from 2001"
    await home.leaves()


# -- who gets one ------------------------------------------------------------------------------------------------------

OWNER = "Owner@example.org"


def mailbox(owner_email: str | None = None, owner_settings: dict[str, object] | None = None, **box: Any) -> Mailbox:
    account = Account(id="a", name="demo", realm="demo.example")
    owner = User(id="u", account_id="a", name="ann", email=owner_email, settings=owner_settings or {})
    return Mailbox("b" * 32, account, owner, Box(name="Box", mailbox="1000", **box), VoicemailSettings())


def test_the_list_of_the_box_and_its_owner_each_once() -> None:
    box = mailbox(OWNER, notify_email_addresses=["a@x.y", "OWNER@example.org"], notify_email="b@x.y")
    assert recipients(box, Kind.NEW) == ["a@x.y", "OWNER@example.org", "b@x.y"]


def test_an_owner_who_wants_no_mail_gets_none_even_if_listed() -> None:
    box = mailbox(OWNER, {"vm_to_email_enabled": False}, notify_email_addresses=["a@x.y", "owner@EXAMPLE.org"])
    assert recipients(box, Kind.NEW) == ["a@x.y"]
    assert OWNER in recipients(box, Kind.FULL) or "owner@EXAMPLE.org" in recipients(box, Kind.FULL)


def test_the_owner_of_a_shared_box_gets_mail_only_where_the_box_says_so() -> None:
    assert recipients(mailbox(OWNER, shared_vmbox=True), Kind.NEW) == []
    assert recipients(mailbox(OWNER, shared_vmbox=True, shared_vmbox_notify_owner_email=True), Kind.NEW) == [OWNER]


def test_the_old_key_for_addresses_still_counts() -> None:
    assert recipients(mailbox(notify_email_address="old@x.y"), Kind.NEW) == ["old@x.y"]
    assert recipients(mailbox(notify_email_address=["old@x.y", "b@x.y"]), Kind.NEW) == ["old@x.y", "b@x.y"]


def test_the_time_is_the_boxs_the_owners_or_the_accounts() -> None:
    for zone, hour in (("Asia/Tokyo", "21"), ("inherit", "12"), (None, "12")):
        said = macros.of_message(mailbox(timezone=zone), Counts(), message(), None)
        assert said["date_called"]["local"] == f"Tuesday, May 10, 2016 at {hour}:00"


# -- callers who call themselves what they like ------------------------------------------------------------------------


def message(name: str = "", number: str = "2001") -> Message:
    return Message("201605-" + "0" * 32, "a", "b" * 32, Folder.NEW, NOON, 2000, Caller(name, number))


NASTY = st.text(max_size=60) | st.sampled_from(
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
@given(NASTY, NASTY)
def test_what_callers_call_themselves_gets_into_no_header_no_markup_and_no_path(name: str, number: str) -> None:
    box, left = mailbox(), message(name, number)
    audio = macros.Attachment(macros.file_name(box, left), "mp3", b"sound")
    said = macros.of_message(box, Counts(1), left, audio)
    text = Templates(None).render("new", box.account, "en", said)
    row = Row(7, "a", box.id, left.id, Kind.MAIL, ANN, {}, NOON, NOON, 1, None, None)
    raw = compose(row, box.account, "vm@example.org", text, audio)
    head, _, _ = raw.partition(b"\r\n\r\n")
    assert {line.split(b":")[0].lower() for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))} == {
        b"from", b"to", b"subject", b"date", b"message-id", b"auto-submitted", b"x-auto-response-suppress",
        b"mime-version", b"content-type",
    }  # fmt: skip
    assert "<script" not in text.html.lower()
    assert "/" not in audio.name
    assert not audio.name.startswith(".")
    assert audio.name.isascii()
    assert audio.name.isprintable()
    assert "49" not in text.subject or "49" in name + number
