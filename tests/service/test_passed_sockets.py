"""Ports that the service manager holds: the service takes them over, and callers wait while it is away."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from ivr.service.passed_sockets import PassedSockets
from tests.lab.processes import passing_sockets
from tests.support.service_site import Site

TIMEOUT_S = 60.0
AGI_HEADER = b"agi_network: yes\nagi_network_script: check\nagi_arg_1: skip_module=true\n\n"


@contextmanager
def held_port() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@contextmanager
def running_service(site: Site, *listeners: socket.socket) -> Iterator[list[str]]:
    """`ivr serve` with sockets, and the two lines that it prints."""
    command = passing_sockets(["-m", "ivr", "serve"], *listeners)
    process = subprocess.Popen(
        command, env=site.environment, stdout=subprocess.PIPE, text=True, pass_fds=[one.fileno() for one in listeners]
    )
    assert process.stdout
    try:
        yield [process.stdout.readline(), process.stdout.readline()]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(TIMEOUT_S)
        process.stdout.close()


def address_of(listener: socket.socket) -> str:
    return "{}:{}".format(*listener.getsockname())


def test_callers_of_held_ports_wait_while_the_service_is_away_and_are_served(tmp_path: Path) -> None:
    with held_port() as fastagi, held_port() as rest:
        site = Site(tmp_path / "data").create()
        site.environment |= {
            "IVR_FASTAGI__PORT": str(fastagi.getsockname()[1]),
            "IVR_API__PORT": str(rest.getsockname()[1]),
        }
        for _ in range(2):  # The second time, as after a restart.
            with (
                socket.create_connection(fastagi.getsockname()) as call,
                socket.create_connection(rest.getsockname()) as client,
            ):
                call.settimeout(TIMEOUT_S)
                client.settimeout(TIMEOUT_S)
                call.sendall(AGI_HEADER)
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                with running_service(site, fastagi, rest) as printed:
                    assert call.recv(1000).startswith(b"SET VARIABLE"), "the service answers what waited"
                    assert client.recv(1000).startswith(b"HTTP/1.1 200")
                assert address_of(fastagi) in printed[0]
                assert address_of(rest) in printed[1]


def test_sockets_are_for_the_process_that_they_were_passed_to() -> None:
    environment = {"LISTEN_PID": "7", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "ivr.socket", "HOME": "/"}
    sockets = PassedSockets.from_environment(environment, pid=8)
    assert sockets.take("127.0.0.1", 4573) is None
    assert environment == {"HOME": "/"}, "a child of this process does not use them"


@pytest.mark.parametrize(("host", "is_taken"), [("127.0.0.1", True), ("localhost", True), ("127.0.0.2", False)])
def test_socket_is_taken_by_the_server_of_its_address(host: str, is_taken: bool) -> None:
    with held_port() as listener:
        port = listener.getsockname()[1]
        passed = PassedSockets([listener])
        assert passed.take(host, port + 1) is None
        assert (passed.take(host, port) is listener) is is_taken
        with structlog.testing.capture_logs() as logs:
            passed.close_others()
        assert [entry["event"] for entry in logs] == ([] if is_taken else ["socket.unused"])
        assert (listener.fileno() == -1) is not is_taken


def test_another_user_cannot_listen_at_a_held_port() -> None:
    """The kernel refuses it, on every address of the machine and with every option."""
    if os.geteuid() != 0:
        pytest.skip("only root becomes another user")
    with held_port() as listener:
        command = passing_sockets(["-I", "-S", "-c", STRANGER, str(listener.getsockname()[1])])
        done = subprocess.run(command, user=61_003, group=61_003, extra_groups=[], check=False)
        assert done.returncode == 0


STRANGER = """
import socket, sys
for host in ("127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"):
    for option in (None, socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        thief = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if option:
            thief.setsockopt(socket.SOL_SOCKET, option, 1)
        try:
            thief.bind((host, int(sys.argv[1])))
            thief.listen()
        except OSError:
            continue
        sys.exit(f"it listens at {host} with {option}")
"""
"""Ends with an error if it can listen."""
