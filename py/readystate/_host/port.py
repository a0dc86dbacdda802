"""What the adapters provide: the interface of the port, for reading and for type checkers.

Nothing imports it at run time. Sizes are in bytes, times in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol


class NativeSocket(Protocol):
    """The platform's own ``WebSocket``, with the attributes that the WHATWG standard gives it."""

    @property
    def url(self) -> str: ...
    @property
    def readyState(self) -> int:  # noqa: N802
        """CONNECTING, OPEN, CLOSING or CLOSED (0 to 3)."""

    @property
    def bufferedAmount(self) -> int:  # noqa: N802
        """How many bytes were sent that have not left the process."""

    @property
    def protocol(self) -> str: ...
    @property
    def extensions(self) -> str: ...

    binaryType: Any  # noqa: N815 - "blob" or "arraybuffer"

    def send(self, data: Any) -> None:
        """Sends a message. Raises ``NativeError``, or what that stands for, while CONNECTING."""

    def close(self, code: Any = ..., reason: Any = ...) -> None:
        """Begins to close."""

    def addEventListener(self, type: str, listener: Any, options: Any = ...) -> None:  # noqa: N802
        """Has ``listener`` called with each event of ``type``."""

    def removeEventListener(self, type: str, listener: Any) -> None:  # noqa: N802
        """Has ``listener`` called no more."""

    def dispatchEvent(self, event: Any) -> bool:  # noqa: N802
        """Dispatches an event that a script has made."""


class NativeListener(Protocol):
    """One function that listens to events of one native object, until :meth:`destroy`."""

    types: set[str]

    def __init__(self, target: Any, function: Callable[[Any], None]) -> None: ...
    def listen(self, type: str) -> None:
        """Begins to listen to events of ``type``."""

    def ignore(self, type: str) -> None:
        """Ceases to listen to events of ``type``."""

    def destroy(self) -> None:
        """Ceases to listen, and lets go of the function. Not to be called from the function."""


class Inbox(Protocol):
    """The messages of a native socket, collected without a Python call for each.

    ``on_arrival`` is called at the first message after each :meth:`arm`, and has to set
    ``is_armed`` to ``False``. ``failure`` says, after :meth:`take`, what has arrived that cannot be
    converted: nothing comes after it.
    """

    is_armed: bool
    failure: str | None

    def __init__(self, native: Any, on_arrival: Callable[[Any], None]) -> None: ...
    def arm(self) -> None:
        """Has the function called at the next message; :meth:`take` has to come first."""

    def take(self) -> list[Any]:
        """All messages since the last call, ``str`` or ``bytes``; none while it is armed."""

    def destroy(self) -> None:
        """Ceases to collect, and lets go of the function."""


class Outlet(Protocol):
    """Sends messages to one native socket."""

    native: Any

    def __init__(self, native: Any) -> None: ...
    @property
    def is_open(self) -> bool:
        """Whether the socket is OPEN: only then does it send."""

    def send(self, message: Any) -> None:
        """Sends a message. Raises ``NativeError`` if the platform refuses it."""

    def send_all(self, messages: list[Any], size: int) -> None:
        """Sends messages, of ``size`` bytes in all, in this order.

        Raises ``NativeError`` if the platform refuses one; some may have been sent then.
        """


class Timer(Protocol):
    """Calls a function once, after ``delay`` seconds; what it raises is reported."""

    def __init__(self, delay: float, function: Callable[[], None]) -> None: ...
    def cancel(self) -> None:
        """Lets go of the function, if it was not called yet."""


class UnthrottledTimer(Timer, Protocol):
    """The same for short waits, which is on time in tabs that are hidden too."""


class PageEvents(Protocol):
    """Has a function called when the network, or the page, goes away or comes back.

    With ``"online"``, ``"offline"``, ``"resume"``, ``"pageshow"``, ``"pagehide"``, ``"visible"`` or
    ``"hidden"``.
    """

    def __init__(self, function: Callable[[str], None]) -> None: ...
    @property
    def is_online(self) -> bool:
        """Whether there may be a network; ``False`` is certain."""

    @property
    def is_hidden(self) -> bool:
        """Whether the page is in a tab that is not shown."""

    def destroy(self) -> None:
        """Ceases to listen. Not to be called from the function."""


