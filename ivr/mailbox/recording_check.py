"""What makes a recording too little to be a message: it is short, or without speech."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path

import structlog

from ivr.audio import asterisk_recording
from ivr.audio.speech import recording_contains_speech
from ivr.errors import InvalidAudio
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import RecordingPurpose

SPOKEN_PURPOSES = (RecordingPurpose.MESSAGE, RecordingPurpose.INTRO)
"""Recordings without speech are discarded. A greeting may be music, or silence on purpose."""

log = structlog.get_logger()


class Shortfall(StrEnum):
    """Why a recording is discarded."""

    TOO_SHORT = "shorter than the minimum"
    NO_SPEECH = "contains no speech"


async def find_shortfall(path: Path, mailbox: Mailbox, purpose: RecordingPurpose) -> Shortfall | None:
    """Return why a recording of Asterisk is no message for `mailbox`; None if it is one.

    A missing file is too short. Raises `InvalidAudio` for a file that Asterisk did not record, OSError.
    """
    try:
        length_ms = asterisk_recording.length_ms(path)
    except FileNotFoundError:
        length_ms = 0
    if length_ms < mailbox.min_recording_ms:
        return Shortfall.TOO_SHORT
    min_speech_ms = mailbox.min_speech_ms
    if not min_speech_ms or purpose not in SPOKEN_PURPOSES:
        return None
    try:
        if await asyncio.to_thread(recording_contains_speech, path, min_speech_ms):
            return None
    except (OSError, InvalidAudio) as error:  # What cannot be examined is not discarded.
        log.warning("recording.not_examined", file=str(path), reason=str(error))
        return None
    return Shortfall.NO_SPEECH
