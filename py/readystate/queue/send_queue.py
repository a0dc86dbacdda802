"""A queue for any ``WebSocket``: :class:`SendQueue`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from .._host import NativeListener, NativeObject, describe
from ..core.delivery import Delivery
from ..core.handlers import report
from ..core.outbox import InDoubt, OnFull, Outbox
from ..core.stats import QueueStats
from ..dom.sendable import Sendable
from ..dom.websocket import WebSocket
from ..exceptions import QueueClosed
from .confirmations import LeftThePage
from .sender import Sender

__all__ = ["SendQueue"]


class SendQueue:
    """Accepts messages in any state of a socket, and sends them when it is open. ::

        ws = WebSocket("wss://example.org/feed")
        queue = SendQueue(ws)
        queue.send("any time")

    It returns a :class:`Delivery` for each message. "Confirmed" only means that it has left the
    page. Messages that have not left when the socket is closed or lost are sent over the next one,
    see :meth:`attach`; :class:`QueuedWebSocket` reconnects by itself.

    Args:
        ws: A :class:`WebSocket` or a native one; ``None``: none yet.
        max_pending: How many messages may wait. For each limit, ``None`` means none.
        max_pending_bytes: How many bytes may wait.
        on_full: What to do beyond these limits: ``"raise"`` raises :exc:`QueueFull`; ``"wait"``
            makes :meth:`put` wait for room, while :meth:`send` raises; ``"drop-oldest"`` and
            ``"drop-newest"`` drop messages.
        ttl: After how many seconds a waiting message is dropped; ``None``: never.
        in_doubt: What to do with messages that are unconfirmed when their socket is lost:
            ``"resend"`` sends them again, before all others; ``"drop"`` drops them.
        max_unconfirmed: How many messages the browser may buffer.
        max_unconfirmed_bytes: How many bytes the browser may buffer; one message always fits.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        ws: WebSocket | Any | None = None,
        *,
        max_pending: int | None = 2**16,
        max_pending_bytes: int | None = 2**26,
        on_full: OnFull = "raise",
        ttl: float | None = None,
        in_doubt: InDoubt = "resend",
        max_unconfirmed: int | None = 2**14,
        max_unconfirmed_bytes: int | None = 2**24,
    ) -> None:
        self._outbox = Outbox(
            max_pending=max_pending,
            max_pending_bytes=max_pending_bytes,
            on_full=on_full,
            in_doubt=in_doubt,
            max_unconfirmed=max_unconfirmed,
            max_unconfirmed_bytes=max_unconfirmed_bytes,
        )
        self._left = LeftThePage(self._outbox)
        self._sender = Sender(
            self._outbox,
            self._left,
            ttl=ttl,
            on_full=on_full,
            refusal=QueueClosed,
            failed=self._fail,
            owner=self,
        )
        self._left.bind(self._sender)
        self._ws: WebSocket | Any | None = None
        self._listener: NativeListener | None = None
        if ws is not None:
            self.attach(ws)

    @property
    def pending(self) -> int:
        """How many messages wait to be sent, or sent again."""
        return self._outbox.pending

    @property
    def pending_bytes(self) -> int:
        """How many bytes wait to be sent, or sent again."""
        return self._outbox.pending_bytes

    @property
    def unconfirmed(self) -> int:
        """How many messages were sent but have not left the page."""
        return self._outbox.unconfirmed

    @property
    def stats(self) -> QueueStats:
        """A copy of the statistics so far."""
        return self._sender.stats

    def __iter__(self) -> Iterator[Any]:
        """Iterates over the waiting messages, in the order in which they will be sent."""
        return iter(self._outbox)

    def send(self, data: Sendable, *, ttl: float | None = None) -> Delivery:
        """Accepts a message in any state of the socket, and sends it when that is open.

        Messages are sent in order; immediately if possible.

        Args:
            data: What :meth:`WebSocket.send` takes. Mutable binary data is copied.
            ttl: How long it may wait, in seconds, instead of the queue's ``ttl``.

        Raises:
            QueueClosed: The queue was closed.
            QueueFull: There is no room, and ``on_full`` is "raise" or "wait".
            TypeError: ``data`` is neither text nor binary.
            ValueError: ``ttl`` is negative.
        """
        return self._sender.send(data, ttl)

    async def put(self, data: Sendable, *, ttl: float | None = None) -> Delivery:
        """Accepts a message like :meth:`send`; with ``on_full="wait"``, waits for room first.

        If cancelled while waiting, the message is not accepted.

        Raises:
            QueueClosed: The queue was closed.
            QueueFull: There is no room, and ``on_full`` is "raise".
            TypeError: ``data`` is neither text nor binary.
            ValueError: ``ttl`` is negative.
        """
        return await self._sender.put(data, ttl)

    async def drain(self) -> None:
        """Waits until every message is confirmed or dropped."""
        await self._sender.drain()

    def clear(self) -> int:
        """Drops all waiting messages, and returns their number."""
        return self._sender.clear("cleared")

    def attach(self, ws: WebSocket | Any) -> None:
        """Replaces the socket with another one, in any state.

        Messages that the previous one has not confirmed are sent again first, or dropped, by
        ``in_doubt``.

        Raises:
            TypeError: ``ws`` is not a socket.
        """
        native: Any = ws.js_websocket if isinstance(ws, WebSocket) else ws
        if not (isinstance(native, NativeObject) and hasattr(native, "readyState")):
            raise TypeError(f"ws must be a WebSocket or a native one, not {describe(ws)}")
        outlet = self._sender.outlet
        if outlet is not None and outlet.native == native:
            return
        self.detach()
        if native.readyState == WebSocket.CLOSED:
            return
        self._ws = ws
        self._listener = NativeListener(native, self._on_event)
        self._listener.listen("open")
        self._listener.listen("close")
        self._sender.connect(native)

    def detach(self) -> None:
        """Releases the socket without closing it; messages wait for the next one."""
        if self._listener is not None:
            self._listener.destroy()
            self._listener = None
            if self._sender.is_open:
                self._left.confirm_left()
            # Another listener may already have done this.
            self._settle(isinstance(self._ws, WebSocket) and self._ws._was_clean)
            self._disconnect()

    def close(self) -> None:
        """Accepts no more messages, and drops those that wait. Does not close the socket.

        Sent messages can still be confirmed.
        """
        self._sender.is_over = True
        self._sender.drop_reason = "closed"
        self._sender.clear("closed")

    def __repr__(self) -> str:
        outbox = self._outbox
        return f"<SendQueue {outbox.pending:,} waiting, {outbox.unconfirmed:,} unconfirmed>"

    def _fail(self, error: Exception) -> None:
        """Drops all messages after an unexpected exception, so that no task waits forever."""
        report(f"{self!r} was closed because of an exception", error)
        self.close()
        if self._listener is not None:
            self._listener.destroy()
            self._listener = None
        self._disconnect()

    def _on_event(self, event: Any) -> None:
        outlet = self._sender.outlet
        if event.type == "open":
            self._sender.flush()
        elif outlet is None or outlet.native.readyState == WebSocket.CLOSED:
            # A script could have made the event while the socket is open.
            self._settle(event.wasClean)
            if self._listener is not None:
                # A proxy must not be destroyed while it is being called.
                asyncio.get_running_loop().call_soon(self._listener.destroy)
                self._listener = None
            self._disconnect()

    def _settle(self, was_clean: bool) -> None:
        """Confirms what left the page before a closing handshake that the page started.

        If the server started it, messages may still have been on their way.
        """
        ws = self._ws
        has_sent = self._sender.outlet is not None
        if was_clean and has_sent and isinstance(ws, WebSocket) and ws._began_close:
            self._left.confirm_left()

    def _disconnect(self) -> None:
        self._ws = None
        self._sender.disconnect()
