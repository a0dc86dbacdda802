"""Rate limits: what comes too soon is refused, or waits for its turn."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

__all__ = ["Bucket", "Turns"]

_GRACE = 0.1
"""How late a turn may be used, in seconds."""


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

    Time in which the process was too busy to use its turns does not count: those that are late
    would all come at once.

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
        self._lost = 0.0

    def take(self) -> float | None:
        """Takes the next turn, for :meth:`wait`; ``None`` if it would be later than ``longest``."""
        now = self._clock() - self._lost
        turn = max(now, self._next)
        if turn - now > self._longest:
            return None
        self._next = turn + self._pause
        return turn

    def wait(self, turn: float) -> float:
        """Returns in how many seconds it is this turn; 0 if it is now."""
        wait = turn + self._lost - self._clock()
        if wait < -_GRACE:
            self._lost -= wait
        return max(0.0, wait)
