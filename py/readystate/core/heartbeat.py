"""Whether a connection is alive, and what the other side has. Pure logic."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Literal

from . import checks
from .handlers import refuse_coroutine_function

__all__ = ["Acks", "Heartbeat"]

_LATE = 1.0
"""By how many seconds a timer is late at least that tells of a page that was frozen or busy."""


class Heartbeat:
    """A message that is sent again and again, so that a dead connection shows.

    A connection can be dead though nobody has said so ("half-open"): the network was changed, the
    server lost its power. So when nothing at all has arrived for ``timeout`` after the message was
    sent, the connection is dropped and replaced.

    Without a message it is a watchdog, which sends nothing: the connection is dropped when nothing
    has arrived for ``timeout``. That is for servers that send something at least that often. ::

        Heartbeat("ping", interval=20, timeout=10)
        Heartbeat(timeout=30)

    With ``is_reply`` it also confirms messages: frames are in order, so a reply tells that all has
    arrived that was sent before its request. The server has to answer requests in order, each once.
    It is then also sent out of turn when somebody waits for a confirmation.

    Args:
        message: What to send, or a plain function that returns it; ``None``: nothing.
        interval: How often, in seconds.
        timeout: How long to wait for anything to arrive, in seconds.
        is_reply: Whether a message (``str`` or ``bytes``) that has arrived is the reply; such a
            message is kept from the application. A plain function.
        when_quiet: Whether it is sent only when nothing has arrived for ``interval``, as whatever
            arrives tells that the connection lives. A reply then confirms the later.

    Raises:
        TypeError: An argument is of a wrong type, or is missing, or has no meaning without a
            ``message``; or a function is a coroutine function.
        ValueError: A number makes no sense.
    """

    def __init__(
        self,
        message: str | bytes | Callable[[], str | bytes] | None = None,
        *,
        interval: float | None = None,
        timeout: float,
        is_reply: Callable[[str | bytes], object] | None = None,
        when_quiet: bool = False,
    ) -> None:
        checks.flag("when_quiet", when_quiet)
        if message is None:
            for name, is_given in (
                ("interval", interval is not None),
                ("is_reply", is_reply is not None),
                ("when_quiet", when_quiet),
            ):
                if is_given:
                    raise TypeError(f"{name}= has no meaning without a message to send")
        elif interval is None:
            raise TypeError("interval= is missing: how often to send the message, in seconds")
        else:
            checks.positive("interval", interval)
            if callable(message):
                refuse_coroutine_function("message", message)
            elif not isinstance(message, (str, bytes, bytearray, memoryview)):
                raise TypeError(
                    f"message={message!r} must be a str, bytes, a function that returns either, "
                    "or None"
                )
        checks.positive("timeout", timeout)
        if is_reply is not None:
            checks.plain_function("is_reply", is_reply)
        self.message = message
        self.interval: float = math.inf if interval is None else interval
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

    Both functions are plain ones.

    Raises:
        TypeError: An argument is of a wrong type, or a coroutine function.
    """

    def __init__(
        self,
        key: Callable[[Any], Hashable],
        acked: Callable[[str | bytes], Iterable[Hashable] | None],
        *,
        pass_on: bool = True,
    ) -> None:
        checks.plain_function("key", key)
        checks.plain_function("acked", acked)
        checks.flag("pass_on", pass_on)
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
        latency: How long the last reply took, in seconds; ``None`` before there was one.
    """

    def __init__(self, heartbeat: Heartbeat, now: float) -> None:
        self._interval = heartbeat.interval
        self._timeout = heartbeat.timeout
        self._has_replies = heartbeat.is_reply is not None
        self._is_for_quiet = heartbeat.when_quiet
        # A watchdog hears at least that often, without asking.
        self._is_watchdog = heartbeat.message is None
        self._next_request = now + heartbeat.interval
        self._deadline = self._silence_ends(now)
        self._is_second_chance = False
        # What each request that has had no reply confirms, and when it was sent.
        self._marks: deque[tuple[int, float]] = deque()
        self._requested_at = now
        self.latency: float | None = None

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
            self._deadline = self._silence_ends(now)
            return None if self._is_watchdog else "request"
        if now < self._next_request:
            return None
        self._next_request = now + self._interval
        return "request"

    def requested(self, now: float, mark: int) -> None:
        """The message was sent; a reply confirms the messages before ``mark``."""
        self._next_request = now + self._interval
        self._deadline = min(self._deadline, now + self._timeout)
        self._requested_at = now
        if self._has_replies:
            self._marks.append((mark, now))

    def heard(self, now: float) -> None:
        """Something has arrived."""
        if self._is_for_quiet:
            self._next_request = now + self._interval
        self._deadline = self._silence_ends(now)
        self._is_second_chance = False

    def replied(self, now: float) -> int | None:
        """A reply has arrived; returns the mark of its request, ``None`` if there was none."""
        if not self._marks:
            return None
        mark, requested_at = self._marks.popleft()
        self.latency = now - requested_at
        return mark

    def answered(self, now: float) -> None:
        """The last request was answered, in another way than by a reply."""
        self.latency = now - self._requested_at

    def _silence_ends(self, now: float) -> float:
        """Until when something has to arrive, if nothing is asked for."""
        return now + self._timeout if self._is_watchdog else math.inf
