"""The boundary: the one module that imports ``js`` and ``pyodide.ffi``.

It owns what crosses between Python and JavaScript: proxies, buffers and errors. It can be imported
anywhere; what needs a JavaScript runtime says so when it is used.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable
from typing import Any

from .exceptions import BY_NAME, DOMException, InvalidAccessError, InvalidStateError
from .handlers import report

__all__ = [
    "Inbox",
    "JsException",
    "JsProxy",
    "NativeListener",
    "Outlet",
    "PageEvents",
    "ReadAhead",
    "Timer",
    "byte_length",
    "can_run_sync",
    "close",
    "describe",
    "frozen",
    "has_sockets",
    "has_websocket_stream",
    "is_blob",
    "is_buffer",
    "is_null",
    "new_close_event",
    "new_stream",
    "new_websocket",
    "options",
    "python_error",
    "restore",
    "run_sync",
    "save",
    "send",
    "tag",
    "to_sendable",
    "websocket_constructor",
]

try:
    import js
    from pyodide.ffi import (
        JsBuffer,
        JsException,
        JsProxy,
        can_run_sync,
        create_once_callable,
        create_proxy,
        jsnull,
        run_sync,
        to_js,
    )
except ImportError:
    js = None

    class JsException(Exception):  # type: ignore[no-redef]  # noqa: N818 - Pyodide's name
        """Never raised where there is no JavaScript."""

    class JsProxy:  # type: ignore[no-redef]
        """Nothing is one where there is no JavaScript."""

    def can_run_sync() -> bool:
        """Where there is no JavaScript, Python is never suspended."""
        return False

    def run_sync(awaitable: Any) -> Any:
        """Never called where :func:`can_run_sync` says no."""
        raise NotImplementedError


_LARGE = 2**16
_SEPARATOR = "\0"
_FEW = 16
_SHORT = 512
_LONG = 4096

_TOO_LONG = "x" * 124
"""A reason that close() does not take."""

_BY_ERROR_CODE = {"ERR_EVENT_RECURSION": InvalidStateError}
"""Errors for which some runtimes have names of their own, by their ``code``."""


def new_websocket(url: Any, protocols: str | Iterable[str] | None) -> Any:
    """Calls ``new WebSocket(url)`` or ``new WebSocket(url, protocols)``.

    Raises:
        RuntimeError: There is no JavaScript here, or it has no ``WebSocket``.
        TypeError: ``url`` or ``protocols`` is not of a type that the constructor takes.
        JsException: What the constructor throws.
    """
    constructor = websocket_constructor()
    url, protocols = _arguments(url, protocols)
    native = constructor.new(url) if protocols is None else constructor.new(url, protocols)
    if native.binaryType not in ("blob", "arraybuffer"):
        native.binaryType = "blob"  # the standard's default, which Bun's is not
    _endings.watch(native)
    return native


def has_sockets() -> bool:
    """Whether Python has sockets here, as in Node.js after ``pyodide.useNodeSockFS()``."""
    try:
        from pyodide_js._api import _nodeSock  # noqa: F401
    except ImportError:
        return False
    return True


def has_websocket_stream() -> bool:
    """Whether the browser has ``WebSocketStream``."""
    return hasattr(js, "WebSocketStream")


def new_stream(url: Any, protocols: str | Iterable[str] | None) -> Any:
    """Calls ``new WebSocketStream(url, {protocols})``.

    Raises:
        TypeError: ``url`` or ``protocols`` is not of a type that the constructor takes.
        JsException: What the constructor throws.
    """
    url, protocols = _arguments(url, [protocols] if isinstance(protocols, str) else protocols)
    if protocols is None:
        return js.WebSocketStream.new(url)
    return js.WebSocketStream.new(url, options(protocols=protocols))


def _arguments(url: Any, protocols: str | Iterable[str] | None) -> tuple[Any, Any]:
    """The arguments of the constructors, converted."""
    if not isinstance(url, (str, JsProxy)):
        raise TypeError(f"url must be a str or a js.URL, not {describe(url)}")
    if protocols is None or isinstance(protocols, (str, JsProxy)):
        return url, protocols
    if not isinstance(protocols, Iterable):
        raise TypeError(f"protocols must be a str or an iterable of str, not {describe(protocols)}")
    names = list(protocols)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"a subprotocol must be a str, not {describe(name)}: {name!r}")
    return url, to_js(names)


def options(**values: Any) -> Any:
    """A JavaScript object with ``values``."""
    return to_js(values, dict_converter=js.Object.fromEntries)


def websocket_constructor() -> Any:
    """JavaScript's ``WebSocket``.

    Raises:
        RuntimeError: There is no JavaScript here, or it has no ``WebSocket``.
    """
    if js is None:
        raise RuntimeError(
            "readystate runs in Pyodide, in a browser or another JavaScript runtime, and wraps its "
            f"WebSocket; this is {sys.implementation.name} {sys.version.split()[0]} on "
            f"{sys.platform}, which has none. "
            "Outside JavaScript, the websockets library does the same work."
        )
    constructor = getattr(js, "WebSocket", None)
    if constructor is None:
        raise RuntimeError(
            "this JavaScript runtime has no WebSocket. "
            "Node.js has it from version 22, and version 20 with --experimental-websocket."
        )
    return constructor


def python_error(error: Any) -> Exception:
    """The Python exception that stands for a caught ``JsException``.

    A :exc:`DOMException`, of the subclass that belongs to the error's ``name``, or a
    :exc:`TypeError`. To be raised ``from`` the ``JsException``.
    """
    name, message, js_error = str(error.name), str(error.message), error.js_error
    if name == "TypeError":
        return TypeError(message)
    if name in BY_NAME:
        return BY_NAME[name](message, js_error=js_error)
    code = getattr(error, "code", 0)
    if isinstance(code, str) and code in _BY_ERROR_CODE:
        return _BY_ERROR_CODE[code](message, js_error=js_error)
    return DOMException(message, name, code=code if isinstance(code, int) else 0, js_error=js_error)


def send(native_send: Callable[[Any], None], data: Any) -> None:
    """Calls the native ``send()`` with ``data``: text, binary, or a JavaScript buffer or ``Blob``.

    Raises:
        TypeError: ``data`` is none of these. It is never sent as the text that ``str()`` makes.
        JsException: What ``send()`` throws.
    """
    if isinstance(data, str):
        native_send(data)
        return
    view = _view(data)
    if view is None:
        native_send(to_sendable(data))
        return
    if view.nbytes < _LARGE:
        native_send(_copied(view))
        return
    # The browser copies it, so that it can be shown Python's memory. For little it is not worth it.
    proxy = create_proxy(view)
    try:
        buffer = proxy.getBuffer("u8")
        try:
            native_send(buffer.data)
        finally:
            buffer.release()
    finally:
        proxy.destroy()


def close(native: Any, code: int | None, reason: str | None) -> None:
    """Calls the native ``close()`` with as many arguments as are given.

    Raises:
        InvalidAccessError: The engine takes this code, but the standard does not.
        JsException: What ``close()`` throws.
    """
    if isinstance(code, int) and code != 1000 and not 3000 <= code <= 4999:
        _refuse(native, code)
    if code is None and reason:
        code = 1000  # as the standard has it; engines throw, or drop the reason
    if code is None:
        _endings.close(native)
    elif reason is None:
        _endings.close(native, code)
    else:
        _endings.close(native, code, reason)


def _refuse(native: Any, code: int) -> None:
    """Has the native ``close()`` throw because of ``code``, and closes nothing even if it does not.

    The standard looks at the code first, so that the error is of the engine's own making. One that
    takes more codes than it should does not take the reason.
    """
    try:
        native.close(code, _TOO_LONG)
    except JsException as error:
        if error.name != "SyntaxError":
            raise
    raise InvalidAccessError(f"the close code {code} is neither 1000 nor from 3000 to 4999")


class _Endings:
    """Has a socket that never was open end as the standard has it, if it does not by itself.

    By the standard it is CLOSED when ``error`` is fired, and ``close`` follows; ``close()`` fires
    neither before it has returned. In Node.js 20 it stays as it is, and there is no ``close``; from
    20 to 26 ``close()`` fires at once, and leaves the socket CLOSING.
    """

    def __init__(self) -> None:
        # One for all sockets, for as long as the module lives.
        self._proxy = create_proxy(self._on_event)
        # The CONNECTING socket of which close() is being called, and whether that fired something.
        self._closing: Any = None
        self._is_early = False
        # The socket to which events of our own are being dispatched.
        self._ending: Any = None

    def watch(self, native: Any) -> None:
        """Listens to a new socket, before all others, until it is open.

        Longer it would keep alive a socket that nobody refers to any more.
        """
        for type in ("open", "error", "close"):
            native.addEventListener(type, self._proxy)

    def _ignore(self, native: Any) -> None:
        for type in ("open", "error", "close"):
            native.removeEventListener(type, self._proxy)

    def close(self, native: Any, *arguments: Any) -> None:
        """Calls the native ``close()``."""
        if native.readyState != 0:
            native.close(*arguments)
            return
        self._closing, self._is_early = native, False
        try:
            native.close(*arguments)
        finally:
            self._closing = None
        if self._is_early:
            _set_state(native, 2)
            self._end_soon(native, "error", "close")

    def _on_event(self, event: Any) -> None:
        native = event.target
        if event.type == "open":
            if native.readyState == 1:  # It is no event that a script made.
                self._ignore(native)
        elif self._closing is not None and native == self._closing:
            self._is_early = True
            event.stopImmediatePropagation()
        elif js.Object.hasOwn(native, "readyState"):  # It is ended here.
            if self._ending is None or native != self._ending:
                event.stopImmediatePropagation()
        # A script can dispatch events too, but no browser's own are of this class.
        elif event.type == "error" and native.readyState == 0 and tag(event) == "ErrorEvent":
            _set_state(native, 3)
            self._end_soon(native, "close")

    def _end_soon(self, native: Any, *types: str) -> None:
        """Fires events of these types, once nothing is being done any more."""

        def end() -> None:
            _set_state(native, 3)
            self._ending = native
            try:
                for type in types:
                    native.dispatchEvent(_ending_event(type))
            finally:
                self._ending = None

        js.setTimeout(create_once_callable(end), 0)


def _set_state(native: Any, state: int) -> None:
    js.Object.defineProperty(native, "readyState", options(value=state, configurable=True))


def _ending_event(type: str) -> Any:
    event = js.Event.new(type)
    if type == "close":  # Not everywhere is there a CloseEvent.
        js.Object.assign(event, options(code=1006, reason="", wasClean=False))
    return event


_endings: Any = None if js is None else _Endings()


def to_sendable(data: Any) -> Any:
    """``data`` as JavaScript takes it: binary as a copy of its own.

    Raises:
        TypeError: ``data`` is neither text nor binary.
    """
    if isinstance(data, str):
        return data
    if isinstance(data, JsProxy):
        if is_blob(data) or (is_buffer(data) and tag(data) != "SharedArrayBuffer"):
            return data
    elif (view := _view(data)) is not None:
        return _copied(view)
    raise TypeError(
        "send() takes a str, a bytes-like object, or a JavaScript ArrayBuffer, typed array, "
        f"DataView or Blob, not {describe(data)}"
    )


def _view(data: Any) -> memoryview | None:
    """The bytes of ``data``, whatever its shape, strides and format; ``None`` if it has none."""
    try:
        view = memoryview(data)
    except TypeError:
        return None
    if view.format != "B" or not view.c_contiguous:
        try:
            view = view.cast("B")
        except TypeError:
            # Not C-contiguous, without elements, or of a format that cast() does not know.
            view = memoryview(view.tobytes())
    return view


def _copied(view: memoryview) -> Any:
    """A new ``Uint8Array`` with the bytes of ``view``."""
    array = js.Uint8Array.new(view.nbytes)
    array.assign(view)
    return array


def frozen(data: Any) -> tuple[Any, int]:
    """``data`` as a message that nobody can change any more, and its length in bytes.

    Binary becomes ``bytes``, a JavaScript ``Blob`` stays as it is; text is counted in UTF-8.

    Raises:
        TypeError: ``data`` is neither text nor binary.
    """
    if isinstance(data, str):
        return data, len(data) if data.isascii() else _utf8_length(data)
    if isinstance(data, bytes):
        return data, len(data)
    if (view := _view(data)) is not None:
        return view.tobytes(), view.nbytes
    message = to_sendable(data)
    if not is_blob(message):
        message = message.to_bytes()
    return message, byte_length(message)


def _utf8_length(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        # As browsers do: pairs of surrogates are joined, and single ones become U+FFFD.
        return len(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode())


def byte_length(data: Any) -> int:
    """How long text (in characters), binary, or a JavaScript buffer or ``Blob`` is, in bytes."""
    # isinstance() is slow for JavaScript's types: the frequent ones come first.
    if isinstance(data, (str, bytes)):
        return len(data)
    if isinstance(data, JsProxy):
        return int(data.size if is_blob(data) else data.byteLength)
    return memoryview(data).nbytes


def is_buffer(value: Any) -> bool:
    """Whether ``value`` is a JavaScript ``ArrayBuffer`` or a view of one."""
    return isinstance(value, JsProxy) and isinstance(value, JsBuffer)


def is_blob(value: Any) -> bool:
    """Whether ``value`` is a JavaScript ``Blob`` (a ``File`` is one)."""
    return isinstance(value, JsProxy) and tag(value) in ("Blob", "File")


def is_null(value: Any) -> bool:
    """Whether ``value`` is JavaScript's ``null`` (which is not ``None``: that is ``undefined``)."""
    return value is jsnull


