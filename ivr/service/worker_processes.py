"""Several processes of the REST API that share one listening socket, so that it uses several processors.

The parent opens the socket, starts the processes as copies of itself, passes signals on, and starts a process again
that ends by itself. It serves no request.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog

RESTART_DELAY_S = 1.0
"""Before a process that ended is started again, so that one that cannot run does not occupy a processor."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
SIGNALS = (*STOP_SIGNALS, signal.SIGHUP, signal.SIGCHLD)
READY = b"1"

log = structlog.get_logger()


@dataclass(frozen=True)
class WorkerProcess:
    """One of the processes, in itself."""

    number: int
    parent_pipe: int
    """Descriptor that ends when the parent does, however it does."""
    on_ready: Callable[[], None]
    """To be called when the process serves."""


class WorkerProcesses:
    """Runs `count` processes until a signal ends them.

    `work`: called in each process, which ends when it returns or raises. `on_ready`: called in the parent when all
    serve. `on_interval`: called in the parent at least every `interval_s` seconds. Create it before any thread or event
    loop, which the copies would not have.
    """

    def __init__(
        self,
        count: int,
        work: Callable[[WorkerProcess], None],
        *,
        on_ready: Callable[[], None],
        on_interval: Callable[[], None],
        interval_s: float = 5.0,
    ) -> None:
        self._count = count
        self._work = work
        self._on_ready = on_ready
        self._on_interval = on_interval
        self._interval_s = interval_s
        self._alive_reader, self._alive_writer = os.pipe()
        self._numbers: dict[int, int] = {}
        """Number of each process by its id."""

    def run(self) -> int:
        """Run until SIGINT or SIGTERM, or until a process cannot start. Return the exit status."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        if not all(self._start(number) for number in range(self._count)):
            return self._fail()
        self._on_ready()
        while True:
            received = signal.sigtimedwait(SIGNALS, self._interval_s)
            self._on_interval()
            if received and received.si_signo in STOP_SIGNALS:
                return self._stop()
            if received and received.si_signo == signal.SIGHUP:
                self._send(signal.SIGHUP)
            self._restart_ended()

    def _start(self, number: int) -> bool:
        """Start a process, and wait until it serves. Return whether it does."""
        reader, writer = os.pipe()
        process_id = os.fork()
        if not process_id:
            os.close(reader)
            self._run_worker(number, writer)
        os.close(writer)
        self._numbers[process_id] = number
        with os.fdopen(reader, "rb") as pipe:
            return pipe.read(1) == READY

    def _run_worker(self, number: int, writer: int) -> None:
        """Run in the new process; does not return."""
        status = 1
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            os.close(self._alive_writer)
            self._work(WorkerProcess(number, self._alive_reader, partial(_report_ready, writer)))
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        except BaseException:
            log.exception("worker.failed", number=number)
        finally:
            os._exit(status)  # The parent's exit handlers are not for a copy.

    def _restart_ended(self) -> None:
        for process_id in [*self._numbers]:
            ended, status = os.waitpid(process_id, os.WNOHANG)
            if ended:
                number = self._numbers.pop(process_id)
                log.error("worker.ended", number=number, status=os.waitstatus_to_exitcode(status))
                time.sleep(RESTART_DELAY_S)
                self._start(number)

    def _fail(self) -> int:
        self._stop()
        return 1

    def _stop(self) -> int:
        """End all processes, and return 0; 1 if one of them failed."""
        self._send(signal.SIGTERM)
        statuses = [os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1]) for process_id in self._numbers]
        return int(any(statuses))

    def _send(self, number: signal.Signals) -> None:
        for process_id in self._numbers:
            os.kill(process_id, number)  # One that has ended is there until it is waited for.


def _report_ready(writer: int) -> None:
    os.write(writer, READY)
    os.close(writer)
