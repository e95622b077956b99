"""What a person hears when something cannot be done: the phone's side of the error tree."""

from __future__ import annotations

from ivr.errors import (
    BoxDeleted,
    BoxFull,
    InvalidAudio,
    IvrError,
    NotFound,
    PastRetention,
    RecordingFailed,
    StoreError,
    UnplayableSound,
)

PROMPTS_BY_ERROR: tuple[tuple[type[IvrError], str], ...] = (
    (UnplayableSound, "message/unplayable"),
    (InvalidAudio, "message/unplayable"),
    (BoxDeleted, "greeting/no-voicemail"),
    (BoxFull, "forward/box-full"),
    (NotFound, "message/gone"),
    (PastRetention, "message/gone"),
    (StoreError, "problem/not-done"),
    (RecordingFailed, "problem/not-done"),
    (IvrError, "problem/later"),
)
"""The first line that fits; the last one always does."""


ERROR_PROMPTS = frozenset(prompt for _, prompt in PROMPTS_BY_ERROR)
"""Kept ready, so that they can be said when nothing can be written."""


def prompt_for(error: IvrError) -> str:
    """The key of the prompt that tells of `error`."""
    return next(prompt for kind, prompt in PROMPTS_BY_ERROR if isinstance(error, kind))