def tag(value: Any) -> str:
    """The class of a JavaScript value, as ``Object.prototype.toString`` tells it."""
    return str(js.Object.prototype.toString.call(value))[len("[object ") : -1]


def describe(value: Any) -> str:
    """The type of ``value``, for an error message."""
    if isinstance(value, JsProxy):
        return f"a JavaScript {tag(value)}"
    return type(value).__name__


class Outlet:
    """Sends messages to one native socket: one, or a batch of text without a call for each."""

    __slots__ = ("_send", "native")

    def __init__(self, native: Any) -> None:
        self.native = native
        # Named once: each look-up of a JavaScript method makes a new proxy.
        self._send = native.send

    @property
    def is_open(self) -> bool:
        """Whether the socket is OPEN: only then does it send."""
        return bool(self.native.readyState == 1)

    def send(self, message: Any) -> None:
        """Sends a message.

        Raises:
            JsException: What ``send()`` throws.
        """
        send(self._send, message)

    def send_all(self, messages: list[Any], size: int) -> None:
        """Sends messages, of ``size`` bytes in all, in this order.

        Raises:
            JsException: What ``send()`` throws; some of the messages may have been sent.
        """
        if len(messages) >= _FEW and size <= _SHORT * len(messages):
            try:
                joined = _SEPARATOR.join(messages)
            except TypeError:  # There is binary data.
                pass
            else:
                if joined.count(_SEPARATOR) == len(messages) - 1:
                    # One long string crosses several times faster than many short ones.
                    parts = js.String.prototype.split.call(joined, _SEPARATOR)
                    parts.forEach(self._send, self.native)
                    return
        for message in messages:
            send(self._send, message)


