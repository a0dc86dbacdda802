"""Statistics and health of sessions, for operators."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping

from readystate.session import control
from readystate.session.control import ProtocolError

__all__ = ["Ages", "Health", "Refusals", "SessionsStats", "StoreHealth"]

_QUIET = 60.0
"""How long nothing more is logged about a limit, in seconds."""
_GRAIN = 1.0
"""The resolution of ages, in seconds."""

_logger = logging.getLogger("readystate")


@dataclasses.dataclass(frozen=True)
class SessionsStats:
    """Statistics of :class:`Sessions` in this process.

    Attributes:
        connected: How many sessions are connected.
        disconnected: How many wait for their client to reconnect.
        ending: How many have ended, but their handler is still running.
        greeting: How many connections have not sent their first message.
        waiting: How many wait for their turn to open or resume a session, see ``connect_rate``.
        unacknowledged: How many messages clients have not acknowledged, including waiting ones.
        oldest_unacknowledged: The age of the oldest of these, in seconds; 0 if there is none.
        opened: How many sessions were opened.
        resumed: How often a session was resumed.
        taken_over: How often it was taken over from another process.
        expired: How many sessions have expired without their client.
        refused: How often a client was refused, by limit: ``"max_sessions"``, ``"connect_rate"``,
            ``"resume_rate"`` or ``"unknown_rate"``; or ``"store"``, as the store has failed.
        store_failures: How often the store has failed, also when saving, which is tried again.
    """

    connected: int
    disconnected: int
    ending: int
    greeting: int
    waiting: int
    unacknowledged: int
    oldest_unacknowledged: float
    opened: int
    resumed: int
    taken_over: int
    expired: int
    refused: Mapping[str, int]
    store_failures: int


@dataclasses.dataclass(frozen=True)
class Health:
    """Whether sessions can be opened and resumed; true if so.

    Attributes:
        problems: Why not, for operators.
    """

    problems: tuple[str, ...]

    def __bool__(self) -> bool:
        return not self.problems


class Refusals:
    """Counts refusals by limit, and logs them at most once per minute.

    Args:
        clock: Returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._logged: dict[str, tuple[float, int]] = {}

    def refuse(self, limit: str, what: str) -> ProtocolError:
        """Counts a refusal; returns the error for the client.

        Args:
            limit: The option that sets the limit.
            what: The reason, in words.
        """
        self.counts[limit] += 1
        now, count = self._clock(), self.counts[limit]
        logged_at, logged = self._logged.get(limit, (-_QUIET, 0))
        if now - logged_at >= _QUIET:
            self._logged[limit] = now, count
            _logger.warning(
                "%s: %d refused with %d, to try again later (%d since the start); the limit is "
                "%s=, about which nothing more is logged for %d s",
                what,
                count - logged,
                control.TRY_AGAIN,
                count,
                limit,
                _QUIET,
            )
        return ProtocolError(f"{what}: try again later ({limit})", control.TRY_AGAIN)


class StoreHealth:
    """Whether the store works. Failures are logged at most once per minute.

    Args:
        clock: Returns the time in seconds.

    Attributes:
        error: Its last exception, unless it has worked since.
        failures: How often it has failed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.error: Exception | None = None
        self.failures: int = 0
        self._clock = clock
        self._logged_at = -math.inf

    def failed(self, error: Exception) -> None:
        """Called when it has raised ``error``."""
        self.error = error
        self.failures += 1
        now = self._clock()
        if now - self._logged_at >= _QUIET:
            self._logged_at = now
            _logger.warning(
                "the session store fails: %s: %s (%d failures since the start; nothing more is "
                "logged about them for %d s)",
                type(error).__name__,
                error,
                self.failures,
                _QUIET,
            )

    def worked(self) -> None:
        """Called when it has worked."""
        self.error = None


class Ages:
    """The ages of messages that are numbered, and acknowledged in order.

    Args:
        clock: Returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # For the first message of each second, its number and its time.
        self._marks: list[tuple[int, float]] = []

    def accepted(self, number: int, acknowledged: int) -> None:
        """Adds the message ``number``; the first ``acknowledged`` ones are done."""
        self._forget(acknowledged)
        now = self._clock()
        if not self._marks or now - self._marks[-1][1] >= _GRAIN:
            self._marks.append((number, now))

    def oldest(self, acknowledged: int) -> float:
        """Returns the age of the oldest unacknowledged message, in seconds; 0 without one."""
        self._forget(acknowledged)
        return self._clock() - self._marks[0][1] if self._marks else 0.0

    def _forget(self, acknowledged: int) -> None:
        marks = self._marks
        while len(marks) > 1 and marks[1][0] <= acknowledged + 1:
            del marks[0]
