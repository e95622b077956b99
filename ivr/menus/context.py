"""What menus work with: the call and its voice, the services behind them, and the session of a signed-in owner."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from ivr.audio.formats import Sound
from ivr.call.arguments import DIALPLAN_REQUESTS, Action, Recipient
from ivr.call.base import Call
from ivr.clock import Clock
from ivr.directory.audit_log import AuditLog
from ivr.directory.directory import Directory
from ivr.directory.models import Account, User
from ivr.directory.pin_lockout import PinAttempt
from ivr.errors import NotFound
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.greetings import Greetings, GreetingUploads
from ivr.mailbox.mailbox import Capacity, Mailbox
from ivr.mailbox.pins import Pins
from ivr.mailbox.takes import Takes, TakeSource
from ivr.menus.call_language import owner_languages
from ivr.prompts.voice import Prompt, Voice
from ivr.storage.protocols import MessageStore, UndeliveredMailStore
from ivr.storage.records import SIGNED_IN, Actor, AuditAction, Caller, Door

log = structlog.get_logger()

PIN_PROOF = "PIN"


@dataclass(frozen=True, slots=True)
class VoicemailServices:
    """The services that all menus of all calls share."""

    directory: Directory
    boxes: Boxes
    messages: MessageStore
    pins: Pins
    takes: Takes
    delivery: Delivery
    greetings: Greetings
    greeting_uploads: GreetingUploads
    capacity: Capacity
    undelivered_mail: UndeliveredMailStore
    audit_log: AuditLog
    asterisk_name: str
    """Name of the Asterisk whose endpoints call here."""
    verify_storage: Callable[[], Awaitable[None]]
    """Returns if a message can be stored now. Raises `StoreError`."""
    clock: Clock


@dataclass(frozen=True, slots=True)
class CallContext:
    """One call of one account."""

    call: Call
    voice: Voice
    services: VoicemailServices
    account: Account
    user: User | None
    """The user whose endpoint the call provably comes from; None for every other call."""
    on_sign_in: Callable[[Mailbox, bool], None] = lambda mailbox, own_phone: None
    """Called for each sign-in with the mailbox, and whether the call came from the owner's own endpoint."""
    opened_mailboxes: list[Mailbox] = field(default_factory=list, init=False)
    """The mailboxes that this call has signed in to."""
    audit_tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    """Entries of the audit log that are being stored: no key waits for them."""

    @property
    def recording_source(self) -> TakeSource:
        """The call, as a take records where it came from."""
        incoming = self.call.incoming
        return TakeSource(incoming.channel, incoming.uniqueid, Caller(incoming.caller_number, incoming.caller_name))

    async def render(self, *prompts: Prompt) -> Sound:
        """Return `prompts` as one sound file."""
        cached = self.voice.find_cached(*prompts)
        return cached if cached else await self.call.run_while_listening(self.voice.render(*prompts))

    async def render_in(self, language_code: str, action: str, key: str) -> Sound:
        """Return one option of a menu in another language than the call's."""
        voice = self.voice.in_language(language_code)
        return await self.call.run_while_listening(voice.render(voice.language.menu_option(action, key)))

    def open_session(self, mailbox: Mailbox, *, own_phone: bool, has_pin: bool) -> OwnerSession:
        """Sign in: from now on this call may read and change the messages of `mailbox`.

        `has_pin`: the caller has entered the PIN.
        """
        self.opened_mailboxes.append(mailbox)
        user = self.user if self.is_owner(mailbox) else mailbox.owner
        self.voice.switch_to(*owner_languages(self.call.incoming, mailbox, user))
        self.call.journal.note(SIGNED_IN, box=mailbox.id, own_phone=own_phone)
        self.on_sign_in(mailbox, own_phone)
        session = OwnerSession(self, mailbox, user, own_phone, has_pin)
        session.record(AuditAction.SIGNED_IN)
        return session

    async def wait_for_audit(self) -> None:
        """Wait until the entries of the audit log are stored."""
        if self.audit_tasks:
            await asyncio.wait(self.audit_tasks)
        await self.services.audit_log.flush()

    def is_owner(self, mailbox: Mailbox) -> bool:
        """Return whether the endpoint that the call provably comes from has the owner's rights."""
        return (
            self.user is not None
            and self.user.account_id == mailbox.account_id
            and mailbox.settings.has_owner_rights(self.user.id)
        )

    def actor(self, mailbox: Mailbox, proof: str) -> Actor:
        """Return the caller as the audit log names it."""
        return Actor(Door.PHONE, self.user.id if self.user else "", self.pin_attempt(mailbox).source, proof)

    def pin_attempt(self, mailbox: Mailbox | None) -> PinAttempt:
        """Return what one PIN entry is counted against.

        A phone that belongs to a user counts by itself, whatever number it shows. All callers of a trunk share its
        endpoint, so they are counted by trunk and caller number.
        """
        incoming = self.call.incoming
        source = incoming.endpoint if self.user and incoming.endpoint else None
        return PinAttempt(
            account_id=mailbox.account_id if mailbox else self.account.id,
            box_id=mailbox.id if mailbox else None,
            source=source or f"{incoming.trunk} {incoming.caller_number or 'anonymous'}",
            own_phone=mailbox is not None and source is not None and self.is_owner(mailbox),
        )


