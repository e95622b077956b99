"""The entry point of every call: finds account, user and mailbox, runs the menus, and ends the call.

Hang-up is handled here and nowhere else, as is every error that no menu has handled. The last step is always to report
the status to the dialplan.
"""

from __future__ import annotations

import asyncio

import structlog

from ivr.call.arguments import DIALPLAN_REQUESTS, Action
from ivr.call.base import Call
from ivr.call.incoming import TAKE_VARIABLE
from ivr.clock import Clock
from ivr.directory.models import Account, User
from ivr.errors import DiskFull, HungUp, IvrError, NotFound, ServiceStopping, StoreError
from ivr.mailbox.mailbox import Mailbox
from ivr.menus import dialplan_status, menu
from ivr.menus.authenticate import Authenticate
from ivr.menus.call_language import caller_languages, owner_languages
from ivr.menus.caller_entry import entry_menu
from ivr.menus.context import CallContext, OwnerSession, VoicemailServices, find_mailbox
from ivr.menus.dial_by_name import DialByName
from ivr.menus.dialplan_status import Status
from ivr.menus.mailbox_info import MailboxInfo
from ivr.menus.menu import NextStep
from ivr.menus.play_greeting import PlayGreeting
from ivr.menus.play_message import PlayMessage
from ivr.menus.say_name import SayName
from ivr.menus.sign_in import AfterLogin, SignIn
from ivr.prompts.prompt_cache import PromptCache
from ivr.prompts.voice import Voice
from ivr.storage.protocols import CallStore
from ivr.storage.records import CallRecord, InterruptedCall, LiveCall

MAX_HEARTBEAT_AGE_S = 60
"""A session is resumed without its PIN only if its service was alive this recently."""

REMEDY = "it must come from our own Asterisk: 'ivr doctor' compares its IVR_SECRET with that of the service"

log = structlog.get_logger()


class CallHandler:
    """Handles calls. `instance`: the name of this service, if calls outlive it (ARI)."""

    def __init__(
        self, services: VoicemailServices, prompt_cache: PromptCache, call_store: CallStore, instance: str | None = None
    ) -> None:
        self._services = services
        self._prompt_cache = prompt_cache
        self._call_store = call_store
        self._instance = instance

    async def handle(self, call: Call) -> None:
        """Handle one call from its start to its end. Raises nothing."""
        incoming = call.incoming
        if not incoming.channel and incoming.arguments.skip_module:
            await _answer_probe(call)
            return
        record = OpenCallRecord(call, self._call_store, self._services.clock, self._instance)
        log.info("call.started", channel=incoming.channel, action=incoming.arguments.action, endpoint=incoming.endpoint)
        status: Status | None = Status.ERROR
        awaits_resume = False
        interrupted_call = await record.claim_interrupted_call()
        record.open()
        try:
            status = await self._run_menus(call, record, interrupted_call)
        except HungUp:
            status = Status.HANGUP
        except ServiceStopping:
            awaits_resume = True
        except IvrError as error:
            log.error("call.failed", channel=incoming.channel, error=str(error), kind=type(error).__name__)
            if _can_dialplan_record(call, error):
                status = None
            else:
                await self._play_error(call, menu.prompt_for(error))
        except Exception:
            log.exception("call.crashed", channel=incoming.channel)
            await self._play_error(call, "problem/later")
        finally:
            if awaits_resume:
                self._services.takes.release(incoming.channel, incoming.uniqueid)
                log.info("call.awaits_resume", channel=incoming.channel)
                await record.wait_until_open()
            else:
                await dialplan_status.report_call_ended(call, status)
                await call.return_to_dialplan(status or "")
                self._services.takes.release(incoming.channel, incoming.uniqueid)
                log.info("call.ended", channel=incoming.channel, status=status)
                await record.close(status)

    async def _run_menus(
        self, call: Call, record: OpenCallRecord, interrupted_call: InterruptedCall | None
    ) -> Status | None:
        """Run the menus of a call and return its status; None: the dialplan completes the call without the service."""
        arguments = call.incoming.arguments
        if arguments.skip_module or arguments.action is None:
            return Status.SKIPPED
        if arguments.action in DIALPLAN_REQUESTS and not call.incoming.is_proven:
            log.warning("call.request_refused", channel=call.incoming.channel, action=arguments.action, remedy=REMEDY)
            return Status.NOACCESS
        if arguments.early_media and arguments.action is Action.LEAVE:
            await call.send_progress()
        elif arguments.action is not Action.INFO:
            await call.answer()
        if arguments.action is Action.LEAVE:
            await call.run_while_listening(self._services.verify_storage())
        endpoint_user = await call.run_while_listening(self._find_user(call))
        account = await call.run_while_listening(self._find_account(call, endpoint_user))
        if account is None:
            await self._play_error(call, "login/no-account")
            return Status.NOACCOUNT
        record.account_id = account.id
        user = None if call.incoming.forwarded else endpoint_user
        voice = Voice(self._prompt_cache, *caller_languages(call.incoming, account, user, None))
        call_context = CallContext(call, voice, self._services, account, user, on_sign_in=record.on_sign_in)
        session = await _resume_session(call_context, interrupted_call) if interrupted_call else None
        if interrupted_call and not session and await _had_reached_beep(call):
            return None
        mailbox, is_specified = (session.mailbox, True) if session else await find_mailbox(call_context)
        if mailbox:  # Of several mailboxes the first that exists, maybe one of another account.
            record.account_id, record.box_id = mailbox.account_id, mailbox.id
        if mailbox and not session:
            voice.switch_to(*_languages_before_sign_in(call_context, mailbox))
            if arguments.action in (Action.LEAVE, Action.INFO):  # A dialplan asks before the phone rings.
                self._services.greetings.prefetch(mailbox)
        try:
            next_step: NextStep = (
                AfterLogin(session) if session else await _entry_menu(call_context, mailbox, is_specified)
            )
            while not isinstance(next_step, Status):
                next_step = await next_step.run()
            return next_step
        finally:
            messages, opened = self._services.messages, call_context.opened_mailboxes
            # At once, so that they are one commit.
            lights = (messages.enqueue_mwi(mailbox.account_id, mailbox.id) for mailbox in opened)
            await asyncio.gather(call_context.wait_for_audit(), *lights)

    async def _find_user(self, call: Call) -> User | None:
        directory, endpoint = self._services.directory, call.incoming.endpoint
        return await directory.user_of_endpoint(self._services.asterisk_name, endpoint) if endpoint else None

    async def _find_account(self, call: Call, user: User | None) -> Account | None:
        """Return the account that the dialplan names, else that of the endpoint's user, else the only one there is.

        Calls of trunks and of phones without a user come without both.
        """
        directory, name = self._services.directory, call.incoming.arguments.account
        try:
            if name and (named := await directory.find_account_of_context(name)):
                return named
            return await (directory.account(user.account_id) if user else directory.single_account())
        except NotFound as error:
            log.error("call.account_not_found", channel=call.incoming.channel, error=str(error))
            return None

    async def _play_error(self, call: Call, prompt: str) -> None:
        if call.incoming.arguments.action is Action.INFO:
            return  # The dialplan asks about a mailbox: the call is not answered.
        voice = Voice(self._prompt_cache, call.incoming.arguments.language, call.incoming.language)
        try:
            cached = voice.find_cached(prompt)
            await call.play([cached if cached else await call.run_while_listening(voice.render(prompt))])
        except (HungUp, IvrError) as error:
            log.warning("call.error_prompt_failed", channel=call.incoming.channel, error=repr(error))


