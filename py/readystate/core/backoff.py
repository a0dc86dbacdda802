"""How long to wait before the next attempt. Pure logic: chance is given to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from . import checks

__all__ = ["Backoff"]


class Backoff:
    """Exponential backoff with full jitter, which starts anew after a healthy connection.

    The n-th wait in a row is a random time up to ``initial * factor ** n``, at most ``maximum``:
    clients that lost their connections together do not come back together.

    It is a value: any number of sockets may be given the same one.

    Args:
        initial: The longest first wait, in seconds.
        maximum: The longest wait of all, in seconds.
        factor: By how much the limit grows with each failure.
        jitter: Which part of a wait is chance: 1 is all of it ("full jitter"), 0 is none.
        healthy: How long a connection must have lasted, in seconds, for the next wait to be a first
            one again.
        random: Returns numbers from 0 up to 1; by default ``random.random``. A plain function.

    Raises:
        TypeError: An argument is of a wrong type.
        ValueError: A number makes no sense.
    """

    __slots__ = ("factor", "healthy", "initial", "jitter", "maximum", "random")

    def __init__(
        self,
        initial: float = 0.5,
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
        """Yields the waits after one failure after another, in seconds, without end."""
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
    # Imported when it is needed: it takes longer than this whole package, and a page waits for it.
    from random import random

    return random
