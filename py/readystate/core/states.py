"""What a :class:`QueuedWebSocket` is doing, and has done. Pure logic."""

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
    """What a :class:`QueuedWebSocket` is doing."""

    CONNECTING = "CONNECTING"
    """It attempts to connect; ``on_open`` is part of that."""
    OPEN = "OPEN"
    """It is connected."""
    WAITING = "WAITING"
    """It waits for the next attempt, or to be started."""
    CLOSED = "CLOSED"
    """It has ended, for good."""

    __repr__ = enum.Enum.__str__


@dataclasses.dataclass(frozen=True)
class StateChange:
    """A new state, and what led to it.

    Attributes:
        state: The state.
        attempt: How many attempts have been made in a row, that is, since a connection was of use:
            it lasted for the ``healthy`` seconds of the :class:`Backoff`, or brought a message.
            While the state is OPEN, 0.
        delay: In how many seconds the next attempt begins, if the state is WAITING.
        error: Why it is WAITING or CLOSED.
    """

    state: State
    attempt: int = 0
    delay: float | None = None
    error: Exception | None = None


@dataclasses.dataclass(repr=False)
class Stats(QueueStats):
    """What a :class:`QueuedWebSocket` has done so far.

    Attributes:
        attempts: How often it has attempted to connect.
        reconnects: How often it was connected again.
        seconds: The time spent in each state.
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
    """A change of state, and the way to the next one, if that has come.

    Whoever follows the changes holds the last one that it has seen, and nothing else holds them.
    """

    def __init__(self, change: StateChange) -> None:
        self.change = change
        self.next: asyncio.Future[_Moment] = asyncio.get_running_loop().create_future()


class StateLog:
    """The states of one queue: the present one, who follows them, and the time spent in each.

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
        """The present state."""
        return self._moment.change.state

    def change(self, change: StateChange) -> bool:
        """Changes the state. Returns whether it has: nothing comes after CLOSED."""
        if self.state is State.CLOSED:
            return False
        now = self._clock()
        self._seconds[self.state] += now - self._since
        self._since = now
        before, self._moment = self._moment, _Moment(change)
        before.next.set_result(self._moment)
        return True

    async def follow(self) -> AsyncIterator[StateChange]:
        """Yields the present state, and then each change; CLOSED is the last one."""
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