class ReadAhead(Protocol):
    """The messages of a ``WebSocketStream``, read before they are asked for, up to a bound."""

    def __init__(self, readable: Any, *, messages: float, size: float) -> None: ...
    async def read(self) -> str | bytes | None:
        """The next message; ``None`` if there is none any more."""

    async def run(self) -> None:
        """Returns when the stream has ended, and all of it was read ahead."""

    def destroy(self) -> None:
        """Lets go of what it holds."""


class Functions(Protocol):
    """The functions, as if they were of one module."""

    def python_error(self, error: Any, message: str | None = None) -> Exception:
        """The exception that stands for a ``NativeError``, with its message or another one."""

    def require_websocket(self) -> Any:
        """The class of native sockets. Raises RuntimeError or ImportError if there is none."""

    def new_websocket(self, url: Any, protocols: str | Iterable[str] | None) -> Any:
        """Makes a native socket, which begins to connect.

        ``protocols`` may be a mapping: options, where the platform knows them. Raises TypeError or
        DOMException if an argument is wrong.
        """

    def send(self, native_send: Callable[[Any], None], data: Any) -> None:
        """Calls the native ``send()``. Raises TypeError if ``data`` cannot be sent."""

    def buffered_amount(self, native: Any) -> int:
        """``bufferedAmount``; 0 if the socket has none."""

    def close(self, native: Any, code: int | None, reason: str | None) -> None:
        """Calls the native ``close()``. Raises InvalidAccessError if ``code`` is not allowed."""

    def new_close_event(self, code: int, reason: str, was_clean: bool) -> Any:
        """A native event for an end of which the platform has not told."""

    def to_sendable(self, data: Any) -> Any:
        """``data`` as the native ``send()`` takes it. Raises TypeError if it cannot be sent."""

    def frozen(self, data: Any) -> tuple[Any, int]:
        """``data`` as a message that nobody can change, and its size in bytes."""

    def byte_length(self, data: Any) -> int:
        """How many bytes, or of text characters, ``data`` has."""

    def to_bytes(self, buffer: Any) -> bytes:
        """The bytes of a native buffer. Raises TypeError if it has none any more."""

    def is_blob(self, value: Any) -> bool:
        """Whether ``value`` is a native ``Blob``."""

    def is_buffer(self, value: Any) -> bool:
        """Whether ``value`` is a native buffer, such as an ``ArrayBuffer``."""

    def is_null(self, value: Any) -> bool:
        """Whether ``value`` is the platform's ``null``."""

    def tag(self, value: Any) -> str:
        """The class of a native value, as ``Object.prototype.toString`` tells it."""

    def describe(self, value: Any) -> str:
        """The type of ``value``, for an error message."""

    def options(self, **values: Any) -> Any:
        """A native object with ``values``."""

    def save(self, key: str, text: str | None) -> None:
        """Keeps ``text`` for this tab; ``None``: nothing. Raises RuntimeError without a storage,
        and DOMException if it keeps nothing, or not so much.
        """

    def restore(self, key: str) -> str | None:
        """What is kept for this tab. Raises as :meth:`save` does."""

    def local_permission(self, url: str) -> str:
        """The name and state of the visitor's permission that a connection to ``url`` needs.

        Empty if it needs none, or the browser has not told yet.
        """

    async def sleep_unthrottled(self, seconds: float) -> None:
        """Returns after ``seconds``, which are few, in tabs that are hidden too."""

    def has_websocket_stream(self) -> bool:
        """Whether there is a ``WebSocketStream``."""

    def new_stream(self, url: Any, protocols: str | Iterable[str] | None) -> Any:
        """Makes a ``WebSocketStream``. Raises RuntimeError if there is none."""

    def can_run_sync(self) -> bool:
        """Whether Python can be suspended here and now."""

    def run_sync(self, awaitable: Any) -> Any:
        """Suspends Python until ``awaitable`` is done; returns its result."""

    def has_sockets(self) -> bool:
        """Whether Python has sockets of its own."""
