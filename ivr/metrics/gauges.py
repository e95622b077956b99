"""Gauges that are measured anew for each request. What could not be measured is left out, so no value is ever stale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily

Values = Mapping[str, float]
"""The value of each label; a gauge without a label has the one key ""."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """The definition of a gauge. `label`: its only label, of few and fixed values; "" for none."""

    name: str
    description: str
    label: str = ""


GAUGES: Mapping[str, Gauge] = {
    gauge.name: gauge
    for gauge in (
        Gauge("ivr_build_info", "1, with the version of the running service.", "version"),
        Gauge("ivr_ready", "1 if /readyz says ready: no check of the service has found a problem."),
        Gauge("ivr_check_failing", "1 if this check of the service has found a problem: run ivr doctor.", "check"),
        Gauge("ivr_calls_in_progress", "Calls in progress on this data folder, over every transport."),
        Gauge("ivr_calls_limit", "Calls that this service accepts at a time."),
        Gauge("ivr_oldest_call_age_seconds", "Age of the oldest call in progress; 0 if there is none."),
        Gauge(
            "ivr_recordings_waiting",
            "Recordings not stored yet. in_call: a call records or reviews them; recovery: left by a crash; fallback: "
            "made by the dialplan alone; owner: greetings that wait for a decision of their owner.",
            "state",
        ),
        Gauge(
            "ivr_oldest_recording_age_seconds",
            "Age of the oldest recording of a caller that is not stored yet; 0 if there is none.",
            "state",
        ),
        Gauge("ivr_boxes", "Mailboxes. nearly_full: 80 % of a limit are used; full: callers are rejected.", "fill"),
        Gauge("ivr_boxes_counted_timestamp_seconds", "Unix time at which ivr_boxes was last counted to the end."),
        Gauge("ivr_disk_free_bytes", "Free space for the data folder."),
        Gauge("ivr_disk_size_bytes", "Size of the file system of the data folder."),
        Gauge("ivr_database_size_bytes", "Size of the database and of its write-ahead log.", "file"),
        Gauge("ivr_database_readable", "1 if the numbers from the database on this page could be read."),
        Gauge("ivr_workers", "Jobs that a worker processes at a time at most.", "worker"),
        Gauge("ivr_workers_busy", "Jobs that a worker processes now.", "worker"),
        Gauge("ivr_worker_queue", "Jobs that wait for a worker, retries included.", "worker"),
        Gauge("ivr_outbox_rows", "Outbox rows that wait to be processed.", "kind"),
        Gauge("ivr_outbox_age_seconds", "Age of the oldest waiting outbox row; 0 if there is none.", "kind"),
        Gauge("ivr_outbox_given_up", "Outbox rows that were given up: see 'ivr outbox list'.", "kind"),
        Gauge("ivr_retention_last_run_timestamp_seconds", "Unix time of the last run of the retention worker."),
        Gauge("ivr_retention_interval_seconds", "Time between two runs of the retention worker."),
        Gauge("ivr_recovery_last_run_timestamp_seconds", "Unix time at which recordings were last recovered."),
        Gauge("ivr_ami_configured", "1 if the settings have a secret for Asterisk's manager interface."),
        Gauge("ivr_asyncio_tasks", "asyncio tasks of the service; constant while idle."),
    )
}


class GaugeCollector:
    """Collector of prometheus_client: returns the values of the last measurement."""

    def __init__(self) -> None:
        self._values: dict[str, Values] = {}

    def replace(self, values: Mapping[str, float | Values]) -> None:
        """Set what was measured, by the name of the gauge. Raises `KeyError` for a gauge that is not defined."""
        unknown = values.keys() - GAUGES.keys()
        if unknown:
            raise KeyError(f"undefined gauges: {sorted(unknown)}")
        self._values = {name: value if isinstance(value, Mapping) else {"": value} for name, value in values.items()}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, values in self._values.items():
            gauge = GAUGES[name]
            family = GaugeMetricFamily(name, gauge.description, labels=[gauge.label] if gauge.label else [])
            for label_value, value in values.items():
                family.add_metric([label_value] if gauge.label else [], value)
            yield family
