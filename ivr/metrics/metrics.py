"""Metrics of one service. Every label has a small, fixed set of values: never a number, a mailbox or a person."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

OTHER_LABEL = "other"


class Metrics:
    """Counters and gauges in a registry of their own.

    `actions`, `statuses`: the label values of `ivr_calls`. Any other value is counted as `other`.
    """

    def __init__(self, actions: Iterable[str] = (), statuses: Iterable[str] = ()) -> None:
        self._registry = CollectorRegistry()
        self._actions = frozenset(actions)
        self._statuses = frozenset(statuses)
        self._calls = self._counter("ivr_calls", "Calls that have ended.", "action", "status")
        self._events = self._counter("ivr_events", "Events of messages and mailboxes.", "event")
        self._pin_rejections = self._counter("ivr_pin_rejections", "Rejected PINs.", "reason")
        self._notifications = self._counter("ivr_notifications", "Processed outbox rows.", "kind", "outcome")
        self._ami_connected = self._gauge("ivr_ami_connected", "1 while connected to Asterisk's manager interface.")
        self._outbox_rows = self._gauge("ivr_outbox_rows", "Outbox rows that wait to be processed.", "kind")
        self._outbox_age = self._gauge("ivr_outbox_age_seconds", "Age of the oldest waiting outbox row.", "kind")
        self._given_up = self._gauge("ivr_outbox_given_up", "Outbox rows that were given up: see 'ivr outbox list'.")
        self._tasks = self._gauge("ivr_asyncio_tasks", "asyncio tasks of the service; constant while idle.")

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

    def set_outbox(self, kinds: Iterable[str], waiting: dict[str, tuple[int, int]], given_up: int) -> None:
        """Set the outbox gauges. `waiting`: for each kind the number of rows and the age of the oldest in seconds."""
        for kind in kinds:
            rows, age_s = waiting.get(kind, (0, 0))
            self._outbox_rows.labels(kind).set(rows)
            self._outbox_age.labels(kind).set(age_s)
        self._given_up.set(given_up)

    def set_task_count(self, count: int) -> None:
        """Set the number of asyncio tasks."""
        self._tasks.set(count)

    def render(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(name, description, labels, registry=self._registry)

    def _gauge(self, name: str, description: str, *labels: str) -> Gauge:
        return Gauge(name, description, labels, registry=self._registry)
