"""What a person hears when something cannot be done: the phone's side of the error tree."""

from __future__ import annotations

from ivr.errors import (
    AudioRefused,
    BoxFull,
    BoxGone,
    IvrError,
    NotFound,
    NotRecorded,
    PastRetention,
    StoreError,
    UnplayableSound,
)

PROMPTS: tuple[tuple[type[IvrError], str], ...] = (
    (UnplayableSound, "message/unplayable"),
    (AudioRefused, "message/unplayable"),
    (BoxGone, "greeting/no-voicemail"),
    (BoxFull, "forward/box-full"),
    (NotFound, "message/gone"),
    (PastRetention, "message/gone"),
    (StoreError, "problem/not-done"),
    (NotRecorded, "problem/not-done"),
    (IvrError, "problem/later"),
)
"""The first line that fits; the last one always does."""


ALL = frozenset(prompt for _, prompt in PROMPTS)
"""Kept ready, so that they can be said when nothing can be written."""


def prompt_for(error: IvrError) -> str:
    """The key of the prompt that tells of `error`."""
    return next(prompt for kind, prompt in PROMPTS if isinstance(error, kind))
