"""Why a recording ended: Asterisk tells a key from the rest, the length and the limits tell the rest apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivr.call.base import RecordEndReason
from ivr.call.incoming import IncomingCall
from tests.support.scripted_call import ScriptedCall, Speak


@pytest.mark.parametrize(
    ("spoken_ms", "then", "silence_ms", "why"),
    [
        (3000, "key", 5000, RecordEndReason.KEY),
        (10_000, "key", 5000, RecordEndReason.KEY),
        (3000, "silence", 5000, RecordEndReason.SILENCE),
        (8900, "silence", 2000, RecordEndReason.SILENCE),
        (10_000, "silence", 5000, RecordEndReason.MAX_LENGTH),
        (9980, "silence", 5000, RecordEndReason.MAX_LENGTH),
        (3000, "silence", 0, RecordEndReason.MAX_LENGTH),
    ],
)
async def test_recording_end_reason_is_key_length_or_silence(
    tmp_path: Path, spoken_ms: int, then: str, silence_ms: int, why: RecordEndReason
) -> None:
    call = ScriptedCall([Speak(spoken_ms, then=then)], IncomingCall("PJSIP/x-1", "1.1"), lambda: 0.0, lambda ms: None)
    recorded = await call.record(tmp_path / "take.wav", max_length_ms=10_000, silence_ms=silence_ms)
    assert (recorded.end_reason, recorded.length_ms) == (why, spoken_ms)
    last = call.journal.entries[-1]
    assert (last.event, last.details) == ("recorded", {"ended_by": why, "length_ms": spoken_ms})
