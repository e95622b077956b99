"""The sounds of the transports' contract as a SIP phone can tell them apart: made-up speech."""

from __future__ import annotations

from tests.call.contract.stage import NAMES
from tests.sipphone import Samples
from tests.sipphone.speech import speech

LENGTHS_MS = {"alpha": 3000, "bravo": 3000, "beep": 700}
SEED = 60_000


def sound_of(name: str) -> Samples:
    return speech(SEED + NAMES.index(name), LENGTHS_MS[name])
