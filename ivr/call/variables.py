"""Channel variables and functions that the dialplan and every transport use (docs/dialplan.md)."""

from __future__ import annotations

STATUS_VARIABLE = "IVR_STATUS"
TAKE_VARIABLE = "IVR_TAKE_FILE"
"""Path, without its suffix, of the latest recording: the dialplan looks at it if the service dies."""
GOSUB_FRAME_VARIABLE = "IVR_GOSUB_FRAME"
"""Set in each Gosub frame of our dialplan that is below the call to the service."""
VOLUME_VARIABLE = "VOLUME(RX)"
"""Factor for the caller's audio from now on. Used only in calls that record nothing but a message."""
ABSOLUTE_TIMEOUT_VARIABLE = "TIMEOUT(absolute)"
"""Seconds from now after which the dialplan takes the call back; 0 disables it."""


def volume_adjustment(decibels: float) -> str:
    """Return the value of `VOLUME_VARIABLE` for a change in decibels."""
    return f"{10 ** (decibels / 20):.3f}"
