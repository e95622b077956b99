"""The sounds of the transports' contract as a SIP phone can tell them apart: made-up speech."""

from __future__ import annotations

from tests.call.contract.contract_fixture import SOUND_NAMES
from tests.lab.sip_phone import Samples
from tests.lab.sip_phone.speech import speech

LENGTHS_MS = {"alpha": 3000, "bravo": 3000, "beep": 700}
SEED = 60_000


def speech_for(name: str) -> Samples:
    return speech(SEED + SOUND_NAMES.index(name), LENGTHS_MS[name])
