"""The program that runs when the messages of a mailbox have changed, with the arguments that app_voicemail gives."""

from __future__ import annotations

from ivr.clock import Clock
from ivr.errors import NotFound, NotificationFailed, ProgramFailed
from ivr.mailbox.boxes import Boxes
from ivr.notifications.event import MailboxEvent
from ivr.notifications.worker import Handler, HandlerResult
from ivr.site_program import SiteProgram
from ivr.storage.protocols import MessageStore, Transaction
from ivr.storage.records import OutboxTask, TaskKind

MAX_CONCURRENCY = 4
MAX_PER_ACCOUNT = 2
MESSAGE_EVENTS = frozenset(
    {TaskKind.NEW, TaskKind.SAVED, TaskKind.DELETED, TaskKind.MOVED_TO_NEW, TaskKind.SOFT_DELETED}
)


class ProgramSubscriber:
    """Enqueues a run for each event of a message."""

    def handle(self, transaction: Transaction, event: MailboxEvent) -> None:
        if event.kind in MESSAGE_EVENTS:
            transaction.enqueue(
                TaskKind.PROGRAM,
                account_id=event.mailbox.account_id,
                box_id=event.mailbox.id,
                message_id=event.message.id if event.message else None,
                target=event.name,
            )


class ProgramRunner:
    """Runs the program, with the counts as they are then."""

    def __init__(self, program: SiteProgram, boxes: Boxes, messages: MessageStore, clock: Clock) -> None:
        self._program = program
        self._boxes = boxes
        self._messages = messages
        self._clock = clock

    @property
    def handlers(self) -> dict[TaskKind, Handler]:
        return {TaskKind.PROGRAM: self.run}

    async def run(self, task: OutboxTask) -> HandlerResult:
        """Run the program for one event, unless the mailbox no longer exists. Raises `NotificationFailed`."""
        try:
            mailbox = await self._boxes.get(task.box_id)
        except NotFound:
            return None
        not_before = mailbox.voicemail_settings.retention_cutoff(self._clock.now())
        counts = await self._messages.expire_and_count(mailbox.account_id, mailbox.id, not_before)
        arguments = (mailbox.account.name, mailbox.number, counts.new, counts.saved, counts.urgent_new, task.target)
        try:
            await self._program.run(*map(str, arguments))
        except ProgramFailed as error:
            raise NotificationFailed(str(error)) from error
        return None
