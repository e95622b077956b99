"""Names that the dialplan and we share, over every transport (docs/dialplan.md)."""

from __future__ import annotations

STATUS_VARIABLE = "IVR_STATUS"
TAKE_VARIABLE = "IVR_TAKE_FILE"
"""The file, without its extension, that the caller was last recorded into: the dialplan looks at it if we die."""
GOSUB_FRAME_VARIABLE = "IVR_GOSUB_FRAME"
"""Set within each Gosub of the dialplan that leads here."""
VOLUME_VARIABLE = "VOLUME(RX)"
"""A factor, for what the caller says from now on; only calls that record nothing but a message ask for one."""
ABSOLUTE_TIMEOUT_VARIABLE = "TIMEOUT(absolute)"
"""Seconds from now at which the dialplan takes the call back; 0: never."""


def volume_adjustment(decibels: float) -> str:
    """The factor of `GAIN_VARIABLE`."""
    return f"{10 ** (decibels / 20):.3f}"
