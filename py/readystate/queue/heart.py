"""The heartbeat of successive connections."""

from __future__ import annotations

import time
from collections.abc import Callable

from .._host import Timer
from ..core.handlers import at_once, report
from ..core.heartbeat import Heartbeat, Pulse
from .sender import Sender


class Beating:
    """Sends the heartbeat of each connection, and detects dead ones.

    Args:
        heartbeat: What to send, and how often.
        sender: Sends it.
        look: Takes received messages, before a connection is considered dead.
        dead: Called when the connection is dead, with the reason.
        send: Sends it instead, if given.

    Attributes:
        latency: How long the last reply took, in seconds; ``None`` before the first.
    """

    def __init__(
        self,
        heartbeat: Heartbeat,
        sender: Sender,
        *,
        look: Callable[[], None],
        dead: Callable[[str], None],
        send: Callable[[], None] | None = None,
    ) -> None:
        self._heartbeat = heartbeat
        self._sender = sender
        self._look = look
        self._dead = dead
        self._send = send or self._send_message
        self._pulse: Pulse | None = None
        self._timer: Timer | None = None
        self._timer_at = 0.0
        self.latency: float | None = None

    @property
    def awaits_reply(self) -> bool:
        """Whether a reply is outstanding."""
        return self._pulse is not None and self._pulse.awaits_reply

    def start(self) -> None:
        """Called with each new connection."""
        self._pulse = Pulse(self._heartbeat, time.monotonic())
        self._set_timer(self._pulse)

    def stop(self) -> None:
        """Called when the connection has ended."""
        self._pulse = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def request(self) -> None:
        """Sends the heartbeat now, if connected and there is one to send."""
        sender, pulse = self._sender, self._pulse
        if pulse is None or not sender.is_open or self._heartbeat.message is None:
            return
        try:
            self._send()
        except Exception as error:
            report(f"The heartbeat of {sender.owner!r} cannot be sent", error)
            return
        pulse.requested(time.monotonic(), sender.outbox.sent)
        sender.confirmation.asked()
        self._set_timer(pulse)

    def heard(self) -> None:
        """Called when a message has arrived."""
        if self._pulse is not None:
            self._pulse.heard(time.monotonic())

    def replied(self) -> int | None:
        """Handles a reply. Returns how many messages were sent before its request, if any."""
        if self._pulse is None:
            return None
        mark = self._pulse.replied(time.monotonic())
        if mark is not None:
            self.latency = self._pulse.latency
        return mark

    def answered(self) -> None:
        """Handles an answer other than a reply to the last request."""
        if self._pulse is not None:
            self._pulse.answered(time.monotonic())
            self.latency = self._pulse.latency

    def _send_message(self) -> None:
        message = self._heartbeat.message
        if callable(message):
            message = at_once("message", message())
        self._sender.transmit([message])

    def _set_timer(self, pulse: Pulse) -> None:
        if self._timer is not None:
            if pulse.wake_at >= self._timer_at:
                return
            self._timer.cancel()
        self._timer_at = pulse.wake_at
        self._timer = Timer(pulse.wake_at - time.monotonic(), self._beat)

    def _beat(self) -> None:
        try:
            self._beat_once()
        except Exception as error:
            self._sender.fail(error)

    def _beat_once(self) -> None:
        self._timer = None
        pulse = self._pulse
        self._look()
        if pulse is None or self._pulse is not pulse:
            return
        what = pulse.check(time.monotonic())
        if what == "lost":
            is_watchdog = self._heartbeat.message is None
            why = "nothing has arrived" if is_watchdog else "no reply to the heartbeat"
            self._dead(f"{why} within {self._heartbeat.timeout:g} s")
            return
        if what == "request":
            self.request()
        if self._pulse is pulse:
            self._set_timer(pulse)
