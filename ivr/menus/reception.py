"""Where every call comes in and goes out: whose it is, which menu it begins with, and how it ends.

Hang-up is caught here, once; so is every error that no menu could mend. The last act is always to tell the dialplan.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog

from ivr.call.arguments import Action
from ivr.call.port import Call
from ivr.directory.people import Account, User
from ivr.errors import HungUp, IvrError, LeftAlone, NotFound
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.store import CallRecord, CallStore, Earlier, LiveCall
from ivr.menus import apology, outcome, survival
from ivr.menus.caller import first_place
from ivr.menus.menu import Next
from ivr.menus.sign_in import SignIn
from ivr.menus.visit import Mailroom, Status, Visit
from ivr.menus.welcome import Welcome
from ivr.menus.which_box import which_box
from ivr.prompts.sentences import Sentences
from ivr.prompts.voice import Voice

log = structlog.get_logger()


@dataclass(slots=True)
class About:
    """What turned out about a call, for its record."""

    account_id: str | None = None
    box_id: str | None = None
    note_sign_in: Callable[[Mailbox, bool], None] = lambda mailbox, own_phone: None
    is_left_alone: bool = False


class Reception:
    """Attends to calls. `instance`: the name of this service, where calls may outlive it (`survival`)."""

    def __init__(self, mailroom: Mailroom, sentences: Sentences, calls: CallStore, instance: str | None = None) -> None:
        self._mailroom = mailroom
        self._sentences = sentences
        self._calls = calls
        self._instance = instance
        self._notes: set[asyncio.Task[None]] = set()

    async def receive(self, call: Call) -> None:
        """One call, from its first moment to its last. Raises nothing."""
        arrival = call.arrival
        began_at = self._mailroom.clock.now()
        log.info("call.began", channel=arrival.channel, action=arrival.arguments.action, endpoint=arrival.endpoint)
        status: Status | None = Status.ERROR
        about = About()
        earlier = await self._taken_up(call)
        noted = asyncio.create_task(self._note_down(call, began_at))  # Nobody waits for it before they hear something.
        about.note_sign_in = partial(self._note_sign_in, noted)
        try:
            status = await self._attend(call, about, earlier)
        except HungUp:
            status = Status.HANGUP
        except LeftAlone:
            about.is_left_alone = True
        except IvrError as error:
            log.error("call.failed", channel=arrival.channel, error=str(error), kind=type(error).__name__)
            await self._apologise(call, apology.prompt_for(error))
        except Exception:
            log.exception("call.broke", channel=arrival.channel)
            await self._apologise(call, "problem/later")
        finally:
            if about.is_left_alone:
                self._mailroom.takes.let_go(arrival.channel, arrival.uniqueid)
                log.info("call.left_alone", channel=arrival.channel)
                await noted
            else:
                await outcome.ended(call, status)
                await call.finish(status or "")
                self._mailroom.takes.let_go(arrival.channel, arrival.uniqueid)
                log.info("call.ended", channel=arrival.channel, status=status)
                await self._write_down(call, about, status, began_at, await noted)

    async def _note_down(self, call: Call, began_at: float) -> str:
        """The call goes on from now; gives the id of the record that it will have, "" where that failed."""
        arrival = call.arrival
        live = LiveCall(
            channel=arrival.channel, caller_number=arrival.caller_number, action=str(arrival.arguments.action),
            number=arrival.arguments.number or "", began_at=int(began_at),
            uniqueid=arrival.uniqueid if self._instance else None, instance=self._instance,
        )  # fmt: skip
        try:
            return await self._calls.begin(live)
        except IvrError as error:
            log.warning("call.not_noted_down", channel=arrival.channel, error=str(error))
            return ""

    async def _write_down(self, call: Call, about: About, status: Status | None, began_at: float, call_id: str) -> None:
        arrival = call.arrival
        record = CallRecord(
            channel=arrival.channel, caller_number=arrival.caller_number, action=str(arrival.arguments.action),
            status=status or Status.DONE, began_at=int(began_at), ended_at=int(self._mailroom.clock.now()),
            account_id=about.account_id, box_id=about.box_id, id=call_id,
            steps=[{"at_ms": step.at_ms, "what": step.what, **step.details} for step in call.journal.steps],
        )  # fmt: skip
        try:
            await self._calls.add(record)
        except IvrError as error:
            log.warning("call.not_written_down", channel=arrival.channel, error=str(error))

    async def _taken_up(self, call: Call) -> Earlier | None:
        """What another service, or an earlier run of this one, knew of this call."""
        arrival = call.arrival
        if not self._instance:
            return None
        try:
            now = int(self._mailroom.clock.now())
            earlier = await self._calls.take_up(arrival.channel, arrival.uniqueid, now)
        except IvrError as error:
            log.warning("call.not_taken_up", channel=arrival.channel, error=str(error))
            return None
        if earlier:
            log.info("call.taken_up", channel=arrival.channel, box=earlier.box_id)
            call.journal.note("taken up")
        return earlier

    def _note_sign_in(self, noted: asyncio.Task[str], mailbox: Mailbox, own_phone: bool) -> None:
        """Nobody waits for that."""
        if self._instance:
            task = asyncio.create_task(self._note_signed_in(noted, mailbox, own_phone))
            self._notes.add(task)
            task.add_done_callback(self._notes.discard)

    async def _note_signed_in(self, noted: asyncio.Task[str], mailbox: Mailbox, own_phone: bool) -> None:
        try:
            await self._calls.signed_in(await noted, mailbox.id, own_phone)
        except IvrError as error:
            log.warning("call.sign_in_not_noted", error=str(error))

    async def _attend(self, call: Call, about: About, earlier: Earlier | None) -> Status | None:
        """None: the dialplan is to end it as if nobody had it."""
        arguments = call.arrival.arguments
        if arguments.skip_module or arguments.action is None:
            return Status.SKIPPED
        await (call.ring() if arguments.early_media and arguments.action is Action.LEAVE else call.answer())
        user = await call.work(self._user(call))
        account = await call.work(self._account(call, user))
        if account is None:
            await self._apologise(call, "login/no-account")
            return Status.NOACCOUNT
        about.account_id = account.id
        person = None if call.arrival.forwarded else user
        visit = Visit(
            call, self._voice(call, account, person), self._mailroom, account, person, note_sign_in=about.note_sign_in
        )
        session = await survival.session(visit, earlier) if earlier else None
        if earlier and not session and await survival.has_left_a_message(call):
            return None
        mailbox, named = (session.mailbox, True) if session else await which_box(visit)
        about.box_id = mailbox.id if mailbox else None
        try:
            place: Next = Welcome(session) if session else await self._first_place(visit, mailbox, named)
            while not isinstance(place, Status):
                place = await place.run()
            return place
        finally:
            for opened in visit.opened:
                await self._mailroom.messages.refresh_light(opened.account_id, opened.id)

    @staticmethod
    async def _first_place(visit: Visit, mailbox: Mailbox | None, named: bool) -> Next:
        """Check or leave."""
        if visit.call.arrival.arguments.action is Action.CHECK:
            return SignIn(visit, mailbox, named=named)
        return await first_place(visit, mailbox)

    async def _user(self, call: Call) -> User | None:
        endpoint = call.arrival.endpoint
        return await self._mailroom.directory.user_of_endpoint(self._mailroom.asterisk, endpoint) if endpoint else None

    async def _account(self, call: Call, user: User | None) -> Account | None:
        """The one that the dialplan names, else that of the device's user (design: the dialplan contract)."""
        named = call.arrival.arguments.account
        try:
            if named:
                return await self._mailroom.directory.account_called(named)
            return await self._mailroom.directory.account(user.account_id) if user else None
        except NotFound as error:
            log.error("call.account", channel=call.arrival.channel, error=str(error))
            return None

    def _voice(self, call: Call, account: Account, user: User | None) -> Voice:
        language = call.arrival.arguments.language or (user and user.language) or account.language
        return Voice(self._sentences, language)

    async def _apologise(self, call: Call, prompt: str) -> None:
        voice = Voice(self._sentences, call.arrival.arguments.language or call.arrival.language)
        try:
            ready = voice.known(prompt)
            await call.play([ready if ready else await call.work(voice.join(prompt))])
        except (HungUp, IvrError) as failure:
            log.warning("call.no_apology", channel=call.arrival.channel, reason=repr(failure))
