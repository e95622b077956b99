"""app_voicemail and ivr on one Asterisk: mailboxes move one by one while callers leave messages in all of them.

Three mailboxes; `make moving-in` moves forty.
"""

from __future__ import annotations

import os
from random import Random

import pytest

from tests.asterisk.conftest import PhoneUser, wait_until
from tests.asterisk.side_by_side import Site, Weekend, assert_same_audio, read_recording
from tests.lab.lab import LabInfo

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it reads the spool of Asterisk's user")


@pytest.mark.long
async def test_boxes_move_one_by_one_while_callers_leave_messages(phone_users: list[PhoneUser], lab: LabInfo) -> None:
    for person in phone_users:
        await person.phone.register()
        person.create_user_and_box()
    site = Site(lab, phone_users)
    await Weekend(site, phone_users, Random(1)).run(listen_before=1, back=0)
    for box in site.boxes:
        assert_same_audio(site.recordings(box), box.spoken)
    # Its owner hears the rest in ivr, by the same line.
    first = next(box for box in site.boxes if box.heard)
    await site.listen_in_ivr(first)
    assert_same_audio(first.heard, first.spoken)
    # And back: everything is in app_voicemail, and so are its callers.
    await site.switch(first, back=True)
    await site.leave_message(phone_users[0], first)
    folder = site.folder(first)
    await wait_until(lambda: len([*folder.glob("*/msg*.txt")]) == len(first.spoken))
    assert_same_audio([*map(read_recording, folder.glob("*/msg*.wav"))], first.spoken)