class NativeListener:
    """One Python function that listens to events of one JavaScript ``EventTarget``.

    It takes one proxy however many event types it listens to. The proxy, and with it the function
    and all that it refers to, lives until :meth:`destroy`.
    """

    __slots__ = ("_proxy", "_target", "types")

    def __init__(self, target: Any, function: Callable[[Any], None]) -> None:
        self._target = target
        self._proxy = create_proxy(function)
        self.types: set[str] = set()

    def listen(self, type: str) -> None:
        """Begins to listen to events of ``type``."""
        if type not in self.types:
            self.types.add(type)
            self._target.addEventListener(type, self._proxy)

    def ignore(self, type: str) -> None:
        """Ceases to listen to events of ``type``."""
        if type in self.types:
            self.types.remove(type)
            self._target.removeEventListener(type, self._proxy)

    def destroy(self) -> None:
        """Ceases to listen, and lets go of the function. Not to be called from the function."""
        for type in tuple(self.types):
            self.ignore(type)
        self._proxy.destroy()


class Timer:
    """Calls a function once, after ``delay`` seconds, unless it is cancelled before.

    The event loop's timers stay, with all that they refer to, until their time has come, also when
    they were cancelled. This one does not.
    """

    __slots__ = ("_function", "_id", "_proxy")

    def __init__(self, delay: float, function: Callable[[], None]) -> None:
        self._function = function
        self._proxy = create_once_callable(self._run)
        # A longer delay than these 24.8 days counts as none; nobody is late who is early.
        self._id = js.setTimeout(self._proxy, min(max(delay, 0.0) * 1000, 2**31 - 1))

    def _run(self) -> None:
        self._proxy = None
        try:
            self._function()
        except Exception as error:
            report("Exception in a timer", error)

    def cancel(self) -> None:
        """Nothing, if it has been called."""
        if self._proxy is not None:
            js.clearTimeout(self._id)
            self._proxy.destroy()
            self._proxy = None


