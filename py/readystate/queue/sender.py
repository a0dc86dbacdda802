"""Sending from a queue: what :class:`SendQueue` and :class:`QueuedWebSocket` have in common."""

from __future__ import annotations

import asyncio
import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator
from typing import Any, NoReturn

from .._host import NativeError, Outlet, Timer, frozen, python_error
from ..core.delivery import Delivery, DropReason
from ..core.handlers import report
from ..core.outbox import EXPIRY_STEP, InDoubt, OnFull, Outbox, QueueStats
from ..core.pauses import Pauses
from ..dom.blob import Blob

_FIRST = 16


class Sender(ABC):
    """A queue of messages, and the native socket over which they go, if there is one."""

    def __init__(
        self,
        *,
        max_pending: int | None,
        max_pending_bytes: int | None,
        on_full: OnFull,
        ttl: float | None,
        in_doubt: InDoubt,
        max_unconfirmed: int | None,
        max_unconfirmed_bytes: int | None,
    ) -> None:
        self._ttl = _checked_ttl(ttl)
        self._on_full = on_full
        self._outbox = Outbox(
            max_pending=max_pending,
            max_pending_bytes=max_pending_bytes,
            on_full=on_full,
            in_doubt=in_doubt,
            max_unconfirmed=max_unconfirmed,
            max_unconfirmed_bytes=max_unconfirmed_bytes,
        )
        # Whether no message is accepted any more.
        self._is_over = False
        self._outlet: Outlet | None = None
        # Whether the socket is open, but not for what waits.
        self._is_held = False
        # What an acknowledgement will call a message.
        self._key_of: Callable[[Any], Hashable] | None = None
        # Whether nothing better confirms a message than that it has left the page.
        self._confirms_by_buffer = True
        self._pauses = Pauses()
        self._look_timer: asyncio.Handle | None = None
        self._expiry_timer: Timer | None = None
        self._expiry_watched: float | None = None
        self._change_waiters: list[asyncio.Future[None]] = []
        self._put_lock = asyncio.Lock()

    @property
    def pending(self) -> int:
        """How many messages wait to be sent, or to be sent again."""
        return self._outbox.pending

    @property
    def pending_bytes(self) -> int:
        """How many bytes these have."""
        return self._outbox.pending_bytes

    @property
    def unconfirmed(self) -> int:
        """How many messages were sent over this connection and are not confirmed yet."""
        return self._outbox.unconfirmed

    @property
    def stats(self) -> QueueStats:
        """What has been done so far; a copy."""
        return copy.deepcopy(self._outbox.stats)

    def __iter__(self) -> Iterator[Any]:
        """The messages that wait, in the order in which they will be sent."""
        return iter(self._outbox)

    def send(self, data: Any, *, ttl: float | None = None) -> Delivery:
        """Accepts a message, in any state of the connection, and sends it when that is open.

        When it is open, and nothing waits, that is now. Order is kept.

        Args:
            data: What :meth:`WebSocket.send` takes. Binary data that may change is copied.
            ttl: How long it may wait, in seconds; by default as long as the queue says.

        Raises:
            QueueFull: As many messages wait as may, and ``on_full`` is "raise" or "wait".
            TypeError: ``data`` is neither text nor binary.
            ValueError: ``ttl`` is negative.
        """
        if self._is_over:
            self._refuse()
        message, size = frozen(data.js_blob if isinstance(data, Blob) else data)
        ttl = self._ttl if ttl is None else _checked_ttl(ttl)
        key = self._key_of(message) if self._key_of is not None else None
        outbox, outlet = self._outbox, self._outlet
        if outlet is not None and not self._is_held and outbox.is_clear(size) and outlet.is_open:
            delivery = outbox.accept_sent(message, size, ttl=ttl, key=key)
            self._transmit(outlet, [message], size)
        else:
            try:
                delivery = outbox.accept(message, size, ttl=ttl, key=key)
            finally:  # also if there is no room: others may have expired
                self._flush()
        return delivery

    async def put(self, data: Any, *, ttl: float | None = None) -> Delivery:
        """Accepts a message as :meth:`send` does; with ``on_full="wait"`` it waits for room first.

        Cancelled while it waits, it has accepted nothing.

        Raises:
            QueueFull: As many messages wait as may, and ``on_full`` is "raise".
            TypeError: ``data`` is neither text nor binary.
            ValueError: ``ttl`` is negative.
        """
        if self._on_full != "wait" or self._is_over:
            return self.send(data, ttl=ttl)
        _checked_ttl(ttl)
        message, size = frozen(data.js_blob if isinstance(data, Blob) else data)
        # One task after the other, so that the order is theirs.
        async with self._put_lock:
            while not self._has_room(size):
                await self._change()
                if self._is_over:
                    self._refuse()
            return self.send(message, ttl=ttl)

    async def drain(self) -> None:
        """Waits until no message waits or is in doubt: each is confirmed, or was dropped."""
        while self._outbox.pending or self._outbox.unconfirmed:
            self._want()
            await self._change()

    def clear(self) -> int:
        """Drops all that waits, and says how many messages that were."""
        count = self._outbox.clear("cleared")
        self._watch_expiry()
        self._changed()
        return count

    @abstractmethod
    def _refuse(self) -> NoReturn:
        """Raises because no message is accepted any more."""

    @abstractmethod
    def _want(self) -> None:
        """Somebody waits for confirmations: the other side may be asked for them."""

    def _has_room(self, size: int) -> bool:
        if not self._outbox.is_full(size):
            return True
        outlet = self._outlet
        is_open = outlet is not None and not self._is_held and outlet.is_open
        return is_open and self._outbox.is_clear(size)

    def _connect(self, native: Any, *, hold: bool = False) -> None:
        """Goes on over this socket; it may be CONNECTING still, and then needs a flush on open.

        With ``hold`` it is first for messages of its own.
        """
        self._outlet = Outlet(native)
        self._pauses = Pauses()
        self._is_held = hold
        self._flush()

    def _release(self) -> None:
        """What waits may go over the socket that was held."""
        self._is_held = False
        self._flush()

    def _send_transient(self, outlet: Outlet, data: Any) -> Delivery:
        """Sends a message that is for this connection only, before all that waits."""
        message, size = frozen(data.js_blob if isinstance(data, Blob) else data)
        key = self._key_of(message) if self._key_of is not None else None
        delivery = self._outbox.accept_sent(message, size, key=key, is_transient=True)
        self._transmit(outlet, [message], size)
        return delivery

    def _disconnect(self, reason: DropReason | None = None) -> None:
        """The socket does not send any more: what is not confirmed is in doubt, or dropped."""
        self._outlet = None
        if self._look_timer is not None:
            self._look_timer.cancel()
            self._look_timer = None
        self._outbox.connection_lost(reason)
        self._watch_expiry()
        self._changed()

    def _flush(self) -> None:
        """Sends what waits, as far as there is a socket that is open, and room in the window."""
        outbox, outlet = self._outbox, self._outlet
        # Whether it is open is asked last: that is a call of JavaScript.
        if outlet is not None and not self._is_held and outbox.is_ready and outlet.is_open:
            # The first ones do not wait for the bookkeeping of all others.
            for at_most in (_FIRST, None):
                before = outbox.sent_bytes
                batch = outbox.take(at_most)
                if batch:
                    messages = [delivery.message for delivery in batch]
                    self._transmit(outlet, messages, outbox.sent_bytes - before)
                if self._outlet is not outlet:
                    return
        self._watch_expiry()
        self._changed()

    def _transmit(self, outlet: Outlet, messages: list[Any], size: int) -> None:
        try:
            if len(messages) == 1:
                outlet.send(messages[0])
            else:
                outlet.send_all(messages, size)
        except NativeError as error:
            # An open socket takes every message, unless the browser has no room for it. Which ones
            # it has taken is in doubt, and the connection tells no more.
            self._disconnect()
            outlet.native.close()
            report(f"The browser refused to send, so {self!r} has closed", python_error(error))
            return
        if self._confirms_by_buffer and self._look_timer is None:
            self._look_timer = asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        """Confirms what has left the page, and looks again while there is more."""
        self._look_timer = None
        outlet, outbox = self._outlet, self._outbox
        if outlet is None or not outlet.is_open:
            return  # What the buffer of a lost connection says is no evidence of anything.
        buffered = self._confirm_left(outlet)
        self._flush()
        if outbox.unconfirmed and self._look_timer is None:
            loop = asyncio.get_running_loop()
            self._look_timer = loop.call_later(self._pauses.next(buffered), self._look)

    def _look_again(self) -> None:
        """Looks at once, if there is something to see."""
        if self._outbox.unconfirmed:
            if self._look_timer is not None:
                self._look_timer.cancel()
            self._look()

    def _confirm_left(self, outlet: Outlet) -> int:
        """Confirms what has left the page; returns how many bytes have not."""
        buffered = int(outlet.native.bufferedAmount)
        self._outbox.confirm_bytes(self._outbox.sent_bytes - buffered)
        return buffered

    def _watch_expiry(self) -> None:
        """Sees to it that what waits is dropped in time."""
        outbox = self._outbox
        expiry = outbox.next_expiry if outbox.pending else None
        if expiry == self._expiry_watched:
            return
        self._expiry_watched = expiry
        if self._expiry_timer is not None:
            self._expiry_timer.cancel()
            self._expiry_timer = None
        if expiry is not None:
            delay = max(expiry - outbox.clock(), EXPIRY_STEP)
            self._expiry_timer = Timer(delay, self._expire)

    def _expire(self) -> None:
        self._expiry_timer = self._expiry_watched = None
        self._outbox.expire()
        self._watch_expiry()
        self._changed()

    async def _change(self) -> None:
        """Returns when something has been sent, confirmed or dropped."""
        waiter = asyncio.get_running_loop().create_future()
        self._change_waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._change_waiters:  # It was cancelled.
                self._change_waiters.remove(waiter)

    def _changed(self) -> None:
        if self._change_waiters:
            waiters, self._change_waiters = self._change_waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)


def _checked_ttl(ttl: float | None) -> float | None:
    if ttl is not None and not ttl >= 0:
        raise ValueError(f"ttl={ttl!r} must be a number of seconds, not negative")
    return ttl
