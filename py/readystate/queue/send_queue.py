"""The queue pattern over any ``WebSocket``: :class:`SendQueue`."""

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
    """Accepts messages in any state of a socket, and sends them in order when it is open. ::

        ws = WebSocket("wss://example.org/feed")
        queue = SendQueue(ws)
        queue.send("any time")

    It says of each message what became of it (:class:`Delivery`). Here "confirmed" means no more
    than that it has left the page. What had not when the socket was closed, or lost, goes on over
    the next one (:meth:`attach`); :class:`QueuedWebSocket` sees to that by itself.

    Args:
        ws: A :class:`WebSocket`, or a native one; ``None``: none yet.
        max_pending: How many messages may wait; ``None`` is without a limit.
        max_pending_bytes: How much may wait, in bytes; ``None`` is without a limit.
        on_full: What happens beyond that: ``"raise"`` raises :exc:`QueueFull`; ``"wait"`` has
            :meth:`put` wait for room (:meth:`send`, which cannot wait, raises); ``"drop-oldest"``
            and ``"drop-newest"`` drop messages.
        ttl: How long a message may wait, in seconds; then it is dropped.
        in_doubt: What becomes of a message whose socket was lost before it was confirmed:
            ``"resend"`` sends it again, before all others; ``"drop"`` drops it.
        max_unconfirmed: How many messages are handed to the browser that have not left yet;
            ``None`` is without a limit.
        max_unconfirmed_bytes: How much of them, in bytes; one message may always be.

    Raises:
        ValueError: An argument makes no sense.
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
        """How many messages wait to be sent, or to be sent again."""
        return self._outbox.pending

    @property
    def pending_bytes(self) -> int:
        """How many bytes these have."""
        return self._outbox.pending_bytes

    @property
    def unconfirmed(self) -> int:
        """How many messages were sent over this socket and have not left the page yet."""
        return self._outbox.unconfirmed

    @property
    def stats(self) -> QueueStats:
        """What has been done so far; a copy."""
        return self._sender.stats

    def __iter__(self) -> Iterator[Any]:
        """The messages that wait, in the order in which they will be sent."""
        return iter(self._outbox)

    def send(self, data: Sendable, *, ttl: float | None = None) -> Delivery:
        """Accepts a message, in any state of the socket, and sends it when that is open.

        When it is open, and nothing waits, that is now. Order is kept.

        Args:
            data: What :meth:`WebSocket.send` takes. Binary data that may change is copied.
            ttl: How long it may wait, in seconds; by default as long as the queue says.

        Raises:
            QueueClosed: The queue was closed.
            QueueFull: As many messages wait as may, and ``on_full`` is "raise" or "wait".
            TypeError: ``data`` is neither text nor binary.
            ValueError: ``ttl`` is negative.
        """
        return self._sender.send(data, ttl)

    async def put(self, data: Sendable, *, ttl: float | None = None) -> Delivery:
        """Accepts a message as :meth:`send` does; with ``on_full="wait"`` it waits for room first.

        Cancelled while it waits, it has accepted nothing.

        Raises:
            QueueClosed: The queue was closed.
            QueueFull: As many messages wait as may, and ``on_full`` is "raise".
            TypeError: ``data`` is neither text nor binary.
            ValueError: ``ttl`` is negative.
        """
        return await self._sender.put(data, ttl)

    async def drain(self) -> None:
        """Returns when no message waits or is in doubt: each is confirmed, or was dropped."""
        await self._sender.drain()

    def clear(self) -> int:
        """Drops all that waits; returns how many messages that were."""
        return self._sender.clear("cleared")

    def attach(self, ws: WebSocket | Any) -> None:
        """Goes on over another socket, in whatever state that is; it lets go of the one before.

        What that one has not confirmed is in doubt, and goes first, or is dropped.

        Raises:
            TypeError: ``ws`` is no socket.
        """
        native: Any = ws.js_websocket if isinstance(ws, WebSocket) else ws
        if not (isinstance(native, NativeObject) and hasattr(native, "readyState")):
            raise TypeError(f"ws must be a WebSocket, or a native one, not {describe(ws)}")
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
        """Lets go of the socket, which stays as it is; messages wait for the next one."""
        if self._listener is not None:
            self._listener.destroy()
            self._listener = None
            if self._sender.is_open:
                self._left.confirm_left()
            # Somebody may have been told of the end before us, and do this.
            self._settle(isinstance(self._ws, WebSocket) and self._ws._was_clean)
            self._disconnect()

    def close(self) -> None:
        """Accepts no more messages, drops those that wait, and leaves the socket as it is.

        What was sent already can still be confirmed.
        """
        self._sender.is_over = True
        self._sender.drop_reason = "closed"
        self._sender.clear("closed")

    def __repr__(self) -> str:
        outbox = self._outbox
        return f"<SendQueue {outbox.pending:,} waiting, {outbox.unconfirmed:,} unconfirmed>"

    def _fail(self, error: Exception) -> None:
        """Something has gone wrong that cannot: drops all, so that nobody waits for ever."""
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
                # A proxy is not to be destroyed from within the function that it stands for.
                asyncio.get_running_loop().call_soon(self._listener.destroy)
                self._listener = None
            self._disconnect()

    def _settle(self, was_clean: bool) -> None:
        """Confirms what left the page before a closing handshake that the page began.

        If the server began it, that says nothing of what was on its way.
        """
        ws = self._ws
        has_sent = self._sender.outlet is not None
        if was_clean and has_sent and isinstance(ws, WebSocket) and ws._began_close:
            self._left.confirm_left()

    def _disconnect(self) -> None:
        self._ws = None
        self._sender.disconnect()
