"""New-message calls: calls an owner's number while the mailbox has new messages.

There is one series of calls for each mailbox and number. It follows the schedule until a call is answered, no message
is new, or the schedule ends. The answering person must enter the PIN like any caller, because a phone number does not
prove who answers. Calls are dialled in one dialplan context of the site, so a number that the context does not match
cannot be called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from ivr.ami import actions
from ivr.ami.actions import OriginateTarget
from ivr.ami.client import AmiClient
from ivr.clock import Clock
from ivr.directory.settings import NewMessageCallSettings
from ivr.errors import AmiUnavailable, BadInput, NotFound
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.mailbox import Mailbox
from ivr.notifications.event import MailboxEvent
from ivr.notifications.settings import NotificationSettings
from ivr.notifications.worker import Handler, HandlerResult, Reschedule
from ivr.storage.protocols import MessageStore, OutboxStore, Transaction
from ivr.storage.records import Folder, OutboxTask, TaskKind
from ivr.validation.fields import STORED

ANSWERED_CONTEXT = "ivr-new-message-call"
"""Context of `asterisk-conf/` in which an answered call continues."""
DISCONNECTED_RETRY_DELAY_S = 60
"""Seconds to wait while there is no AMI connection. It does not use up a call of the schedule."""
MAX_CONCURRENCY = 20

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """Number and schedule of a series of calls. `delays_s`: seconds to wait before each call."""

    number: str
    delays_s: tuple[int, ...]
    interval_s: int
    ring_timeout_s: int

    def next_call_at(self, call_index: int, previous_call_at: int) -> int:
        """Return when a call is due (Unix seconds): never while the previous one may still ring."""
        delay_s = self.delays_s[call_index]
        return previous_call_at + (delay_s if delay_s > self.ring_timeout_s else self.ring_timeout_s + self.interval_s)


def retry_plan_for(mailbox: Mailbox, defaults: NotificationSettings) -> RetryPlan | None:
    """Return the plan of a mailbox; None when its owner is not to be called.

    Each value comes from the box, its owner, the account or the system's settings: the first that sets it.
    """
    if mailbox.owner is None or not mailbox.settings.enabled:
        return None  # A disabled mailbox cannot be opened by who answers.
    box = mailbox.settings.notify.callback if mailbox.settings.notify else NewMessageCallSettings()
    user, account = _callback_settings(mailbox.owner.settings), _callback_settings(mailbox.account.settings)
    number = _first_set("number", box, user)
    if not number or _first_set("disabled", box, user):
        return None
    interval_s = int(_first_set("interval_s", box, user, account, default=defaults.call_interval_s))
    attempts = int(_first_set("attempts", box, user, account, default=defaults.max_call_attempts))
    schedule = _first_set("schedule", box, user, account)
    if schedule is None:
        schedule = [interval_s] * attempts if interval_s > 0 else []
    ring_timeout_s = int(_first_set("timeout_s", box, user, account, default=defaults.call_ring_timeout_s))
    return RetryPlan(number, tuple(schedule), interval_s, max(1, ring_timeout_s)) if schedule else None


class CallSubscriber:
    """Enqueues a series of calls for a new message. A series that exists already continues unchanged."""

    def __init__(self, settings: NotificationSettings) -> None:
        self._settings = settings

    def handle(self, transaction: Transaction, event: MailboxEvent) -> None:
        message = event.message
        if event.kind is not TaskKind.NEW or event.suppress_owner_notification:
            return
        if message is None or message.folder is not Folder.NEW:
            return
        if plan := retry_plan_for(event.mailbox, self._settings):
            transaction.enqueue(
                TaskKind.CALL,
                account_id=message.account_id,
                box_id=message.box_id,
                target=plan.number,
                due_at=event.occurred_at + plan.delays_s[0],
                payload={"call": 0},
            )


class NewMessageCall:
    """Places the calls.

    The task's payload has the index of the next call (`call`), and whether that call has been started (`ringing`).
    """

    def __init__(
        self,
        *,
        boxes: Boxes,
        messages: MessageStore,
        outbox: OutboxStore,
        clock: Clock,
        ami: AmiClient,
        settings: NotificationSettings,
    ) -> None:
        self._boxes = boxes
        self._messages = messages
        self._outbox = outbox
        self._clock = clock
        self._ami = ami
        self._settings = settings

    @property
    def handlers(self) -> dict[TaskKind, Handler]:
        return {TaskKind.CALL: self.place_call}

    async def place_call(self, task: OutboxTask) -> HandlerResult:
        """Place one call of a series, unless no message is new or the settings have changed."""
        call_index, started_at = int(task.payload.get("call", 0)), int(self._clock.now())
        mailbox = await self._mailbox_with_new_messages(task)
        plan = retry_plan_for(mailbox, self._settings) if mailbox else None
        if mailbox is None or plan is None or plan.number != task.target or call_index >= len(plan.delays_s):
            return None
        if not task.payload.get("ringing"):
            if not self._ami.connection_id:
                return Reschedule(started_at + DISCONNECTED_RETRY_DELAY_S, {"call": call_index})
            # Stored before the call starts: after a crash this call counts as placed, so it is never placed twice.
            await self._outbox.save_progress(task, {"call": call_index, "ringing": True})
            if await self._originate(mailbox, plan):
                return None
        if call_index + 1 >= len(plan.delays_s):
            return None
        return Reschedule(plan.next_call_at(call_index + 1, started_at), {"call": call_index + 1})

    async def _mailbox_with_new_messages(self, task: OutboxTask) -> Mailbox | None:
        try:
            mailbox = await self._boxes.get(task.box_id)
        except NotFound:
            return None
        return mailbox if (await self._messages.counts(mailbox.id)).new else None

    async def _originate(self, mailbox: Mailbox, plan: RetryPlan) -> bool:
        """Return whether the call was answered."""
        variables = {"IVR_BOX_ID": mailbox.id, "IVR_BOX_ACCOUNT_ID": mailbox.account_id}
        try:
            is_answered = await actions.originate(
                self._ami,
                OriginateTarget(plan.number, self._settings.call_context),
                ANSWERED_CONTEXT,
                variables,
                ring_timeout_s=plan.ring_timeout_s,
                caller_number=mailbox.number,
            )
        except (AmiUnavailable, BadInput) as error:
            log.warning("new_message_call.failed", box=mailbox.id, error=str(error))
            return False
        log.info("new_message_call.answered" if is_answered else "new_message_call.not_answered", box=mailbox.id)
        return is_answered


def _callback_settings(settings: Mapping[str, Any]) -> NewMessageCallSettings:
    """Return `voicemail.notify.callback` of a user's or account's settings. Invalid settings are logged and ignored."""
    section: Any = settings
    for name in ("voicemail", "notify", "callback"):
        section = section.get(name) if isinstance(section, Mapping) else None
    try:
        return NewMessageCallSettings.model_validate(section or {}, context=STORED)
    except ValueError:
        log.warning("new_message_call.invalid_settings", settings=section)
        return NewMessageCallSettings()


def _first_set(name: str, *layers: NewMessageCallSettings, default: Any = None) -> Any:
    """Return the first value that is not None. False is a value: a box can enable what its owner has disabled."""
    return next((value for layer in layers if (value := getattr(layer, name)) is not None), default)
