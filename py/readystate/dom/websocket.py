"""The ``WebSocket`` of the WHATWG standard and its events.

https://websockets.spec.whatwg.org/#the-websocket-interface

One long module, as a socket and its events refer to each other, and most of it documents them.
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
    """An ``open`` or ``error`` event, and the base class of the others.

    An ``error`` event does not tell the cause: browsers hide it from pages on purpose.
    https://dom.spec.whatwg.org/#interface-event

    Attributes:
        target: Its :class:`~readystate.WebSocket`.
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
        """The target during dispatch, then ``None``."""
        return None if is_null(self.js_event.currentTarget) else self.target

    @property
    def eventPhase(self) -> int:  # noqa: N802
        """2 (``AT_TARGET``) during dispatch, then 0."""
        return int(self.js_event.eventPhase)

    @property
    def timeStamp(self) -> float:  # noqa: N802
        """When it occurred, in milliseconds since the page's time origin."""
        return float(self.js_event.timeStamp)

    @property
    def isTrusted(self) -> bool:  # noqa: N802
        """Whether the browser created it, rather than a script."""
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
        """Stops the remaining listeners from being called."""
        self._stopped = True
        self.js_event.stopImmediatePropagation()

    def composedPath(self) -> list[WebSocket]:  # noqa: N802
        """The target during dispatch, then empty."""
        return [] if self.currentTarget is None else [self.target]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.type!r}>"


class MessageEvent(Event):
    """A ``message`` event.

    https://html.spec.whatwg.org/multipage/comms.html#the-messageevent-interface
    """

    __slots__ = ("_data",)

    def __init__(self, js_event: Any, target: WebSocket) -> None:
        # Without super(), as this is called for each message.
        self.js_event = js_event
        self.target = target
        self._stopped = False
        self._data: str | bytes | Blob | None = None

    @property
    def data(self) -> str | bytes | Blob:
        """The message: a ``str``, or for a binary one ``bytes`` or a :class:`~readystate.Blob`, as
        the socket's ``binaryType`` was when it arrived.
        """
        # Read on first access and kept, so that several listeners cost one copy.
        data = self._data
        if data is None:
            data = self.js_event.data
            # The most frequent type first: isinstance() is slow for JavaScript's types.
            if not isinstance(data, str):
                if is_buffer(data):
                    data = to_bytes(data)
                elif is_blob(data):
                    data = Blob(data)
            self._data = data
        return data

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
    """A ``close`` event, the last one of a socket.

    https://websockets.spec.whatwg.org/#the-closeevent-interface
    """

    __slots__ = ()

    @property
    def code(self) -> int:
        """The code in the server's close frame; 1005 if it had none, 1006 without a frame."""
        code = int(self.js_event.code)
        return 1006 if code == 0 and not self.wasClean else code  # which Deno calls 0

    @property
    def reason(self) -> str:
        """The reason in the server's close frame, or ``""``."""
        return str(self.js_event.reason)

    @property
    def wasClean(self) -> bool:  # noqa: N802
        """Whether the closing handshake was completed."""
        return bool(self.js_event.wasClean)

    def __repr__(self) -> str:
        return f"<CloseEvent {self.code} {self.reason!r} wasClean={self.wasClean}>"


E = TypeVar("E", bound=Event)

_EVENT_CLASSES: Final[dict[str, type[Event]]] = {"close": CloseEvent}


