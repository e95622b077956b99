"""Type-ahead: keys pressed before a prompt or an entry takes them, and repeated keys that count once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Typeahead:
    """A buffer of keys in the order they were pressed.

    `monotonic` returns seconds. The buffer holds at most `capacity` keys; further ones are dropped.
    """

    def __init__(self, monotonic: Callable[[], float], capacity: int = 4096) -> None:
        self._monotonic = monotonic
        self._capacity = capacity
        self._keys: deque[str] = deque()
        self._ignored_key = ""
        self._ignored_until: float | None = None
        """None: until `begin_repeat_window` sets the time."""

    def put(self, key: str) -> None:
        """Add a key that was just pressed."""
        if self.accept(key) and len(self._keys) < self._capacity:
            self._keys.append(key)

    def accept(self, key: str) -> bool:
        """Return whether a key that was just pressed counts: False for the repetition that `ignore_repeats` named.

        Any other key ends the waiting for repetitions.
        """
        is_open = self._ignored_until is None or self._monotonic() < self._ignored_until
        if self._ignored_key and key == self._ignored_key and is_open:
            return False
        self._ignored_key = ""
        return True

    def pop(self) -> str | None:
        """Remove and return the oldest key; None if there is none."""
        return self._keys.popleft() if self._keys else None

    def push_back(self, key: str) -> None:
        """Put a key back in front of all others."""
        self._keys.appendleft(key)

    def ignore_repeats(self, key: str) -> None:
        """Drop repetitions of `key`: those that came already, and those until the next repeat window has passed."""
        self._ignored_key, self._ignored_until = key, None
        self._drop_repeats()

    def begin_repeat_window(self, window_ms: int) -> None:
        """Count repetitions again after `window_ms`; without `ignore_repeats` before, this has no effect."""
        if self._ignored_key and self._ignored_until is None:
            self._drop_repeats()
            self._ignored_until = self._monotonic() + window_ms / 1000

    def count_repeated_digits(self) -> None:
        """Count a repeated digit from now on: an entry begins, and every digit is part of it."""
        if self._ignored_key.isdigit():
            self._ignored_key = ""

    def clear(self) -> int:
        """Remove all keys and return their number."""
        count = len(self._keys)
        self._keys.clear()
        return count

    def _drop_repeats(self) -> None:
        while self._keys and self._keys[0] == self._ignored_key:
            self._keys.popleft()
        if self._keys:  # Another key followed, so what comes after it is no repetition.
            self._ignored_key = ""
