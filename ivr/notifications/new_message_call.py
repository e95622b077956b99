"""Calls to owners who want to be told of new messages by telephone (kazoo-behaviour §5.3).

One run a number and box: it calls by its schedule until somebody answers or nothing is new. Whoever answers is asked
for the PIN like any caller: the number may have been anybody's for years (design: the owner is who the device proves
to be). Calls go out through one context of the site's making; what that context has not cannot be called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from ivr.ami import originate
from ivr.ami.client import AmiClient
from ivr.ami.originate import OriginateTarget
from ivr.clock import Clock
from ivr.errors import AmiUnavailable, BadInput, NotFound
from ivr.mailbox.box_settings import Callback
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.mailbox import Mailbox
from ivr.notifications.event import MailboxEvent
from ivr.notifications.settings import NotificationSettings
from ivr.notifications.worker import Handler, HandlerResult, Reschedule
from ivr.storage.protocols import MessageStore, OutboxStore, Transaction
from ivr.storage.records import Folder, OutboxTask, TaskKind

ANSWERED_CONTEXT = "ivr-new-message-call"
"""The context of ours that whoever answers is led to."""
DISCONNECTED_RETRY_DELAY_S = 60
MAX_CONCURRENCY = 20

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """Whom to call, and when: seconds before each call."""

    number: str
    delays_s: tuple[int, ...]
    interval_s: int
    timeout_s: int

    def next_call_at(self, call_index: int, started_at: int) -> int:
        """When the call after the one that began at `began` is due (Unix s): never while it may still ring."""
        wait_s = self.delays_s[call_index]
        return started_at + (wait_s if wait_s > self.timeout_s else self.timeout_s + self.interval_s)


def retry_plan_for(mailbox: Mailbox, defaults: NotificationSettings) -> RetryPlan | None:
    """What the box wants, else its owner, else the account, else the system; None: no call."""
    if mailbox.owner is None:
        return None
    own = mailbox.settings.notify.callback if mailbox.settings.notify else Callback()
    user, account = _callback_settings(mailbox.owner.settings), _callback_settings(mailbox.account.settings)
    number = _first_set("number", own, user)
    if not number or _first_set("disabled", own, user):
        return None
    interval_s = int(_first_set("interval_s", own, user, account, default=defaults.call_interval_s))
    attempts = int(_first_set("attempts", own, user, account, default=defaults.call_attempts))
    schedule = _first_set("schedule", own, user, account)
    if schedule is None:
        schedule = [interval_s] * attempts if interval_s > 0 else []
    timeout_s = int(_first_set("timeout_s", own, user, account, default=defaults.call_timeout_s))
    return RetryPlan(number, tuple(schedule), interval_s, max(1, timeout_s)) if schedule else None


class CallSubscriber:
    """Asks for a run of calls; one that is under way goes on as it is."""

    def __init__(self, settings: NotificationSettings) -> None:
        self._settings = settings

    def handle(self, transaction: Transaction, event: MailboxEvent) -> None:
        message = event.message
        if (
            event.kind is not TaskKind.NEW
            or event.suppress_owner_notification
            or not message
            or message.folder is not Folder.NEW
        ):
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
    """Makes the calls."""

    def __init__(
        self,
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
        """One call of a run, unless there is nothing to tell any more."""
        call, began = int(task.payload.get("call", 0)), int(self._clock.now())
        mailbox = await self._mailbox_with_new_messages(task)
        plan = retry_plan_for(mailbox, self._settings) if mailbox else None
        if mailbox is None or plan is None or plan.number != task.target or call >= len(plan.delays_s):
            return None
        if not task.payload.get("ringing"):
            if not self._ami.connection_id:
                return Reschedule(began + DISCONNECTED_RETRY_DELAY_S, {"call": call})
            # If we die now nobody knows whether it rang: that slot counts as used.
            await self._outbox.save_progress(task, {"call": call, "ringing": True})
            if await self._originate(mailbox, plan):
                return None
        if call + 1 >= len(plan.delays_s):
            return None
        return Reschedule(plan.next_call_at(call + 1, began), {"call": call + 1})

    async def _mailbox_with_new_messages(self, task: OutboxTask) -> Mailbox | None:
        """The box, as long as it has new messages."""
        try:
            mailbox = await self._boxes.get(task.box_id)
        except NotFound:
            return None
        return mailbox if (await self._messages.counts(mailbox.id)).new else None

    async def _originate(self, mailbox: Mailbox, plan: RetryPlan) -> bool:
        """Whether somebody answered."""
        about = {"IVR_BOX_ID": mailbox.id, "IVR_BOX_ACCOUNT_ID": mailbox.account_id}
        try:
            destination = OriginateTarget(plan.number, self._settings.call_context)
            answered = await originate.originate(
                self._ami,
                destination,
                ANSWERED_CONTEXT,
                about,
                ring_timeout_s=plan.timeout_s,
                caller_number=mailbox.number,
            )
        except (AmiUnavailable, BadInput) as error:
            log.warning("callback.failed", box=mailbox.id, error=str(error))
            return False
        log.info("callback.answered" if answered else "callback.no_answer", box=mailbox.id)
        return answered


def _callback_settings(settings: Mapping[str, Any]) -> Callback:
    """`voicemail.notify.callback` of a user or an account; nonsense there counts as nothing."""
    place: Any = settings
    for name in ("voicemail", "notify", "callback"):
        place = place.get(name) if isinstance(place, Mapping) else None
    try:
        return Callback.model_validate(place or {})
    except ValueError:
        log.warning("callback.settings", settings=place)
        return Callback()


def _first_set(name: str, *layers: Callback, default: Any = None) -> Any:
    """False is a value as well: a box that is not disabled is called although its owner is."""
    return next((value for place in layers if (value := getattr(place, name)) is not None), default)
