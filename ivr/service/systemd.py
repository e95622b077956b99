"""The service manager: READY and STOPPING notifications, and watchdog pings from the event loop (sd_notify(3))."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping

import structlog

log = structlog.get_logger()

WATCHDOG_PINGS = 3
"""Pings in one watchdog period: two may be late."""


class ServiceManager:
    """The service manager that started this process.

    `address`: path of its notification socket, "@" for an abstract one; "": there is none, and notifications are
    dropped. `watchdog_s`: period of its watchdog in seconds; None: it has none.
    """

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        self._address = address
        self._watchdog_s = watchdog_s
        self._watchdog_task: asyncio.Task[None] | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], pid: int) -> ServiceManager:
        """Return the manager that the environment names. A watchdog for another process is ignored."""
        period_us = environment.get("WATCHDOG_USEC", "")
        is_for_us = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        watchdog_s = int(period_us) / 1e6 if period_us.isdigit() and int(period_us) > 0 and is_for_us else None
        return cls(environment.get("NOTIFY_SOCKET", ""), watchdog_s)

    def notify_ready(self, status: str) -> None:
        """Report that calls are served, and start the watchdog pings. `status`: one line for `systemctl status`."""
        self._send(f"READY=1\nSTATUS={status}")
        if self._watchdog_s and not self._watchdog_task:
            self._watchdog_task = asyncio.create_task(self._ping(self._watchdog_s / WATCHDOG_PINGS))

    def notify_stopping(self) -> None:
        """Report that the service ends, and stop the watchdog pings."""
        if self._watchdog_task:
            self._watchdog_task.cancel()
            self._watchdog_task = None
        self._send("STOPPING=1")

    async def _ping(self, interval_s: float) -> None:
        while True:
            self._send("WATCHDOG=1")
            await asyncio.sleep(interval_s)

    def ping(self) -> None:
        """Send one watchdog ping, from a process without an event loop."""
        self._send("WATCHDOG=1")

    def without_watchdog(self) -> ServiceManager:
        """Return the same manager for a process that pings by itself."""
        return ServiceManager(self._address)

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as unix_socket:
                unix_socket.sendto(message.encode(), address)
        except OSError as error:
            log.warning("systemd.notify_failed", address=self._address, error=str(error))


def current_service_manager() -> ServiceManager:
    """Return the service manager of this process."""
    return ServiceManager.from_environment(os.environ, os.getpid())
