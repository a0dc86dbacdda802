"""The ``WebSocket`` of the WHATWG standard and its events, in Python, one to one.

https://websockets.spec.whatwg.org/#the-websocket-interface

A socket and its events refer to each other, so they are one module, longer than others.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final, Generic, Literal, TypeVar, overload

from .._host import (
    NativeError,
    NativeListener,
    NativeObject,
    buffered_amount,
    close,
    describe,
    is_blob,
    is_buffer,
    is_null,
    new_websocket,
    python_error,
    send,
    to_bytes,
)
from ..core.addresses import shown
from ..core.handlers import call_handler
from ..core.listeners import Listeners, Signal
from ..exceptions import DOMException
from .blob import Blob
from .sendable import Sendable, native

__all__ = ["CloseEvent", "Event", "MessageEvent", "WebSocket"]


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
        self.js_event: Any = js_event
        self.target: WebSocket = target
        self._stopped = False

    @property
    def type(self) -> str:
        """``"open"``, ``"message"``, ``"error"`` or ``"close"``."""
        return str(self.js_event.type)

    @property
    def currentTarget(self) -> WebSocket | None:  # noqa: N802
        """The target while the event is being dispatched, then ``None``."""
        return None if is_null(self.js_event.currentTarget) else self.target

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
        if is_buffer(data):
            data = to_bytes(data)
        elif is_blob(data):
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


E = TypeVar("E", bound=Event)

_EVENT_CLASSES: Final[dict[str, type[Event]]] = {"message": MessageEvent, "close": CloseEvent}


class _EventHandler(Generic[E]):
    """An ``on...`` attribute: a function of one argument, the event; ``None`` if there is none."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.type: str = name.removeprefix("on")

    @overload
    def __get__(self, ws: None, owner: type) -> _EventHandler[E]: ...
    @overload
    def __get__(self, ws: WebSocket, owner: type) -> Callable[[E], object] | None: ...
    def __get__(
        self, ws: WebSocket | None, owner: type
    ) -> _EventHandler[E] | Callable[[E], object] | None:
        if ws is None:
            return self
        handler: Callable[[E], object] | None = ws._listeners.handler(self.type)
        return handler

    def __set__(self, ws: WebSocket, handler: Callable[[E], object] | None) -> None:
        if handler is not None and not callable(handler):
            raise TypeError(
                f"on{self.type} must be a function, a coroutine function or None, "
                f"not {describe(handler)}"
            )
        ws._listeners.set_handler(self.type, handler)
        ws._listen()


