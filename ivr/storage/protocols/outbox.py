"""Storage interface of the outbox and of the message lights."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from ivr.storage.records import BoxMwiCounts, EndpointMwiCounts, Message, OutboxTask, PublishedLights, TaskKind


class Transaction(Protocol):
    """An open transaction: everything that is written through it is committed together, or not at all.

    It is valid only while the function that receives it runs.
    """

    @property
    def now(self) -> int:
        """The time of the transaction, in Unix seconds."""

    def enqueue(
        self,
        kind: TaskKind,
        *,
        account_id: str,
        box_id: str,
        message_id: str | None = None,
        target: str = "",
        due_at: int | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a task to the outbox, due at `due_at` (Unix s; None: now).

        A task of kind `CALL` for a mailbox and number that already has one is not added.
        """

    def acquire_throttle(self, subject: str, *, account_id: str, box_id: str, interval_s: int) -> bool:
        """Return whether a mailbox may notify again about a subject, and record that it does.

        False while the last notification is less than `interval_s` seconds old.
        """

    def release_throttle(self, subject: str, box_id: str) -> None:
        """Let a mailbox notify about a subject at once, whenever it last did."""

    def has_task(self, kind: TaskKind, message_id: str) -> bool:
        """Return whether the outbox still has a task of `kind` for a message."""

    def record_mailed_without_audio(self, message_id: str) -> None:
        """Store that a mail about a message was delivered without its audio, or not sent."""

    def record_lights_published(self, system: str, box_ids: Sequence[str], former: Sequence[PublishedLights]) -> None:
        """Store that the lights of these mailboxes have been published to the Asterisk `system` now.

        `former`: lights of mailboxes and endpoints that they have no longer; they were put out and are forgotten.
        """

    def set_transcription(self, message: Message, transcription: str) -> None:
        """Store the transcription of a message, as JSON: {"result": "success" or "error", "text": …}.

        Nothing is stored if the audio of the message was replaced meanwhile.
        """


OnCommit = Callable[[Transaction], object]
"""Writes further changes in the transaction that completes a task."""


class OutboxStore(Protocol):
    """The outbox as its workers see it: tasks are claimed, then completed, rescheduled or given up.

    A claim is a lease: the task is not due again before it ends, so a worker that hangs or dies delays it only for a
    while. Only the holder of the lease can finish the task. A task that was given up stays for an administrator to see
    (`ivr outbox list`) and is never due.
    """

    async def release_orphaned_leases(self) -> int:
        """Make tasks due that dead processes had claimed; return how many. Called at the start."""

    def change_fingerprint(self) -> bytes:
        """Return a value that differs when a task may have been added. Costs microseconds."""

    async def due_kinds(self) -> set[TaskKind]:
        """Return the kinds of which a task is due."""

    async def claim(
        self,
        kinds: Collection[TaskKind],
        limit: int,
        *,
        max_per_account: int | None = None,
        running: Collection[str] = (),
    ) -> list[OutboxTask]:
        """Claim at most `limit` due tasks, longest waiting first.

        `running`: leases of tasks that are worked on. They are not claimed again where the clock was set forward, and
        their leases seem to have ended.

        Of each kind, at most `max_per_account` tasks of an account are claimed at a time. Then accounts take turns: one
        with many tasks, or several of them, do not delay that of another.
        """

    async def complete(self, tasks: Sequence[OutboxTask], on_commit: OnCommit | None = None) -> None:
        """Delete finished tasks, and call `on_commit` in the same transaction if a lease of them still held.

        A task that was enqueued again meanwhile stays.
        """

    async def reschedule(
        self, task: OutboxTask, due_at: int, error: str | None, payload: Mapping[str, Any] | None = None
    ) -> None:
        """Make a task due again at `due_at` (Unix s); `NEVER_DUE` gives it up. `payload` None: unchanged."""

    async def save_progress(self, task: OutboxTask, payload: Mapping[str, Any]) -> None:
        """Store the state of a task that is being worked on."""

    async def renew_lease(self, task: OutboxTask) -> None:
        """Extend the lease of a task by `LEASE_S` from now."""

    async def release_without_attempt(self, tasks: Sequence[OutboxTask], due_at: int, error: str) -> None:
        """Return tasks that were not attempted; the attempt is not counted."""

    async def list_tasks(self, limit: int = 1000, *, given_up_only: bool = False) -> list[OutboxTask]:
        """Return tasks, oldest first."""

    async def retry(self, ids: Sequence[int] | None = None) -> int:
        """Make tasks due now, with their attempts reset; None: all that were given up. Return how many.

        Raises `NotFound`.
        """

    async def delete(self, ids: Sequence[int]) -> int:
        """Delete tasks without performing them; return how many. Raises `NotFound`.

        A message of which a mail is deleted is neither saved nor deleted after the other mails about it.
        """

    async def backlog_by_kind(self) -> dict[TaskKind, tuple[int, int]]:
        """Return the number of waiting tasks of each kind, and the age of the oldest in seconds."""

    async def given_up_by_kind(self) -> dict[TaskKind, int]:
        """Return how many tasks of each kind were given up; a kind without any is missing."""


class UndeliveredMailStore(Protocol):
    """Mails about mailboxes that were given up, for their owners to hear of."""

    async def list_by_box(self, box_id: str) -> list[OutboxTask]:
        """Return the undelivered mails of a mailbox, oldest first. `announced` in the payload: the owner knows."""

    async def record_announced(self, mails: Sequence[OutboxTask]) -> None:
        """Store that the owner knows of these mails, until they are retried."""


class MwiStore(Protocol):
    """Counts for message lights, read in one statement whatever the number of mailboxes."""

    async def boxes(self, box_ids: Sequence[str]) -> list[BoxMwiCounts]:
        """Return the counts of these mailboxes, deleted ones included."""

    async def box_page(self, after: str, limit: int) -> list[BoxMwiCounts]:
        """Return the counts of existing mailboxes by id, after the id `after`."""

    async def published(
        self, system: str, box_ids: Collection[str], endpoints: Collection[str]
    ) -> list[PublishedLights]:
        """Return the lights of these mailboxes and endpoints that were published to the Asterisk `system`."""

    async def published_with_names(self, system: str, names: Collection[str]) -> list[PublishedLights]:
        """Return those of these lights that were published to the Asterisk `system`, by mailbox and endpoint."""

    async def published_without_subject(self, system: str, limit: int) -> list[PublishedLights]:
        """Return lights that `system` still has of mailboxes and endpoints that do not exist any longer."""

    async def add_published(self, system: str, lights: Sequence[PublishedLights]) -> None:
        """Store lights before they are published to `system`: one of them that burns is never unknown."""

    async def record_published(
        self, system: str, box_ids: Sequence[str], former: Sequence[PublishedLights], now: int
    ) -> None:
        """Store that lights were published to `system` at `now` (Unix s); see `Transaction.record_lights_published`."""

    async def endpoints_of_users(self, system: str, user_ids: Iterable[str]) -> list[EndpointMwiCounts]:
        """Return the sums for all endpoints of these users at the Asterisk `system`."""

    async def endpoints(self, system: str, endpoints: Iterable[str]) -> list[EndpointMwiCounts]:
        """Return the sums for these endpoints; one that belongs to no user is missing."""

    async def endpoint_page(self, system: str, after: str, limit: int) -> list[EndpointMwiCounts]:
        """Return the sums for endpoints by name, after the name `after`."""
