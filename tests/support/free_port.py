"""Ports for servers that a test starts later."""

from __future__ import annotations

import secrets
import socket

PORTS = range(12_000, 32_000)
"""Below the ports that the kernel gives to outgoing connections: one of those would be in use again before the server
starts, now and then."""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port of the loopback address without a listener."""
    while True:
        port = PORTS[secrets.randbelow(len(PORTS))]
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