class WebSocket:
    """The browser's ``WebSocket``.

    The connection is begun at once, and the object is there before it: ``readyState`` is
    CONNECTING, and ``send()`` raises :exc:`InvalidStateError`, until the ``open`` event.

    Handlers and listeners are functions or coroutine functions, called with the event. A coroutine
    function becomes a task that is kept until it is done. What either raises goes to the event
    loop's exception handler, which prints it to the console unless it was given another; the other
    listeners and the socket go on.

    As in the DOM, a socket that has listeners lives until it is closed, whether or not Python still
    refers to it. All that it holds of Python is let go of when its ``close`` event has been
    delivered.

    Args:
        url: Where to connect to: a ``str`` or a ``js.URL``; ``ws:`` or ``wss:``, in current
            browsers also ``http:`` or ``https:``, or relative to the page.
        protocols: The subprotocols to offer: one, or an iterable of them; or a mapping, the options
            object of the standard, where the browser knows each of its options.
        onopen: Handler for ``open`` events; and so on.

    Raises:
        DOMSyntaxError: ``url`` or one of ``protocols`` is not well-formed.
        SecurityError: The browser forbids the connection.
        TypeError: An argument is of a type that the constructor does not take, or the browser does
            not know an option.
        RuntimeError: There is no JavaScript here, or it has no ``WebSocket``.

    Attributes:
        js_websocket: The native object.
    """

    __slots__ = (
        "__weakref__",
        "_began_close",
        "_is_over",
        "_listeners",
        "_native_listener",
        "_offered",
        "_was_clean",
        "js_websocket",
    )

    CONNECTING: ClassVar[int] = 0
    OPEN: ClassVar[int] = 1
    CLOSING: ClassVar[int] = 2
    CLOSED: ClassVar[int] = 3

    onopen: _EventHandler[Event] = _EventHandler()
    onmessage: _EventHandler[MessageEvent] = _EventHandler()
    onerror: _EventHandler[Event] = _EventHandler()
    onclose: _EventHandler[CloseEvent] = _EventHandler()

    def __init__(
        self,
        url: Any,
        protocols: str | Iterable[str] | Mapping[str, Any] | None = None,
        *,
        onopen: Callable[[Event], object] | None = None,
        onmessage: Callable[[MessageEvent], object] | None = None,
        onerror: Callable[[Event], object] | None = None,
        onclose: Callable[[CloseEvent], object] | None = None,
    ) -> None:
        if isinstance(protocols, Iterable) and not isinstance(
            protocols, (str, Mapping, NativeObject)
        ):
            protocols = list(protocols)  # once, as errors tell of them
        try:
            self.js_websocket: Any = new_websocket(url, protocols)
        except DOMException as error:
            # The traceback ends here, one line after the user's own.
            raise error.with_traceback(None) from error.__cause__
        self._offered = offered(protocols)
        self._listeners = Listeners()
        self._native_listener: NativeListener | None = None
        self._is_over = False
        # Whether it was we who began to close the open connection, and not the server.
        self._began_close = False
        # Whether it ended so, as far as its listeners have been told.
        self._was_clean = False
        self.onopen = onopen
        self.onmessage = onmessage
        self.onerror = onerror
        self.onclose = onclose

    @property
    def url(self) -> str:
        """The URL of the connection, as the browser has resolved it."""
        return str(self.js_websocket.url)

    @property
    def readyState(self) -> int:  # noqa: N802
        """The state of the connection: CONNECTING, OPEN, CLOSING or CLOSED (0 to 3)."""
        return int(self.js_websocket.readyState)

    @property
    def bufferedAmount(self) -> int:  # noqa: N802
        """How many bytes were sent that have not left the page yet.

        That they have left is no evidence that they arrived. What is "sent" on a socket that is
        CLOSING or CLOSED is discarded, and only adds to this number.
        """
        return buffered_amount(self.js_websocket)

    @property
    def extensions(self) -> str:
        """The extensions in use, such as ``"permessage-deflate"``; ``""`` before ``open``."""
        return str(self.js_websocket.extensions)

    @property
    def protocol(self) -> str:
        """The subprotocol that the server has chosen; ``""`` before ``open``, or if none."""
        return str(self.js_websocket.protocol)

    @property
    def binaryType(self) -> Literal["blob", "arraybuffer"]:  # noqa: N802
        """How binary messages arrive: ``"blob"`` (the default), as a :class:`Blob`, or
        ``"arraybuffer"``, as ``bytes``.

        As everywhere in Web IDL, the browser ignores any other value that it is set to.
        """
        kind: Literal["blob", "arraybuffer"] = self.js_websocket.binaryType
        return kind

    @binaryType.setter
    def binaryType(self, kind: Literal["blob", "arraybuffer"]) -> None:  # noqa: N802
        try:
            self.js_websocket.binaryType = kind
        except NativeError as error:
            raise python_error(error) from error

    def send(self, data: Sendable) -> None:
        """Sends a message.

        On a socket that is CLOSING or CLOSED it does nothing and raises nothing: the message is
        lost, as the standard has it. Look at ``readyState`` first.

        Args:
            data: A ``str`` (lone surrogates become U+FFFD); a bytes-like object, of any shape and
                item size, of which the bytes are sent as they are in memory (of ``array("d")``
                eight for each number); or a JavaScript ``ArrayBuffer``, typed array, ``DataView``
                or ``Blob``. All else is to be encoded first, as with ``json.dumps()``. Python's
                bytes are copied before this returns, so they may be changed then.

        Raises:
            InvalidStateError: The socket is CONNECTING.
            TypeError: ``data`` is neither text nor binary.
        """
        try:
            send(self.js_websocket.send, native(data))
        except NativeError as error:
            raise python_error(error) from error

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Begins to close the connection; the ``close`` event says when it has ended.

        On a socket that is CLOSING or CLOSED it does nothing.

        Args:
            code: 1000, or from 3000 to 4999. Without one, the close frame has no body.
            reason: At most 123 bytes of UTF-8; alone it goes with 1000.

        Raises:
            InvalidAccessError: ``code`` is another number.
            DOMSyntaxError: ``reason`` is too long.
            TypeError: ``code`` or ``reason`` is of a type that close() does not take.
        """
        if reason is not None and not isinstance(reason, str):
            raise TypeError(f"reason must be a str, not {describe(reason)}")
        is_open = self.readyState == self.OPEN
        try:
            close(self.js_websocket, code, reason)
        except NativeError as error:
            raise python_error(error) from error
        self._began_close = self._began_close or is_open

    def addEventListener(  # noqa: N802
        self,
        type: str,
        listener: Any,
        options: bool | Mapping[str, Any] = False,
        *,
        capture: bool = False,
        once: bool = False,
        signal: Signal | None = None,
    ) -> None:
        """Has ``listener`` called at each event of ``type``.

        Adding it a second time for the same type changes nothing.

        Args:
            type: ``"open"``, ``"message"``, ``"error"`` or ``"close"``.
            listener: A function, a coroutine function, an object with a method ``handleEvent``, or
                a JavaScript function, which is called with the native event.
            options: ``capture``, or the options as a mapping, as in JavaScript.
            capture: Calls it before those without ``capture``.
            once: Removes it when it is called.
            signal: A JavaScript ``AbortSignal``: removes it when aborted.

        Raises:
            TypeError: ``listener`` cannot be called, or there is no such option.
        """
        if listener is None:
            return
        if not callable(listener) and not hasattr(listener, "handleEvent"):
            raise TypeError(
                "a listener must be a function, a coroutine function or an object with a method "
                f"handleEvent, not {describe(listener)}"
            )
        chosen = _options(options)
        if isinstance(listener, NativeObject):
            call: Any = functools.partial(_call_js, listener)
        elif not callable(listener):
            call = functools.partial(_handle_event, listener)
        else:
            call = listener
        self._listeners.add(
            type,
            listener,
            call,
            capture=capture or bool(chosen.get("capture")),
            once=once or bool(chosen.get("once")),
            signal=signal if signal is not None else chosen.get("signal"),
        )
        self._listen()

    def removeEventListener(  # noqa: N802
        self,
        type: str,
        listener: Any,
        options: bool | Mapping[str, Any] = False,
        *,
        capture: bool = False,
    ) -> None:
        """Has ``listener`` called no more; one that is not there is no error.

        Raises:
            TypeError: There is no such option.
        """
        capture = capture or bool(_options(options).get("capture"))
        self._listeners.remove(type, listener, capture=capture)
        self._listen()

    def dispatchEvent(self, event: Any) -> bool:  # noqa: N802
        """Dispatches an event that a script has made: a JavaScript ``Event``.

        Returns:
            Whether no listener has called its ``preventDefault()``.

        Raises:
            DOMException: The event is being dispatched already.
        """
        native = event.js_event if isinstance(event, Event) else event
        try:
            return bool(self.js_websocket.dispatchEvent(native))
        except NativeError as error:
            raise python_error(error) from error

    def _listen(self) -> None:
        """Listens natively to just the types that have listeners here, and to ``close``."""
        native = self._native_listener
        types = self._listeners.types()
        if native is None:
            if not types or self._is_over or self.readyState == self.CLOSED:
                return
            native = self._native_listener = NativeListener(self.js_websocket, self._dispatch)
            native.listen("close")
        for type in types:
            native.listen(type)
        for type in native.types - types - {"close"}:
            native.ignore(type)

    def _dispatch(self, js_event: Any) -> None:
        type: str = js_event.type
        event = _EVENT_CLASSES.get(type, Event)(js_event, self)
        if type == "close":
            self._was_clean = bool(getattr(js_event, "wasClean", False))
        try:
            for call in self._listeners.reached_by(type):
                call_handler(call, event, self._describe_failure)
                if event._stopped:
                    break
        finally:
            if type == "close" and self.readyState == self.CLOSED:
                self._is_over = True
                # Later, because a proxy is not to be destroyed while it is being called.
                asyncio.get_event_loop().call_soon(self._release)
            elif not self._listeners.has(type):
                # A listener with ``once`` or an aborted signal was the last of its type.
                self._listen()

    def _release(self) -> None:
        if self._native_listener is not None:
            self._native_listener.destroy()
            self._native_listener = None
        self._listeners.clear()

    def _describe_failure(self, event: Event) -> str:
        return f"Exception in a listener for {event.type!r} of {self!r}"

    def __repr__(self) -> str:
        state = ("CONNECTING", "OPEN", "CLOSING", "CLOSED")[self.readyState]
        return f"<WebSocket {shown(self.url)} {state}>"


def _call_js(callback: Any, event: Event) -> None:
    try:
        if hasattr(callback, "handleEvent"):
            callback.handleEvent(event.js_event)
        else:
            callback(event.js_event)
    except NativeError as error:
        raise python_error(error) from error


def _handle_event(listener: Any, event: Event) -> object:
    result: object = listener.handleEvent(event)
    return result


def _options(options: bool | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(options, bool):
        return {"capture": options}
    unknown = set(options) - {"capture", "once", "passive", "signal"}
    if unknown:
        raise TypeError(f"no such listener option: {', '.join(sorted(map(repr, unknown)))}")
    return options


def offered(protocols: Any) -> list[str]:
    """The subprotocols, as far as they are known without a browser."""
    if isinstance(protocols, str):
        return [protocols]
    return protocols if isinstance(protocols, list) else []
