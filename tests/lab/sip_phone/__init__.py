"""The tests' own SIP phone: dials, presses keys, talks, listens, and recognises which clips it heard."""

from __future__ import annotations

from tests.lab.sip_phone.call import PhoneCall
from tests.lab.sip_phone.clip_recognition import RecognisedClip, Vocabulary, find, locate, matches_at, transcript
from tests.lab.sip_phone.clip_template import Clip
from tests.lab.sip_phone.errors import CallRejected, ClipNotHeard, NotHungUp, NotifyMissing, RequestRejected, SipTimeout
from tests.lab.sip_phone.incoming import IncomingCall
from tests.lab.sip_phone.jitter_buffer import PacketArrival
from tests.lab.sip_phone.mwi import MessageSummary
from tests.lab.sip_phone.phone import Phone
from tests.lab.sip_phone.ulaw import RATE, Samples

__all__ = [
    "RATE",
    "CallRejected",
    "Clip",
    "ClipNotHeard",
    "IncomingCall",
    "MessageSummary",
    "NotHungUp",
    "NotifyMissing",
    "PacketArrival",
    "Phone",
    "PhoneCall",
    "RecognisedClip",
    "RequestRejected",
    "Samples",
    "SipTimeout",
    "Vocabulary",
    "find",
    "locate",
    "matches_at",
    "transcript",
]
