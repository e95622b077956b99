"""New files that take the places of old ones, and can give them back: for audio that is replaced under its name.

`put` is called within the transaction that changes the row, once it is known that it may: so nobody's audio is gone
for a change that was refused. It renames, and syncs the folders; all slow work is done before, by `prepare`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ivr.mailbox.recordings import Recordings, explained


class Replacement:
    """`places`: each new file, and where it goes; both on the disk of the data folder."""

    def __init__(self, recordings: Recordings, places: Mapping[Path, Path]) -> None:
        self._recordings = recordings
        self._places = places
        self._put: list[tuple[Path, Path | None]] = []
        """Where a new file lies by now, and where the old one is kept, if there was one."""

    def prepare(self) -> None:
        """All that may take its time. Raises `StoreError`."""
        for new, place in self._places.items():
            self._recordings.ready(new, place)

    def put(self) -> None:
        """Into their places. Raises `StoreError`: then `undo`."""
        try:
            for new, place in self._places.items():
                kept = new.with_name(f"{new.name}.old") if place.exists() else None
                if kept:
                    os.link(place, kept)
                self._put.append((place, kept))
                os.replace(new, place)
            self._recordings.sync_folders(self._places.values())
        except OSError as error:
            raise explained(error) from error

    def undo(self) -> None:
        """As it was before `put`, however far that came. Raises `StoreError`."""
        try:
            while self._put:
                place, kept = self._put.pop()
                if kept:
                    os.replace(kept, place)
                else:
                    place.unlink(missing_ok=True)
        except OSError as error:
            raise explained(error) from error

    def forget(self) -> None:
        """The old ones are needed no more. Raises `StoreError`."""
        while self._put:
            _, kept = self._put.pop()
            if kept:
                self._recordings.remove(kept)
