"""The check of ARI: the finding and the remedy for each response."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from ivr.call.ari.settings import AriSettings
from ivr.doctor.connections import check_ari
from ivr.doctor.installation import HostInfo
from ivr.health.finding import Finding, Level
from tests.doctor.conftest import DoctorFixture


def ari_findings(fixture: DoctorFixture, response: bytes | OSError, **settings: object) -> list[Finding]:
    """Return the findings for an HTTP server that responds with `response`."""

    def connect(host: str, port: int) -> socket.socket:
        if isinstance(response, OSError):
            raise response
        ours, theirs = socket.socketpair()
        theirs.sendall(response)
        theirs.shutdown(socket.SHUT_WR)
        open_ends.append(theirs)
        return ours

    open_ends: list[socket.socket] = []
    site = fixture.installation()
    with_ari = site.settings.model_copy(update={"ari": AriSettings.model_validate({"password": "s3cret", **settings})})
    found = list(check_ari(replace(site, settings=with_ari, host=HostInfo(connect=connect))))
    for end in open_ends:
        end.close()
    return found


@pytest.mark.parametrize(
    ("response", "level", "remedy"),
    [
        (b'HTTP/1.1 200 OK\r\n\r\n{"name": "ivr"}', Level.OK, ""),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", Level.PROBLEM, "password of [ivr] in ari.conf"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", Level.PROBLEM, "password of [ivr] in ari.conf"),
        (b'HTTP/1.1 404 Not Found\r\n\r\n{"message": "Application not found"}', Level.WARNING, "systemctl start ivr"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n<html>", Level.PROBLEM, "enabled = yes in [general] of ari.conf"),
        (b"SSH-2.0-OpenSSH\r\n", Level.PROBLEM, "host and port in [ari]"),
        (b"", Level.PROBLEM, "host and port in [ari]"),
        (ConnectionRefusedError("refused"), Level.PROBLEM, "http.conf"),
        (TimeoutError("timed out"), Level.PROBLEM, "http.conf"),
    ],
    ids=str,
)
def test_each_ari_response_has_its_remedy(
    doctor: DoctorFixture, response: bytes | OSError, level: Level, remedy: str
) -> None:
    [finding] = ari_findings(doctor, response)
    assert finding.level is level
    assert remedy in (finding.remedy or "")
    assert "s3cret" not in f"{finding.what} {finding.remedy}"


def test_ari_is_not_checked_when_unused(doctor: DoctorFixture) -> None:
    assert ari_findings(doctor, b"", password="") == []


def test_ari_http_is_not_checked_when_asterisk_connects(doctor: DoctorFixture) -> None:
    [finding] = ari_findings(doctor, b"", listen_port=4574)
    assert finding.level is Level.OK


def test_ari_http_is_checked_with_per_call_connections(doctor: DoctorFixture) -> None:
    listens, dials = ari_findings(
        doctor, b"HTTP/1.1 401 Unauthorized\r\n\r\n", listen_port=4574, per_call_connections=True
    )
    assert (listens.level, dials.level) == (Level.OK, Level.PROBLEM)


def test_missing_ari_listener_is_reported(doctor: DoctorFixture) -> None:
    deaf, dials = ari_findings(doctor, b'HTTP/1.1 200 OK\r\n\r\n{"name": "ivr"}', per_call_connections=True)
    assert (deaf.level, dials.level) == (Level.PROBLEM, Level.OK)
    assert "listen_port" in (deaf.remedy or "")


def test_ari_port_without_tls_is_reported(doctor: DoctorFixture) -> None:
    [finding] = ari_findings(doctor, b"HTTP/1.1 400 Bad Request\r\n\r\n", tls=True)
    assert finding.level is Level.PROBLEM
    assert "does not speak TLS" in finding.what
    assert "tlsbindaddr in http.conf" in (finding.remedy or "")


def test_unusable_certificate_of_asterisk_is_reported(doctor: DoctorFixture) -> None:
    [finding] = ari_findings(doctor, b"", tls=True, tls_ca=str(doctor.folder / "missing.pem"))
    assert finding.level is Level.PROBLEM
    assert "the service does not start" in finding.what
    assert "tls_ca in [ari]" in (finding.remedy or "")
