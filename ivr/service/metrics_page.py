"""The page for Prometheus: what the service is doing at this moment, measured for each request in a bounded time."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog
from prometheus_client import CONTENT_TYPE_LATEST

from ivr import __version__
from ivr.app import App
from ivr.errors import StoreError
from ivr.mailbox.fill_levels import FillCounter
from ivr.metrics.gauges import Values
from ivr.metrics.page_server import PageResponse
from ivr.notifications.worker import Worker
from ivr.recovery.fallback_recordings import FILE_PREFIX, parse_file_name
from ivr.storage.records import TaskKind

DATABASE_TIMEOUT_S = 2.0
"""A database that takes longer is not read; the page is served without what it contains."""
CONVERSION_WORKER = "conversions"

Measured = dict[str, float | Values]

log = structlog.get_logger()


class MetricsPage:
    """Measures one service. `workers`: those of its outbox."""

    def __init__(self, app: App, workers: Sequence[Worker]) -> None:
        self._app = app
        self._workers = workers
        self._fill_counter = FillCounter(app.statistics_store, app.settings.voicemail, app.clock)

    async def render(self) -> PageResponse:
        """Return the page. A database or disk that fails leaves its values out."""
        files, stored, health = await asyncio.gather(
            asyncio.to_thread(self._measure_files), self._measure_database(), self._measure_health()
        )
        self._app.metrics.set_gauges({**self._measure_process(), **files, **stored, **health})
        return PageResponse(self._app.metrics.render(), CONTENT_TYPE_LATEST)

    def _measure_process(self) -> Measured:
        settings = self._app.settings
        conversions = self._app.conversion_pool
        workers = {worker.name: worker for worker in self._workers}
        return {
            "ivr_build_info": {__version__: 1},
            "ivr_calls_limit": settings.fastagi.max_calls + (settings.ari.max_calls if settings.ari.password else 0),
            "ivr_workers": {
                **{name: worker.max_concurrency for name, worker in workers.items()},
                CONVERSION_WORKER: conversions.worker_count,
            },
            "ivr_workers_busy": {
                **{name: worker.busy for name, worker in workers.items()},
                CONVERSION_WORKER: conversions.running,
            },
            "ivr_retention_last_run_timestamp_seconds": self._app.retention_worker.last_run_at,
            "ivr_retention_interval_seconds": settings.retention.interval_s,
            "ivr_recovery_last_run_timestamp_seconds": self._app.recording_recovery.last_run_at,
            "ivr_ami_configured": self._app.ami_client is not None,
            "ivr_asyncio_tasks": len(asyncio.all_tasks()),
        }

    def _measure_files(self) -> Measured:
        """Measure what is read from the disk. Blocks."""
        try:
            usage = shutil.disk_usage(self._app.settings.data.folder)
            return {
                "ivr_disk_free_bytes": usage.free,
                "ivr_disk_size_bytes": usage.total,
                "ivr_database_size_bytes": self._app.statistics_store.file_sizes(),
            }
        except OSError as error:
            log.warning("metrics.files_unavailable", error=str(error))
            return {}

    async def _measure_health(self) -> Measured:
        report = await self._app.health_monitor.report()
        failing = {finding.check for finding in report.problems}
        checks = {finding.check: finding.check in failing for finding in report.findings}
        return {"ivr_ready": report.is_ready, "ivr_check_failing": checks}

    async def _measure_database(self) -> Measured:
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT_S):
                return {
                    "ivr_database_readable": 1,
                    **await self._measure_outbox(),
                    **await self._measure_work(),
                    **await self._measure_boxes(),
                }
        except (StoreError, TimeoutError) as error:
            log.warning("metrics.database_unavailable", error=str(error) or "timeout")
            return {"ivr_database_readable": 0}

    async def _measure_outbox(self) -> Measured:
        backlog = await self._app.outbox.backlog_by_kind()
        given_up = await self._app.outbox.given_up_by_kind()
        rows = {kind: backlog.get(kind, (0, 0))[0] for kind in TaskKind}
        queues = {
            worker.name: max(0, sum(rows[kind] for kind in worker.kinds) - worker.busy) for worker in self._workers
        }
        return {
            "ivr_outbox_rows": {str(kind): count for kind, count in rows.items()},
            "ivr_outbox_age_seconds": {str(kind): backlog.get(kind, (0, 0))[1] for kind in TaskKind},
            "ivr_outbox_given_up": {str(kind): given_up.get(kind, 0) for kind in TaskKind},
            "ivr_worker_queue": {**queues, CONVERSION_WORKER: self._app.conversion_pool.waiting},
        }

    async def _measure_work(self) -> Measured:
        now, work = self._app.clock.now(), await self._app.statistics_store.read_work()
        takes = await self._app.takes.list_unfinished()
        in_call: list[int] = []
        in_recovery: list[int] = []
        for take in takes:
            (in_call if self._app.takes.is_in_progress(take) else in_recovery).append(take.began_at)
        paths = await asyncio.to_thread(self._app.recordings.take_file_sizes, FILE_PREFIX)
        fallback = [recording.recorded_at for path in paths if (recording := parse_file_name(Path(path)))]
        began: Mapping[str, list[int]] = {"in_call": in_call, "recovery": in_recovery, "fallback": fallback}
        counts = {state: len(times) for state, times in began.items()}
        return {
            "ivr_calls_in_progress": work.calls,
            "ivr_oldest_call_age_seconds": max(0, now - work.oldest_call_at) if work.calls else 0,
            "ivr_recordings_waiting": {**counts, "fallback": len(paths), "owner": work.awaiting_owner},
            "ivr_oldest_recording_age_seconds": {
                state: max(0, now - min(times)) if times else 0 for state, times in began.items()
            },
        }

    async def _measure_boxes(self) -> Measured:
        count = await self._fill_counter.advance()
        if count is None:
            return {}
        boxes = {str(fill): number for fill, number in count.boxes.items()}
        return {"ivr_boxes": boxes, "ivr_boxes_counted_timestamp_seconds": count.counted_at}
