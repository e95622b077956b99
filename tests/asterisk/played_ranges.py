"""Which stretches of a recording were heard in a call, each found to the sample."""

from __future__ import annotations

from dataclasses import dataclass

from tests.lab.sip_phone import RATE, PhoneCall, Samples, locate


@dataclass
class PlayedRange:
    """A stretch of a recording, played without a break: where in the recording it began, and where it ended.

    `start_s`: the second of the call at which the recording would have begun, had it been played from its start.
    """

    began_ms: float
    ended_ms: float
    start_s: float


def played_ranges(call: PhoneCall, samples: Samples, since: int = 0, until: int | None = None) -> list[PlayedRange]:
    """The stretches of the recording `samples` that were heard from one sample of what was heard to another."""
    heard, window, step = call.heard[:until], RATE // 25, RATE // 100
    found: list[PlayedRange] = []
    offset = None
    for at in range(max(0, since), len(heard) - window, step):
        place = locate(heard[at : at + window], samples)
        if place is None:
            continue
        if found and offset is not None and abs(place - at - offset) < RATE // 20:
            found[-1].ended_ms = (place + window) / 8
        else:
            found.append(PlayedRange(place / 8, (place + window) / 8, (at - place) / RATE))
            offset = place - at
    return found
