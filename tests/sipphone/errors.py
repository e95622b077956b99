"""What the phone raises on purpose."""

from __future__ import annotations

import numpy as np

from tests.sipphone.ulaw import Samples


class Refused(Exception):
    """A request got a final failure: its SIP status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


class CallRefused(Refused):
    """A call was refused; `heard` is the early media until then."""

    def __init__(self, status: int, reason: str, heard: Samples | None = None) -> None:
        super().__init__(status, reason)
        self.heard: Samples = np.zeros(0, np.int16) if heard is None else heard


class NoAnswer(TimeoutError):
    """Nothing final came in time: to a request, to ringing, or to our own answer."""


class NotHeard(AssertionError):
    """The call did not sound as it should; the message says what was heard instead."""


class StillUp(AssertionError):
    """The other side did not hang up in time."""


class NotNotified(AssertionError):
    """No NOTIFY fulfilled the condition in time; the message lists those that came."""
