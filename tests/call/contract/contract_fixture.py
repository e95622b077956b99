"""What the cases of the contract need: sounds, folders, and the precision of a transport."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ivr.audio import wav
from ivr.audio.formats import Sound

SOUND_NAMES = ("alpha", "bravo", "beep")
CONTEXT, EXTENSION = "contract-goes-on", "7"
"""The dialplan of each transport has this extension, and no other in this context."""
VARIABLE, VALUE = "CONTRACT", "seven of nine"
"""A channel variable that every call of the contract has."""


@dataclass(frozen=True, slots=True)
class ContractFixture:
    """What one transport provides. `work()`: keeps the service busy for a while, during which the caller may act."""

    sounds: Mapping[str, Sound]
    takes: Path
    """A folder that both the transport and the service can write to."""
    tolerance_ms: int
    """How far a position may be off, and how much of a recording may be missing or too much."""
    work: Callable[[], Awaitable[str]]
    take_prefix: str = ""
    """Begins the names of its takes, where calls share a folder."""
    observations: dict[str, object] = field(default_factory=dict)
    """What a case measured, for the test at the caller's end."""

    def take_path(self, name: str) -> Path:
        """Where to record something: of the folder of takes a transport may choose nothing but the name."""
        return self.takes / f"{self.take_prefix}{name}.wav"

    def __getitem__(self, name: str) -> Sound:
        return self.sounds[name]

    def position_ms(self, name: str, fraction: float = 1.0) -> int:
        """So far into a sound."""
        return round(self.sounds[name].length_ms * fraction)

    def is_near(self, ms: int, expected_ms: int) -> bool:
        return abs(ms - expected_ms) <= self.tolerance_ms


def contract_fixture_in(folder: Path, tolerance_ms: int, work_s: float, take_prefix: str = "") -> ContractFixture:
    """A fixture for a process that shares only `folder` with the caller: work always takes `work_s`."""

    async def work() -> str:
        await asyncio.sleep(work_s)
        return "done"

    sounds = {}
    for name in SOUND_NAMES:
        path = folder / f"{name}.wav"
        sounds[name] = Sound(path, wav.length_ms(path), name)
    return ContractFixture(sounds, folder / "takes", tolerance_ms, work, take_prefix)