class PageEvents:
    """Has a function called when the network, or the page itself, goes away or comes back.

    The function is given the type of the event, where the runtime has such events: ``"online"``,
    ``"offline"``, ``"resume"`` (of a frozen page), ``"pageshow"`` (from the back/forward cache),
    ``"pagehide"``.
    """

    __slots__ = ("_function", "_listeners")

    def __init__(self, function: Callable[[str], None]) -> None:
        self._function = function
        self._listeners = []
        for target, types in (
            (js.globalThis, ("online", "offline", "pageshow", "pagehide")),
            (getattr(js, "document", None), ("resume",)),
        ):
            if hasattr(target, "addEventListener"):
                listener = NativeListener(target, self._on_event)
                self._listeners.append(listener)
                for type in types:
                    listener.listen(type)

    @property
    def is_online(self) -> bool:
        """Whether there may be a network; ``False`` is certain."""
        return bool(getattr(getattr(js, "navigator", None), "onLine", True))

    def _on_event(self, event: Any) -> None:
        # Every page is shown once that did not come from the cache.
        if event.type != "pageshow" or event.persisted:
            self._function(str(event.type))

    def destroy(self) -> None:
        """Ceases to listen. Not to be called from the function."""
        for listener in self._listeners:
            listener.destroy()


def save(key: str, text: str | None) -> None:
    """Keeps ``text`` under ``key`` for this tab, whatever page it shows; ``None``: nothing.

    Raises:
        RuntimeError: There is no ``sessionStorage`` here.
        JsException: What the browser throws: that it may not keep it, or not so much.
    """
    storage = _session_storage()
    if text is None:
        storage.removeItem(key)
    else:
        storage.setItem(key, text)


