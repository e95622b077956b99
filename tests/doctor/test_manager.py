"""The doctor at Asterisk's manager: what each way of being refused is mended by."""

from __future__ import annotations

import socket
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ivr.doctor.finding import Finding, Level
from ivr.doctor.installation import Installation, Machine
from ivr.doctor.manager import manager
from tests.doctor.conftest import Clinic

GREETING = b"Asterisk Call Manager/11.0.0\r\n"
LET_IN = b"Response: Success\r\nMessage: Authentication accepted\r\n\r\n"
REFUSED = b"Response: Error\r\nMessage: Authentication failed\r\n\r\n"


class Manager:
    """Says what it is told to say; `heard` is what it was sent."""

    def __init__(self, said: bytes | OSError) -> None:
        self.heard = b""
        self._said = said
        self._theirs: socket.socket | None = None

    def connect(self, host: str, port: int) -> socket.socket:
        if isinstance(self._said, OSError):
            raise self._said
        ours, self._theirs = socket.socketpair()
        self._theirs.sendall(self._said)
        self._theirs.shutdown(socket.SHUT_WR)
        return ours

    def close(self) -> None:
        if self._theirs:
            self.heard = self._theirs.recv(9999)
            self._theirs.close()


def asked(clinic: Clinic, said: bytes | OSError, **ami: Any) -> tuple[Finding, bytes]:
    """What the doctor says of a manager that says this, and what it was sent."""
    there = Manager(said)
    settings: Any = SimpleNamespace(
        ami=SimpleNamespace(**{"host": "127.0.0.1", "port": 5038, "user": "ivr", "secret": "s3cret", **ami})
    )
    site = replace(clinic.installation(), settings=settings, machine=Machine(connect=there.connect))
    [finding] = manager(site)
    there.close()
    return finding, there.heard


def test_let_in(clinic: Clinic) -> None:
    finding, heard = asked(clinic, GREETING + LET_IN)
    assert finding.level is Level.OK
    assert b"Action: Login\r\nUsername: ivr\r\nSecret: s3cret\r\n" in heard
    assert heard.endswith(b"Action: Logoff\r\n\r\n")


@pytest.mark.parametrize(
    ("said", "what", "remedy"),
    [
        (GREETING + REFUSED, "refuses the user ivr", "the secret of [ivr] in manager.conf must be that of [ami]"),
        (GREETING, "refuses the user ivr", "permit our address"),
        (b"SSH-2.0-x\r\n", "is not Asterisk's manager", "host and port of [ami]"),
        (b"", "is not Asterisk's manager", "host and port of [ami]"),
        (ConnectionRefusedError(111, "Connection refused"), "nothing answers at 127.0.0.1:5038", "enabled = yes"),
        (TimeoutError(), "is not Asterisk's manager", "host and port of [ami]"),
    ],
    ids=["a wrong secret", "thrown out", "another program", "silence", "not enabled", "a port that hangs"],
)
def test_not_let_in(clinic: Clinic, said: bytes | OSError, what: str, remedy: str) -> None:
    finding, _ = asked(clinic, said)
    assert finding.level is Level.PROBLEM
    assert what in finding.what
    assert remedy in finding.remedy
    assert "s3cret" not in f"{finding.what}{finding.remedy}"


def test_a_line_break_in_the_secret_is_never_sent(clinic: Clinic) -> None:
    finding, heard = asked(clinic, GREETING + LET_IN, secret="x\r\nAction: Originate")
    assert finding.level is Level.PROBLEM
    assert "one line" in finding.remedy
    assert heard == b""


def test_not_configured(clinic: Clinic) -> None:
    settings: Any = SimpleNamespace(ami=None)
    site: Installation = replace(clinic.installation(), settings=settings)
    [finding] = manager(site)
    assert (finding.level, "no message lights" in finding.what) == (Level.WARNING, True)
    assert "manager.conf" in finding.remedy
