"""A rate limit: a token bucket."""

from __future__ import annotations

import time

__all__ = ["Bucket"]


class Bucket:
    """A token bucket: ``burst`` tokens at once, and ``rate`` per second."""

    def __init__(self, burst: int, rate: float) -> None:
        self._burst = burst
        self._rate = rate
        self._tokens = float(burst)
        self._filled = time.monotonic()

    def take(self) -> bool:
        """Takes a token, if there is one."""
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def put_back(self) -> None:
        """Returns a token."""
        self._tokens += 1
