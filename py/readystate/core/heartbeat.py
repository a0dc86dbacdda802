"""Heartbeats and acknowledgements. Pure logic."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Literal

from . import checks
from .handlers import refuse_coroutine_function

__all__ = ["Acks", "Heartbeat"]

_LATE = 1.0
"""A timer this many seconds late means that the page was frozen or busy."""


class Heartbeat:
    """A message that is sent periodically to detect dead connections.

    A connection can be dead without a close ("half-open"), as when the network changes or the
    server loses power. If nothing arrives within ``timeout`` of sending the message, the connection
    is dropped and replaced.

    Without a message it sends nothing, for servers that send something at least every ``timeout``
    seconds: otherwise the connection is dropped. ::

        Heartbeat("ping", interval=20, timeout=10)
        Heartbeat(timeout=30)

    With ``is_reply`` it also confirms messages: frames arrive in order, so a reply confirms all
    that was sent before its request. The server must answer each request once, in order. The
    message is then also sent early if a task awaits a confirmation.

    Args:
        message: The message, or a plain function that returns it; ``None`` sends nothing.
        interval: How often to send it, in seconds.
        timeout: How long to wait for any message, in seconds.
        is_reply: A plain function that returns whether a received message (``str`` or ``bytes``) is
            the reply, which the application then does not receive.
        when_quiet: Sends it only if nothing has arrived for ``interval``. That saves traffic, but
            delays confirmations.

    Raises:
        TypeError: An argument has a wrong type, is missing, or needs a ``message``; or a function
            is a coroutine function.
        ValueError: A number is out of range.
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
                    raise TypeError(f"{name}= needs a message to send")
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
    """Acknowledgements in the application's own protocol, which confirm messages.

    An acknowledgement also confirms earlier messages that have no key.

    Args:
        key: A plain function that returns the key, anything hashable, with which a message
            (``str``, ``bytes`` or ``Blob``) will be acknowledged; ``None`` if it will not be.
        acked: A plain function that returns the keys which a received message acknowledges, or
            ``None``.
        pass_on: Whether the application receives acknowledgements too.

    Raises:
        TypeError: An argument has a wrong type, or is a coroutine function.
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
    """Decides when one connection sends the heartbeat, and when it is dead.

    Args:
        heartbeat: Its settings.
        now: The time in seconds, by the same clock as in all methods.

    Attributes:
        wake_at: When to call :meth:`check` next.
        latency: How long the last reply took, in seconds; ``None`` before the first.
    """

    def __init__(self, heartbeat: Heartbeat, now: float) -> None:
        self._interval = heartbeat.interval
        self._timeout = heartbeat.timeout
        self._has_replies = heartbeat.is_reply is not None
        self._is_for_quiet = heartbeat.when_quiet
        # A watchdog expects a message within the timeout, without a request.
        self._is_watchdog = heartbeat.message is None
        self._next_request = now + heartbeat.interval
        self._deadline = self._silence_ends(now)
        self._is_second_chance = False
        # The mark of each request without a reply, and when it was sent.
        self._marks: deque[tuple[int, float]] = deque()
        self._requested_at = now
        self.latency: float | None = None

    @property
    def wake_at(self) -> float:
        return min(self._next_request, self._deadline)

    @property
    def awaits_reply(self) -> bool:
        """Whether a reply is outstanding."""
        return bool(self._marks)

    def check(self, now: float) -> Literal["request", "lost"] | None:
        """Returns what to do now; call :meth:`heard` before if anything has arrived."""
        if now >= self._deadline:
            if now - self._deadline < _LATE or self._is_second_chance:
                return "lost"
            # The page was frozen, the machine asleep, or the thread busy: messages that arrived
            # meanwhile may not have been delivered yet.
            self._is_second_chance = True
            self._deadline = self._silence_ends(now)
            return None if self._is_watchdog else "request"
        if now < self._next_request:
            return None
        self._next_request = now + self._interval
        return "request"

    def requested(self, now: float, mark: int) -> None:
        """Called when the message was sent; its reply confirms the messages before ``mark``."""
        self._next_request = now + self._interval
        self._deadline = min(self._deadline, now + self._timeout)
        self._requested_at = now
        if self._has_replies:
            self._marks.append((mark, now))

    def heard(self, now: float) -> None:
        """Called when a message has arrived."""
        if self._is_for_quiet:
            self._next_request = now + self._interval
        self._deadline = self._silence_ends(now)
        self._is_second_chance = False

    def replied(self, now: float) -> int | None:
        """Handles a reply; returns the mark of its request, or ``None`` if there was none."""
        if not self._marks:
            return None
        mark, requested_at = self._marks.popleft()
        self.latency = now - requested_at
        return mark

    def answered(self, now: float) -> None:
        """Handles an answer other than a reply to the last request."""
        self.latency = now - self._requested_at

    def _silence_ends(self, now: float) -> float:
        """The deadline for the next message without a request."""
        return now + self._timeout if self._is_watchdog else math.inf
