"""An application whose outbox is processed on demand, with a fake mail server, a fake AMI server and a fixed clock."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from ivr.ami.client import AmiClient, AmiTiming
from ivr.directory.pin_lockout import PinAttempt
from ivr.mailbox.mailbox import Mailbox
from ivr.notifications.worker import OutboxRunner
from ivr.service.background import build_workers
from ivr.storage.records import Caller, Folder, Message, OutboxTask, TaskKind
from ivr.storage.sqlite.events import enqueue_for_box
from tests.support.app_fixture import AppFixture
from tests.support.fake_ami_server import FakeAmiServer
from tests.support.fake_smtp_server import FakeSmtpServer

OWNER_EMAIL = "ann@example.org"
AMI_TIMING = AmiTiming(min_reconnect_delay_s=0.01)


class NotificationAppFixture(AppFixture):
    """An application with workers that run only when a test says so."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)
        ami = self.settings.ami
        self.ami_client = AmiClient(ami, timing=AMI_TIMING) if ami.secret else None
        self._ami_task: asyncio.Task[None] | None = None
        self.outbox_runner = OutboxRunner(self.container.outbox, build_workers(self.container, self.ami_client))

    async def connect_ami(self) -> None:
        """Connect to the AMI server and stay connected."""
        assert self.ami_client
        self._ami_task = self._ami_task or asyncio.create_task(self.ami_client.run_forever())
        while not self.ami_client.connection_id:
            await self.ami_client.wait_for_change()

    async def run_until_idle(self) -> None:
        """Process everything that is due."""
        await self.outbox_runner.run_until_idle()

    async def pending_tasks(self) -> list[OutboxTask]:
        return await self.container.outbox.list_tasks()

    async def leave_message(
        self, box: Mailbox, *, name: str = "", number: str = "2001", s: float = 2, age_s: float = 0
    ) -> Message:
        """Leave a caller's message, of which the owner is to be notified."""
        time = int(self.clock.now() - age_s)
        pcm = b"\x01\x02" * int(s * 8000)
        return await self.container.delivery.import_recording(
            box, pcm, Caller(number, name), time, Folder.NEW, notify=True
        )

    async def report_box_full(self, box: Mailbox) -> None:
        """Enqueue the event of a caller who found the box full."""
        now = int(self.clock.now())
        await self.container.database.write(
            lambda c: enqueue_for_box(c, TaskKind.BOX_FULL, box.account_id, box.id, now)
        )

    async def try_pin(self, box: Mailbox, pin: str) -> None:
        """Enter a PIN from an outside phone."""
        attempt = PinAttempt(box.account_id, box.id, "trunk 5550100")
        await self.container.voicemail_services.pins.verify(box, pin, attempt)

    async def shut_down(self) -> None:
        if self._ami_task:
            self._ami_task.cancel()
            await asyncio.gather(self._ami_task, return_exceptions=True)
        await self.container.stop_workers()
        self.close()


@pytest.fixture
def smtp_server() -> Iterator[FakeSmtpServer]:
    server = FakeSmtpServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def ami_server() -> AsyncIterator[FakeAmiServer]:
    server = await FakeAmiServer().start()
    yield server
    await server.stop()


@pytest.fixture
async def mail_app(tmp_path: Path, smtp_server: FakeSmtpServer) -> AsyncIterator[NotificationAppFixture]:
    """Application that sends mail."""
    app = NotificationAppFixture(tmp_path / "data", mail={"host": "127.0.0.1", "port": smtp_server.port})
    await app.open()
    yield app
    await app.shut_down()


@pytest.fixture
async def mwi_app(tmp_path: Path, ami_server: FakeAmiServer) -> AsyncIterator[NotificationAppFixture]:
    """Application that publishes message lights."""
    app = NotificationAppFixture(
        tmp_path / "data", ami={"port": ami_server.port, "secret": "word"}, mwi={"blf_prefix": "*98"}
    )
    await app.open()
    yield app
    await app.shut_down()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key),
         "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key
