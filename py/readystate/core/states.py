"""What a :class:`QueuedWebSocket` is doing, and has done. Pure logic."""

from __future__ import annotations

import asyncio
import dataclasses
import enum

from .outbox import QueueStats

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


@dataclasses.dataclass(frozen=True)
class StateChange:
    """A new state, and what led to it.

    Attributes:
        state: The state.
        attempt: How many attempts have been made since it was last connected.
        delay: In how many seconds the next attempt begins, if the state is WAITING.
        error: Why it is WAITING or CLOSED.
    """

    state: State
    attempt: int = 0
    delay: float | None = None
    error: Exception | None = None


@dataclasses.dataclass
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


class Moment:
    """A change of state, and the way to the next one, if that has come.

    Whoever follows the changes holds the last one that it has seen, and nothing else holds them.
    """

    def __init__(self, change: StateChange) -> None:
        self.change = change
        self.next: asyncio.Future[Moment] = asyncio.get_running_loop().create_future()
