"""Whose program is at the other end of a connection on this machine: Asterisk's, or another login's while it is away.

The kernel lists the user of each TCP socket in /proc/self/net/tcp. The listening socket is not enough: a program could
take the connection, and leave the port to Asterisk.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import pwd
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

TCP_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
ACCEPT_TIMEOUT_S = 2.0
POLL_INTERVAL_S = 0.005
NO_PROGRAM = "0"
"""Inode of a connection that no program has accepted yet, or that its program has closed."""
CONNECTED = ("01", "03", "08")
"""States of a connection whose end there has not been closed: ESTABLISHED, SYN_RECV, CLOSE_WAIT."""
NOT_YET = -1

Address = tuple[str, int]
PeerCheck = Callable[[socket.socket], None]
"""Raises OSError if a program that is not Asterisk is at the other end. It may wait: it is called in a thread."""


@dataclass(frozen=True, slots=True)
class AsteriskUsers:
    """Who may run Asterisk: root, the owner of the data folder, and `user`, or each user of the folder's group.

    Asterisk has that group, because it records to the folder. `user`: name or number; "": the group decides.
    """

    user: str
    data_folder: Path
    accept_timeout_s: float = ACCEPT_TIMEOUT_S

    def require(self, connection: socket.socket) -> None:
        """Raise PermissionError if another user's program is at the other end. What is on another machine passes.

        Waits until the other end has accepted the connection.
        """
        ends_at = time.monotonic() + self.accept_timeout_s
        while (uid := find_peer_uid(connection)) == NOT_YET:
            if time.monotonic() > ends_at:
                raise PermissionError("the program at the port does not accept connections")
            time.sleep(POLL_INTERVAL_S)
        if uid is None or self._allows(uid):
            return
        raise PermissionError(
            f"{_user_name(uid)} listens at the port, and is not Asterisk: nothing is sent. If it is, set its user as"
            " user in [asterisk] of ivr.toml"
        )

    def _allows(self, uid: int) -> bool:
        if uid in (0, os.geteuid()):
            return True
        try:
            folder = self.data_folder.stat()
        except OSError:
            return False
        if uid == folder.st_uid:
            return True
        if self.user:
            return self.user in (str(uid), _user_name(uid))
        return folder.st_gid in _groups(uid)


async def connect_checked(host: str, port: int, check_peer: PeerCheck) -> socket.socket:
    """Return a connection to a program that passes the check, before anything is sent. Raises OSError."""
    loop = asyncio.get_running_loop()
    failure = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        connection = socket.socket(family, kind, protocol)
        connection.setblocking(False)
        try:
            await loop.sock_connect(connection, address)
            await asyncio.to_thread(check_peer, connection)
            return connection
        except OSError as error:
            connection.close()
            failure = error
        except BaseException:
            connection.close()
            raise
    raise failure


def find_peer_uid(connection: socket.socket) -> int | None:
    """Return the user of the other end; `NOT_YET` before it is accepted.

    None: it is not a socket of this machine, or its program has closed it and can read nothing.
    """
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    own, peer = _address(connection.getsockname()), _address(connection.getpeername())
    if own[0] != peer[0] and not ipaddress.ip_address(peer[0]).is_loopback:
        return None
    # The kernel may list an earlier connection between the same ports, or this one twice while it is accepted.
    rows = [row for row in _sockets_between(peer[1], own[1]) if (row.local, row.remote) == (peer, own)]
    for row in rows:
        if row.inode != NO_PROGRAM:
            return row.uid
    return NOT_YET if any(row.state in CONNECTED for row in rows) else None


def _address(name: tuple[str, int]) -> Address:
    return _plain(ipaddress.ip_address(name[0].partition("%")[0])), name[1]


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return str(getattr(address, "ipv4_mapped", None) or address)


class _TcpSocket(NamedTuple):
    local: Address
    remote: Address
    state: str
    uid: int
    inode: str


def _sockets_between(local_port: int, remote_port: int) -> Iterator[_TcpSocket]:
    """Yield each TCP socket of this machine with these ports.

    A busy machine lists 10,000 connections and more. To parse them all takes a tenth of a second.
    """
    ports = f":{local_port:04X} ", f":{remote_port:04X} "
    for table in TCP_TABLES:
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:  # No IPv6, or no Linux.
            continue
        for line in lines:
            if not all(port in line for port in ports):
                continue
            fields = line.split()
            yield _TcpSocket(_parse(fields[1]), _parse(fields[2]), fields[3], int(fields[7]), fields[9])


def _parse(field: str) -> Address:
    """Parse `0100007F:1F98`: words of 32 bits in the byte order of the machine, and the port."""
    digits, _, port = field.partition(":")
    words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
    return _plain(ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))), int(port, 16)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _groups(uid: int) -> set[int]:
    try:
        account = pwd.getpwuid(uid)
    except KeyError:
        return set()
    return set(os.getgrouplist(account.pw_name, account.pw_gid))
