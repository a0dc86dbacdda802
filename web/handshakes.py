"""Many handshakes, as long as a network has them, and what they make of a sleep and of a queue.

Times are in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from random import Random

from words import duration

COUNT = 40
LONGEST = 3000.0
"""No visitor waits for longer."""


@dataclass(frozen=True)
class Network:
    """How long its handshakes take: log-normal, a few much longer than most, as in life."""

    median: float
    spread: float
    """Two of three take from the median divided by it to the median multiplied by it."""

    def delays(self, seed: int, count: int = COUNT) -> list[float]:
        """Draws so many; the same seed draws the same."""
        random = Random(seed)  # noqa: S311 - nothing secret
        middle, width = log(self.median), log(self.spread)
        return [min(random.lognormvariate(middle, width), LONGEST) for _ in range(count)]

    @property
    def words(self) -> str:
        slow = self.median * self.spread**1.645
        return f"Half within {duration(self.median)}, one in 20 takes over {duration(slow)}."


# By the values of the switch.
NETWORKS = {
    "office": Network(15, 2),
    "home": Network(60, 2.5),
    "mobile": Network(250, 2.5),
    "bad": Network(350, 3),
}


@dataclass
class Handshake:
    """What became of the two messages of one socket; times are since it was made."""

    delay: float
    """What the server was asked to take."""
    began: float | None = None
    """On the page's clock."""
    opened: float | None = None
    flushed: float | None = None
    """When the queue had sent its message."""
    slept: float | None = None
    """When the sleep was over, and its message sent or refused."""
    error: Exception | None = None
    """What the sleeper's send() raised."""
    arrived: int = 0
    """How many of the messages the server has returned."""
    is_over: bool = False

    @property
    def failed(self) -> bool:
        return self.error is not None

    @property
    def wasted(self) -> float:
        """For how long the sleep went on although the socket was open."""
        if self.failed or self.opened is None or self.slept is None:
            return 0
        return max(0, self.slept - self.opened)

    @property
    def waited(self) -> float:
        """For how long the queue's message waited although the socket was open."""
        if self.opened is None or self.flushed is None:
            return 0
        return max(0, self.flushed - self.opened)


@dataclass(frozen=True)
class Totals:
    """What has become of those that are over."""

    count: int
    failed: int
    wasted: float
    """By all together."""
    longest: float
    waited: float
    """By all of the queue's messages together."""
    longest_wait: float
    by_sleep: int
    """How many messages arrived of each."""
    by_queue: int


def totals(handshakes: Sequence[Handshake]) -> Totals:
    over = [handshake for handshake in handshakes if handshake.is_over]
    return Totals(
        count=len(over),
        failed=sum(handshake.failed for handshake in over),
        wasted=sum(handshake.wasted for handshake in over),
        longest=max((handshake.wasted for handshake in over), default=0),
        waited=sum(handshake.waited for handshake in over),
        longest_wait=max((handshake.waited for handshake in over), default=0),
        # The queue's message is sent first, and frames are in order.
        by_queue=sum(handshake.arrived > 0 for handshake in over),
        by_sleep=sum(handshake.arrived > 1 for handshake in over),
    )


def verdict(found: Totals) -> tuple[str, str]:
    """What it comes to, in a word for the style sheet and in sentences."""
    if not found.count:
        return "", "Nothing has been measured yet."
    worked = found.count - found.failed
    if found.by_queue < found.count or found.by_sleep < worked:
        return "failed", "Not all that was sent has come back: that must not be, please report it."
    times = f"{found.failed} of {found.count} times"
    failed = f"sleep(1) failed {times}" if found.failed else "sleep(1) never failed"
    wasted = f"and wasted {duration(found.wasted)} in the others"
    if not found.failed:
        wasted = f"but wasted {duration(found.wasted)} in {worked} handshakes"
    if not worked:
        wasted = "and so wasted nothing"
    return ("failed" if found.failed else "late"), (
        f"{failed}, {wasted}. The queue sent all {found.count}, "
        f"{duration(found.longest_wait)} after open at the latest."
    )


def top(handshakes: Sequence[Handshake]) -> float:
    """What a plot of them shows at least."""
    times = [handshake.opened or 0 for handshake in handshakes]
    return max([1200.0, *(1.05 * time for time in times)])
