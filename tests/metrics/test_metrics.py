"""What Prometheus reads."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from ivr.mailbox.store import CallRecord
from ivr.metrics.listener import Listener
from ivr.metrics.metrics import Metrics
from ivr.serving.calls import CountedCalls
from ivr.serving.following import counted
from tests.notify.conftest import ANN, Home


async def ask(port: int, request: bytes) -> tuple[str, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    return head.split("\r\n")[0], body


def value(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, f"no {name} in:\n{text}"
    return float(found[1])


async def test_calls_changes_pins_and_what_waits_are_counted(tmp_path: Path) -> None:
    home = Home(tmp_path / "data", mail={"host": "127.0.0.1", "port": 1})  # Where nobody listens.
    await home.open()
    box = await home.box(pin="2580", notify_email=ANN)
    await home.is_left(box)
    await home.settle()
    for pin in ["0000", "1111"]:
        await home.tries_pin(box, pin)
    home.clock.advance(s=100)
    record = CallRecord("PJSIP/x", "1", "check", "DONE", 0, 1, None, None, [])
    await CountedCalls(home.app.calls, home.app.metrics).add(record)
    listener = Listener(lambda: counted(home.app))
    port = await listener.start("127.0.0.1", 0)
    status, text = await ask(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status == "HTTP/1.1 200 OK"
    assert value(text, 'ivr_calls_total{action="check",status="DONE"}') == 1
    assert value(text, 'ivr_changes_total{event="message.new"}') == 1
    assert value(text, 'ivr_pin_refusals_total{why="wrong"}') == 2
    assert value(text, 'ivr_outbox_rows{kind="mail"}') == 1
    assert value(text, 'ivr_outbox_age_seconds{kind="mail"}') == 100
    assert value(text, 'ivr_notifications_total{kind="mail",outcome="failed"}') == 1
    assert value(text, "ivr_ami_connected") == 0
    listener.stop()
    await home.leaves()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 405 Method Not Allowed"),
        (b"GET /metrics?x=1 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK"),
    ],
)
async def test_nothing_else_is_there(request_: bytes, status: str) -> None:
    async def text() -> bytes:
        return Metrics().text()

    listener = Listener(text)
    port = await listener.start("127.0.0.1", 0)
    assert (await ask(port, request_))[0] == status
    listener.stop()


def test_labels_stay_few_whatever_callers_do() -> None:
    metrics = Metrics(["check"], ["DONE"])
    for n in range(50):
        metrics.call_ended(f"nonsense {n}", f"status {n}")
    lines = [line for line in metrics.text().decode().splitlines() if line.startswith("ivr_calls_total")]
    assert lines == ['ivr_calls_total{action="other",status="other"} 50.0']
