"""The prompt that a person hears for each error; the counterpart of the error responses of the REST API."""

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
"""The first row that matches the error's class is used; the last one matches every error."""


ERROR_PROMPTS = frozenset(prompt for _, prompt in PROMPTS_BY_ERROR)
"""Rendered at the start of the service, so that they can be played when the disk is full."""


def prompt_for(error: IvrError) -> str:
    """Return the key of the prompt for `error`."""
    return next(prompt for kind, prompt in PROMPTS_BY_ERROR if isinstance(error, kind))
