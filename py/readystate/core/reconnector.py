"""When to connect: attempts, the waits between them, and when to give up. Pure logic.

Its caller reports what happens to a :class:`Reconnector`, which decides what comes next::

    IDLE --begin()--> CONNECTING --connected()--> OPEN
                       ^  |                        |
                begin()|  +-------- ended() -------+
                       |              |
                     WAITING <--------+--------> STOPPED
                  (another attempt)        (given up, or stop())
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Literal, TypeAlias

from ..exceptions import ConnectionFailed
from . import checks
from .backoff import Backoff

Phase: TypeAlias = Literal["IDLE", "CONNECTING", "OPEN", "WAITING", "STOPPED"]

_JUST_NOW = 5.0
"""For how many seconds after the network or the page came back attempts do not wait."""


class Reconnector:
    """Decides when a client connects.

    Attempts count as consecutive until a connection lasts for ``backoff.healthy`` seconds or
    receives a message. So a server that accepts connections only to close them is given up like an
    unreachable one.

    Args:
        backoff: How long to wait between attempts.
        max_attempts: After how many consecutive attempts to give up; ``None``: never.
        give_up_after: After how many seconds of such attempts to start no more; ``None``: never.
        clock: Returns the time in seconds.

    Attributes:
        phase: The state in the diagram above.
        attempt: How many consecutive attempts were made.
        attempts: How many attempts were made in total.
        connections: How many of them succeeded.
        due: When the next attempt starts, by the clock, while ``phase`` is ``"WAITING"``.
        gave_up: Why there will be no more attempts, or ``None``.
        is_online: Whether there may be a network; waits are longer without.
    """

    def __init__(
        self,
        backoff: Backoff,
        *,
        max_attempts: int | None = None,
        give_up_after: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backoff = backoff
        self._delays = backoff.delays()
        self._max_attempts = checks.bound("max_attempts", max_attempts, least=1)
        checks.seconds("give_up_after", give_up_after)
        self._give_up_after = math.inf if give_up_after is None else give_up_after
        self._clock = clock
        # Since when there has been no connection that has proved itself.
        self._since = -math.inf
        self._connected_at = -math.inf
        self._has_proved_itself = False
        self._came_back_at = -math.inf
        self.phase: Phase = "IDLE"
        self.attempt: int = 0
        self.attempts: int = 0
        self.connections: int = 0
        self.due: float = math.inf
        self.gave_up: str | None = None
        self.is_online = True

    def begin(self) -> None:
        """Starts an attempt.

        Raises:
            RuntimeError: There is an attempt or a connection already, or it was stopped.
        """
        if self.phase not in ("IDLE", "WAITING"):
            raise RuntimeError(f"an attempt cannot start while the phase is {self.phase}")
        if self.phase == "IDLE":
            self._since = self._clock()
        self.phase = "CONNECTING"
        self.due = math.inf
        self.attempt += 1
        self.attempts += 1

    def connected(self) -> None:
        """Called when the attempt has succeeded."""
        if self.phase == "CONNECTING":
            self.phase = "OPEN"
            self.connections += 1
            self._connected_at = self._clock()
            self._has_proved_itself = False

    def progressed(self) -> None:
        """Called when a message has arrived, which shows that the server works."""
        self._has_proved_itself = True
        if self.phase == "OPEN":
            self.attempt = 0

    def ended(self) -> float | None:
        """Called when the attempt has failed or the connection was lost.

        Returns:
            In how many seconds the next attempt starts; ``None`` if there will be none, see
            ``gave_up``.
        """
        now = self._clock()
        if self.phase == "OPEN":
            was_healthy = now - self._connected_at >= self._backoff.healthy
            if was_healthy:
                self._delays = self._backoff.delays()
            if was_healthy or self._has_proved_itself:
                self.attempt = 0
                self._since = now
        if self.phase in ("CONNECTING", "OPEN"):
            elapsed = now - self._since
            if self.attempt >= self._max_attempts or elapsed >= self._give_up_after:
                self.stop(f"given up after {self.attempt} attempts in a row, in {elapsed:.1f} s")
                return None
            self.phase = "WAITING"
            delay = min(self._delay(now), self._give_up_after - elapsed)
            self.due = now + delay
            return delay
        return self.due - now if self.phase == "WAITING" else None

    def restart(self) -> None:
        """Starts counting anew, for a connection that the application asked for."""
        if self.phase not in ("IDLE", "STOPPED"):
            self.phase = "WAITING"
            self.attempt = 0
            self._delays = self._backoff.delays()
            self._since = self.due = self._clock()

    def failure(self, url: str, error: Exception | None) -> ConnectionFailed:
        """Returns the exception for giving up after ``error``."""
        failure = ConnectionFailed(url, f"{self.gave_up}: {error}")
        failure.__cause__ = error
        return failure

    def hurry(self) -> None:
        """Makes the next attempt due now."""
        if self.phase == "WAITING":
            self.due = min(self.due, self._clock())

    def came_back(self) -> None:
        """Called when the network or the page came back: ends this wait, or skips the next one."""
        if self.phase == "WAITING":
            self.hurry()
        else:
            self._came_back_at = self._clock()

    def stop(self, why: str) -> None:
        """Stops all attempts; only the first reason counts."""
        if self.phase != "STOPPED":
            self.phase = "STOPPED"
            self.due = math.inf
            self.gave_up = why

    def _delay(self, now: float) -> float:
        delay = next(self._delays)
        if now - self._came_back_at < _JUST_NOW:
            self._came_back_at = -math.inf
            return 0.0
        if not self.is_online:
            # A server on this machine may be reachable without a network.
            return max(delay, self._backoff.maximum)
        return delay
