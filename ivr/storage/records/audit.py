"""Records of the audit log: who did what, by which way in. They hold ids and names, never contents."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class AuditAction(StrEnum):
    """What was done; the values are stored and shown."""

    SIGNED_IN = "signed-in"
    SIGNED_OUT = "signed-out"
    HEARD = "heard"
    """The audio of a message was played at a phone, in whole or in part."""
    FETCHED = "fetched"
    """The audio of a message was downloaded."""
    EXPORTED = "exported"
    """Messages left the system as a file."""
    SENT = "sent"
    """A message, or what is known of it, left the system by mail or webhook."""
    ADDED = "added"
    """A message was stored by a client, or messages by an import."""
    CHANGED = "changed"
    """The audio, the urgency or the labels of a message were changed."""
    MOVED = "moved"
    """A message went to another folder or mailbox."""
    COPIED = "copied"
    """A message was copied to other mailboxes."""
    FORWARDED = "forwarded"
    CALLED_BACK = "called-back"
    """An owner called back who left a message, from the message menu or from the page."""
    DELETED = "deleted"
    RESTORED = "restored"
    PIN_SET = "pin-set"
    UNLOCKED = "unlocked"
    TOKEN_CREATED = "token-created"
    TOKEN_REVOKED = "token-revoked"
    SETTINGS_CHANGED = "settings-changed"
    SECRET_REPLACED = "secret-replaced"
    """A secret of the installation was replaced. `subject`: its name."""
    MAINTAINED = "maintained"
    """An administrator changed what belongs to no mailbox: tasks, nodes, the database. `subject`: what."""
    ERASED = "erased"
    """Everything about a person was removed. `subject`: id of the user, "" for a caller."""


class Door(StrEnum):
    """The way in."""

    PHONE = "phone"
    REST = "rest"
    COMMAND = "command"
    PAGE = "page"
    SERVICE = "service"
    """No person: the service did it because a setting says so."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as far as it was proven."""

    door: Door
    user: str
    """Id of the user or, for a command, name of the login; "": not known, as with a PIN that several people know."""
    device: str
    """Phone, trunk and caller number, or network address; of the service, what it was doing."""
    proof: str
    """How it was proven: "own phone", "PIN", "dialplan", "password", "account id and MD5", "API key", "device secret",
    "link", "edge token", "login"; of the service, whose setting it was: "settings of the mailbox"."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action. `at`: Unix seconds. `subject`: id of the message or token, or names of the settings."""

    at: int
    account_id: str
    box_id: str | None
    action: AuditAction
    subject: str
    actor: Actor


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """A query for entries, newest first. None: any. Times are Unix seconds, inclusive."""

    since: int = 0
    until: int = 2**62
    account_id: str | None = None
    box_id: str | None = None
    user: str | None = None
    action: AuditAction | None = None
    subject: str | None = None
