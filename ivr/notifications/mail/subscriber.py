"""Enqueues mails for events, and resolves their recipients."""

from __future__ import annotations

from collections.abc import Callable

from ivr.mailbox.mailbox import Mailbox, Occupancy
from ivr.notifications.event import MailboxEvent
from ivr.notifications.settings import NotificationSettings
from ivr.storage.protocols import Transaction
from ivr.storage.records import Folder, Message, OutboxTask, TaskKind
from ivr.validation.addresses import is_mail_address, unique_addresses

TEMPLATES = {TaskKind.NEW: "new_message", TaskKind.BOX_FULL: "box_full", TaskKind.BOX_LOCKED: "box_locked"}
"""Template of the mail for each event that is mailed."""
SHORT_MAIL = "new_message_short"
"""Template of the mail without audio and HTML."""
NEARLY_FULL = "box_nearly_full"
"""Template of the warning, and what its throttle is about."""
ONCE_S = 10**10
"""Interval of a throttle that holds until it is released."""


class MailSubscriber:
    """Enqueues mails for new messages, for boxes that are nearly or quite full, and for locked boxes.

    A message that is to be transcribed is transcribed first, and the transcription's handler enqueues the mails.
    `mail_enabled`: whether a mail server is configured. `can_transcribe`: takes a language.
    """

    def __init__(
        self, settings: NotificationSettings, *, mail_enabled: bool, can_transcribe: Callable[[str], bool]
    ) -> None:
        self._settings = settings
        self._mail_enabled = mail_enabled
        self._can_transcribe = can_transcribe

    def handle(self, transaction: Transaction, event: MailboxEvent) -> None:
        if event.kind is TaskKind.NEW:
            if event.message:
                self._handle_new_message(transaction, event, event.message)
            if self._mail_enabled and event.occupancy:
                self._warn_if_nearly_full(transaction, event.mailbox, event.occupancy)
        elif event.kind in TEMPLATES and self._mail_enabled and self._acquire_throttle(transaction, event):
            _enqueue_box_mail(transaction, event.mailbox, event.kind, TEMPLATES[event.kind])

    def _warn_if_nearly_full(self, transaction: Transaction, mailbox: Mailbox, occupancy: Occupancy) -> None:
        """Enqueue one warning when a box becomes nearly full; the next one after it was less full in between."""
        limit_percent = self._settings.nearly_full_percent
        if not limit_percent:
            return
        if occupancy.percent < limit_percent and not occupancy.is_full:
            transaction.release_throttle(NEARLY_FULL, mailbox.id)
        elif transaction.acquire_throttle(
            NEARLY_FULL, account_id=mailbox.account_id, box_id=mailbox.id, interval_s=ONCE_S
        ):
            _enqueue_box_mail(transaction, mailbox, TaskKind.BOX_FULL, NEARLY_FULL)

    def _handle_new_message(self, transaction: Transaction, event: MailboxEvent, message: Message) -> None:
        mailbox = event.mailbox
        is_transcribed = mailbox.settings.transcribe and self._can_transcribe(mailbox.language)
        if is_transcribed and _needs_transcription(message):
            transaction.enqueue(
                TaskKind.TRANSCRIPTION,
                account_id=mailbox.account_id,
                box_id=mailbox.id,
                message_id=message.id,
                payload={"suppress_notifications": event.suppress_owner_notification},
            )
        elif self._mail_enabled and message.folder is Folder.NEW and not event.suppress_owner_notification:
            enqueue_new_message_mail(transaction, mailbox, message)

    def _acquire_throttle(self, transaction: Transaction, event: MailboxEvent) -> bool:
        """Return whether the throttle allows a mail now: otherwise each caller of a full box would cause one."""
        return transaction.acquire_throttle(
            event.kind,
            account_id=event.mailbox.account_id,
            box_id=event.mailbox.id,
            interval_s=self._settings.throttle_s,
        )


def _enqueue_box_mail(transaction: Transaction, mailbox: Mailbox, kind: TaskKind, template: str) -> None:
    """Enqueue a mail about a box for each recipient of mails of this kind."""
    _enqueue_mails(transaction, mailbox, None, template, resolve_recipients(mailbox, kind))


def enqueue_new_message_mail(transaction: Transaction, mailbox: Mailbox, message: Message) -> None:
    """Enqueue one mail for each recipient of a new message, and a short one for each of the short mails."""
    for template in (TEMPLATES[TaskKind.NEW], SHORT_MAIL):
        _enqueue_mails(transaction, mailbox, message.id, template, _recipients_of(mailbox, template))


def recipients_instead(task: OutboxTask, mailbox: Mailbox) -> list[str] | None:
    """Return the addresses that took the place of the one that a waiting mail is for; None: it is still a recipient.

    Addresses that the mailbox has got since the mail was enqueued take the places of those that it has no longer, in
    order; the last one takes those that are left, so that each mail that waits goes to someone.
    """
    before = [str(address) for address in task.payload.get("recipients") or ()]
    now = _recipients_of(mailbox, str(task.payload["template"]))
    if not before or task.target.lower() in (address.lower() for address in now):
        return None
    removed, added = _without(before, now), _without(now, before)
    return added[removed.index(task.target) :: len(removed)] or added[-1:]


def enqueue_mail_instead(transaction: Transaction, mailbox: Mailbox, task: OutboxTask, addresses: list[str]) -> None:
    """Enqueue a waiting mail anew, for these recipients."""
    template = str(task.payload["template"])
    _enqueue_mails(transaction, mailbox, task.message_id, template, _recipients_of(mailbox, template), addresses)


def _without(addresses: list[str], others: list[str]) -> list[str]:
    known = {other.lower() for other in others}
    return [address for address in addresses if address.lower() not in known]


def _recipients_of(mailbox: Mailbox, template: str) -> list[str]:
    if template == SHORT_MAIL:
        return [address for address in mailbox.settings.short_mail_addresses if is_mail_address(address)]
    kinds = {name: kind for kind, name in TEMPLATES.items()}
    return resolve_recipients(mailbox, kinds.get(template, TaskKind.BOX_FULL))


def _enqueue_mails(
    transaction: Transaction,
    mailbox: Mailbox,
    message_id: str | None,
    template: str,
    recipients: list[str],
    chosen: list[str] | None = None,
) -> None:
    for address in recipients if chosen is None else chosen:
        transaction.enqueue(
            TaskKind.MAIL,
            account_id=mailbox.account_id,
            box_id=mailbox.id,
            message_id=message_id,
            target=address,
            payload={"template": template, "recipients": recipients},
        )


def resolve_recipients(mailbox: Mailbox, kind: TaskKind) -> list[str]:
    """Return the addresses that are mailed about an event: each once, in the order of the box's settings.

    An owner with `vm_to_email_enabled: false` gets no mail about new messages, even when listed.
    """
    box = mailbox.settings
    listed = [
        *box.notify_email_addresses,
        *([box.notify_email] if box.notify_email else []),
    ]
    owner = (mailbox.owner and mailbox.owner.email) or ""
    if kind is TaskKind.NEW and mailbox.owner and not mailbox.owner.settings.get("vm_to_email_enabled", True):
        listed = [address for address in listed if address.lower() != owner.lower()]
    elif owner and (kind is not TaskKind.NEW or not box.shared_vmbox or box.shared_vmbox_notify_owner_email):
        listed.append(owner)
    return unique_addresses([address for address in listed if is_mail_address(address)])


def _needs_transcription(message: Message) -> bool:
    """Return whether the message must be transcribed. A copy has its original's text, unless it has an intro."""
    return message.transcription is None or message.intro_id is not None
