"""What the phone raises on purpose."""

from __future__ import annotations

import numpy as np

from tests.lab.sip_phone.ulaw import Samples


class RequestRejected(Exception):
    """A request got a final failure: its SIP status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


class CallRejected(RequestRejected):
    """A call was refused; `heard` is the early media until then."""

    def __init__(self, status: int, reason: str, heard: Samples | None = None) -> None:
        super().__init__(status, reason)
        self.heard: Samples = np.zeros(0, np.int16) if heard is None else heard


class SipTimeout(TimeoutError):
    """Nothing final came in time: to a request, to ringing, or to our own answer."""


class ClipNotHeard(AssertionError):
    """The call did not sound as it should; the message says what was heard instead."""


class NotHungUp(AssertionError):
    """The other side did not hang up in time."""


class NotifyMissing(AssertionError):
    """No NOTIFY fulfilled the condition in time; the message lists those that came."""
