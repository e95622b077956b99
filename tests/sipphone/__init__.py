"""The tests' own SIP phone: dials, presses keys, talks, listens, and recognises which clips it heard."""

from __future__ import annotations

from tests.sipphone.call import PhoneCall
from tests.sipphone.clip import Clip
from tests.sipphone.ear import Heard, Vocabulary, find, locate, matches_at, transcript
from tests.sipphone.errors import CallRefused, NoAnswer, NotHeard, NotNotified, Refused, StillUp
from tests.sipphone.incoming import IncomingCall
from tests.sipphone.mwi import MessageSummary
from tests.sipphone.phone import Phone
from tests.sipphone.playout import Arrival
from tests.sipphone.ulaw import RATE, Samples

__all__ = [
    "RATE",
    "Arrival",
    "CallRefused",
    "Clip",
    "Heard",
    "IncomingCall",
    "MessageSummary",
    "NoAnswer",
    "NotHeard",
    "NotNotified",
    "Phone",
    "PhoneCall",
    "Refused",
    "Samples",
    "StillUp",
    "Vocabulary",
    "find",
    "locate",
    "matches_at",
    "transcript",
]
