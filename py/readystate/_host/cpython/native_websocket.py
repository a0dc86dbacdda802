"""The native socket, with the interface and the states of the browser's.

https://websockets.spec.whatwg.org/#the-websocket-interface
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final
from weakref import WeakSet

from ...core.binary import refusal, utf8, view
from ...exceptions import DOMSyntaxError, InvalidAccessError, InvalidStateError
from .event_target import NativeEventTarget
from .events import NativeCloseEvent, NativeEvent, NativeMessageEvent
from .urls import Address
from .values import NativeBlob, NativeBuffer, describe

if TYPE_CHECKING:
    from .wire import Wire

__all__ = ["NativeWebSocket", "open_sockets"]

Collector = Callable[[str | bytes], None]

_LONGEST_REASON = 123

_logger = logging.getLogger("readystate")

# The event loop refers to tasks only weakly: this keeps them alive.
_connecting: Final[set[asyncio.Task[None]]] = set()


class NativeWebSocket(NativeEventTarget):
    """A ``WebSocket``, which starts to connect at once.

    It offers compression and answers pings. As in a browser, messages may have any size and are
    delivered at once: the server cannot be paused.

    Where the standard leaves a choice:

    - A connection that does not end cleanly fires ``error`` and then ``close``, with 1006.
    - If the server chooses none of the offered subprotocols, the connection fails.
    - A connection has 60 seconds to open.
    - After :meth:`close`, the server has 10 seconds to answer, counted from when nothing more was
      sent; after both close frames, it has 2 seconds to end TCP.

    ``bufferedAmount`` counts the bytes of messages, without framing, that the operating system has
    not taken; over TLS, less up to 128 KiB. It stays as it is when the connection is lost.
    """

    __slots__ = (
        "__weakref__",
        "_address",
        "_binary_type",
        "_collectors",
        "_discarded",
        "_loop",
        "_protocols",
        "_task",
        "_wire",
        "extensions",
        "protocol",
        "readyState",
        "url",
    )

    CONNECTING: ClassVar[int] = 0
    OPEN: ClassVar[int] = 1
    CLOSING: ClassVar[int] = 2
    CLOSED: ClassVar[int] = 3

    tag = "WebSocket"

    def __init__(self, address: Address, protocols: list[str]) -> None:
        super().__init__()
        self._address = address
        self._protocols = protocols
        self._loop = asyncio.get_running_loop()
        _thread.sockets.add(self)
        self._collectors: tuple[Collector, ...] = ()
        self._binary_type = "blob"
        # The bytes "sent" while CLOSING or CLOSED.
        self._discarded = 0
        self._wire: Wire | None = None
        self.url: str = address.url
        self.readyState: int = self.CONNECTING
        self.protocol: str = ""
        self.extensions: str = ""
        self._task: asyncio.Task[None] | None = self._loop.create_task(self._connect())
        _connecting.add(self._task)
        self._task.add_done_callback(self._on_task_done)

    @property
    def bufferedAmount(self) -> int:  # noqa: N802
        """How many bytes were sent but have not left, or never will."""
        return self._discarded + (0 if self._wire is None else self._wire.unsent)

    @property
    def binaryType(self) -> str:  # noqa: N802
        """How events carry binary messages: ``"blob"`` or ``"arraybuffer"``."""
        return self._binary_type

    @binaryType.setter
    def binaryType(self, kind: str) -> None:  # noqa: N802
        if kind in ("blob", "arraybuffer"):
            self._binary_type = kind

    def send(self, data: Any) -> None:
        """Sends a message; while CLOSING or CLOSED, discards it.

        Raises:
            InvalidStateError: The socket is CONNECTING.
            TypeError: ``data`` is neither text nor binary.
        """
        payload = _payload(data)
        if self.readyState == self.CONNECTING:
            raise InvalidStateError("send() was called while the socket is CONNECTING")
        if (
            self.readyState != self.OPEN
            or self._wire is None
            or not self._wire.send(payload, is_text=isinstance(data, str))
        ):
            self._discarded += len(payload)

    def close(self, code: Any = None, reason: Any = None) -> None:
        """Starts to close the connection; while CONNECTING, lets it fail.

        Raises:
            InvalidAccessError: ``code`` is neither 1000 nor from 3000 to 4999.
            DOMSyntaxError: ``reason`` is longer than 123 bytes of UTF-8.
            TypeError: ``reason`` is not a str.
        """
        number = None if code is None else _checked_code(code)
        text = "" if reason is None else _checked_reason(reason)
        if self.readyState >= self.CLOSING:
            return
        is_open = self.readyState == self.OPEN
        self.readyState = self.CLOSING
        if self._loop.is_closed():
            self._release()
        elif self._wire is None:
            if self._task is not None:
                self._task.cancel()
        elif is_open:
            self._wire.close(number, text)
        else:
            self._wire.abort()

    def add_collector(self, collect: Collector) -> None:
        """Calls ``collect`` with each message, without an event."""
        self._collectors = (*self._collectors, collect)

    def remove_collector(self, collect: Collector) -> None:
        """Removes ``collect``."""
        self._collectors = tuple(other for other in self._collectors if other != collect)

    async def _connect(self) -> None:
        # Imported late: readystate can be imported without the library.
        from .wire import connect

        try:
            await connect(self._address, self._protocols, self)
        except asyncio.CancelledError:
            if self.readyState == self.CONNECTING:  # The event loop is about to end.
                self._release()
            raise

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        _connecting.discard(task)
        self._task = None
        if task.cancelled():
            if self.readyState == self.CONNECTING:  # It was cancelled before it began.
                self._release()
            else:
                self.on_end(1006, "", was_clean=False)
        elif (error := task.exception()) is not None:
            _logger.debug("cannot connect to %s: %r", self._address, error)
            self.on_end(1006, "", was_clean=False)

    def on_connection(self, wire: Wire) -> None:
        """Called when the handshake starts."""
        self._wire = wire

    def on_open(self, protocol: str, extensions: str) -> None:
        """Called when the server has accepted the connection."""
        if self.readyState == self.CONNECTING:
            self.readyState = self.OPEN
            self.protocol = protocol
            self.extensions = extensions
            self._fire(NativeEvent("open", is_trusted=True))

    def on_message(self, message: str | bytes) -> None:
        """Called with each message."""
        if self.readyState != self.OPEN:
            return
        for collect in self._collectors:
            collect(message)
        if self._listeners.has("message"):
            data: str | NativeBlob | NativeBuffer
            if isinstance(message, str):
                data = message
            else:
                data = (NativeBlob if self._binary_type == "blob" else NativeBuffer)(message)
            origin = self._address.origin
            self._fire(NativeMessageEvent("message", data, origin=origin, is_trusted=True))

    def on_closing(self) -> None:
        """Called when nothing more can be sent."""
        if self.readyState < self.CLOSING:
            self.readyState = self.CLOSING

    def on_end(self, code: int, reason: str, *, was_clean: bool) -> None:
        """Called when the connection has ended or failed; only the first call counts."""
        if self.readyState == self.CLOSED:
            return
        self._release()
        if not was_clean:
            self._fire(NativeEvent("error", is_trusted=True))
        self._fire(NativeCloseEvent("close", code, reason, was_clean, is_trusted=True))

    def _release(self) -> None:
        self.readyState = self.CLOSED
        if self._wire is not None:
            self._discarded += self._wire.unsent
            self._wire = None

    def __repr__(self) -> str:
        state = ("CONNECTING", "OPEN", "CLOSING", "CLOSED")[self.readyState]
        return f"<native WebSocket {self._address} {state}>"


class _Thread(threading.local):
    def __init__(self) -> None:
        self.sockets: WeakSet[NativeWebSocket] = WeakSet()


_thread = _Thread()


def open_sockets() -> list[NativeWebSocket]:
    """Returns the sockets of this thread that are not CLOSED."""
    return [each for each in _thread.sockets if each.readyState != NativeWebSocket.CLOSED]


def _payload(data: Any) -> bytes | memoryview:
    if isinstance(data, str):
        return utf8(data)
    if isinstance(data, (NativeBlob, NativeBuffer)):
        return data.to_bytes()
    memory = view(data)
    if memory is None:
        raise refusal(data, describe(data), "a str, a bytes-like object or a Blob")
    return memory


def _checked_code(code: Any) -> int:
    """Converts ``code`` to a number from 0 to 65535, as Web IDL does."""
    number = code if isinstance(code, (int, float)) and not math.isnan(code) else 0
    number = round(min(max(number, 0), 65535))
    if number != 1000 and not 3000 <= number <= 4999:
        raise InvalidAccessError(f"the close code {code!r} is neither 1000 nor from 3000 to 4999")
    return number


def _checked_reason(reason: Any) -> str:
    if not isinstance(reason, str):
        raise TypeError(f"reason must be a str, not {describe(reason)}")
    encoded = utf8(reason)
    if len(encoded) > _LONGEST_REASON:
        raise DOMSyntaxError(
            f"the close reason has {len(encoded)} bytes of UTF-8, more than {_LONGEST_REASON}"
        )
    return encoded.decode()
