"""Records of message lights: the counts that they show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BoxMwiCounts:
    """The counts of one mailbox, and the values of its MWI addresses."""

    box_id: str
    account_id: str
    realm: str
    owner_id: str | None
    mailbox: str
    """The mailbox number."""
    numbers: tuple[str, ...]
    """Further message-light targets of the mailbox."""
    is_deleted: bool
    is_number_in_use: bool
    """Whether the mailbox number belongs to an existing mailbox of the account: to this one, or to its successor."""
    new: int
    saved: int


@dataclass(frozen=True, slots=True)
class EndpointMwiCounts:
    """The sum over all mailboxes that the user of an endpoint owns."""

    endpoint: str
    new: int
    saved: int
