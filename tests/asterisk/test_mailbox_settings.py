"""What mailboxes keep from another system, on a real Asterisk: several settings in each call."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.asterisk.conftest import AdminClient, PhoneUser, RecognisedCall, wait_until
from tests.asterisk.test_fallback_recordings import SpareService, claim_spare
from tests.lab.asterisk_config import OPTIONS
from tests.lab.lab import LabInfo
from tests.lab.processes import SERVICE_UID, SHARED_GID
from tests.lab.sip_phone import Clip
from tests.lab.sip_phone.speech import speech
from tests.support.fake_smtp_server import FakeSmtpServer

SPEECH_MS = 2500
BUSY = f"*36{OPTIONS.index('b')}"
"""The code of VoiceMail() with the option that says that the owner is on the phone."""


def words_of(person: PhoneUser, ms: int = SPEECH_MS) -> Clip:
    return Clip("words", speech(int(person.number) + 66_000, ms))


async def leave_message(call: RecognisedCall, words: Clip) -> None:
    await call.press("1")
    await call.expect("tone/beep", whole=True)
    await call.say(words.samples)


async def test_caller_meets_the_settings_of_the_mailbox(alice: PhoneUser, bob: PhoneUser) -> None:
    """Busy greeting, no review, copies, its own number of messages, context of its operator, and disabled."""
    bob.create_user_and_box()
    alice.create_user_and_box(review=False, copy_to=[bob.number], max_message_count=1)
    busy, usual = alice.create_recording("busy"), alice.create_recording("unavailable")
    alice.update_box(operator_number="5101", operator_context="ivr-hunt")
    call = await bob.dial(BUSY + alice.number)
    await call.expect(busy)
    await leave_message(call, words_of(bob))
    await call.press("#")
    await call.expect("done/message-left", "done/thank-you")
    await call.hang_up()
    assert [len(person.messages()) for person in (alice, bob)] == [1, 1]
    alice.update_box(copy_to=[])  # a mailbox that has room would take the message
    call = await bob.dial(alice.number)
    await call.expect(usual, "greeting/mailbox-full")
    await call.hang_up()

    alice.update_box(max_message_count=5)
    call = await bob.dial(alice.number)
    await call.expect(usual)
    await call.press("0")
    await call.expect("weekday/1")
    await call.hang_up()
    alice.update_box(enabled=False)
    call = await bob.dial(alice.number)
    await call.expect("greeting/no-voicemail")
    await call.wait_for_hangup()


async def test_owner_meets_the_settings_of_the_mailbox(alice: PhoneUser, admin: AdminClient) -> None:
    """A PIN to be changed, an endless temporary greeting, what was heard, folders, the length of greetings."""
    admin.request("set_account_settings", folder_labels=["Work", "Family"])
    alice.create_user_and_box(
        pin_must_change=True, after_heard="keep", max_greeting_length=3, keys={"file_message": "9", "callback": ""}
    )
    alice.create_recording("temporary_unavailable")
    message = alice.create_message(s=3)
    call = await alice.dial("*97")
    await call.expect("pin/must-change", "pin/enter-new")
    await call.press("2849#")
    await call.expect("pin/enter-again")
    await call.press("2849#")
    await call.expect("done/pin-set", "settings/temporary-in-use", "count/new-message", message, "to/keep")
    await call.hang_up()
    await wait_until(lambda: alice.messages()[0]["folder"] == "new")

    alice.update_box(pin_changeable=False)
    call = await alice.dial("*97")
    await call.expect("settings/temporary-in-use", "count/new-message", message, "to/keep")
    await call.expect("to/file-message", "press/9")
    await call.press("9")
    await call.expect("to/folder-work", "press/1", "to/folder-family", "press/2")
    await call.press("2")
    await call.expect("done/saved", "to/configure")
    [filed] = alice.messages()
    assert (filed["folder"], filed["labels"]) == ("saved", ["Family"])
    await call.press("5")
    await call.expect("to/record-unavailable", "to/record-name")
    await call.press("3")
    await call.expect("pin/not-changed", "to/record-unavailable")
    await call.press("1")
    await call.expect("settings/record-greeting")
    await call.press("1")
    await call.expect("tone/beep", whole=True)
    await call.say(words_of(alice, 6000).samples)
    await call.expect("to/use-recording", "press/1")
    await call.press("1")
    await call.expect("done/saved")
    await call.hang_up()
    [greeting] = admin.request("list_greetings", number=alice.number)
    [path] = greeting["audio"]
    assert 2.5 < (Path(path).stat().st_size - 44) / 16_000 < 3.2


@pytest.fixture
def smtp_server() -> Iterator[FakeSmtpServer]:
    server = FakeSmtpServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def programs_folder(lab: LabInfo, alice: PhoneUser) -> Path:
    """A folder of root with two programs that note their arguments and their input in a folder of the service."""
    folder = Path(lab.folder) / f"programs-{alice.name}"
    folder.mkdir(mode=0o755)
    notes = folder / "notes"
    notes.mkdir()
    os.chown(notes, SERVICE_UID, SHARED_GID)
    for name in ("message", "pin"):
        program = folder / name
        program.write_text(f'#!/bin/sh\necho "$@" $(cat) >> {notes}/{name}\n')
        program.chmod(0o755)
    return folder


@pytest.mark.only_over("fastagi", "what follows a call is the same over each transport")
@pytest.mark.skipif(os.geteuid() != 0, reason="a program that belongs to root needs root")
async def test_programs_and_short_mails_follow_a_message_and_a_new_pin(
    alice: PhoneUser, bob: PhoneUser, lab: LabInfo, smtp_server: FakeSmtpServer, programs_folder: Path
) -> None:
    spare = SpareService(
        lab,
        claim_spare(lab),
        IVR_NOTIFICATIONS__PROGRAM=str(programs_folder / "message"),
        IVR_PINS__CHANGE_PROGRAM=str(programs_folder / "pin"),
        IVR_MAIL__HOST="127.0.0.1",
        IVR_MAIL__PORT=str(smtp_server.port),
    )
    try:
        alice.create_user_and_box(
            admin=spare.admin,
            pin_must_change=True,
            short_mail_addresses=["pager@example.org"],
            mail_subject="Voice for {{ voicemail.vmbox_number }}",
            notify_email_addresses=["alice@example.org"],
        )
        call = await bob.dial(spare.dial_prefix + alice.number)
        await call.expect("greeting/person-at")
        await leave_message(call, words_of(bob))
        await call.hang_up()
        notes = programs_folder / "notes"
        await wait_until(lambda: (notes / "message").exists() and len(smtp_server.received) == 2, within_s=30)
        assert (notes / "message").read_text().split() == ["lab", alice.number, "1", "0", "0", "message.new"]
        mails = dict(smtp_server.received)
        assert mails["alice@example.org"]["Subject"] == f"Voice for {alice.number}"
        assert mails["pager@example.org"].get_content_type() == "text/plain"
        assert f"in mailbox {alice.number}" in mails["pager@example.org"].get_content()

        call = await alice.dial(spare.dial_prefix)
        await call.expect("pin/must-change", "pin/enter-new")
        await call.press("2849#")
        await call.expect("pin/enter-again")
        await call.press("2849#")
        await call.expect("done/pin-set")
        await call.hang_up()
        assert (notes / "pin").read_text() == f"lab {alice.number} 2849\n"
    finally:
        spare.close()
