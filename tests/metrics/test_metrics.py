"""The Prometheus endpoint."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ivr.errors import SettingsError
from ivr.mailbox.takes import TakeSource
from ivr.metrics.gauges import GAUGES
from ivr.metrics.metrics import Metrics
from ivr.metrics.page_server import MAX_CONNECTIONS, PageResponse, PageServer
from ivr.service.background import start_background_tasks
from ivr.service.call_servers import MeteredCallStore
from ivr.service.metrics_page import MetricsPage
from ivr.service.node_presence import NodePresence
from ivr.storage.records import Caller, CallRecord, LiveCall, RecordingPurpose
from tests.notifications.conftest import OWNER_EMAIL, NotificationAppFixture
from tests.support.app_fixture import NOON, AppFixture


async def http_request(port: int, request: bytes) -> tuple[str, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    return head.split("\r\n")[0], body


def metric_value(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, f"no {name} in:\n{text}"
    return float(found[1])


async def scrape(app: AppFixture) -> str:
    return (await MetricsPage(app.container, []).render()).body.decode()


async def test_calls_events_pins_and_outbox_are_counted(tmp_path: Path) -> None:
    app = NotificationAppFixture(tmp_path / "data", mail={"host": "127.0.0.1", "port": 1})  # Nothing listens on port 1.
    await app.open()
    box = await app.create_box(pin="4716", notify_email=OWNER_EMAIL)
    await app.leave_message(box)
    await app.run_until_idle()
    for pin in ["0000", "1111"]:
        await app.try_pin(box, pin)
    app.clock.advance(s=100)
    record = CallRecord("PJSIP/x", "1", "check", "DONE", 0, 1, None, None, [])
    await MeteredCallStore(app.container.call_store, app.container.metrics).finish(record)
    server = PageServer({"/metrics": MetricsPage(app.container, app.outbox_runner.workers).render})
    port = await server.start("127.0.0.1", 0)
    status, text = await http_request(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status == "HTTP/1.1 200 OK"
    assert metric_value(text, 'ivr_calls_total{action="check",status="DONE"}') == 1
    assert metric_value(text, 'ivr_calls_total{action="leave",status="ERROR"}') == 0, "the first error is an increase"
    assert metric_value(text, 'ivr_events_total{event="message.new"}') == 1
    assert metric_value(text, 'ivr_pin_rejections_total{reason="wrong"}') == 2
    assert metric_value(text, 'ivr_outbox_rows{kind="mail"}') == 1
    assert metric_value(text, 'ivr_outbox_age_seconds{kind="mail"}') == 100
    assert metric_value(text, 'ivr_worker_queue{worker="mail"}') == 1
    assert metric_value(text, 'ivr_workers_busy{worker="mail"}') == 0
    assert metric_value(text, 'ivr_notifications_total{kind="mail",outcome="failed"}') == 1
    assert metric_value(text, "ivr_ami_connected") == 0
    assert metric_value(text, "ivr_database_write_seconds_count") > 0
    server.stop()
    await app.shut_down()


async def test_mailboxes_are_counted_by_the_limit_that_is_nearest(tmp_path: Path) -> None:
    app = await AppFixture(tmp_path / "data", voicemail={"max_message_count": 5}).open()
    kinds = {"1000": (3, 0), "1001": (4, 0), "1002": (5, 0), "1003": (4, 9)}
    for number, (saved, deleted) in kinds.items():
        box = await app.create_box(number)
        for folder, count in {"saved": saved, "deleted": deleted}.items():
            for _ in range(count):
                await app.create_message(box, folder=folder, s=1)
    for number, length_s in {"2000": 40, "2001": 55, "2002": 62}.items():
        await app.create_message(await app.create_box(number, quota_mb=1), s=length_s)
    text = await scrape(app)
    counted = {fill: metric_value(text, f'ivr_boxes{{fill="{fill}"}}') for fill in ("normal", "nearly_full", "full")}
    assert counted == {"normal": 2, "nearly_full": 3, "full": 2}
    assert metric_value(text, "ivr_boxes_counted_timestamp_seconds") == NOON
    app.close()


async def test_limit_of_an_account_decides_whether_its_mailboxes_are_full(app: AppFixture) -> None:
    box = await app.create_box()
    await app.create_message(box)
    await app.container.directory.update_account(app.account.model_copy(update={"settings": {"max_message_count": 1}}))
    assert metric_value(await scrape(app), 'ivr_boxes{fill="full"}') == 1
    assert await app.container.voicemail_services.capacity.is_full(await app.container.boxes.get(box.id))


async def test_recordings_that_are_not_stored_are_counted_with_the_age_of_the_oldest(app: AppFixture) -> None:
    box, takes = await app.create_box(), app.container.takes
    for channel in ("PJSIP/a-1", "PJSIP/b-2"):
        source = TakeSource(channel, channel, Caller("2001"))
        await takes.begin(box.account_id, box.id, RecordingPurpose.MESSAGE, source)
        app.clock.advance(s=30)
    takes.release("PJSIP/a-1", "PJSIP/a-1")  # Its call has died.
    name = f"fallback-demo-1000-2001-{NOON - 600}-1.wav"
    (app.container.recordings.takes_folder / name).write_bytes(b"RIFF")
    await app.container.call_store.begin(LiveCall("PJSIP/b-2", "2001", "leave", "1000", NOON - 5))
    text = await scrape(app)
    waiting = {state: metric_value(text, f'ivr_recordings_waiting{{state="{state}"}}') for state in
               ("in_call", "recovery", "fallback", "owner")}  # fmt: skip
    assert waiting == {"in_call": 1, "recovery": 1, "fallback": 1, "owner": 0}
    oldest = 'ivr_oldest_recording_age_seconds{state="%s"}'
    ages = {state: metric_value(text, oldest % state) for state in ("in_call", "recovery", "fallback")}
    assert ages == {"in_call": 30, "recovery": 60, "fallback": 660}
    assert metric_value(text, "ivr_calls_in_progress") == 1
    assert metric_value(text, "ivr_oldest_call_age_seconds") == 65


async def test_database_that_cannot_be_read_leaves_out_its_numbers(app: AppFixture) -> None:
    await app.create_box()
    assert metric_value(await scrape(app), "ivr_database_readable") == 1
    await app.container.database.write(lambda c: c.execute("ALTER TABLE outbox RENAME TO elsewhere").rowcount)
    text = await scrape(app)
    assert metric_value(text, "ivr_database_readable") == 0
    assert metric_value(text, "ivr_disk_free_bytes") > 0
    assert "ivr_boxes{" not in text, "an earlier number would look like the present one"


async def test_failing_check_of_the_service_is_a_metric(app: AppFixture) -> None:
    assert metric_value(await scrape(app), "ivr_ready") == 1
    assert metric_value(await scrape(app), 'ivr_check_failing{check="data folder"}') == 0
    app.clock.advance(s=60)  # A report of the health is shared for a second.
    folder = app.settings.data.folder
    folder.rename(folder.with_name("moved"))
    text = await scrape(app)
    folder.with_name("moved").rename(folder)
    assert metric_value(text, "ivr_ready") == 0
    assert metric_value(text, 'ivr_check_failing{check="data folder"}') == 1


async def test_series_do_not_grow_with_mailboxes_users_and_messages(app: AppFixture) -> None:
    def series(text: str) -> set[tuple[str, ...]]:
        families = text_string_to_metric_families(text)
        return {(s.name, *sorted(s.labels.values())) for family in families for s in family.samples}

    before = series(await scrape(app))
    for number in range(1000, 1010):
        box = await app.create_box(str(number), owner=await app.create_user(f"user{number}"))
        await app.create_message(box, s=1, caller=f"5550{number}")
    assert series(await scrape(app)) == before


async def test_every_metric_has_a_help_text_and_a_name_by_convention(app: AppFixture) -> None:
    families = list(text_string_to_metric_families(await scrape(app)))
    assert {family.name for family in families} >= GAUGES.keys()
    for family in families:
        assert len(family.documentation) > 10, family.name
        assert re.fullmatch(r"(ivr|process)_[a-z_]+", family.name), family.name
        assert not re.search(r"_(ms|mb|kb|minutes|hours|count|total)$", family.name), f"{family.name}: base units"


async def test_every_metric_is_documented_and_every_documented_one_exists(app: AppFixture) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    documented = set(re.findall(r"^\| `(ivr_\w+)` \|", page, re.MULTILINE))
    families = text_string_to_metric_families(await scrape(app))
    names = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in families
        if not family.name.endswith("_created")
    }
    assert documented == {name for name in names if name.startswith("ivr_")}


async def test_metrics_port_in_use_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    listening = PageServer({})
    port = await listening.start("127.0.0.1", 0)
    app = AppFixture(tmp_path / "data", metrics={"port": port})
    with pytest.raises(SettingsError, match=r"cannot listen on 127.0.0.1:\d+: .*change host or port in \[metrics\]"):
        await start_background_tasks(app.container, NodePresence(app.container))
    listening.stop()
    app.close()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 405 Method Not Allowed"),
        (b"GET /metrics?x=1 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK"),
    ],
)
async def test_only_get_metrics_is_served(request_: bytes, status: str) -> None:
    async def render() -> PageResponse:
        return PageResponse(Metrics().render())

    server = PageServer({"/metrics": render})
    port = await server.start("127.0.0.1", 0)
    assert (await http_request(port, request_))[0] == status
    server.stop()


def test_label_cardinality_is_bounded() -> None:
    metrics = Metrics(["check"], ["DONE"])
    for n in range(50):
        metrics.count_call(f"nonsense {n}", f"status {n}")
    lines = [line for line in metrics.render().decode().splitlines() if line.startswith("ivr_calls_total")]
    assert lines == [
        'ivr_calls_total{action="check",status="DONE"} 0.0',
        'ivr_calls_total{action="other",status="other"} 50.0',
    ]


async def test_silent_connections_keep_no_request_out() -> None:
    async def render() -> PageResponse:
        return PageResponse(b"figures")

    server = PageServer({"/metrics": render})
    port = await server.start("127.0.0.1", 0)
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_CONNECTIONS + 5)]
    status, text = await http_request(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (status, text) == ("HTTP/1.1 200 OK", "figures")
    for _, writer in silent:
        writer.close()
    server.stop()


async def test_one_page_is_rendered_at_a_time() -> None:
    running, most = 0, 0

    async def render() -> PageResponse:
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        await asyncio.sleep(0)
        running -= 1
        return PageResponse(b"")

    server = PageServer({"/metrics": render})
    port = await server.start("127.0.0.1", 0)
    await asyncio.gather(*(http_request(port, b"GET /metrics HTTP/1.1\r\n\r\n") for _ in range(5)))
    assert most == 1
    server.stop()
