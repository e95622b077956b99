"""One box with all that decides how it behaves: its own settings, its account's, its owner's, the system's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from zoneinfo import ZoneInfo

from ivr.directory.models import Account, User
from ivr.errors import InvalidFields
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.key_map import KeyMap, merge_layers
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.storage.records import MEGABYTE


@dataclass(frozen=True)
class Mailbox:
    """A box as one call or one request sees it."""

    id: str
    account: Account
    owner: User | None
    settings: BoxSettings
    voicemail_settings: VoicemailSettings
    """The system's settings as the account changes them."""
    revision: int = 1

    @property
    def account_id(self) -> str:
        return self.account.id

    @property
    def number(self) -> str:
        return self.settings.mailbox

    @property
    def quota_bytes(self) -> int:
        """What its recordings may take up; 0: any amount."""
        return (self.settings.quota_mb or 0) * MEGABYTE

    @property
    def language(self) -> str:
        """The owner's, else the account's (kazoo-behaviour §1.1)."""
        return (self.owner and self.owner.language) or self.account.language

    @property
    def pin_secret_ref(self) -> str:
        """Where the hash of its PIN is kept."""
        return self.settings.pin_secret_ref or f"box:{self.id}:pin"

    @cached_property
    def zone_info(self) -> tzinfo:
        """The box's, else the owner's, else the account's time zone; UTC for a name that nobody knows."""
        names = (self.settings.timezone, self.owner and self.owner.timezone, self.account.timezone)
        name = next((name for name in names if name and name != "inherit"), "UTC")
        try:
            return ZoneInfo(name)
        except (ValueError, OSError, KeyError):
            return UTC

    @cached_property
    def key_map(self) -> KeyMap:
        """Its key map. Layers that no longer fit together leave out the box's own, then the account's."""
        own = (self.settings.key_map, self.settings.keys)
        for layers in (
            [(self.voicemail_settings.key_map, self.voicemail_settings.keys), own],
            [(self.voicemail_settings.key_map, self.voicemail_settings.keys)],
        ):
            try:
                return merge_layers(layers)
            except InvalidFields:
                continue
        return KeyMap()

    def local_time(self, timestamp: float) -> datetime:
        """A moment (Unix seconds) as the owner's clock shows it."""
        return datetime.fromtimestamp(timestamp, self.zone_info)

    def with_settings(self, settings: BoxSettings) -> Mailbox:
        """The same box with other settings."""
        return replace(self, settings=settings)
