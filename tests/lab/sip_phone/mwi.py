"""The message-summary of a NOTIFY (RFC 3842)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from time import monotonic

from tests.lab.sip_phone.sip_message import SipSyntaxError

CONTENT_TYPE = "application/simple-message-summary"
_WAITING = re.compile(r"^Messages-Waiting[ \t]*:[ \t]*(yes|no)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_ACCOUNT = re.compile(r"^Message-Account[ \t]*:[ \t]*(\S+)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_VOICE = re.compile(
    r"^Voice-Message[ \t]*:[ \t]*(\d+)/(\d+)(?:[ \t]*\((\d+)/(\d+)\))?[ \t]*\r?$",
    re.IGNORECASE | re.MULTILINE | re.ASCII,
)


@dataclass(frozen=True)
class MessageSummary:
    """How many voice messages wait; without a Voice-Message line every count is 0."""

    waiting: bool
    new: int = 0
    old: int = 0
    urgent_new: int = 0
    urgent_old: int = 0
    account: str = ""
    body: str = ""
    received_s: float = field(default_factory=monotonic, compare=False)
    """Monotonic seconds."""

    @classmethod
    def parse(cls, body: bytes) -> MessageSummary:
        """Reads the body of a NOTIFY; SipSyntaxError when it does not say whether messages wait."""
        text = body.decode(errors="replace")
        waiting, account, voice = _WAITING.search(text), _ACCOUNT.search(text), _VOICE.search(text)
        if not waiting:
            raise SipSyntaxError("no Messages-Waiting line")
        new, old, urgent_new, urgent_old = (int(count or 0) for count in voice.groups()) if voice else (0, 0, 0, 0)
        return cls(waiting[1].lower() == "yes", new, old, urgent_new, urgent_old, account[1] if account else "", text)