def restore(key: str) -> str | None:
    """What is kept under ``key`` for this tab; ``None``: nothing.

    Raises:
        RuntimeError: There is no ``sessionStorage`` here.
        JsException: What the browser throws: that the page may not ask.
    """
    text = _session_storage().getItem(key)
    return text if isinstance(text, str) else None


def _session_storage() -> Any:
    storage = getattr(js, "sessionStorage", None)
    if storage is None:
        raise RuntimeError(
            "there is no sessionStorage here: it is the page's, and not to be had in a worker or "
            "outside browsers"
        )
    return storage


def new_close_event(code: int, reason: str, was_clean: bool) -> Any:
    """A JavaScript ``CloseEvent`` for an end of which the browser has not told."""
    how = options(code=code, reason=reason, wasClean=was_clean)
    if hasattr(js, "CloseEvent"):
        return js.CloseEvent.new("close", how)
    how.type = "close"
    return how


_BUFFER_AS_TEXT = "[object ArrayBuffer]"


class Inbox:
    """The messages of a native socket, collected without a Python call for each.

    One native function puts the events into a JavaScript array. A Python function learns only of
    the first one after each :meth:`arm`, and :meth:`take` brings over all that are there: what
    crosses between the languages is a batch, at about the cost of JavaScript alone.
    """

    __slots__ = (
        "_data_of",
        "_encode",
        "_events",
        "_is_binary",
        "_is_long",
        "_listen",
        "_map",
        "_native",
        "_on_arrival",
        "_once",
        "_push",
        "is_armed",
    )

    def __init__(self, native: Any, on_arrival: Callable[[Any], None]) -> None:
        self._native = native
        self._listen = native.addEventListener
        self._events = js.Array.new()
        self._push = js.Array.prototype.push.bind(self._events)
        self._listen("message", self._push)
        self._data_of: Any = None
        self._map = js.Function.prototype.call.bind(js.Array.prototype.map, self._events)
        self._encode: Any = None
        # What the last messages were, as the next ones most likely are.
        self._is_binary = self._is_long = False
        self._on_arrival = create_proxy(on_arrival)
        self._once = options(once=True)
        self.is_armed = False

    def arm(self) -> None:
        """Has the function called at the next message; :meth:`take` has to come first."""
        if not self.is_armed:
            self.is_armed = True
            self._listen("message", self._on_arrival, self._once)

    def take(self) -> list[Any]:
        """All messages that have arrived since the last call, ``str`` or ``bytes``."""
        if self.is_armed:
            return []  # The first one would have ended that.
        count = self._events.length
        if not count:
            return []
        if count == 1 and not self._is_long:
            message = _as_python(self._events.pop().data)
            self._is_binary = not isinstance(message, str)
            self._is_long = not self._is_binary and len(message) > _LONG
            return [message]
        if self._data_of is None:
            self._data_of = _data_getter(self._events[0])
        if self._data_of is None:
            return [_as_python(event.data) for event in self._events.splice(0)]
        messages = self._map(self._data_of)
        self._events.length = 0
        if not self._is_binary:
            # One long string crosses several times faster than many short ones, and if it is ASCII,
            # as UTF-8 five times faster than as a string.
            if self._is_long or count > _FEW:
                if self._encode is None:
                    encoder = js.TextEncoder.new()
                    self._encode = encoder.encode.bind(encoder)
                messages.toString = js.Array.prototype.join.bind(messages, _SEPARATOR)
                joined = str(self._encode(messages).to_bytes(), "utf-8")
            else:
                joined = messages.join(_SEPARATOR)
            self._is_long = len(joined) > _LONG
            texts: list[Any] = joined.split(_SEPARATOR)
            if len(texts) == count and _BUFFER_AS_TEXT not in joined:
                return texts
        # There is binary data (or text like the marks above, for which this is as right).
        mixed = messages.to_py()
        self._is_binary = not isinstance(mixed[-1], str)
        return [m if isinstance(m, str) else m.tobytes() for m in mixed]

    def destroy(self) -> None:
        """Ceases to collect, and lets go of the function."""
        self._native.removeEventListener("message", self._push)
        self._native.removeEventListener("message", self._on_arrival)
        self._on_arrival.destroy()


