"""A mail that was given up is shown: to the owner by phone and REST, to the administrator by doctor and metric."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ivr.doctor.installation import HostInfo, Installation, read_database_snapshot
from ivr.doctor.notifications import check_outbox
from ivr.mailbox.mailbox import Mailbox
from ivr.service.metrics_page import MetricsPage
from tests.api.conftest import serve_client
from tests.doctor.conftest import FakeConsole
from tests.notifications.conftest import OWNER_EMAIL, NotificationAppFixture
from tests.support.fake_smtp_server import FakeSmtpServer
from tests.support.scripted_call import Press

SENTENCE = "A mail about your messages could not be delivered. Please tell your administrator."


@pytest.fixture
async def box(mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer) -> Mailbox:
    """Alice's box, about which one mail was given up."""
    smtp_server.unknown_recipients.add(OWNER_EMAIL)
    box = await mail_app.create_box(owner=mail_app.alice, notify_email=OWNER_EMAIL, new_messages_at_once=False)
    await mail_app.leave_message(box)
    await mail_app.run_until_idle()
    assert (await mail_app.pending_tasks())[0].is_given_up
    return box


async def announcements(app: NotificationAppFixture, *script: Any) -> int:
    phone = await app.run_call(script, endpoint="alice", number="1000")
    await app.run_until_idle()
    return phone.texts.count(SENTENCE)


async def test_next_sign_in_says_once_that_mail_was_not_delivered(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer, box: Mailbox
) -> None:
    assert [await announcements(mail_app), await announcements(mail_app)] == [1, 0]
    await mail_app.leave_message(box)
    await mail_app.run_until_idle()
    assert [await announcements(mail_app), await announcements(mail_app)] == [1, 0], "another mail was given up"
    await mail_app.container.outbox.retry()
    await mail_app.run_until_idle()
    assert [await announcements(mail_app), await announcements(mail_app)] == [1, 0], "the retries failed, too"
    smtp_server.unknown_recipients.clear()
    await mail_app.container.outbox.retry()
    await mail_app.run_until_idle()
    assert (await announcements(mail_app), len(smtp_server.received)) == (0, 2)


async def test_announcement_that_a_key_interrupts_is_repeated_and_key_reaches_menu(
    mail_app: NotificationAppFixture, box: Mailbox
) -> None:
    phone = await mail_app.run_call([Press("5", during=SENTENCE)], endpoint="alice", number="1000")
    assert any("settings" in text.lower() for text in phone.texts[phone.texts.index(SENTENCE) + 1 :])
    assert await announcements(mail_app) == 1


async def test_mail_that_still_waits_is_not_announced(
    mail_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    smtp_server.behaviours.append("rejects temporarily")
    box = await mail_app.create_box(owner=mail_app.alice, notify_email=OWNER_EMAIL, new_messages_at_once=False)
    await mail_app.leave_message(box)
    await mail_app.run_until_idle()
    assert await announcements(mail_app) == 0


async def test_owner_reads_undelivered_mails_by_rest(mail_app: NotificationAppFixture, box: Mailbox) -> None:
    token = (await mail_app.container.tokens.create(mail_app.account.id, mail_app.alice.id))[0]
    async with serve_client(mail_app, token) as rest:
        response = await rest.request("GET", f"/{box.id}")
        document = response.json()["data"]
        [mail] = document["_read_only"]["undelivered_mails"]
        assert (mail["address"], "550" in mail["error"]) == (OWNER_EMAIL, True)
        assert response.headers["cache-control"] == "no-store"
        written = (await rest.request_ok("POST", f"/{box.id}", document))["data"]
        assert "_read_only" not in written, "what a client sends back is not stored"
        await mail_app.container.outbox.delete([(await mail_app.pending_tasks())[0].id])
        assert "_read_only" not in (await rest.request_ok("GET", f"/{box.id}"))["data"]


async def test_administrator_sees_undelivered_mails(mail_app: NotificationAppFixture, box: Mailbox) -> None:
    async def findings() -> list[str]:
        snapshot = await read_database_snapshot(mail_app.container)
        installation = Installation(mail_app.settings, Path("ivr.toml"), HostInfo(), FakeConsole(), snapshot)
        return [f"{finding.what}: {finding.remedy}" for finding in check_outbox(installation)]

    [finding] = await findings()
    assert "1 of kind mail could not be delivered" in finding
    assert OWNER_EMAIL in finding
    assert "550" in finding
    assert "ivr outbox retry --given-up" in finding
    assert 'ivr_outbox_given_up{kind="mail"} 1.0' in (await MetricsPage(mail_app.container, []).render()).body.decode()
    [task] = await mail_app.container.outbox.list_tasks(1, given_up_only=True)
    await mail_app.container.outbox.delete([task.id])
    assert await findings() == []
    assert 'ivr_outbox_given_up{kind="mail"} 0.0' in (await MetricsPage(mail_app.container, []).render()).body.decode()
