"""The interface of both adapters, for readers and type checkers.

Not imported at run time. Sizes are in bytes, times in seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class NativeSocket(Protocol):
    """The platform's ``WebSocket``, with the attributes of the WHATWG standard."""

    @property
    def url(self) -> str: ...
    @property
    def readyState(self) -> int:  # noqa: N802
        """CONNECTING, OPEN, CLOSING or CLOSED (0 to 3)."""

    @property
    def bufferedAmount(self) -> int:  # noqa: N802
        """How many bytes were sent but have not left the process."""

    @property
    def protocol(self) -> str: ...
    @property
    def extensions(self) -> str: ...

    binaryType: Any  # noqa: N815 - "blob" or "arraybuffer"

    def send(self, data: Any) -> None:
        """Sends a message. Raises ``NativeError`` or its Python exception while CONNECTING."""

    def close(self, code: Any = ..., reason: Any = ...) -> None:
        """Starts to close."""

    def addEventListener(self, type: str, listener: Any, options: Any = ...) -> None:  # noqa: N802
        """Adds a listener for events of ``type``."""

    def removeEventListener(self, type: str, listener: Any) -> None:  # noqa: N802
        """Removes a listener."""

    def dispatchEvent(self, event: Any) -> bool:  # noqa: N802
        """Dispatches an event created by a script."""


class NativeListener(Protocol):
    """One function that listens to events of one native object, until :meth:`destroy`."""

    types: set[str]

    def __init__(self, target: Any, function: Callable[[Any], None]) -> None: ...
    def listen(self, type: str, function: Callable[[Any], None] | None = None) -> None:
        """Starts to listen to events of ``type``; by a ``function`` of its own, if given."""

    def ignore(self, type: str) -> None:
        """Stops listening to events of ``type``."""

    def destroy(self) -> None:
        """Stops listening, and releases the function. Must not be called by the function."""


class Inbox(Protocol):
    """The messages of a native socket, collected without a Python call for each.

    ``on_arrival`` is called with the first message after each :meth:`arm`, and must set
    ``is_armed`` to ``False``. After :meth:`take`, ``failure`` describes a message that cannot be
    converted; no more follow it.
    """

    is_armed: bool
    failure: str | None

    def __init__(self, native: Any, on_arrival: Callable[[Any], None]) -> None: ...
    def arm(self) -> None:
        """Calls the function at the next message. Call :meth:`take` first."""

    def take(self) -> list[Any]:
        """Returns all messages since the last call, ``str`` or ``bytes``; none while armed."""

    def destroy(self) -> None:
        """Stops collecting, and releases the function."""


class Outlet(Protocol):
    """Sends messages to one native socket."""

    native: Any

    def __init__(self, native: Any) -> None: ...
    @property
    def is_open(self) -> bool:
        """Whether the socket is OPEN, and can send."""

    def send(self, message: Any) -> None:
        """Sends a message. Raises ``NativeError`` if the platform refuses it."""

    def send_all(self, messages: Sequence[Any], size: int) -> None:
        """Sends messages, of ``size`` bytes in total, in order.

        Raises ``NativeError`` if the platform refuses one; some may have been sent.
        """


class Timer(Protocol):
    """Calls a function once, after ``delay`` seconds; its exceptions are reported."""

    def __init__(self, delay: float, function: Callable[[], object]) -> None: ...
    def cancel(self) -> None:
        """Releases the function, if it was not called yet."""


class UnthrottledTimer(Timer, Protocol):
    """A timer for short waits, on time in hidden tabs too."""


class PageEvents(Protocol):
    """Calls a function when the network or the page goes away or comes back.

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
        """Stops listening. Must not be called by the function."""


class ReadAhead(Protocol):
    """The messages of a ``WebSocketStream``, read ahead up to a limit."""

    def __init__(self, readable: Any, *, messages: float, size: float) -> None: ...
    async def read(self) -> str | bytes | None:
        """Returns the next message; ``None`` at the end."""

    async def run(self) -> None:
        """Waits until the stream has ended and all of it was read ahead."""

    def destroy(self) -> None:
        """Releases what it holds."""


class Runner(Protocol):
    """Runs coroutines for code that blocks.

    In Pyodide, waiting suspends Python; elsewhere, there is an event loop in a thread of its own,
    and any thread may wait.
    """

    def __init__(self) -> None:
        """Raises NotImplementedError if Python cannot be suspended here."""

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Starts a coroutine, and returns its future; a cancelled one after :meth:`close`."""

    def wait(self, future: Any) -> Any:
        """Waits until ``future`` is done, and returns its result; cancels it if interrupted.

        Raises ``concurrent.futures.CancelledError`` after :meth:`close`, and NotImplementedError if
        it cannot wait.
        """

    def try_wait(self, future: Any) -> bool:
        """Waits as :meth:`wait` does, where that is possible; returns whether it is done."""

    def close(self) -> None:
        """Ends the sockets that are left, and the thread."""


