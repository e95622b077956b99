"""What is counted. Every label has a few values only: never a number, a box or a person."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

OTHER = "other"


class Metrics:
    """The counts of one service. `known`: the values a label may have; any other counts as `other`."""

    def __init__(self, actions: Iterable[str] = (), statuses: Iterable[str] = ()) -> None:
        self._registry = CollectorRegistry()
        self._actions = frozenset(actions)
        self._statuses = frozenset(statuses)
        self._calls = self._counter("ivr_calls", "Calls that are over.", "action", "status")
        self._changes = self._counter("ivr_changes", "Changes to messages and boxes.", "event")
        self._pins = self._counter("ivr_pin_refusals", "PINs that did not open a box.", "why")
        self._notified = self._counter("ivr_notifications", "What followed changes.", "kind", "outcome")
        self._asterisk = self._gauge("ivr_ami_connected", "1 while there is a connection to Asterisk's manager.")
        self._waiting = self._gauge("ivr_outbox_rows", "What waits to be done.", "kind")
        self._age = self._gauge("ivr_outbox_age_seconds", "How long the oldest of it has waited.", "kind")
        self._given_up = self._gauge("ivr_outbox_given_up", "What an administrator has to look at.")
        self._tasks = self._gauge("ivr_tasks", "What the service is doing at the same time; at rest always as much.")

    def call_ended(self, action: str, status: str) -> None:
        action = action if action in self._actions else OTHER
        self._calls.labels(action, status if status in self._statuses else OTHER).inc()

    def changed(self, event: str) -> None:
        """`event` is one of the names that docs/notifications.md lists."""
        self._changes.labels(event).inc()

    def pin_refused(self, locked: bool) -> None:
        self._pins.labels("locked" if locked else "wrong").inc()

    def notified(self, kind: str, outcome: str) -> None:
        """`outcome`: done, failed (it will be tried again) or given_up."""
        self._notified.labels(kind, outcome).inc()

    def asterisk_is_there(self, up: bool) -> None:
        self._asterisk.set(up)

    def outbox(self, kinds: Iterable[str], waiting: dict[str, tuple[int, int]], given_up: int) -> None:
        """Of each kind how many rows wait, and the age of the oldest in seconds."""
        for kind in kinds:
            rows, age_s = waiting.get(kind, (0, 0))
            self._waiting.labels(kind).set(rows)
            self._age.labels(kind).set(age_s)
        self._given_up.set(given_up)

    def tasks(self, count: int) -> None:
        """How many asyncio tasks there are."""
        self._tasks.set(count)

    def text(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(name, what, labels, registry=self._registry)

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(name, what, labels, registry=self._registry)
