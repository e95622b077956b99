"""The collector of cyclic garbage, which stands still what it looks at: also calls."""

from __future__ import annotations

import gc


def exempt_what_was_started() -> None:
    """Let later collections look only at objects that are created from now on.

    What the start has created stays until the end. Looking at all of it took 60 ms, whenever requests had created many
    objects.
    """
    gc.collect()
    gc.freeze()
