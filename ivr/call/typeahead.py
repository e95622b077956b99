"""Type-ahead: keys pressed before a prompt or an entry takes them."""

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
        self._swallow_key = ""
        self._swallow_until = 0.0

    def put(self, key: str) -> None:
        """Add a key that was just pressed."""
        if not self._consume_swallow(key) and len(self._keys) < self._capacity:
            self._keys.append(key)

    def accept(self, key: str) -> bool:
        """Return whether a key that was just pressed counts: False for the `#` behind a complete entry."""
        return not self._consume_swallow(key)

    def pop(self) -> str | None:
        """Remove and return the oldest key; None if there is none."""
        return self._keys.popleft() if self._keys else None

    def push_back(self, key: str) -> None:
        """Put a key back in front of all others."""
        self._keys.appendleft(key)

    def swallow(self, key: str, *, window_ms: int) -> None:
        """Drop the next key if it is `key`, and has been pressed already or is pressed within `window_ms`."""
        if self._keys:
            if self._keys[0] == key:
                self._keys.popleft()
        else:
            self._swallow_key = key
            self._swallow_until = self._monotonic() + window_ms / 1000

    def clear(self) -> int:
        """Remove all keys and return their number."""
        count = len(self._keys)
        self._keys.clear()
        return count

    def _consume_swallow(self, key: str) -> bool:
        swallowed = key == self._swallow_key and self._monotonic() < self._swallow_until
        self._swallow_key = ""
        return swallowed
