"""Why a recording ended: Asterisk tells a key from the rest, the length and the limits tell the rest apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivr.call.arrival import Arrival
from ivr.call.port import RecordingEnd
from ivr.call.scripted import ScriptedCall, Speak


@pytest.mark.parametrize(
    ("spoken_ms", "then", "silence_ms", "why"),
    [
        (3000, "key", 5000, RecordingEnd.KEY),
        (10_000, "key", 5000, RecordingEnd.KEY),
        (3000, "silence", 5000, RecordingEnd.SILENCE),
        (8900, "silence", 2000, RecordingEnd.SILENCE),
        (10_000, "silence", 5000, RecordingEnd.LENGTH),
        (9980, "silence", 5000, RecordingEnd.LENGTH),
        (3000, "silence", 0, RecordingEnd.LENGTH),
    ],
)
async def test_a_key_the_length_or_silence(
    tmp_path: Path, spoken_ms: int, then: str, silence_ms: int, why: RecordingEnd
) -> None:
    call = ScriptedCall([Speak(spoken_ms, then=then)], Arrival("PJSIP/x-1", "1.1"), lambda: 0.0, lambda ms: None)
    recorded = await call.record(tmp_path / "take.wav", longest_ms=10_000, silence_ms=silence_ms)
    assert (recorded.ended_by, recorded.length_ms) == (why, spoken_ms)
    last = call.journal.steps[-1]
    assert (last.what, last.details) == ("recorded", {"ended_by": why, "length_ms": spoken_ms})