def _can_dialplan_record(call: Call, error: IvrError) -> bool:
    """Return whether the dialplan completes a call that failed because the service cannot store.

    It greets and records by itself, unless the caller has spoken or signed in already (docs/fallback.md). On a full
    disk it could not record either.
    """
    is_store_error = isinstance(error, StoreError) and not isinstance(error, DiskFull)
    return is_store_error and call.incoming.arguments.action is Action.LEAVE


async def _answer_probe(call: Call) -> None:
    """Answer `ivr doctor`, which checks that the service responds: it has no channel, so there is no call to record."""
    await dialplan_status.report_call_ended(call, Status.SKIPPED)
    await call.return_to_dialplan(Status.SKIPPED)


def _languages_before_sign_in(call_context: CallContext, mailbox: Mailbox) -> tuple[str | None, ...]:
    incoming, account, user = call_context.call.incoming, call_context.account, call_context.user
    if incoming.arguments.action is Action.CHECK:
        return owner_languages(incoming, mailbox, user if call_context.is_owner(mailbox) else mailbox.owner)
    return caller_languages(incoming, account, user, mailbox)


async def _entry_menu(call_context: CallContext, mailbox: Mailbox | None, is_specified: bool) -> NextStep:
    """Return the first menu of a new call: sign in, what the dialplan asks for, or what callers of the mailbox begin
    with."""
    match call_context.call.incoming.arguments.action:
        case Action.CHECK:
            return SignIn(call_context, mailbox, mailbox_specified=is_specified)
        case Action.INFO:
            return MailboxInfo(call_context, mailbox)
        case Action.AUTHENTICATE:
            return Authenticate(call_context, mailbox, mailbox_specified=is_specified)
        case Action.SAY_NAME:
            return SayName(call_context, mailbox)
        case Action.DIRECTORY:
            return DialByName(call_context)
        case Action.PLAY_MESSAGE | Action.PLAY_GREETING as action:
            if mailbox is None or not mailbox.settings.enabled:
                return Status.NOBOX
            is_message = action is Action.PLAY_MESSAGE
            return PlayMessage(call_context, mailbox) if is_message else PlayGreeting(call_context, mailbox)
        case _:
            return await entry_menu(call_context, mailbox)


