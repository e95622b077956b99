"""A program of another login at the ports of an Asterisk that is away gets no password."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ivr.ami.client import AmiClient
from ivr.ami.settings import AmiSettings
from ivr.call.ari.client import AriClient, AriRestClient
from ivr.call.ari.connection import ConnectionRegistry
from ivr.call.ari.settings import AriSettings
from ivr.errors import ConnectionLost
from ivr.local_peer import AsteriskUsers
from tests.support.fake_ari_server import PASSWORD, USER

STRANGER = 65_534
LISTENER = """
import os, socket, sys
os.setgid(int(sys.argv[1]))
os.setuid(int(sys.argv[1]))
listener = socket.socket(socket.AF_INET6 if sys.argv[2] == "::1" else socket.AF_INET)
listener.bind((sys.argv[2], 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
sys.stdin.readline()
connection, _ = listener.accept()
listener.close()
received = b""
while part := connection.recv(1000):
    received += part
print(received, flush=True)
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a program of another login")


class Listener:
    """A program of a user that accepts one connection, leaves its port, and then tells what it got."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        self._process = process
        self.port = int(process.stdout.readline())

    def accept(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def received(self) -> str:
        return self._process.communicate(timeout=30)[0]


@contextmanager
def listener_of(uid: int, host: str = "127.0.0.1") -> Iterator[Listener]:
    command = [sys.executable, "-c", LISTENER, str(uid), host]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Listener(process)
        finally:
            process.kill()


@needs_root
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_ari_password_is_not_sent_to_another_login(tmp_path: Path, host: str) -> None:
    users = AsteriskUsers("", tmp_path)
    with listener_of(STRANGER, host) as stranger:
        stranger.accept()
        settings = AriSettings(host=host, port=stranger.port, password=PASSWORD)
        with capture_logs() as logs:
            client = asyncio.create_task(
                AriClient(settings, ConnectionRegistry(), check_peer=users.require).run_forever()
            )
            async with asyncio.timeout(30):
                while not logs:
                    await asyncio.sleep(0.01)
            client.cancel()
            await asyncio.gather(client, return_exceptions=True)
        assert stranger.received().endswith("b''\n")
    assert "listens at the port, and is not Asterisk" in logs[0]["reason"]


@needs_root
async def test_neither_rest_nor_ami_sends_anything_to_another_login(tmp_path: Path) -> None:
    users = AsteriskUsers("", tmp_path)
    with listener_of(STRANGER) as stranger:
        stranger.accept()
        with pytest.raises(ConnectionLost, match="is not Asterisk"):
            await AriRestClient(AriSettings(user=USER, password=PASSWORD), stranger.port, check_peer=users.require)(
                "GET", "x"
            )
        assert stranger.received().endswith("b''\n")
    with listener_of(STRANGER) as stranger:
        stranger.accept()
        with pytest.raises(PermissionError, match=r"user in \[asterisk\]"):
            await AmiClient(AmiSettings(port=stranger.port, secret="word"), check_peer=users.require).check_login()
        assert stranger.received().endswith("b''\n")


@needs_root
@pytest.mark.parametrize("user", ["", pwd.getpwuid(STRANGER).pw_name, str(STRANGER)])
def test_user_of_asterisk_is_known_by_the_group_of_the_data_folder_or_by_the_setting(tmp_path: Path, user: str) -> None:
    if not user:
        os.chown(tmp_path, 0, STRANGER)
    with listener_of(STRANGER) as asterisk, socket.create_connection(("127.0.0.1", asterisk.port)) as connection:
        asterisk.accept()
        AsteriskUsers(user, tmp_path).require(connection)


def test_connection_that_no_program_has_accepted_is_no_users(tmp_path: Path) -> None:
    """Until then the kernel says root, or the user of the listening socket."""
    with listener_of(os.geteuid()) as asterisk, socket.create_connection(("127.0.0.1", asterisk.port)) as connection:
        users = AsteriskUsers("", tmp_path, accept_timeout_s=0.05)
        with pytest.raises(PermissionError, match="does not accept"):
            users.require(connection)
        asterisk.accept()
        AsteriskUsers("", tmp_path).require(connection)
