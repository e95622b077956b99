"""Calls to owners who want to be told of new messages by telephone (kazoo-behaviour §5.3).

One run a number and box: it calls by its schedule until somebody answers or nothing is new. Whoever answers is asked
for the PIN like any caller: the number may have been anybody's for years (design: the owner is who the device proves
to be). Calls go out through one context of the site's making; what that context has not cannot be called.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from ivr.ami import calls
from ivr.ami.calls import Destination
from ivr.ami.manager import Manager
from ivr.clock import Clock
from ivr.errors import AsteriskAway, BadInput, NotFound
from ivr.mailbox.box import Callback
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Folder
from ivr.mailbox.sqlite.outbox import Kind, ask
from ivr.mailbox.store import MessageStore
from ivr.notify.change import Change
from ivr.notify.lane import Again, Done, Handler
from ivr.notify.outbox import Outbox, Row
from ivr.notify.settings import NotifySettings

THEN = "ivr-called"
"""The context of ours that whoever answers is led to."""
AWAY_PAUSE_S = 60
AT_ONCE = 20

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Plan:
    """Whom to call, and when: seconds before each call."""

    number: str
    schedule: tuple[int, ...]
    interval_s: int
    timeout_s: int

    def next_at(self, call: int, began: int) -> int:
        """When the call after the one that began at `began` is due (Unix s): never while it may still ring."""
        wait_s = self.schedule[call]
        return began + (wait_s if wait_s > self.timeout_s else self.timeout_s + self.interval_s)


def plan_for(mailbox: Mailbox, system: NotifySettings) -> Plan | None:
    """What the box wants, else its owner, else the account, else the system; None: no call."""
    if mailbox.owner is None:
        return None
    own = mailbox.settings.notify.callback if mailbox.settings.notify else Callback()
    user, account = _of(mailbox.owner.settings), _of(mailbox.account.settings)
    number = _first("number", own, user)
    if not number or _first("disabled", own, user):
        return None
    interval_s = int(_first("interval_s", own, user, account, default=system.call_interval_s))
    attempts = int(_first("attempts", own, user, account, default=system.call_attempts))
    schedule = _first("schedule", own, user, account)
    if schedule is None:
        schedule = [interval_s] * attempts if interval_s > 0 else []
    timeout_s = int(_first("timeout_s", own, user, account, default=system.call_timeout_s))
    return Plan(number, tuple(schedule), interval_s, max(1, timeout_s)) if schedule else None


class CallFollower:
    """Asks for a run of calls; one that is under way goes on as it is."""

    def __init__(self, settings: NotifySettings) -> None:
        self._settings = settings

    def follow(self, connection: sqlite3.Connection, change: Change, now: int) -> None:
        message = change.message
        if change.kind is not Kind.NEW or change.quiet or not message or message.folder is not Folder.NEW:
            return
        if plan := plan_for(change.mailbox, self._settings):
            ask(
                connection, Kind.CALL, now, account_id=message.account_id, box_id=message.box_id, about=plan.number,
                due_at=change.at + plan.schedule[0], payload={"call": 0},
            )  # fmt: skip


class CallBack:
    """Makes the calls."""

    def __init__(
        self, boxes: Boxes, messages: MessageStore, outbox: Outbox, clock: Clock, manager: Manager,
        settings: NotifySettings,
    ) -> None:  # fmt: skip
        self._boxes = boxes
        self._messages = messages
        self._outbox = outbox
        self._clock = clock
        self._manager = manager
        self._settings = settings

    @property
    def handlers(self) -> dict[Kind, Handler]:
        return {Kind.CALL: self.call}

    async def call(self, row: Row) -> Done:
        """One call of a run, unless there is nothing to tell any more."""
        call, began = int(row.payload.get("call", 0)), int(self._clock.now())
        mailbox = await self._still(row)
        plan = plan_for(mailbox, self._settings) if mailbox else None
        if mailbox is None or plan is None or plan.number != row.about or call >= len(plan.schedule):
            return None
        if not row.payload.get("ringing"):
            if not self._manager.connection:
                return Again(began + AWAY_PAUSE_S, {"call": call})
            # If we die now nobody knows whether it rang: that slot counts as used.
            await self._outbox.note(row, {"call": call, "ringing": True})
            if await self._ring(mailbox, plan):
                return None
        if call + 1 >= len(plan.schedule):
            return None
        return Again(plan.next_at(call + 1, began), {"call": call + 1})

    async def _still(self, row: Row) -> Mailbox | None:
        """The box, as long as it has new messages."""
        try:
            mailbox = await self._boxes.get(row.box_id)
        except NotFound:
            return None
        return mailbox if (await self._messages.counts(mailbox.id)).new else None

    async def _ring(self, mailbox: Mailbox, plan: Plan) -> bool:
        """Whether somebody answered."""
        about = {"IVRBOX": mailbox.id, "IVRBOXACCOUNT": mailbox.account_id}
        try:
            destination = Destination(plan.number, self._settings.call_context)
            answered = await calls.call(
                self._manager, destination, THEN, about, ring_s=plan.timeout_s, caller_number=mailbox.number
            )
        except (AsteriskAway, BadInput) as error:
            log.warning("callback.failed", box=mailbox.id, error=str(error))
            return False
        log.info("callback.answered" if answered else "callback.no_answer", box=mailbox.id)
        return answered


def _of(settings: Mapping[str, Any]) -> Callback:
    """`voicemail.notify.callback` of a user or an account; nonsense there counts as nothing."""
    place: Any = settings
    for name in ("voicemail", "notify", "callback"):
        place = place.get(name) if isinstance(place, Mapping) else None
    try:
        return Callback.model_validate(place or {})
    except ValueError:
        log.warning("callback.settings", settings=place)
        return Callback()


def _first(name: str, *places: Callback, default: Any = None) -> Any:
    """False is a value as well: a box that is not disabled is called although its owner is."""
    return next((value for place in places if (value := getattr(place, name)) is not None), default)