async def _resume_session(call_context: CallContext, interrupted_call: InterruptedCall) -> OwnerSession | None:
    """Return the session of a call whose service died or was stopped; None: its caller has to sign in again.

    Over ARI a call outlives its service. Its session is resumed only if the store has recorded the sign-in, and the
    service was alive less than `MAX_HEARTBEAT_AGE_S` ago.
    """
    age_s = call_context.services.clock.now() - interrupted_call.seen_at
    if not interrupted_call.box_id or not 0 <= age_s < MAX_HEARTBEAT_AGE_S:
        return None
    try:
        mailbox = await call_context.call.run_while_listening(call_context.services.boxes.get(interrupted_call.box_id))
    except NotFound:
        return None
    return call_context.open_session(
        mailbox, own_phone=interrupted_call.own_phone, has_pin=not interrupted_call.own_phone
    )


async def _had_reached_beep(call: Call) -> bool:
    """Return whether a caller had reached the beep already.

    If so, the dialplan completes the call: it asks for a message again only if nothing was recorded.
    """
    return call.incoming.arguments.action is Action.LEAVE and bool(await call.get_variable(TAKE_VARIABLE))


class OpenCallRecord:
    """The record of a call that is in progress. A store error is logged and never ends the call.

    `instance`: the name of this service, if calls outlive it (ARI). Only then are sign-ins recorded and interrupted
    calls claimed. What the dialplan asks about a mailbox is no call, and has no record.
    """

    def __init__(self, call: Call, call_store: CallStore, clock: Clock, instance: str | None) -> None:
        self.account_id: str | None = None
        self.box_id: str | None = None
        self._call = call
        self._call_store = call_store
        self._clock = clock
        self._instance = instance
        self._is_recorded = call.incoming.arguments.action is not Action.INFO
        self._began_at = int(clock.now())
        self._row_id: asyncio.Task[str]
        self._sign_in_tasks: set[asyncio.Task[None]] = set()

    async def claim_interrupted_call(self) -> InterruptedCall | None:
        """Return what another service, or an earlier run of this one, had recorded of this call."""
        incoming = self._call.incoming
        if not self._instance or not self._is_recorded:
            return None
        try:
            interrupted_call = await self._call_store.take_over(
                incoming.channel, incoming.uniqueid, int(self._clock.now())
            )
        except IvrError as error:
            log.warning("call.resume_failed", channel=incoming.channel, error=str(error))
            return None
        if interrupted_call:
            log.info("call.resumed", channel=incoming.channel, box=interrupted_call.box_id)
            self._call.journal.note("resumed")
        return interrupted_call

    def open(self) -> None:
        """Start to write the row of the live call. The first prompt does not wait for it."""
        self._row_id = asyncio.create_task(self._insert_live_call())

    async def wait_until_open(self) -> str:
        """Return the id of the row, "" if it could not be written."""
        return await self._row_id

    def on_sign_in(self, mailbox: Mailbox, own_phone: bool) -> None:
        """Record a sign-in in the background, so that a service that resumes the call can skip it."""
        if self._instance:
            task = asyncio.create_task(self._update_sign_in(mailbox, own_phone))
            self._sign_in_tasks.add(task)
            task.add_done_callback(self._sign_in_tasks.discard)

    async def close(self, status: Status | None) -> None:
        """Replace the row of the live call by the complete record."""
        if not self._is_recorded:
            return
        incoming = self._call.incoming
        record = CallRecord(
            channel=incoming.channel,
            caller_number=incoming.caller_number,
            action=str(incoming.arguments.action),
            status=status or Status.DONE,
            began_at=self._began_at,
            ended_at=int(self._clock.now()),
            account_id=self.account_id,
            box_id=self.box_id,
            id=await self.wait_until_open(),
            steps=[{"at_ms": step.at_ms, "what": step.event, **step.details} for step in self._call.journal.entries],
        )
        try:
            await self._call_store.finish(record)
        except IvrError as error:
            log.warning("call.record_not_stored", channel=incoming.channel, error=str(error))

    async def _insert_live_call(self) -> str:
        if not self._is_recorded:
            return ""
        incoming = self._call.incoming
        live_call = LiveCall(
            channel=incoming.channel,
            caller_number=incoming.caller_number,
            action=str(incoming.arguments.action),
            number=incoming.arguments.number or "",
            began_at=self._began_at,
            uniqueid=incoming.uniqueid if self._instance else None,
            instance=self._instance,
        )
        try:
            return await self._call_store.begin(live_call)
        except IvrError as error:
            log.warning("call.record_not_opened", channel=incoming.channel, error=str(error))
            return ""

    async def _update_sign_in(self, mailbox: Mailbox, own_phone: bool) -> None:
        try:
            await self._call_store.record_sign_in(await self._row_id, mailbox.id, own_phone)
        except IvrError as error:
            log.warning("call.sign_in_not_recorded", error=str(error))