class _EventHandler(Generic[E]):
    """An ``on...`` attribute: a function that is called with each event, or ``None``."""

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

    It starts to connect at once. Until the ``open`` event, ``readyState`` is CONNECTING and
    ``send()`` raises :exc:`InvalidStateError`.

    Handlers and listeners are functions, plain or async, that are called with the event; async ones
    run as tasks. Their exceptions go to the event loop's exception handler, by default the console,
    and affect neither other listeners nor the socket.

    As in the DOM, a socket with listeners lives until it is closed, even if Python no longer refers
    to it. After its ``close`` event it holds no Python objects.

    Args:
        url: A ``str`` or a ``js.URL``: ``ws:`` or ``wss:``; in current browsers also ``http:``,
            ``https:`` or relative to the page.
        protocols: The subprotocols to offer: one, or an iterable of them; or the standard's options
            object as a mapping, if the browser supports each option.
        onopen: Handler for ``open`` events; likewise the others.

    Raises:
        DOMSyntaxError: ``url`` or one of ``protocols`` is invalid.
        SecurityError: The browser forbids the connection.
        TypeError: An argument has a wrong type, or the browser does not support an option.
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
        "_only",
        "_send",
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
        # What to call with a message, if that is one function for all of them.
        self._only: Callable[[Event], object] | None = None
        # Kept once used: each access to a JavaScript method creates a new proxy.
        self._send: Callable[[Any], None] | None = None
        self._is_over = False
        # Whether we, and not the server, started to close the open connection.
        self._began_close = False
        # Whether its listeners were told of a clean end.
        self._was_clean = False
        self.onopen = onopen
        self.onmessage = onmessage
        self.onerror = onerror
        self.onclose = onclose

    @property
    def url(self) -> str:
        """The URL, as resolved by the browser."""
        return str(self.js_websocket.url)

    @property
    def readyState(self) -> int:  # noqa: N802
        """The state: CONNECTING, OPEN, CLOSING or CLOSED (0 to 3)."""
        return int(self.js_websocket.readyState)

    @property
    def bufferedAmount(self) -> int:  # noqa: N802
        """How many bytes were sent but have not left the page.

        Bytes that have left may not have arrived. Messages that are "sent" while CLOSING or CLOSED
        are discarded, but add to this number.
        """
        return buffered_amount(self.js_websocket)

    @property
    def extensions(self) -> str:
        """The extensions in use, such as ``"permessage-deflate"``; ``""`` before ``open``."""
        return str(self.js_websocket.extensions)

    @property
    def protocol(self) -> str:
        """The subprotocol chosen by the server; ``""`` before ``open``, or if none."""
        return str(self.js_websocket.protocol)

    @property
    def binaryType(self) -> Literal["blob", "arraybuffer"]:  # noqa: N802
        """How binary messages arrive: as a :class:`Blob` (``"blob"``, the default) or as ``bytes``
        (``"arraybuffer"``).

        Setting any other value is ignored, as Web IDL has it.
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

        While CLOSING or CLOSED, the message is discarded without an error, as the standard
        requires: check ``readyState`` first. https://websockets.spec.whatwg.org/#dom-websocket-send

        Args:
            data: A ``str`` (lone surrogates become U+FFFD); a bytes-like object of any shape and
                item size, sent as its bytes in memory; a :class:`Blob`; or a JavaScript
                ``ArrayBuffer``, typed array, ``DataView`` or ``Blob``. Encode anything else first,
                as with ``json.dumps()``. Python's bytes are copied, so you can change them
                afterwards.

        Raises:
            InvalidStateError: The socket is CONNECTING.
            TypeError: ``data`` is neither text nor binary.
        """
        native_send = self._send
        if native_send is None:
            native_send = self._send = self.js_websocket.send
        try:
            if isinstance(data, str):
                native_send(data)
            else:
                send(native_send, native(data))
        except NativeError as error:
            raise python_error(error) from error

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Starts to close the connection; the ``close`` event follows when it has ended.

        Does nothing while CLOSING or CLOSED.
        https://websockets.spec.whatwg.org/#dom-websocket-close

        Args:
            code: 1000, or from 3000 to 4999. By default, the close frame has no code.
            reason: At most 123 bytes of UTF-8. Without a ``code``, 1000 is sent with it.

        Raises:
            InvalidAccessError: ``code`` is another number.
            DOMSyntaxError: ``reason`` is too long.
            TypeError: ``code`` or ``reason`` has a wrong type.
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
        """Calls ``listener`` with each event of ``type``.

        Adding it again for the same type has no effect.

        Args:
            type: ``"open"``, ``"message"``, ``"error"`` or ``"close"``.
            listener: A function, plain or async; an object with a method ``handleEvent``; or a
                JavaScript function, which is called with the native event.
            options: ``capture``, or a mapping of options, as in JavaScript.
            capture: Calls it before listeners without ``capture``.
            once: Removes it when it is called.
            signal: A JavaScript ``AbortSignal``: removes it when aborted.

        Raises:
            TypeError: ``listener`` is not callable, or an option is unknown.
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
        """Removes ``listener``, if it was added.

        Raises:
            TypeError: An option is unknown.
        """
        capture = capture or bool(_options(options).get("capture"))
        self._listeners.remove(type, listener, capture=capture)
        self._listen()

    def dispatchEvent(self, event: Any) -> bool:  # noqa: N802
        """Dispatches a JavaScript ``Event`` created by a script.

        Returns:
            ``False`` if a listener called ``preventDefault()``.

        Raises:
            DOMException: The event is already being dispatched.
        """
        native = event.js_event if isinstance(event, Event) else event
        try:
            return bool(self.js_websocket.dispatchEvent(native))
        except NativeError as error:
            raise python_error(error) from error

    def _listen(self) -> None:
        """Listens natively to the types that have listeners, and to ``close``."""
        native = self._native_listener
        types = self._listeners.types()
        self._only = self._listeners.only("message")
        if native is None:
            if not types or self._is_over or self.readyState == self.CLOSED:
                return
            native = self._native_listener = NativeListener(self.js_websocket, self._dispatch)
            native.listen("close")
        for type in types:
            native.listen(type, self._dispatch_message if type == "message" else None)
        for type in native.types - types - {"close"}:
            native.ignore(type)

    def _dispatch_message(self, js_event: Any) -> None:
        # Called for each message: it asks JavaScript for nothing.
        event, only = MessageEvent(js_event, self), self._only
        if only is None:
            self._call_listeners("message", event)
        else:
            call_handler(only, event, self._describe_failure)

    def _dispatch(self, js_event: Any) -> None:
        type: str = js_event.type
        event = _EVENT_CLASSES.get(type, Event)(js_event, self)
        if type == "close":
            self._was_clean = bool(getattr(js_event, "wasClean", False))
        try:
            self._call_listeners(type, event)
        finally:
            if type == "close" and self.readyState == self.CLOSED:
                self._is_over = True
                # Later, because a proxy must not be destroyed while it is being called.
                asyncio.get_event_loop().call_soon(self._release)

    def _call_listeners(self, type: str, event: Event) -> None:
        try:
            for call in self._listeners.reached_by(type):
                call_handler(call, event, self._describe_failure)
                if event._stopped:
                    break
        finally:
            if not self._listeners.has(type):
                # The last listener of this type may have had ``once`` or an aborted signal.
                self._listen()

    def _release(self) -> None:
        if self._native_listener is not None:
            self._native_listener.destroy()
            self._native_listener = None
        self._only = None
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
        raise TypeError(f"unknown listener option: {', '.join(sorted(map(repr, unknown)))}")
    return options


def offered(protocols: Any) -> list[str]:
    """Returns the subprotocols, as far as known without a browser."""
    if isinstance(protocols, str):
        return [protocols]
    return protocols if isinstance(protocols, list) else []
