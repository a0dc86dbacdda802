"""A queue for any ``WebSocket``: :class:`SendQueue`."""

from .exceptions import QueueClosed
from .outbox import Outbox, QueueStats, Sender
from .websocket import WebSocket


class SendQueue:
    """Accepts messages in any state of a socket, and sends them when it is open.

    It returns a :class:`Delivery` for each message. "Confirmed" only means that it has left the
    page. Messages that have not left when the socket is lost are sent over the next one, see
    :meth:`attach`. The options are those of the reference.
    """

    def __init__(
        self,
        ws=None,
        *,
        max_pending=2**16,
        max_pending_bytes=2**26,
        on_full="raise",
        ttl=None,
        in_doubt="resend",
        max_unconfirmed=2**14,
        max_unconfirmed_bytes=2**24,
    ):
        self._outbox = Outbox(
            max_pending,
            max_pending_bytes,
            on_full,
            in_doubt,
            max_unconfirmed,
            max_unconfirmed_bytes,
        )
        self._sender = Sender(self._outbox, ttl, QueueClosed, self)
        self._ws = None
        if ws is not None:
            self.attach(ws)

    @property
    def pending(self):
        """How many messages wait to be sent, or sent again."""
        return self._outbox.pending

    @property
    def pending_bytes(self):
        """How many bytes wait to be sent, or sent again."""
        return self._outbox.pending_bytes

    @property
    def unconfirmed(self):
        """How many messages were sent but have not left the page."""
        return self._outbox.unconfirmed

    @property
    def stats(self):
        """A copy of the statistics so far."""
        return QueueStats(self._outbox.stats)

    def __iter__(self):
        return iter(self._outbox)

    def send(self, data, *, ttl=None):
        """Accepts a message in any state of the socket, and sends it when that is open.

        Raises:
            QueueClosed: The queue was closed.
            QueueFull: There is no room, and ``on_full`` is "raise" or "wait".
            TypeError: ``data`` is neither text nor binary.
        """
        return self._sender.send(data, ttl)

    async def put(self, data, *, ttl=None):
        """Accepts a message like :meth:`send`; with ``on_full="wait"``, waits for room first."""
        return await self._sender.put(data, ttl)

    async def drain(self):
        """Waits until every message is confirmed or dropped."""
        await self._sender.drain()

    def clear(self):
        """Drops all waiting messages, and returns their number."""
        return self._sender.clear("cleared")

    def attach(self, ws):
        """Replaces the :class:`WebSocket` with another one, in any state."""
        if not isinstance(ws, WebSocket):
            raise TypeError(f"ws must be a WebSocket, not {type(ws).__name__}")
        if ws is self._ws:
            return
        self.detach()
        if ws.readyState != 3:
            self._ws = ws
            ws.addEventListener("open", self._on_open)
            ws.addEventListener("close", self._on_close)
            self._sender.connect(ws)

    def detach(self):
        """Releases the socket without closing it; messages wait for the next one."""
        ws, self._ws = self._ws, None
        if ws is not None:
            ws.removeEventListener("open", self._on_open)
            ws.removeEventListener("close", self._on_close)
            if self._sender.is_open or (ws._was_clean and ws._began_close):
                self._sender.confirm_left()
            self._sender.disconnect()

    def close(self):
        """Accepts no more messages, and drops those that wait. Does not close the socket."""
        self._sender.is_over = True
        self._sender.drop_reason = "closed"
        self._sender.clear("closed")

    def _on_open(self, event):
        self._sender.flush()

    def _on_close(self, event):
        if self._ws is not None and self._ws.readyState == 3:
            self.detach()

    def __repr__(self):
        outbox = self._outbox
        return f"<SendQueue {outbox.pending:,} waiting, {outbox.unconfirmed:,} unconfirmed>"
