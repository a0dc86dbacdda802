"""The queue pattern over any ``WebSocket``: :class:`SendQueue`."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from .._host import NativeListener, NativeObject, describe
from ..core.delivery import DropReason
from ..core.outbox import InDoubt, OnFull
from ..dom.websocket import WebSocket
from ..exceptions import QueueClosed
from .sender import Sender

__all__ = ["SendQueue"]


class SendQueue(Sender):
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
        super().__init__(
            max_pending=max_pending,
            max_pending_bytes=max_pending_bytes,
            on_full=on_full,
            ttl=ttl,
            in_doubt=in_doubt,
            max_unconfirmed=max_unconfirmed,
            max_unconfirmed_bytes=max_unconfirmed_bytes,
        )
        self._ws: WebSocket | Any | None = None
        self._listener: NativeListener | None = None
        if ws is not None:
            self.attach(ws)

    def attach(self, ws: WebSocket | Any) -> None:
        """Goes on over another socket, in whatever state that is; it lets go of the one before.

        What that one has not confirmed is in doubt, and goes first, or is dropped.

        Raises:
            TypeError: ``ws`` is no socket.
        """
        native = ws.js_websocket if isinstance(ws, WebSocket) else ws
        if not (isinstance(native, NativeObject) and hasattr(native, "readyState")):
            raise TypeError(f"ws must be a WebSocket, or a native one, not {describe(ws)}")
        if self._outlet is not None and self._outlet.native == native:
            return
        self.detach()
        if native.readyState == WebSocket.CLOSED:
            return
        self._ws = ws
        self._listener = NativeListener(native, self._on_event)
        self._listener.listen("open")
        self._listener.listen("close")
        self._connect(native)

    def detach(self) -> None:
        """Lets go of the socket, which stays as it is; messages wait for the next one."""
        if self._listener is not None:
            self._listener.destroy()
            self._listener = None
            if self._outlet is not None and self._outlet.is_open:
                self._confirm_left(self._outlet)
            # Somebody may have been told of the end before us, and do this.
            self._settle(isinstance(self._ws, WebSocket) and self._ws._was_clean)
            self._disconnect()

    def close(self) -> None:
        """Accepts no more messages, drops those that wait, and leaves the socket as it is.

        What was sent already can still be confirmed.
        """
        self._is_over = True
        self._outbox.clear("closed")
        self._watch_expiry()
        self._changed()

    def _refuse(self) -> NoReturn:
        raise QueueClosed

    def _want(self) -> None:
        pass  # There is nobody to ask: the browser's buffer is looked at anyhow.

    def _on_event(self, event: Any) -> None:
        outlet = self._outlet
        if event.type == "open":
            self._flush()
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
        ws, outlet = self._ws, self._outlet
        if was_clean and outlet is not None and isinstance(ws, WebSocket) and ws._began_close:
            self._confirm_left(outlet)

    def _disconnect(self, reason: DropReason | None = None) -> None:
        self._ws = None
        super()._disconnect("closed" if self._is_over else reason)
