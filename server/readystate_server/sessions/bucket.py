"""Rate limits: what comes too soon is refused, or waits for its turn."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

__all__ = ["Bucket", "Turns"]


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


class Turns:
    """A leaky bucket that queues, as nginx's ``limit_req``: ``rate`` turns per second, in order.

    Args:
        rate: How many turns there are per second.
        longest: The longest wait for one, in seconds.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, rate: float, longest: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pause = 1 / rate
        self._longest = longest
        self._clock = clock
        self._next = -math.inf

    def take(self) -> float | None:
        """Takes the next turn; returns in how many seconds it is.

        ``None`` if it would be later than ``longest``, so that none was taken.
        """
        now = self._clock()
        turn = max(now, self._next)
        if turn - now > self._longest:
            return None
        self._next = turn + self._pause
        return turn - now
