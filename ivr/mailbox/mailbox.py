"""A mailbox as a call or a request works with it, and what it can still take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from zoneinfo import ZoneInfo

from ivr.audio import wav
from ivr.clock import Clock, date_of
from ivr.directory.models import Account, User
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.key_map import KeyMap, merge_valid_layers
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.storage.protocols import MessageStore
from ivr.storage.records import MEGABYTE, Folder, MediaKind


@dataclass(frozen=True)
class Mailbox:
    """A mailbox as read for one call or one request."""

    id: str
    account: Account
    owner: User | None
    settings: BoxSettings
    voicemail_settings: VoicemailSettings
    """The settings of the system, changed by those of the account."""
    revision: int = 1

    @property
    def account_id(self) -> str:
        return self.account.id

    @property
    def number(self) -> str:
        return self.settings.mailbox

    @property
    def quota_bytes(self) -> int:
        """Maximum size of all stored audio; 0: no quota."""
        return (self.settings.quota_mb or 0) * MEGABYTE

    @property
    def max_message_count(self) -> int:
        """Maximum number of new and saved messages; 0: no limit."""
        own = self.settings.max_message_count
        return self.voicemail_settings.max_message_count if own is None else own

    @property
    def max_message_length_ms(self) -> int:
        """The longest message that a caller leaves."""
        return 1000 * (self.settings.max_message_length or self.voicemail_settings.max_message_length)

    @property
    def min_recording_ms(self) -> int:
        """The shortest recording that is kept. Half of the longest one is enough, else none could be left."""
        longest_ms = min(self.max_message_length_ms, self.max_greeting_length_ms)
        return min(self.voicemail_settings.min_message_size, longest_ms // 2)

    @property
    def min_speech_ms(self) -> int:
        """How much speech makes a recording a message; 0: recordings without speech are messages too."""
        own = self.settings.min_speech_ms
        wanted = self.voicemail_settings.min_speech_ms if own is None else own
        return min(wanted, self.max_message_length_ms // 2)

    @property
    def clock(self) -> str:
        """How times are said: "12h" or "24h"."""
        return self.settings.clock or self.voicemail_settings.clock

    @property
    def oldest_message_first(self) -> bool:
        """The order in which messages are played."""
        own = self.settings.oldest_message_first
        return self.voicemail_settings.oldest_message_first if own is None else own

    @property
    def max_greeting_length_ms(self) -> int:
        """The longest greeting or name that is recorded by phone."""
        return 1000 * (self.settings.max_greeting_length or self.voicemail_settings.max_greeting_length)

    @property
    def operator_context(self) -> str:
        """Dialplan context of the operator extensions; "": no operator."""
        own = self.settings.operator_context
        return self.voicemail_settings.operator_context if own is None else own

    @property
    def hunt_context(self) -> str:
        """Dialplan context of the extensions that callers may dial; "": none."""
        own = self.settings.hunt_context
        return self.voicemail_settings.hunt_context if own is None else own

    @property
    def callback_context(self) -> str:
        """Dialplan context in which call-backs are dialled; "": none."""
        own = self.settings.callback_context
        return self.voicemail_settings.callback_context if own is None else own

    @property
    def exit_context(self) -> str:
        """Dialplan context of the extensions o and a; "": none."""
        own = self.settings.exit_context
        return self.voicemail_settings.exit_context if own is None else own

    @property
    def distribution_lists(self) -> dict[str, list[str]]:
        """The lists of the account and of the owner, which take precedence, by number."""
        return {**self.voicemail_settings.distribution_lists, **self.settings.distribution_lists}

    @property
    def press_key_to_record(self) -> bool:
        """Whether callers must press a key before they can leave a message."""
        own = self.settings.press_key_to_record
        return self.voicemail_settings.press_key_to_record if own is None else own

    @property
    def named_user(self) -> User | None:
        """The user whose recorded name is that of the mailbox, in all their mailboxes; None: it has a name of its own.

        A mailbox that others share has one, so that none of them changes the owner's.
        """
        return None if self.settings.member_ids - {self.settings.owner_id} else self.owner

    def active_media_id(self, kind: MediaKind) -> str | None:
        """Return the id of the greeting or name in use; None: callers hear the generic prompt."""
        media = self.settings.media
        if kind is MediaKind.NAME:
            return (self.named_user.settings.get("media", {}).get("name") if self.named_user else None) or media.name
        if kind is MediaKind.TEMPORARY:
            return media.temporary_unavailable
        if kind is MediaKind.BUSY:
            return media.busy
        return media.unavailable or self.settings.greeting_media_id

    @property
    def mails_link(self) -> bool:
        """Whether mails have a link to the audio instead of the audio."""
        return (self.settings.mail_audio or self.voicemail_settings.mail_audio) == "link"

    @property
    def language(self) -> str:
        """The language of what is sent to the owner: theirs, else that of the mailbox, else of the account."""
        return (self.owner and self.owner.language) or self.settings.language or self.account.language

    @property
    def pin_secret_ref(self) -> str:
        """Reference of the stored PIN hash."""
        return self.settings.pin_secret_ref or f"box:{self.id}:pin"

    @property
    def pin_lengths(self) -> range:
        """The permitted numbers of digits of a new PIN."""
        shortest = self.settings.min_pin_length or self.voicemail_settings.min_pin_length
        return range(shortest, max(shortest, self.voicemail_settings.max_pin_length) + 1)

    @cached_property
    def zone_info(self) -> tzinfo:
        """The time zone of the mailbox, else of the owner, else of the account; UTC for an unknown name."""
        names = (self.settings.timezone, self.owner and self.owner.timezone, self.account.timezone)
        name = next((name for name in names if name and name != "inherit"), "UTC")
        try:
            return ZoneInfo(name)
        except (ValueError, OSError, KeyError):
            return UTC

    @cached_property
    def key_map(self) -> KeyMap:
        """The key map. If the layers conflict, the one of the mailbox is ignored, then the one of the account."""
        voicemail, box = self.voicemail_settings, self.settings
        return merge_valid_layers((voicemail.key_map, (*voicemail.keys.items(),)), (box.key_map, (*box.keys.items(),)))

    def local_time(self, timestamp: float) -> datetime:
        """Convert Unix seconds to the time zone of the mailbox."""
        return date_of(timestamp, self.zone_info)

    def with_settings(self, settings: BoxSettings) -> Mailbox:
        """Return the mailbox with other settings."""
        return replace(self, settings=settings)


MIN_RECORDING_MS = 5000
"""Below this many milliseconds of remaining recording time, the mailbox counts as full."""


@dataclass(frozen=True, slots=True)
class Occupancy:
    """How much of its limits a mailbox uses.

    Messages in `deleted` do not count: they are purged when a new message needs their space.
    """

    messages: int
    """New and saved messages within retention."""
    new_messages: int
    max_messages: int
    """0: no limit."""
    size_bytes: int
    """Of new and saved messages and of greetings; 0 without a quota."""
    quota_bytes: int
    """0: no quota."""

    @property
    def has_too_many_messages(self) -> bool:
        return 0 < self.max_messages <= self.messages

    @property
    def is_out_of_space(self) -> bool:
        """Whether the quota has no space for a recording of `MIN_RECORDING_MS`."""
        if not self.quota_bytes:
            return False
        return wav.length_ms_from_size(max(0, self.quota_bytes - self.size_bytes)) < MIN_RECORDING_MS

    @property
    def is_full(self) -> bool:
        """Whether callers are rejected."""
        return self.has_too_many_messages or self.is_out_of_space

    @property
    def percent(self) -> float:
        """The part that is used of the limit that is closer; 0 without limits."""
        of_count = 100 * self.messages / self.max_messages if self.max_messages else 0.0
        of_space = 100 * self.size_bytes / self.quota_bytes if self.quota_bytes else 0.0
        return max(of_count, of_space)


class Capacity:
    """The capacity of all mailboxes."""

    def __init__(self, messages: MessageStore, clock: Clock) -> None:
        self._messages = messages
        self._clock = clock

    async def is_full(self, mailbox: Mailbox) -> bool:
        """Whether callers are rejected: too many messages, or the quota is used. Raises `StoreError`."""
        return (await self.occupancy(mailbox)).is_full

    async def occupancy(self, mailbox: Mailbox) -> Occupancy:
        """Return how much of its limits a mailbox uses. Raises `StoreError`."""
        not_before = mailbox.voicemail_settings.retention_cutoff(self._clock.now())
        counts = await self._messages.expire_and_count(mailbox.account_id, mailbox.id, not_before)
        remaining = await self._remaining_bytes(mailbox)
        return Occupancy(
            messages=counts.new + counts.saved,
            new_messages=counts.new,
            max_messages=mailbox.max_message_count,
            size_bytes=0 if remaining is None else mailbox.quota_bytes - remaining,
            quota_bytes=mailbox.quota_bytes,
        )

    async def remaining_ms(self, mailbox: Mailbox, *, reserved_bytes: int = 0) -> int | None:
        """Maximum length of a recording if everything in `deleted` were purged; None: no limit.

        `reserved_bytes`: size of audio that is stored together with the recording.
        """
        remaining = await self._remaining_bytes(mailbox)
        return None if remaining is None else wav.length_ms_from_size(max(0, remaining - reserved_bytes))

    async def cannot_take(self, mailbox: Mailbox, size_bytes: int) -> bool:
        """Whether `size_bytes` exceed the quota even if everything in `deleted` were purged. Raises `StoreError`."""
        remaining = await self._remaining_bytes(mailbox)
        return remaining is not None and remaining < size_bytes

    async def _remaining_bytes(self, mailbox: Mailbox) -> int | None:
        """Bytes of the quota that are not used by new and saved messages; None: no quota."""
        if not mailbox.quota_bytes:
            return None
        return mailbox.quota_bytes - await self._messages.used_bytes(mailbox.id, exclude_folder=Folder.DELETED)