def _as_python(message: Any) -> str | bytes:
    return message if isinstance(message, str) else message.to_bytes()


def _data_getter(event: Any) -> Any:
    """``event => event.data``, without a script of our own to be evaluated.

    ``None`` where that is no accessor, as in Deno.
    """
    # Of this event's own class: Node.js 20 has two by the name of MessageEvent.
    prototype = js.Object.getPrototypeOf(event)
    descriptor = js.Object.getOwnPropertyDescriptor(prototype, "data")
    getter = getattr(descriptor, "get", None)
    return None if getter is None else js.Function.prototype.call.bind(getter)


class ReadAhead:
    """The messages of a ``ReadableStream``, read by the browser up to a bound before asked for.

    Natively, because Chromium drops what is unread when the server closes the connection.
    """

    __slots__ = ("_buffer", "_pipe", "_reader", "_size")

    def __init__(self, readable: Any, *, messages: float, size: float) -> None:
        # One bound for both: what is short counts as its part of the bound in bytes.
        bound = min(size, sys.maxsize)
        least = bound / max(messages, 1)

        def weigh(chunk: Any) -> float:
            return max(len(chunk) if isinstance(chunk, str) else chunk.byteLength, least)

        self._size = create_proxy(weigh)
        held = options(highWaterMark=bound, size=self._size)
        self._buffer = js.TransformStream.new(options(), options(highWaterMark=1), held)
        self._reader = self._buffer.readable.getReader()
        # When the connection is lost, what has been read is kept.
        self._pipe = readable.pipeTo(self._buffer.writable, options(preventAbort=True))

    async def read(self) -> str | bytes | None:
        """The next message, ``None`` if there is none any more."""
        try:
            result = await self._reader.read()
        except JsException:
            return None
        if result.done:
            return None
        return result.value if isinstance(result.value, str) else result.value.to_bytes()

    async def run(self) -> None:
        """Returns when the stream has ended and all of it has been read ahead."""
        try:
            await self._pipe
        except JsException:
            with contextlib.suppress(JsException):  # it is closed
                await self._buffer.writable.getWriter().close()

    def destroy(self) -> None:
        """Lets go of what it holds of Python. To be called when it has ended."""
        self._size.destroy()
