"""A mailbox with everything that determines its behaviour: its settings, account, owner and the system settings."""

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
    def language(self) -> str:
        """The language of the owner, else of the account."""
        return (self.owner and self.owner.language) or self.account.language

    @property
    def pin_secret_ref(self) -> str:
        """Reference of the stored PIN hash."""
        return self.settings.pin_secret_ref or f"box:{self.id}:pin"

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
        system_layer = (self.voicemail_settings.key_map, self.voicemail_settings.keys)
        box_layer = (self.settings.key_map, self.settings.keys)
        for layers in ([system_layer, box_layer], [system_layer]):
            try:
                return merge_layers(layers)
            except InvalidFields:
                continue
        return KeyMap()

    def local_time(self, timestamp: float) -> datetime:
        """Convert Unix seconds to the time zone of the mailbox."""
        return datetime.fromtimestamp(timestamp, self.zone_info)

    def with_settings(self, settings: BoxSettings) -> Mailbox:
        """Return the mailbox with other settings."""
        return replace(self, settings=settings)
