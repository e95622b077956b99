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
from ivr.call.base import Call
from ivr.directory.models import Account, User
from ivr.errors import HungUp, IvrError, NotFound, ServiceStopping
from ivr.mailbox.mailbox import Mailbox
from ivr.menus import dialplan_status, error_prompts, resume
from ivr.menus.after_login import PostLogin
from ivr.menus.caller_entry import entry_menu
from ivr.menus.context import CallContext, Status, VoicemailServices
from ivr.menus.mailbox_lookup import find_mailbox
from ivr.menus.menu import NextStep
from ivr.menus.sign_in import SignIn
from ivr.prompts.prompt_cache import PromptCache
from ivr.prompts.voice import Voice
from ivr.storage.protocols import CallStore
from ivr.storage.records import CallRecord, InterruptedCall, LiveCall

log = structlog.get_logger()


@dataclass(slots=True)
class CallSummary:
    """What turned out about a call, for its record."""

    account_id: str | None = None
    box_id: str | None = None
    on_sign_in: Callable[[Mailbox, bool], None] = lambda mailbox, own_phone: None
    awaits_resume: bool = False


class CallHandler:
    """Attends to calls. `instance`: the name of this service, where calls may outlive it (`survival`)."""

    def __init__(
        self, services: VoicemailServices, prompt_cache: PromptCache, call_store: CallStore, instance: str | None = None
    ) -> None:
        self._services = services
        self._prompt_cache = prompt_cache
        self._call_store = call_store
        self._instance = instance
        self._background_tasks: set[asyncio.Task[None]] = set()

    async def handle(self, call: Call) -> None:
        """One call, from its first moment to its last. Raises nothing."""
        arrival = call.incoming
        began_at = self._services.clock.now()
        log.info("call.began", channel=arrival.channel, action=arrival.arguments.action, endpoint=arrival.endpoint)
        status: Status | None = Status.ERROR
        about = CallSummary()
        earlier = await self._claim_interrupted_call(call)
        noted = asyncio.create_task(
            self._open_call_record(call, began_at)
        )  # Nobody waits for it before they hear something.
        about.on_sign_in = partial(self._on_sign_in, noted)
        try:
            status = await self._run_menus(call, about, earlier)
        except HungUp:
            status = Status.HANGUP
        except ServiceStopping:
            about.awaits_resume = True
        except IvrError as error:
            log.error("call.failed", channel=arrival.channel, error=str(error), kind=type(error).__name__)
            await self._play_error(call, error_prompts.prompt_for(error))
        except Exception:
            log.exception("call.broke", channel=arrival.channel)
            await self._play_error(call, "problem/later")
        finally:
            if about.awaits_resume:
                self._services.takes.let_go(arrival.channel, arrival.uniqueid)
                log.info("call.left_alone", channel=arrival.channel)
                await noted
            else:
                await dialplan_status.report_call_ended(call, status)
                await call.return_to_dialplan(status or "")
                self._services.takes.let_go(arrival.channel, arrival.uniqueid)
                log.info("call.ended", channel=arrival.channel, status=status)
                await self._close_call_record(call, about, status, began_at, await noted)

    async def _open_call_record(self, call: Call, began_at: float) -> str:
        """The call goes on from now; gives the id of the record that it will have, "" where that failed."""
        arrival = call.incoming
        live = LiveCall(
            channel=arrival.channel,
            caller_number=arrival.caller_number,
            action=str(arrival.arguments.action),
            number=arrival.arguments.number or "",
            began_at=int(began_at),
            uniqueid=arrival.uniqueid if self._instance else None,
            instance=self._instance,
        )
        try:
            return await self._call_store.begin(live)
        except IvrError as error:
            log.warning("call.not_noted_down", channel=arrival.channel, error=str(error))
            return ""

    async def _close_call_record(
        self, call: Call, summary: CallSummary, status: Status | None, began_at: float, call_id: str
    ) -> None:
        arrival = call.incoming
        record = CallRecord(
            channel=arrival.channel,
            caller_number=arrival.caller_number,
            action=str(arrival.arguments.action),
            status=status or Status.DONE,
            began_at=int(began_at),
            ended_at=int(self._services.clock.now()),
            account_id=summary.account_id,
            box_id=summary.box_id,
            id=call_id,
            steps=[{"at_ms": step.at_ms, "what": step.event, **step.details} for step in call.journal.entries],
        )
        try:
            await self._call_store.add(record)
        except IvrError as error:
            log.warning("call.not_written_down", channel=arrival.channel, error=str(error))

    async def _claim_interrupted_call(self, call: Call) -> InterruptedCall | None:
        """What another service, or an earlier run of this one, knew of this call."""
        arrival = call.incoming
        if not self._instance:
            return None
        try:
            now = int(self._services.clock.now())
            earlier = await self._call_store.take_up(arrival.channel, arrival.uniqueid, now)
        except IvrError as error:
            log.warning("call.not_taken_up", channel=arrival.channel, error=str(error))
            return None
        if earlier:
            log.info("call.taken_up", channel=arrival.channel, box=earlier.box_id)
            call.journal.note("taken up")
        return earlier

    def _on_sign_in(self, record_task: asyncio.Task[str], mailbox: Mailbox, own_phone: bool) -> None:
        """Nobody waits for that."""
        if self._instance:
            task = asyncio.create_task(self._record_sign_in(record_task, mailbox, own_phone))
            self._background_tasks.add(task)
            task.add_done_callback(self._background_tasks.discard)

    async def _record_sign_in(self, record_task: asyncio.Task[str], mailbox: Mailbox, own_phone: bool) -> None:
        try:
            await self._call_store.signed_in(await record_task, mailbox.id, own_phone)
        except IvrError as error:
            log.warning("call.sign_in_not_noted", error=str(error))

    async def _run_menus(
        self, call: Call, summary: CallSummary, interrupted_call: InterruptedCall | None
    ) -> Status | None:
        """None: the dialplan is to end it as if nobody had it."""
        arguments = call.incoming.arguments
        if arguments.skip_module or arguments.action is None:
            return Status.SKIPPED
        await (call.send_progress() if arguments.early_media and arguments.action is Action.LEAVE else call.answer())
        user = await call.run_while_listening(self._find_user(call))
        account = await call.run_while_listening(self._find_account(call, user))
        if account is None:
            await self._play_error(call, "login/no-account")
            return Status.NOACCOUNT
        summary.account_id = account.id
        person = None if call.incoming.forwarded else user
        visit = CallContext(
            call,
            self._build_voice(call, account, person),
            self._services,
            account,
            person,
            on_sign_in=summary.on_sign_in,
        )
        session = await resume.resume_session(visit, interrupted_call) if interrupted_call else None
        if interrupted_call and not session and await resume.had_reached_beep(call):
            return None
        mailbox, named = (session.mailbox, True) if session else await find_mailbox(visit)
        summary.box_id = mailbox.id if mailbox else None
        try:
            place: NextStep = PostLogin(session) if session else await self._entry_menu(visit, mailbox, named)
            while not isinstance(place, Status):
                place = await place.run()
            return place
        finally:
            for opened in visit.opened_mailboxes:
                await self._services.messages.refresh_light(opened.account_id, opened.id)

    @staticmethod
    async def _entry_menu(call_context: CallContext, mailbox: Mailbox | None, mailbox_specified: bool) -> NextStep:
        """Check or leave."""
        if call_context.call.incoming.arguments.action is Action.CHECK:
            return SignIn(call_context, mailbox, mailbox_specified=mailbox_specified)
        return await entry_menu(call_context, mailbox)

    async def _find_user(self, call: Call) -> User | None:
        endpoint = call.incoming.endpoint
        return (
            await self._services.directory.user_of_endpoint(self._services.asterisk_name, endpoint)
            if endpoint
            else None
        )

    async def _find_account(self, call: Call, user: User | None) -> Account | None:
        """The one that the dialplan names, else that of the device's user (design: the dialplan contract)."""
        named = call.incoming.arguments.account
        try:
            if named:
                return await self._services.directory.find_account_by_name(named)
            return await self._services.directory.account(user.account_id) if user else None
        except NotFound as error:
            log.error("call.account", channel=call.incoming.channel, error=str(error))
            return None

    def _build_voice(self, call: Call, account: Account, user: User | None) -> Voice:
        language = call.incoming.arguments.language or (user and user.language) or account.language
        return Voice(self._prompt_cache, language)

    async def _play_error(self, call: Call, prompt: str) -> None:
        voice = Voice(self._prompt_cache, call.incoming.arguments.language or call.incoming.language)
        try:
            ready = voice.find_cached(prompt)
            await call.play([ready if ready else await call.run_while_listening(voice.render(prompt))])
        except (HungUp, IvrError) as failure:
            log.warning("call.no_apology", channel=call.incoming.channel, reason=repr(failure))
