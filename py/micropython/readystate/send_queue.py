"""A queue for any ``WebSocket``: :class:`SendQueue`."""

from .exceptions import QueueClosed
from .outbox import Outbox
from .websocket import WebSocket


class SendQueue(Outbox):
    """Accepts messages in any state of a socket, and sends them when it is open.

    It returns a :class:`Delivery` for each message. "Confirmed" only means that it has left the
    page. Messages that have not left when the socket is lost are sent over the next one, see
    :meth:`attach`. The options are those of the reference.
    """

    def __init__(self, ws=None, **options):
        super().__init__(**options)
        if ws is not None:
            self.attach(ws)

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
            self._flush()

    def detach(self):
        """Releases the socket without closing it; messages wait for the next one."""
        ws = self._ws
        if ws is not None:
            ws.removeEventListener("open", self._on_open)
            ws.removeEventListener("close", self._on_close)
            if self._is_open() or (ws._was_clean and ws._began_close):
                self._confirm_left()
            self._disconnect()

    def close(self):
        """Accepts no more messages, and drops those that wait. Does not close the socket."""
        self._is_over = True
        self._drop_reason = "closed"
        self._clear("closed")

    def _refusal(self):
        return QueueClosed()

    def _on_open(self, event):
        self._flush()

    def _on_close(self, event):
        if self._ws is not None and self._ws.readyState == 3:
            self.detach()
