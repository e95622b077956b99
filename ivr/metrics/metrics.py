"""What is counted. Every label has a few values only: never a number, a box or a person."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

OTHER_LABEL = "other"


class Metrics:
    """The counts of one service. `known`: the values a label may have; any other counts as `other`."""

    def __init__(self, actions: Iterable[str] = (), statuses: Iterable[str] = ()) -> None:
        self._registry = CollectorRegistry()
        self._actions = frozenset(actions)
        self._statuses = frozenset(statuses)
        self._calls = self._counter("ivr_calls", "Calls that are over.", "action", "status")
        self._events = self._counter("ivr_changes", "Changes to messages and boxes.", "event")
        self._pin_failures = self._counter("ivr_pin_refusals", "PINs that did not open a box.", "why")
        self._notifications = self._counter("ivr_notifications", "What followed changes.", "kind", "outcome")
        self._ami_connected = self._gauge("ivr_ami_connected", "1 while there is a connection to Asterisk's manager.")
        self._outbox_rows = self._gauge("ivr_outbox_rows", "What waits to be done.", "kind")
        self._outbox_age = self._gauge("ivr_outbox_age_seconds", "How long the oldest of it has waited.", "kind")
        self._given_up = self._gauge("ivr_outbox_given_up", "What an administrator has to look at.")
        self._tasks = self._gauge("ivr_tasks", "What the service is doing at the same time; at rest always as much.")

    def count_call(self, action: str, status: str) -> None:
        action = action if action in self._actions else OTHER_LABEL
        self._calls.labels(action, status if status in self._statuses else OTHER_LABEL).inc()

    def count_event(self, event: str) -> None:
        """`event` is one of the names that docs/notifications.md lists."""
        self._events.labels(event).inc()

    def count_pin_failure(self, locked: bool) -> None:
        self._pin_failures.labels("locked" if locked else "wrong").inc()

    def count_notification(self, kind: str, outcome: str) -> None:
        """`outcome`: done, failed (it will be tried again) or given_up."""
        self._notifications.labels(kind, outcome).inc()

    def set_ami_connected(self, connected: bool) -> None:
        self._ami_connected.set(connected)

    def set_outbox(self, kinds: Iterable[str], waiting: dict[str, tuple[int, int]], given_up: int) -> None:
        """Of each kind how many rows wait, and the age of the oldest in seconds."""
        for kind in kinds:
            rows, age_s = waiting.get(kind, (0, 0))
            self._outbox_rows.labels(kind).set(rows)
            self._outbox_age.labels(kind).set(age_s)
        self._given_up.set(given_up)

    def set_task_count(self, count: int) -> None:
        """How many asyncio tasks there are."""
        self._tasks.set(count)

    def render(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(name, description, labels, registry=self._registry)

    def _gauge(self, name: str, description: str, *labels: str) -> Gauge:
        return Gauge(name, description, labels, registry=self._registry)
