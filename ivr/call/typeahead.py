"""Keys pressed before anything asked for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Typeahead:
    """A buffer of keys in the order they were pressed.

    `monotonic` gives seconds from any fixed point. A buffer that nobody empties stops growing at `capacity` keys.
    """

    def __init__(self, monotonic: Callable[[], float], capacity: int = 4096) -> None:
        self._monotonic = monotonic
        self._capacity = capacity
        self._keys: deque[str] = deque()
        self._swallow_key = ""
        self._swallow_until = 0.0

    def put(self, key: str) -> None:
        """A key was just pressed."""
        if not self._consume_swallow(key) and len(self._keys) < self._capacity:
            self._keys.append(key)

    def accept(self, key: str) -> bool:
        """Whether a key that was just pressed means anything: False for the `#` behind a complete entry."""
        return not self._consume_swallow(key)

    def pop(self) -> str | None:
        """The oldest key, if any."""
        return self._keys.popleft() if self._keys else None

    def push_back(self, key: str) -> None:
        """Put a taken key back, in front of all others."""
        self._keys.appendleft(key)

    def swallow(self, key: str, *, window_ms: int) -> None:
        """Drop `key` if it is the next one and has been pressed already or comes within `within_ms`."""
        if self._keys:
            if self._keys[0] == key:
                self._keys.popleft()
        else:
            self._swallow_key = key
            self._swallow_until = self._monotonic() + window_ms / 1000

    def clear(self) -> int:
        """Forget all keys; how many there were."""
        count = len(self._keys)
        self._keys.clear()
        return count

    def _consume_swallow(self, key: str) -> bool:
        swallowed = key == self._swallow_key and self._monotonic() < self._swallow_until
        self._swallow_key = ""
        return swallowed
