"""The health of a running service: examined at the start of each call, for /readyz, and periodically for the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from ivr import __version__
from ivr.clock import Clock
from ivr.directory.secret_store import SecretStore
from ivr.errors import DiskFull, StoreBusy, StoreError
from ivr.health.checks import FILE_CHECKS, run_checks
from ivr.health.facts import HealthFacts
from ivr.health.finding import Finding, Level
from ivr.storage.protocols import HealthStore

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class HealthTiming:
    """Intervals, in seconds."""

    report_max_age_s: float = 1.0
    """For this long a report is returned again, however many clients ask."""
    database_timeout_s: float = 2.0
    """A database that takes longer counts as busy."""
    interval_s: float = 10.0
    """Between two examinations for the log."""


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The findings of one examination."""

    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level is Level.PROBLEM)

    @property
    def is_ready(self) -> bool:
        return not self.problems


class HealthMonitor:
    """Examines one installation.

    `new_facts`: returns the facts of this moment that need no database. `verify_audio` raises `StoreError` if the store
    of recordings does not answer.
    """

    def __init__(
        self,
        new_facts: Callable[[], HealthFacts],
        *,
        store: HealthStore,
        secret_store: SecretStore,
        verify_audio: Callable[[], None],
        clock: Clock,
        timing: HealthTiming = HealthTiming(),
    ) -> None:
        self._new_facts = new_facts
        self._store = store
        self._secret_store = secret_store
        self._verify_audio = verify_audio
        self._clock = clock
        self._timing = timing
        self._report: HealthReport | None = None
        self._reported_at = 0.0
        self._examination: asyncio.Task[HealthReport] | None = None

    async def verify_storage(self) -> None:
        """Return if a message can be stored now.

        Raises `DiskFull`, or `StoreError` for any other state in which the service cannot store. A database that is
        busy is no such state: it is free again when the caller has spoken.
        """
        facts = await self._examine_database(self._new_facts())
        for finding in await asyncio.to_thread(run_checks, facts, FILE_CHECKS):
            if finding.prevents_storing:
                raise (DiskFull if finding.check == "disk" else StoreError)(f"{finding.what}: {finding.remedy}")

    async def report(self) -> HealthReport:
        """Run all checks and return their findings. Clients that ask at the same time share one examination."""
        if self._report and self._clock.monotonic() - self._reported_at < self._timing.report_max_age_s:
            return self._report
        if self._examination is None:
            self._examination = asyncio.create_task(self._examine())
        return await asyncio.shield(self._examination)

    async def finish(self) -> None:
        """Wait for an examination that is running. Call it before the database is closed."""
        if self._examination:
            await asyncio.gather(self._examination, return_exceptions=True)

    def identity(self) -> dict[str, object]:
        """Return what tells whether another process works with the same version and the same data folder."""
        opened_folder = self._new_facts().opened_folder
        return {
            "version": __version__,
            "schema": self._store.schema_version,
            "data_folder": list(opened_folder) if opened_folder else None,
        }

    async def run_forever(self) -> None:
        """Log each problem once when it begins, and when all are gone. Runs until cancelled."""
        known: tuple[Finding, ...] = ()
        while True:
            try:
                problems = (await self.report()).problems
                for finding in problems:
                    if finding.what not in {before.what for before in known}:
                        log.error(
                            "health.problem",
                            check=finding.check,
                            what=finding.what,
                            remedy=finding.remedy,
                            command=finding.command,
                        )
                if known and not problems:
                    log.info("health.recovered")
                known = problems
            except Exception:
                log.exception("health.check_failed")
            await asyncio.sleep(self._timing.interval_s)

    async def _examine(self) -> HealthReport:
        try:
            facts = await self._examine_database(self._new_facts())
            if not facts.database_error:
                facts = await self._read_records(facts)
            facts = replace(facts, audio_error=await asyncio.to_thread(self._find_audio_error))
            self._report = HealthReport(tuple(await asyncio.to_thread(run_checks, facts)))
            self._reported_at = self._clock.monotonic()
            return self._report
        finally:
            self._examination = None

    def _find_audio_error(self) -> str:
        try:
            self._verify_audio()
        except StoreError as error:
            return str(error)
        return ""

    async def _examine_database(self, facts: HealthFacts) -> HealthFacts:
        """Add why the database cannot be written."""
        try:
            async with asyncio.timeout(self._timing.database_timeout_s):
                await self._store.verify_writable()
        except (StoreBusy, TimeoutError):
            return facts
        except StoreError as error:
            return replace(facts, database_error=str(error))
        return facts

    async def _read_records(self, facts: HealthFacts) -> HealthFacts:
        """Add what the checks need of the rows."""
        try:
            server_time = await self._store.server_time()
            return replace(
                facts,
                clock_lead_s=0 if server_time is None else server_time - int(self._clock.now()),
                is_pepper_right=await self._secret_store.has_stored_pepper(),
                peppers=await self._secret_store.pepper_usage(),
                newest_message_at=await self._store.newest_message_at(),
                trusted_time=await self._store.trusted_time(),
                zones=await self._store.zones(),
            )
        except StoreBusy:
            return facts
        except StoreError as error:
            return replace(facts, database_error=str(error))