@dataclass(frozen=True, slots=True)
class OwnerSession:
    """A signed-in owner and their mailbox, for the rest of the call."""

    call_context: CallContext
    mailbox: Mailbox
    user: User | None
    """Who is signed in: the user of the phone if the mailbox is shared with them, else the owner, if there is one."""
    own_phone: bool
    """Whether the call comes from the owner's own endpoint; otherwise the PIN opened the mailbox."""
    has_pin: bool
    """Whether the caller has entered the PIN."""
    heard_message_ids: set[str] = field(default_factory=set)
    """Ids of the messages whose audio was played to its end in this call."""

    def record(self, action: AuditAction, subjects: Sequence[str] = ("",)) -> None:
        """Record an action of the owner in the audit log, in the background."""
        context = self.call_context
        task = asyncio.create_task(
            context.services.audit_log.record(
                self._actor, action, account_id=self.mailbox.account_id, box_id=self.mailbox.id, subjects=subjects
            )
        )
        context.audit_tasks.add(task)
        task.add_done_callback(context.audit_tasks.discard)

    def record_soon(self, action: AuditAction, message_id: str) -> None:
        """Record an action that is frequent. It is committed later: the next prompt begins now."""
        self.call_context.services.audit_log.record_soon(
            self._actor,
            action,
            account_id=self.mailbox.account_id,
            box_id=self.mailbox.id,
            subject=message_id,
        )

    @property
    def _actor(self) -> Actor:
        return self.call_context.actor(self.mailbox, PIN_PROOF if self.has_pin else "own phone")


async def find_mailbox(call_context: CallContext) -> tuple[Mailbox | None, bool]:
    """Return the mailbox, and whether the call named one. (None, True): the named mailbox does not exist.

    For a caller's message to several mailboxes it is the first that exists and is enabled.
    """
    call, services = call_context.call, call_context.services
    arguments = call.incoming.arguments
    box_id = (await call.get_variable(arguments.var) if arguments.var else "") or arguments.id
    if box_id:
        return await _find_in_account(call_context, box_id), True
    if arguments.number:
        by_number = services.boxes.find_by_number(call_context.account.id, arguments.number)
        mailbox = await call.run_while_listening(by_number)
        if arguments.action is Action.LEAVE and not (mailbox and mailbox.settings.enabled):
            further = await call.run_while_listening(find_recipients(call_context, arguments.copies))
            mailbox = next(iter(further), mailbox)
        return mailbox, True
    if arguments.action in DIALPLAN_REQUESTS:
        return None, False  # The dialplan names the mailbox; the phone does not.
    mailbox = await call.run_while_listening(_find_by_user(call_context))
    return mailbox, mailbox is not None


async def find_recipients(call_context: CallContext, recipients: Iterable[Recipient]) -> list[Mailbox]:
    """Return the mailboxes that a dialplan names, each once. Those that are missing or disabled are logged."""
    directory, found = call_context.services.directory, dict[str, Mailbox]()
    for recipient in recipients:
        account = call_context.account
        if recipient.account:
            account = await directory.find_account_of_context(recipient.account) or account
        mailbox = await call_context.services.boxes.find_by_number(account.id, recipient.number)
        if mailbox and mailbox.settings.enabled:
            found[mailbox.id] = mailbox
        else:
            log.warning("dialplan.recipient", number=recipient.number, account=account.name, reason="no such mailbox")
    return list(found.values())


async def _find_by_user(call_context: CallContext) -> Mailbox | None:
    """Return the default mailbox of the endpoint's user, their only one, or the one with the caller's number."""
    user, arguments = call_context.user, call_context.call.incoming.arguments
    if user is None or user.account_id != call_context.account.id:
        return None
    if user.voicemail_id and (default := await _find_in_account(call_context, user.voicemail_id)):
        return default
    owned = await call_context.services.boxes.list_by_owner(user, call_context.account)
    if arguments.single_mailbox_login and len(owned) == 1:
        return owned[0]
    if arguments.callerid_match_login:
        caller_number = call_context.call.incoming.caller_number
        return next((mailbox for mailbox in owned if mailbox.number == caller_number), None)
    return None


async def _find_in_account(call_context: CallContext, box_id: str) -> Mailbox | None:
    """Return the mailbox `box_id`; None if it belongs to another account."""
    try:
        mailbox = await call_context.services.boxes.get(box_id)
    except NotFound:
        return None
    return mailbox if mailbox.account_id == call_context.account.id else None
