"""How long to wait before the next attempt. Pure logic: chance and clock are given to it."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """Exponential backoff with full jitter, which starts anew after a healthy connection.

    The n-th wait in a row is a random time up to ``initial * factor ** n``, at most ``maximum``:
    clients that lost their connections together do not come back together.

    Args:
        initial: The longest first wait, in seconds.
        maximum: The longest wait of all, in seconds.
        factor: By how much the limit grows with each failure.
        jitter: Which part of a wait is chance: 1 is all of it ("full jitter"), 0 is none.
        healthy: How long a connection must have lasted, in seconds, for the next wait to be a first
            one again.
        random: Gives numbers from 0 up to 1; by default ``random.random``.
        clock: Gives the time in seconds.

    Raises:
        ValueError: A number makes no sense.
    """

    def __init__(
        self,
        initial: float = 0.5,
        maximum: float = 30.0,
        factor: float = 2.0,
        jitter: float = 1.0,
        *,
        healthy: float = 5.0,
        random: Callable[[], float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 <= initial <= maximum:
            raise ValueError(f"initial={initial} must be from 0 to maximum={maximum} seconds")
        if factor < 1:
            raise ValueError(f"factor={factor} must be at least 1, or waits would shrink")
        if not 0 <= jitter <= 1:
            raise ValueError(f"jitter={jitter} must be from 0 to 1")
        if healthy < 0:
            raise ValueError(f"healthy={healthy} must not be negative")
        self.initial = initial
        self.maximum = maximum
        self.factor = factor
        self.jitter = jitter
        self.healthy = healthy
        self._random = random or _default_random()
        self._clock = clock
        self._limit = initial
        self._connected_at: float | None = None

    def connected(self) -> None:
        """A connection came about."""
        self._connected_at = self._clock()

    def next_delay(self) -> float:
        """How long to wait now, in seconds, after a connection was lost or an attempt failed."""
        connected_at, self._connected_at = self._connected_at, None
        if connected_at is not None and self._clock() - connected_at >= self.healthy:
            self._limit = self.initial
        limit = self._limit
        self._limit = min(limit * self.factor, self.maximum)
        return limit * (1 - self.jitter * self._random())


def _default_random() -> Callable[[], float]:
    # Imported when it is needed: it takes longer than this whole package, and a page waits for it.
    from random import random

    return random
