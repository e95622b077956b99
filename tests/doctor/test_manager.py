"""The doctor at Asterisk's manager, over a real socket: what each way of being refused is mended by."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from ivr.ami import manager as client
from ivr.doctor.finding import Finding, Level
from ivr.doctor.manager import manager
from tests.doctor.conftest import Clinic
from tests.support.ami import FakeAsterisk

SECRET = "s3cret"


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    fake = await FakeAsterisk(secret=SECRET).start()
    yield fake
    await fake.stop()


async def asked(clinic: Clinic, port: int, secret: str = SECRET) -> Finding:
    """What the doctor says of the manager at that port."""
    clinic.settings["ami"] = {"port": port, "secret": secret}
    [finding] = await asyncio.to_thread(lambda: list(manager(clinic.installation())))
    assert not secret or secret not in f"{finding.what}{finding.remedy}"
    return finding


def complains(finding: Finding, what: str, remedy: str) -> None:
    assert finding.level is Level.PROBLEM
    assert what in finding.what
    assert remedy in finding.remedy


async def test_let_in_and_gone_again(clinic: Clinic, asterisk: FakeAsterisk) -> None:
    finding = await asked(clinic, asterisk.port)
    assert (finding.level, "ivr is let in" in finding.what) == (Level.OK, True)
    assert [action["Action"] for action in asterisk.actions] == ["Login", "ListCommands"]


async def test_a_wrong_secret(clinic: Clinic, asterisk: FakeAsterisk) -> None:
    finding = await asked(clinic, asterisk.port, "another5ecret")
    complains(finding, "refuses the user ivr", "the secret of [ivr] in manager.conf must be that of [ami]")


async def test_a_user_who_may_not_do_what_is_needed(clinic: Clinic, asterisk: FakeAsterisk) -> None:
    asterisk.may = ""
    complains(await asked(clinic, asterisk.port), "may not Originate or Status", "write = originate,call,")


async def test_not_enabled(clinic: Clinic, asterisk: FakeAsterisk) -> None:
    await asterisk.stop()
    complains(await asked(clinic, asterisk.port), f"nothing answers at 127.0.0.1:{asterisk.port}", "enabled = yes")


@pytest.mark.parametrize(
    "said", [b"SSH-2.0-x\r\n", b"", None], ids=["another program", "thrown out", "a port that hangs"]
)
async def test_somebody_else_there(clinic: Clinic, monkeypatch: pytest.MonkeyPatch, said: bytes | None) -> None:
    monkeypatch.setattr(client, "WITHIN_S", 0.3)

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said or b"")
        if said is not None:
            writer.close()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as there:
        finding = await asked(clinic, there.sockets[0].getsockname()[1])
    complains(finding, "is not Asterisk's manager", "see host and port of [ami]; and permit our address")


async def test_a_line_break_in_the_secret_is_never_sent(clinic: Clinic, asterisk: FakeAsterisk) -> None:
    complains(await asked(clinic, asterisk.port, "x\r\nAction: Originate"), "line break", "one line in [ami]")
    assert asterisk.actions == []


async def test_not_configured(clinic: Clinic) -> None:
    finding = await asked(clinic, 5038, "")
    assert (finding.level, "no message lights" in finding.what) == (Level.WARNING, True)
    assert "manager.conf" in finding.remedy
