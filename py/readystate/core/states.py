"""The states and statistics of a :class:`QueuedWebSocket`. Pure logic."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import time
from collections.abc import AsyncIterator, Callable

from .delivery import DropReason  # noqa: F401 - in the annotations that Stats inherits
from .stats import QueueStats

__all__ = ["State", "StateChange", "Stats"]


class State(enum.StrEnum):
    """The state of a :class:`QueuedWebSocket`."""

    CONNECTING = "CONNECTING"
    """It is connecting, or ``on_open`` runs."""
    OPEN = "OPEN"
    """It is connected."""
    WAITING = "WAITING"
    """It waits for the next attempt, or for ``start()``."""
    CLOSED = "CLOSED"
    """It has ended for good."""

    __repr__ = enum.Enum.__str__


@dataclasses.dataclass(frozen=True)
class StateChange:
    """A change to a new state.

    Attributes:
        state: The new state.
        attempt: The number of consecutive attempts, that is, since a connection received a message
            or lasted for ``Backoff.healthy`` seconds; 0 while OPEN.
        delay: In how many seconds the next attempt starts, if WAITING.
        error: Why it is WAITING or CLOSED.
    """

    state: State
    attempt: int = 0
    delay: float | None = None
    error: Exception | None = None


@dataclasses.dataclass(repr=False)
class Stats(QueueStats):
    """Statistics of a :class:`QueuedWebSocket`.

    Attributes:
        attempts: How many attempts to connect were made.
        reconnects: How many connections replaced a lost one.
        seconds: The time spent in each state, in seconds.
    """

    attempts: int = 0
    reconnects: int = 0
    seconds: dict[State, float] = dataclasses.field(
        default_factory=lambda: dict.fromkeys(State, 0.0)
    )

    def _summary(self) -> str:
        times = [f"{spent:.1f} s {state}" for state, spent in self.seconds.items() if spent]
        done = [f"{self.attempts:,} attempts, {self.reconnects:,} reconnects", *times]
        return f"{super()._summary()}; {', '.join(done)}"


class _Moment:
    """A change of state, linked to the next one.

    Each follower refers to the last change that it has seen; nothing refers to earlier ones.
    """

    def __init__(self, change: StateChange) -> None:
        self.change = change
        self.next: asyncio.Future[_Moment] = asyncio.get_running_loop().create_future()


class StateLog:
    """The current state of one queue, its followers, and the time spent in each state.

    Args:
        clock: Returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._moment = _Moment(StateChange(State.WAITING))
        self._since = clock()
        self._seconds = dict.fromkeys(State, 0.0)

    @property
    def state(self) -> State:
        """The current state."""
        return self._moment.change.state

    def change(self, change: StateChange) -> bool:
        """Changes the state, unless it is CLOSED. Returns whether it did."""
        if self.state is State.CLOSED:
            return False
        now = self._clock()
        self._seconds[self.state] += now - self._since
        self._since = now
        before, self._moment = self._moment, _Moment(change)
        before.next.set_result(self._moment)
        return True

    async def follow(self) -> AsyncIterator[StateChange]:
        """Yields the current state, then each change until CLOSED."""
        moment = self._moment
        while True:
            yield moment.change
            if moment.change.state is State.CLOSED:
                return
            moment = await asyncio.shield(moment.next)

    def seconds(self) -> dict[State, float]:
        """The time spent in each state, in seconds."""
        seconds = dict(self._seconds)
        if self.state is not State.CLOSED:
            seconds[self.state] += self._clock() - self._since
        return seconds
