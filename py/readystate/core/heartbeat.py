"""Whether a connection is alive, and what the other side has. Pure logic."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Literal

__all__ = ["Acks", "Heartbeat"]

_LATE = 1.0
"""By how many seconds a timer is late at least that tells of a page that was frozen or busy."""


class Heartbeat:
    """A message that is sent again and again, so that a dead connection shows.

    A connection can be dead though nobody has said so ("half-open"): the network was changed, the
    server lost its power. So when nothing at all has arrived for ``timeout`` after the message was
    sent, the connection is dropped and replaced.

    With ``is_reply`` it also confirms messages: frames are in order, so a reply tells that all has
    arrived that was sent before its request. The server has to answer requests in order, each once.
    It is then also sent out of turn when somebody waits for a confirmation.

    Args:
        message: What to send, or a function that returns it.
        interval: How often, in seconds.
        timeout: How long to wait for anything to arrive, in seconds.
        is_reply: Whether a message (``str`` or ``bytes``) that has arrived is the reply; such a
            message is kept from the application.
        when_quiet: Whether it is sent only when nothing has arrived for ``interval``, as whatever
            arrives tells that the connection lives. A reply then confirms the later.

    Raises:
        ValueError: A number makes no sense.
    """

    def __init__(
        self,
        message: str | bytes | Callable[[], str | bytes],
        *,
        interval: float,
        timeout: float,
        is_reply: Callable[[str | bytes], object] | None = None,
        when_quiet: bool = False,
    ) -> None:
        if not interval > 0:
            raise ValueError(f"interval={interval!r} must be more than 0 seconds")
        if not timeout > 0:
            raise ValueError(f"timeout={timeout!r} must be more than 0 seconds")
        self.message = message
        self.interval = interval
        self.timeout = timeout
        self.is_reply = is_reply
        self.when_quiet = when_quiet


class Acks:
    """The application's own acknowledgements: a message is confirmed when the server says so.

    A message without a key is confirmed by an acknowledgement of any that was sent after it.

    Args:
        key: Returns what an acknowledgement will call a message (``str``, ``bytes`` or ``Blob``)
            that is to be sent: anything hashable; ``None`` if it will not be acknowledged.
        acked: Returns the keys that a message which has arrived acknowledges, or ``None``.
        pass_on: Whether the application receives such a message too.
    """

    def __init__(
        self,
        key: Callable[[Any], Hashable],
        acked: Callable[[str | bytes], Iterable[Hashable] | None],
        *,
        pass_on: bool = True,
    ) -> None:
        self.key = key
        self.acked = acked
        self.pass_on = pass_on


class Pulse:
    """The heartbeat of one connection: says when to send, and when the connection is dead.

    Args:
        heartbeat: The numbers.
        now: The time, in seconds; of the same clock as all others.

    Attributes:
        wake_at: When :meth:`check` is to be called next.
    """

    def __init__(self, heartbeat: Heartbeat, now: float) -> None:
        self._interval = heartbeat.interval
        self._timeout = heartbeat.timeout
        self._has_replies = heartbeat.is_reply is not None
        self._is_for_quiet = heartbeat.when_quiet
        self._next_request = now + heartbeat.interval
        self._deadline = math.inf
        self._is_second_chance = False
        # What each request that has had no reply confirms.
        self._marks: deque[int] = deque()

    @property
    def wake_at(self) -> float:
        return min(self._next_request, self._deadline)

    @property
    def awaits_reply(self) -> bool:
        """Whether a request has had no reply yet."""
        return bool(self._marks)

    def check(self, now: float) -> Literal["request", "lost"] | None:
        """What is to be done now, all that has arrived being :meth:`heard`."""
        if now >= self._deadline:
            if now - self._deadline < _LATE or self._is_second_chance:
                return "lost"
            # The page was frozen, the machine asleep, or the thread busy: what has arrived
            # meanwhile may not have been delivered to us.
            self._is_second_chance = True
            self._deadline = math.inf
            return "request"
        if now < self._next_request:
            return None
        self._next_request = now + self._interval
        return "request"

    def requested(self, now: float, mark: int) -> None:
        """The message was sent; a reply confirms the messages before ``mark``."""
        self._next_request = now + self._interval
        self._deadline = min(self._deadline, now + self._timeout)
        if self._has_replies:
            self._marks.append(mark)

    def heard(self, now: float) -> None:
        """Something has arrived."""
        if self._is_for_quiet:
            self._next_request = now + self._interval
        self._deadline = math.inf
        self._is_second_chance = False

    def replied(self) -> int | None:
        """A reply has arrived; returns the mark of its request, ``None`` if there was none."""
        return self._marks.popleft() if self._marks else None
