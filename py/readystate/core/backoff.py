"""How long to wait before the next attempt. Pure logic."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from . import checks

__all__ = ["Backoff"]


class Backoff:
    """Exponential backoff with jitter, which resets after a healthy connection.

    The n-th consecutive wait is a random time up to ``initial * factor ** n``, at most ``maximum``,
    so that clients which lost their connections together do not reconnect together.

    Any number of sockets can share one.

    Args:
        initial: The longest first wait, in seconds.
        maximum: The longest wait, in seconds.
        factor: The factor by which the limit grows with each failure.
        jitter: The random part of each wait, from 0 (none) to 1 ("full jitter").
        healthy: How long a connection must last, in seconds, to reset the waits.
        random: A plain function that returns numbers from 0 up to 1; by default ``random.random``.

    Raises:
        TypeError: An argument has a wrong type.
        ValueError: A number is out of range.
    """

    __slots__ = ("factor", "healthy", "initial", "jitter", "maximum", "random")

    def __init__(
        self,
        initial: float = 2.0,
        maximum: float = 30.0,
        factor: float = 2.0,
        jitter: float = 1.0,
        *,
        healthy: float = 5.0,
        random: Callable[[], float] | None = None,
    ) -> None:
        checks.within("maximum", maximum, 0, math.inf, "a number of seconds, not negative")
        checks.within("initial", initial, 0, maximum, f"from 0 to maximum={maximum} seconds")
        checks.within("factor", factor, 1, math.inf, "at least 1, or waits would shrink")
        checks.within("jitter", jitter, 0, 1, "from 0 to 1")
        checks.within("healthy", healthy, 0, math.inf, "a number of seconds, not negative")
        if random is not None:
            checks.plain_function("random", random)
        self.initial: float = initial
        self.maximum: float = maximum
        self.factor: float = factor
        self.jitter: float = jitter
        self.healthy: float = healthy
        self.random: Callable[[], float] | None = random

    def delays(self) -> Iterator[float]:
        """Yields the waits after consecutive failures, in seconds, endlessly."""
        random = self.random or _default_random()
        limit = self.initial
        while True:
            yield limit * (1 - self.jitter * random())
            limit = min(limit * self.factor, self.maximum)

    def __repr__(self) -> str:
        return (
            f"Backoff({self.initial}, {self.maximum}, {self.factor}, {self.jitter}, "
            f"healthy={self.healthy})"
        )


def _default_random() -> Callable[[], float]:
    # Imported when needed: it takes longer to load than this whole package.
    from random import random

    return random
