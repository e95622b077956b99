"""The check of the AMI, over a real socket: the finding and the remedy for each failure."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from ivr.ami.client import DEFAULT_TIMING, AmiTiming
from ivr.doctor.connections import check_ami
from ivr.health.finding import Finding, Level
from tests.doctor.conftest import DoctorFixture
from tests.support.fake_ami_server import FakeAmiServer

SECRET = "s3cret"


@pytest.fixture
async def ami_server() -> AsyncIterator[FakeAmiServer]:
    fake = await FakeAmiServer(secret=SECRET).start()
    yield fake
    await fake.stop()


async def ami_findings(
    fixture: DoctorFixture, port: int, secret: str = SECRET, timing: AmiTiming = DEFAULT_TIMING
) -> Finding:
    """Return the finding for the manager at this port."""
    fixture.settings["ami"] = {"port": port, "secret": secret}
    [finding] = await asyncio.to_thread(lambda: list(check_ami(fixture.installation(), timing)))
    assert not secret or secret not in f"{finding.what}{finding.remedy}"
    return finding


def assert_problem(finding: Finding, text: str, remedy: str) -> None:
    assert finding.level is Level.PROBLEM
    assert text in finding.what
    assert remedy in finding.remedy


async def test_ami_login_succeeds_and_logs_off(doctor: DoctorFixture, ami_server: FakeAmiServer) -> None:
    finding = await ami_findings(doctor, ami_server.port)
    assert (finding.level, "ivr can log in" in finding.what) == (Level.OK, True)
    assert [action["Action"] for action in ami_server.actions] == ["Challenge", "Login", "ListCommands"]
    sent = [value for action in ami_server.actions for value in action.values()]
    assert not any(SECRET in value for value in sent), "the secret is never sent"


async def test_wrong_ami_secret_is_reported(doctor: DoctorFixture, ami_server: FakeAmiServer) -> None:
    finding = await ami_findings(doctor, ami_server.port, "another5ecret")
    assert_problem(finding, "rejects the user ivr", "write the secret of [ivr] in manager.conf in [ami]")


async def test_missing_ami_privileges_are_reported(doctor: DoctorFixture, ami_server: FakeAmiServer) -> None:
    ami_server.privileges = ""
    assert_problem(
        await ami_findings(doctor, ami_server.port), "may not use Originate or Status", "write = originate,call,"
    )


async def test_disabled_ami_is_reported(doctor: DoctorFixture, ami_server: FakeAmiServer) -> None:
    await ami_server.stop()
    assert_problem(
        await ami_findings(doctor, ami_server.port), f"no connection to 127.0.0.1:{ami_server.port}", "enabled = yes"
    )


@pytest.mark.parametrize(
    "greeting", [b"SSH-2.0-x\r\n", b"", None], ids=["another program", "thrown out", "a port that hangs"]
)
async def test_foreign_service_on_ami_port_is_reported(doctor: DoctorFixture, greeting: bytes | None) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting or b"")
        if greeting is not None:
            writer.close()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as there:
        finding = await ami_findings(doctor, there.sockets[0].getsockname()[1], timing=AmiTiming(request_timeout_s=0.3))
    assert_problem(finding, "is not Asterisk's manager", "check host and port in [ami] of ivr.toml, and permit=")


async def test_a_line_break_in_the_secret_is_never_sent(doctor: DoctorFixture, ami_server: FakeAmiServer) -> None:
    assert_problem(
        await ami_findings(doctor, ami_server.port, "x\r\nAction: Originate"), "line break", "one line in [ami]"
    )
    assert ami_server.actions == []


async def test_unconfigured_ami_is_reported(doctor: DoctorFixture) -> None:
    finding = await ami_findings(doctor, 5038, "")
    assert (finding.level, "no message lights" in finding.what) == (Level.WARNING, True)
    assert "manager.conf" in finding.remedy
