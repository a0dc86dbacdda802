"""The events of a ``WebSocket``, with the attributes that they have in the DOM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _host
from .blob import Blob

if TYPE_CHECKING:
    from .websocket import WebSocket

__all__ = ["CloseEvent", "Event", "MessageEvent"]


class Event:
    """An event of type ``open`` or ``error``, and what all events have in common.

    An ``error`` event says nothing of the cause: browsers hide it from pages on purpose.
    https://dom.spec.whatwg.org/#interface-event

    Attributes:
        target: The :class:`~readystate.WebSocket` that it happened to.
        js_event: The native object.
    """

    __slots__ = ("_stopped", "js_event", "target")

    def __init__(self, js_event: Any, target: WebSocket) -> None:
        self.js_event = js_event
        self.target = target
        self._stopped = False

    @property
    def type(self) -> str:
        """``"open"``, ``"message"``, ``"error"`` or ``"close"``."""
        return str(self.js_event.type)

    @property
    def currentTarget(self) -> WebSocket | None:  # noqa: N802
        """The target while the event is being dispatched, then ``None``."""
        return None if _host.is_null(self.js_event.currentTarget) else self.target

    @property
    def eventPhase(self) -> int:  # noqa: N802
        """2 (``AT_TARGET``) while the event is being dispatched, then 0."""
        return int(self.js_event.eventPhase)

    @property
    def timeStamp(self) -> float:  # noqa: N802
        """When it happened, in milliseconds since the page's time origin."""
        return float(self.js_event.timeStamp)

    @property
    def isTrusted(self) -> bool:  # noqa: N802
        """Whether the browser made it, and not a script."""
        return bool(self.js_event.isTrusted)

    @property
    def bubbles(self) -> bool:
        return bool(self.js_event.bubbles)

    @property
    def cancelable(self) -> bool:
        return bool(self.js_event.cancelable)

    @property
    def composed(self) -> bool:
        return bool(self.js_event.composed)

    @property
    def defaultPrevented(self) -> bool:  # noqa: N802
        return bool(self.js_event.defaultPrevented)

    def preventDefault(self) -> None:  # noqa: N802
        self.js_event.preventDefault()

    def stopPropagation(self) -> None:  # noqa: N802
        self.js_event.stopPropagation()

    def stopImmediatePropagation(self) -> None:  # noqa: N802
        """Keeps the event from the listeners that it has not reached yet."""
        self._stopped = True
        self.js_event.stopImmediatePropagation()

    def composedPath(self) -> list[WebSocket]:  # noqa: N802
        """The target while the event is being dispatched, then nothing."""
        return [] if self.currentTarget is None else [self.target]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.type!r}>"


class MessageEvent(Event):
    """An event of type ``message``.

    https://html.spec.whatwg.org/multipage/comms.html#the-messageevent-interface
    """

    __slots__ = ("_data",)

    def __init__(self, js_event: Any, target: WebSocket) -> None:
        super().__init__(js_event, target)
        self._data: str | bytes | Blob | None = None

    @property
    def data(self) -> str | bytes | Blob:
        """The message: a ``str``, or, of a binary one, ``bytes`` if the socket's ``binaryType`` was
        ``"arraybuffer"`` when it arrived, and a :class:`~readystate.Blob` if it was ``"blob"``.
        """
        # Read when it is asked for, and kept, so that several listeners cost one copy.
        data = self._data
        if data is None:
            data = self._data = self._read_data()
        return data

    def _read_data(self) -> str | bytes | Blob:
        data: Any = self.js_event.data
        # The frequent one first, and isinstance() is slow for JavaScript's types.
        if isinstance(data, str):
            return data
        if _host.is_buffer(data):
            data = data.to_bytes()
        elif _host.is_blob(data):
            data = Blob(data)
        return data  # type: ignore[no-any-return]

    @property
    def origin(self) -> str:
        """The origin of the server, such as ``"wss://example.org"``."""
        return str(self.js_event.origin)

    @property
    def source(self) -> None:
        """Always ``None`` here."""
        return None

    @property
    def ports(self) -> tuple[()]:
        """Always empty here."""
        return ()

    @property
    def lastEventId(self) -> str:  # noqa: N802
        """Always ``""`` here."""
        return str(self.js_event.lastEventId)


class CloseEvent(Event):
    """An event of type ``close``: the last one of a socket.

    https://websockets.spec.whatwg.org/#the-closeevent-interface
    """

    __slots__ = ()

    @property
    def code(self) -> int:
        """The code of the server's close frame; 1005 if that had none, 1006 if none arrived."""
        code = int(self.js_event.code)
        return 1006 if code == 0 and not self.wasClean else code  # which Deno calls 0

    @property
    def reason(self) -> str:
        """The reason in the server's close frame, ``""`` if there was none."""
        return str(self.js_event.reason)

    @property
    def wasClean(self) -> bool:  # noqa: N802
        """Whether the connection ended with a closing handshake."""
        return bool(self.js_event.wasClean)

    def __repr__(self) -> str:
        return f"<CloseEvent {self.code} {self.reason!r} wasClean={self.wasClean}>"
