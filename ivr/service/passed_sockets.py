"""Listening sockets that the service manager holds and passes to the service (sd_listen_fds(3)).

The manager opens them when the machine starts and keeps them while the service is away, so no other program can listen
at a port of the service and be taken for it.
"""

from __future__ import annotations

import socket
from collections.abc import MutableMapping, Sequence

import structlog

FIRST_DESCRIPTOR = 3
VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")

log = structlog.get_logger()


class PassedSockets:
    """The sockets that were passed to this process, and are not taken yet."""

    def __init__(self, sockets: Sequence[socket.socket] = ()) -> None:
        self._sockets = list(sockets)

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str], pid: int) -> PassedSockets:
        """Return the sockets that the environment names, and remove its variables: children have none of them."""
        values = [environment.pop(name, "") for name in VARIABLES]
        if values[0] != str(pid) or not values[1].isdecimal():
            return cls()
        sockets = [socket.socket(fileno=FIRST_DESCRIPTOR + number) for number in range(int(values[1]))]
        for passed in sockets:
            passed.set_inheritable(False)
        return cls(sockets)

    def take(self, host: str, port: int) -> socket.socket | None:
        """Return the socket that listens at an address; None if none was passed for it."""
        for passed in self._sockets:
            is_tcp = passed.family in (socket.AF_INET, socket.AF_INET6)
            if is_tcp and passed.getsockname()[1] == port and passed.getsockname()[0] in _addresses(host, port):
                self._sockets.remove(passed)
                return passed
        return None

    def close_others(self) -> None:
        """Close and report the sockets that no server has taken."""
        while self._sockets:
            with self._sockets.pop() as passed:
                log.warning(
                    "socket.unused",
                    address=str(passed.getsockname()),
                    remedy="no server of this service has this address: give ivr.socket the hosts and ports"
                    " of [fastagi] and [api] in ivr.toml (systemctl edit ivr.socket)",
                )


class WorkerSocket(PassedSockets):
    """The one socket of a worker process, whatever its address."""

    def take(self, host: str, port: int) -> socket.socket | None:
        """Return the socket, once."""
        return self._sockets.pop() if self._sockets else None


def _addresses(host: str, port: int) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError:
        return set()
