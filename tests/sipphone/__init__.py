"""The tests' own SIP phone: dials, presses keys, talks, listens, and recognises which clips it heard."""

from __future__ import annotations

from .call import PhoneCall
from .clip import Clip
from .ear import Heard, Vocabulary, find, locate, matches_at, transcript
from .errors import CallRefused, NoAnswer, NotHeard, NotNotified, Refused, StillUp
from .incoming import IncomingCall
from .mwi import MessageSummary
from .phone import Phone
from .playout import Arrival
from .ulaw import RATE, Samples

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
