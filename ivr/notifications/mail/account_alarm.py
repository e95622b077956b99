"""The mail to the administrator about an account that wrong PINs have locked."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from ivr.directory.directory import Directory
from ivr.errors import NotFound
from ivr.notifications.worker import Handler, HandlerResult
from ivr.storage.protocols import Transaction
from ivr.storage.records import OutboxTask, TaskKind

EVENT_NAME = "account.locked"
TEMPLATE = "account_locked"

log = structlog.get_logger()


class AccountAlarm:
    """Handler of locked accounts. `recipient`: address of the administrator; empty: no mail is sent.

    `throttle_s`: minimum seconds between two mails about one account. `on_event`: called with the event's name.
    """

    def __init__(
        self,
        directory: Directory,
        *,
        recipient: str,
        throttle_s: int,
        on_event: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._directory = directory
        self._recipient = recipient
        self._throttle_s = throttle_s
        self._on_event = on_event

    @property
    def handlers(self) -> dict[TaskKind, Handler]:
        return {TaskKind.ACCOUNT_LOCKED: self.dispatch}

    async def dispatch(self, task: OutboxTask) -> HandlerResult:
        """Log and count the event, and enqueue the mail. A deleted account is not mailed about."""
        log.warning(EVENT_NAME, account=task.account_id)
        self._on_event(EVENT_NAME)
        if not self._recipient:
            return None
        try:
            account = await self._directory.account(task.account_id)
        except NotFound:
            return None

        def enqueue_mail(transaction: Transaction) -> None:
            if transaction.acquire_throttle(
                task.kind, account_id=account.id, box_id=account.id, interval_s=self._throttle_s
            ):
                payload = {"template": TEMPLATE, "account": account.model_dump(exclude={"settings"})}
                transaction.enqueue(
                    TaskKind.MAIL, account_id=account.id, box_id="", target=self._recipient, payload=payload
                )

        return enqueue_mail
