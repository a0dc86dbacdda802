"""Three of the four ways to confirm messages.

The fourth, a session, is :mod:`readystate.session.confirmation`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any

from .._host import UnthrottledTimer
from ..core.confirmation import Carrier, Confirmation, Heart
from ..core.handlers import at_once, report
from ..core.heartbeat import Acks
from ..core.outbox import Outbox
from ..core.pauses import Pauses

_UNHURRIED = 0.01
"""Seconds between two looks at a buffer that empties slowly, while nothing waits for that.

To look in each turn of the event loop took 1 to 2 us for each of 10,000 messages.
"""


class LeftThePage(Confirmation):
    """Confirms messages that have left the page, which does not prove that they arrived."""

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(outbox)
        self._pauses = Pauses()
        self._timer: asyncio.Handle | UnthrottledTimer | None = None
        # Whether a message or a task waits, and whether the timer is one for when none does.
        self._is_wanted = False
        self._is_unhurried = False
        # What had not left at the last look; 0 if there was none since the first message was sent.
        self._before = 0

    def connected(self) -> None:
        self._pauses = Pauses()

    def sent(self) -> None:
        if self._timer is None:
            self._before = 0
            self._timer = asyncio.get_running_loop().call_soon(self._look)

    def flushed(self) -> None:
        if self.outbox.pending:
            self.wanted()

    def wanted(self) -> None:
        """Looks soon, and then as often as it helps, until all has left."""
        self._is_wanted = True
        if self._is_unhurried and self._timer is not None:
            self._timer.cancel()
            self._is_unhurried = False
            self._timer = asyncio.get_running_loop().call_soon(self._look)

    def arriving(self) -> None:
        # Whatever this answers has left the page. Confirmed now, as a close may follow at once.
        if self.outbox.unconfirmed:
            if self._timer is not None:
                self._timer.cancel()
            self._look()

    def lost(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def confirm_left(self) -> int:
        """Confirms what has left the page; returns how many bytes have not left."""
        buffered = self.carrier.buffered_amount
        self.outbox.confirm_bytes(self.outbox.sent_bytes - buffered)
        return buffered

    def _look(self) -> None:
        try:
            self._confirm_and_look_again()
        except Exception as error:
            self.carrier.fail(error)

    def _confirm_and_look_again(self) -> None:
        """Confirms what has left the page, and schedules the next look if there is more."""
        self._timer = None
        self._is_unhurried = False
        if not self.carrier.is_open:
            return  # The buffer of a lost connection proves nothing.
        before = self._before
        self._before = buffered = self.confirm_left()
        self._is_wanted = self._is_wanted and self.outbox.unconfirmed > 0
        self.carrier.flush()
        if self.outbox.unconfirmed and self._timer is None:
            pause = self._pauses.next(buffered)
            is_wanted = self._is_wanted or self.outbox.is_awaited
            if 0 < before < 2 * buffered and not is_wanted:
                pause = max(pause, _UNHURRIED)
                self._is_unhurried = True
            if pause:
                self._timer = UnthrottledTimer(pause, self._look)
            else:
                self._timer = asyncio.get_running_loop().call_soon(self._look)


class HeartbeatReplies(Confirmation):
    """Confirms, with each reply to the heartbeat, all that was sent before its request."""

    asks = True

    def __init__(self, outbox: Outbox, is_reply: Callable[[str | bytes], object]) -> None:
        super().__init__(outbox)
        self._is_reply = is_reply
        self._is_wanted = False

    def flushed(self) -> None:
        """Sends the heartbeat early if a reply is wanted and none is outstanding."""
        outbox, heart = self.outbox, self.heart
        if (
            (self._is_wanted or outbox.is_window_half_full)
            and outbox.has_unkeyed
            and heart is not None
            and not heart.awaits_reply
        ):
            heart.request()

    def wanted(self) -> None:
        self._is_wanted = True
        self.flushed()

    def asked(self) -> None:
        # Messages that still wait need another reply.
        self._is_wanted = self.outbox.pending > 0

    def lost(self) -> None:
        self._is_wanted = True

    def received(self, messages: list[Any]) -> list[Any]:
        messages = [message for message in messages if not self.confirms(message)]
        self.carrier.flush()
        return messages

    def confirms(self, message: str | bytes) -> bool:
        """Returns whether ``message`` is a reply; if so, confirms messages."""
        try:
            if not at_once("is_reply", self._is_reply(message)):
                return False
        except Exception as error:
            report(f"Exception in is_reply of {self.carrier.owner!r}", error)
            return False
        mark = self.heart.replied() if self.heart is not None else None
        if mark is not None:
            self.outbox.confirm_before(mark, "heartbeat")
        return True


class Acknowledgements(Confirmation):
    """Confirms messages by the application's acknowledgements and by heartbeat replies."""

    def __init__(self, outbox: Outbox, acks: Acks, replies: HeartbeatReplies | None) -> None:
        super().__init__(outbox)
        self.key_of: Callable[[Any], Hashable] | None = lambda message: at_once(
            "key", acks.key(message)
        )
        outbox.needs_keys = replies is None
        self.asks: bool = replies is not None
        self._acks = acks
        self._replies = replies

    def bind(self, carrier: Carrier, heart: Heart | None = None) -> None:
        super().bind(carrier, heart)
        if self._replies is not None:
            self._replies.bind(carrier, heart)

    def flushed(self) -> None:
        if self._replies is not None:
            self._replies.flushed()

    def wanted(self) -> None:
        if self._replies is not None:
            self._replies.wanted()

    def asked(self) -> None:
        if self._replies is not None:
            self._replies.asked()

    def lost(self) -> None:
        if self._replies is not None:
            self._replies.lost()

    def received(self, messages: list[Any]) -> list[Any]:
        messages = [message for message in messages if self._is_for_application(message)]
        self.carrier.flush()
        return messages

    def _is_for_application(self, message: str | bytes) -> bool:
        if self._replies is not None and self._replies.confirms(message):
            return False
        try:
            keys = at_once("acked", self._acks.acked(message))
            if keys is None:
                return True
            self.outbox.confirm_keys(keys)
        except Exception as error:
            report(f"Exception in acked of {self.carrier.owner!r}", error)
            return True
        return self._acks.pass_on
