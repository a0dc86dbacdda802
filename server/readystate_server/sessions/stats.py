"""What an operator wants to know of sessions: how many, how old, what was refused, and whether it
works.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping

from readystate.session import control
from readystate.session.control import ProtocolError

__all__ = ["Ages", "Health", "Refusals", "SessionsStats", "StoreHealth"]

_QUIET = 60.0
"""For how many seconds nothing more is logged of a limit."""
_GRAIN = 1.0
"""How exactly an age is known, in seconds."""

_logger = logging.getLogger("readystate")


@dataclasses.dataclass(frozen=True)
class SessionsStats:
    """What :class:`Sessions` have, and have done so far in this process.

    Attributes:
        connected: The sessions that have a connection.
        disconnected: Those that wait for their client to come back.
        ending: Those that have ended, and whose handler has not returned.
        greeting: The connections that have not said yet which session they are for.
        unacknowledged: The messages that clients have not acknowledged, and those that wait beside
            them, of all sessions.
        oldest_unacknowledged: For how long the oldest of these is there, in seconds; 0 if there is
            none.
        opened: The sessions begun.
        resumed: How often one was resumed.
        taken_over: How often of these it was another process that had begun it, or had it last.
        expired: The sessions whose client has not come back in time.
        refused: How often a client was told to try again later, by the limit: ``"max_sessions"``,
            ``"resume_rate"``, ``"unknown_rate"``.
    """

    connected: int
    disconnected: int
    ending: int
    greeting: int
    unacknowledged: int
    oldest_unacknowledged: float
    opened: int
    resumed: int
    taken_over: int
    expired: int
    refused: Mapping[str, int]


@dataclasses.dataclass(frozen=True)
class Health:
    """Whether sessions can be begun and resumed; true if so.

    Attributes:
        problems: What is in the way, in words for an operator.
    """

    problems: tuple[str, ...]

    def __bool__(self) -> bool:
        return not self.problems


class Refusals:
    """What was refused because of a limit: counted, and logged once a minute at most.

    Args:
        clock: Gives the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._logged: dict[str, tuple[float, int]] = {}

    def refuse(self, limit: str, what: str) -> ProtocolError:
        """Counts a refusal; returns what the client is told.

        Args:
            limit: The option that is the reason.
            what: What there is too much of.
        """
        self.counts[limit] += 1
        now, count = self._clock(), self.counts[limit]
        logged_at, logged = self._logged.get(limit, (-_QUIET, 0))
        if now - logged_at >= _QUIET:
            self._logged[limit] = now, count
            _logger.warning(
                "%s: %d refused with %d, to try again later (%d since the start); that is the "
                "limit %s=, of which nothing more is logged for %d s",
                what,
                count - logged,
                control.TRY_AGAIN,
                count,
                limit,
                _QUIET,
            )
        return ProtocolError(f"{what}: try again later ({limit})", control.TRY_AGAIN)


class StoreHealth:
    """Whether the store answers.

    Attributes:
        error: What it has raised last, if it has not worked since.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None

    def failed(self, error: Exception) -> None:
        """It has raised this."""
        self.error = error
        _logger.warning("the session store is out of order: %s: %s", type(error).__name__, error)

    def worked(self) -> None:
        """It has done something."""
        self.error = None


class Ages:
    """For how long messages wait that are counted, and acknowledged in their order.

    Args:
        clock: Gives the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # The number of a message, and when it came: the first one of each second.
        self._marks: deque[tuple[int, float]] = deque()

    def accepted(self, number: int, acknowledged: int) -> None:
        """The message of this number has come; the first ``acknowledged`` ones are done."""
        self._forget(acknowledged)
        now = self._clock()
        if not self._marks or now - self._marks[-1][1] >= _GRAIN:
            self._marks.append((number, now))

    def oldest(self, acknowledged: int) -> float:
        """The age of the oldest one that is not acknowledged, in seconds, if there is one."""
        self._forget(acknowledged)
        return self._clock() - self._marks[0][1] if self._marks else 0.0

    def _forget(self, acknowledged: int) -> None:
        marks = self._marks
        while len(marks) > 1 and marks[1][0] <= acknowledged + 1:
            marks.popleft()
