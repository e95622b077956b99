"""The doctor at Asterisk's ARI: what each way of being refused is mended by."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from ivr.call.ari.settings import AriSettings
from ivr.doctor.ari import ari
from ivr.doctor.finding import Finding, Level
from ivr.doctor.installation import Machine
from tests.doctor.conftest import Clinic


def asked(clinic: Clinic, said: bytes | OSError, **settings: object) -> list[Finding]:
    """What the doctor says of an HTTP server that says this."""

    def connect(host: str, port: int) -> socket.socket:
        if isinstance(said, OSError):
            raise said
        ours, theirs = socket.socketpair()
        theirs.sendall(said)
        theirs.shutdown(socket.SHUT_WR)
        open_ends.append(theirs)
        return ours

    open_ends: list[socket.socket] = []
    site = clinic.installation()
    with_ari = site.settings.model_copy(update={"ari": AriSettings.model_validate({"password": "s3cret", **settings})})
    found = list(ari(replace(site, settings=with_ari, machine=Machine(connect=connect))))
    for end in open_ends:
        end.close()
    return found


@pytest.mark.parametrize(
    ("said", "level", "remedy"),
    [
        (b'HTTP/1.1 200 OK\r\n\r\n{"name": "ivr"}', Level.OK, ""),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", Level.PROBLEM, "password of [ivr] in ari.conf"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", Level.PROBLEM, "password of [ivr] in ari.conf"),
        (b'HTTP/1.1 404 Not Found\r\n\r\n{"message": "Application not found"}', Level.WARNING, "ivr serve"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n<html>", Level.PROBLEM, "enabled = yes in ari.conf"),
        (b"SSH-2.0-OpenSSH\r\n", Level.PROBLEM, "host and port of [ari]"),
        (b"", Level.PROBLEM, "host and port of [ari]"),
        (ConnectionRefusedError("refused"), Level.PROBLEM, "http.conf"),
        (TimeoutError("timed out"), Level.PROBLEM, "http.conf"),
    ],
    ids=str,
)
def test_each_answer_has_its_remedy(clinic: Clinic, said: bytes | OSError, level: Level, remedy: str) -> None:
    [finding] = asked(clinic, said)
    assert finding.level is level
    assert remedy in (finding.remedy or "")
    assert "s3cret" not in f"{finding.what} {finding.remedy}"


def test_a_site_without_ari_hears_nothing_of_it(clinic: Clinic) -> None:
    assert asked(clinic, b"", password="") == []


def test_where_asterisk_dials_us_nobody_is_asked(clinic: Clinic) -> None:
    [finding] = asked(clinic, b"", listen_port=4574)
    assert finding.level is Level.OK


def test_where_it_dials_us_for_each_call_we_dial_it_too(clinic: Clinic) -> None:
    listens, dials = asked(clinic, b"HTTP/1.1 401 Unauthorized\r\n\r\n", listen_port=4574, listen_per_call=True)
    assert (listens.level, dials.level) == (Level.OK, Level.PROBLEM)


def test_it_cannot_dial_us_where_we_do_not_listen(clinic: Clinic) -> None:
    deaf, dials = asked(clinic, b'HTTP/1.1 200 OK\r\n\r\n{"name": "ivr"}', listen_per_call=True)
    assert (deaf.level, dials.level) == (Level.PROBLEM, Level.OK)
    assert "listen_port" in (deaf.remedy or "")
