"""The Prometheus endpoint."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from ivr.metrics.metrics import Metrics, PrometheusServer
from ivr.service.background import render_metrics
from ivr.service.call_servers import MeteredCallStore
from ivr.storage.records import CallRecord
from tests.notifications.conftest import OWNER_EMAIL, NotificationAppFixture


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


async def test_calls_events_pins_and_outbox_are_counted(tmp_path: Path) -> None:
    app = NotificationAppFixture(tmp_path / "data", mail={"host": "127.0.0.1", "port": 1})  # Nothing listens on port 1.
    await app.open()
    box = await app.create_box(pin="2580", notify_email=OWNER_EMAIL)
    await app.leave_message(box)
    await app.run_until_idle()
    for pin in ["0000", "1111"]:
        await app.try_pin(box, pin)
    app.clock.advance(s=100)
    record = CallRecord("PJSIP/x", "1", "check", "DONE", 0, 1, None, None, [])
    await MeteredCallStore(app.container.call_store, app.container.metrics).finish(record)
    server = PrometheusServer(lambda: render_metrics(app.container))
    port = await server.start("127.0.0.1", 0)
    status, text = await http_request(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status == "HTTP/1.1 200 OK"
    assert metric_value(text, 'ivr_calls_total{action="check",status="DONE"}') == 1
    assert metric_value(text, 'ivr_events_total{event="message.new"}') == 1
    assert metric_value(text, 'ivr_pin_rejections_total{reason="wrong"}') == 2
    assert metric_value(text, 'ivr_outbox_rows{kind="mail"}') == 1
    assert metric_value(text, 'ivr_outbox_age_seconds{kind="mail"}') == 100
    assert metric_value(text, 'ivr_notifications_total{kind="mail",outcome="failed"}') == 1
    assert metric_value(text, "ivr_ami_connected") == 0
    server.stop()
    await app.shut_down()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 405 Method Not Allowed"),
        (b"GET /metrics?x=1 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK"),
    ],
)
async def test_only_get_metrics_is_served(request_: bytes, status: str) -> None:
    async def render() -> bytes:
        return Metrics().render()

    server = PrometheusServer(render)
    port = await server.start("127.0.0.1", 0)
    assert (await http_request(port, request_))[0] == status
    server.stop()


def test_label_cardinality_is_bounded() -> None:
    metrics = Metrics(["check"], ["DONE"])
    for n in range(50):
        metrics.count_call(f"nonsense {n}", f"status {n}")
    lines = [line for line in metrics.render().decode().splitlines() if line.startswith("ivr_calls_total")]
    assert lines == ['ivr_calls_total{action="other",status="other"} 50.0']
