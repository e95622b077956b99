"""A house whose changes are followed: by a mail server, an Asterisk that is none, and a clock that stands still."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from ivr.ami import manager as ami
from ivr.ami.manager import Manager
from ivr.directory.failures import Attempt
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Caller, Folder, Message
from ivr.mailbox.sqlite.outbox import Kind, about_box
from ivr.notify.notifier import Notifier
from ivr.notify.outbox import Row
from ivr.serving.following import lanes
from tests.support.ami import FakeAsterisk
from tests.support.house import House
from tests.support.mailserver import MailServer

ANN = "ann@example.org"


class Home(House):
    """A house with a notifier that works only when it is told to."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)
        self.manager = Manager(self.settings.ami) if self.settings.ami.secret else None
        self._running: asyncio.Task[None] | None = None
        self.notifier = Notifier(self.app.outbox, lanes(self.app, self.manager))

    async def connects(self) -> None:
        """To Asterisk, and stays connected."""
        assert self.manager
        self._running = self._running or asyncio.create_task(self.manager.run())
        while not self.manager.connection:
            await self.manager.changed()

    async def settle(self) -> None:
        """Everything that is due is done."""
        await self.notifier.settle()

    async def waits(self) -> list[Row]:
        return await self.app.outbox.rows()

    async def is_left(
        self, box: Mailbox, *, name: str = "", number: str = "2001", s: float = 2, age_s: float = 0
    ) -> Message:
        """A caller's message, about which its owner is to be told."""
        time = int(self.clock.now() - age_s)
        pcm = b"\x01\x02" * int(s * 8000)
        return await self.app.delivery.bring(box, pcm, Caller(number, name), time, Folder.NEW, announce=True)

    async def finds_full(self, box: Mailbox) -> None:
        """A caller finds the box full."""
        now = int(self.clock.now())
        await self.app.database.write(lambda c: about_box(c, Kind.FULL, box.account_id, box.id, now))

    async def tries_pin(self, box: Mailbox, pin: str) -> None:
        """Somebody from outside."""
        attempt = Attempt(box.account_id, box.id, "5550100", None)
        await self.app.mailroom.pins.opens(box, pin, attempt, own_phone=False)

    async def leaves(self) -> None:
        if self._running:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await self.app.workshop.close()
        self.close()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def asterisk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeAsterisk]:
    monkeypatch.setattr(ami, "FIRST_PAUSE_S", 0.01)
    fake = await FakeAsterisk().start()
    yield fake
    await fake.stop()


@pytest.fixture
async def home(tmp_path: Path, mail_server: MailServer) -> AsyncIterator[Home]:
    """With mail."""
    home = Home(tmp_path / "data", mail={"host": "127.0.0.1", "port": mail_server.port})
    await home.open()
    yield home
    await home.leaves()


@pytest.fixture
async def lit_home(tmp_path: Path, asterisk: FakeAsterisk) -> AsyncIterator[Home]:
    """With lights."""
    home = Home(
        tmp_path / "data", ami={"port": asterisk.port, "secret": "word"}, lights={"prefix": "*98"}
    )  # fmt: skip
    await home.open()
    yield home
    await home.leaves()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost that vouches for itself, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key),
         "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key
