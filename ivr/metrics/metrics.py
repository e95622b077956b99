"""Metrics of one service. Every label has a small, fixed set of values: never a number, a mailbox or a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from ivr.metrics.gauges import GaugeCollector, Values

OTHER_LABEL = "other"
OUTCOMES = ("done", "failed", "given_up")
WRITE_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """Counters and gauges in a registry of their own.

    `actions`, `statuses`: the label values of `ivr_calls`. `events`, `kinds`: those of events and outbox rows. Any
    other value of the first two is counted as `other`. Each counter begins with 0, so that its first increase is seen.
    """

    def __init__(
        self,
        actions: Iterable[str] = (),
        statuses: Iterable[str] = (),
        events: Iterable[str] = (),
        kinds: Iterable[str] = (),
    ) -> None:
        self._registry = CollectorRegistry()
        self._actions = frozenset(actions)
        self._statuses = frozenset(statuses)
        self._calls = self._counter("ivr_calls", "Calls that have ended.", "action", "status")
        self._events = self._counter("ivr_events", "Events of messages and mailboxes.", "event")
        self._pin_rejections = self._counter("ivr_pin_rejections", "Rejected PINs.", "reason")
        self._notifications = self._counter("ivr_notifications", "Processed outbox rows.", "kind", "outcome")
        self._ami_connected = Gauge(
            "ivr_ami_connected", "1 while connected to Asterisk's manager interface.", registry=self._registry
        )
        self._writes = Histogram(
            "ivr_database_write_seconds",
            "Time from the request of a change to its commit.",
            buckets=WRITE_BUCKETS_S,
            registry=self._registry,
        )
        self._gauges = GaugeCollector()
        self._registry.register(self._gauges)
        ProcessCollector(registry=self._registry)
        self._begin_with_zero(events, kinds)

    def _begin_with_zero(self, events: Iterable[str], kinds: Iterable[str]) -> None:
        for labels in product(sorted(self._actions), sorted(self._statuses)):
            self._calls.labels(*labels)
        for event in events:
            self._events.labels(event)
        for reason in ("wrong", "locked"):
            self._pin_rejections.labels(reason)
        for kind, outcome in product(kinds, OUTCOMES):
            self._notifications.labels(kind, outcome)

    def count_call(self, action: str, status: str) -> None:
        action = action if action in self._actions else OTHER_LABEL
        self._calls.labels(action, status if status in self._statuses else OTHER_LABEL).inc()

    def count_event(self, event: str) -> None:
        """Count an event by its name, such as `message.new` (docs/notifications.md lists all names)."""
        self._events.labels(event).inc()

    def count_pin_failure(self, locked: bool) -> None:
        """Count a rejected PIN. `locked`: it was rejected because of a lockout."""
        self._pin_rejections.labels("locked" if locked else "wrong").inc()

    def count_notification(self, kind: str, outcome: str) -> None:
        """Count a processed outbox row. `outcome`: done, failed (a retry follows) or given_up."""
        self._notifications.labels(kind, outcome).inc()

    def set_ami_connected(self, connected: bool) -> None:
        self._ami_connected.set(connected)

    def measure_write(self, duration_s: float) -> None:
        """Record the duration of a change of the database, in seconds. May be called in any thread."""
        self._writes.observe(duration_s)

    def set_gauges(self, values: Mapping[str, float | Values]) -> None:
        """Replace the gauges of `ivr.metrics.gauges` by these values."""
        self._gauges.replace(values)

    def render(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(name, description, labels, registry=self._registry)