class Functions(Protocol):
    """The functions, of all modules."""

    def python_error(self, error: Any, message: str | None = None) -> Exception:
        """Returns the exception for a ``NativeError``, with its message or another one."""

    def require_websocket(self) -> Any:
        """Returns the class of native sockets. Raises RuntimeError or ImportError without one."""

    def new_websocket(self, url: Any, protocols: str | Iterable[str] | None) -> Any:
        """Creates a native socket, which starts to connect.

        ``protocols`` may be a mapping of options that the platform supports. Raises TypeError or
        DOMException if an argument is invalid.
        """

    def send(self, native_send: Callable[[Any], None], data: Any) -> None:
        """Calls the native ``send()``. Raises TypeError if ``data`` cannot be sent."""

    def buffered_amount(self, native: Any) -> int:
        """``bufferedAmount``; 0 if the socket has none."""

    def close(self, native: Any, code: int | None, reason: str | None) -> None:
        """Calls the native ``close()``. Raises InvalidAccessError if ``code`` is not allowed."""

    def new_close_event(self, code: int, reason: str, was_clean: bool) -> Any:
        """Creates a native event for an end that the platform has not reported."""

    def to_sendable(self, data: Any) -> Any:
        """Converts ``data`` for the native ``send()``. Raises TypeError if it cannot be sent."""

    def frozen(self, data: Any) -> tuple[Any, int]:
        """Returns ``data`` as an immutable message, and its size in bytes."""

    def byte_length(self, data: Any) -> int:
        """Returns the length of ``data`` in bytes, or of text in characters."""

    def to_bytes(self, buffer: Any) -> bytes:
        """Returns the bytes of a native buffer. Raises TypeError if it is detached."""

    def is_blob(self, value: Any) -> bool:
        """Whether ``value`` is a native ``Blob``."""

    def is_buffer(self, value: Any) -> bool:
        """Whether ``value`` is a native buffer, such as an ``ArrayBuffer``."""

    def is_null(self, value: Any) -> bool:
        """Whether ``value`` is the platform's ``null``."""

    def tag(self, value: Any) -> str:
        """Returns the class of a native value, by ``Object.prototype.toString``."""

    def describe(self, value: Any) -> str:
        """Returns the type of ``value``, for error messages."""

    def options(self, **values: Any) -> Any:
        """Creates a native object with ``values``."""

    def save(self, key: str, text: str | None) -> None:
        """Stores ``text`` for this tab; ``None`` removes it. Raises RuntimeError without a storage,
        and DOMException if that is forbidden or full.
        """

    def restore(self, key: str) -> str | None:
        """Returns the stored text. Raises like :meth:`save`."""

    def local_permission(self, url: str) -> str:
        """The name and state of the visitor's permission that a connection to ``url`` needs.

        Empty if it needs none, or the browser has not told yet.
        """

    async def sleep_unthrottled(self, seconds: float) -> None:
        """Sleeps for a short time, on time in hidden tabs too."""

    def timeout_after(self, seconds: float | None) -> AbstractAsyncContextManager[asyncio.Timeout]:
        """As ``asyncio.timeout()``, but leaves no timer behind."""

    async def wait(self, future: asyncio.Future[Any], seconds: float | None) -> None:
        """Returns when ``future`` is done, or after ``seconds``; leaves no timer behind."""

    def has_websocket_stream(self) -> bool:
        """Whether there is a ``WebSocketStream``."""

    def new_stream(self, url: Any, protocols: str | Iterable[str] | None) -> Any:
        """Creates a ``WebSocketStream``. Raises RuntimeError if there is none."""

    def can_run_sync(self) -> bool:
        """Whether Python can be suspended now."""

    def run_sync(self, awaitable: Any) -> Any:
        """Suspends Python until ``awaitable`` is done; returns its result."""

    def needs_suspension(self) -> NotImplementedError:
        """Returns the exception for when Python cannot be suspended: why, and what to do."""

    def has_sockets(self) -> bool:
        """Whether Python has sockets of its own."""
