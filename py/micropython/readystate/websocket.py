"""The ``WebSocket`` of the WHATWG standard and its events.

https://websockets.spec.whatwg.org/#the-websocket-interface
"""

import js
from jsffi import JsException, create_proxy, to_js

import readystate.native as native

from .exceptions import python_error

_STATES = ("CONNECTING", "OPEN", "CLOSING", "CLOSED")


class Blob:
    """A JavaScript ``Blob``, as which binary messages arrive by default."""

    def __init__(self, js_blob):
        self.js_blob = js_blob

    @property
    def size(self):
        """Its length in bytes."""
        return self.js_blob.size

    @property
    def type(self):
        """Its MIME type; ``""`` for a message."""
        return self.js_blob.type

    async def bytes(self):
        """Reads all of it."""
        return native.to_bytes(await self._read(self.js_blob.arrayBuffer()))

    async def text(self):
        """Reads all of it as UTF-8, with U+FFFD for invalid bytes."""
        return await self._read(self.js_blob.text())

    async def _read(self, promise):
        try:
            return await promise
        except JsException as error:
            raise python_error(error.args[0])

    def __repr__(self):
        return f"<Blob of {self.size} bytes>"


class Event:
    """An ``open`` or ``error`` event, and the base class of the others.

    It has the attributes and methods of the native one, ``js_event``, in their own names.
    """

    _stopped = False

    def __init__(self, js_event, target):
        self.js_event = js_event
        self.target = target

    def __getattr__(self, name):
        return getattr(self.js_event, name)

    @property
    def currentTarget(self):
        """The target during dispatch, then ``None``."""
        return None if self.js_event.currentTarget is None else self.target

    def stopImmediatePropagation(self):
        """Stops the remaining listeners from being called."""
        self._stopped = True
        self.js_event.stopImmediatePropagation()

    def composedPath(self):
        """The target during dispatch, then empty."""
        return [] if self.currentTarget is None else [self.target]

    def __repr__(self):
        return f"<{type(self).__name__} {self.type!r}>"


class MessageEvent(Event):
    """A ``message`` event."""

    source = None
    ports = ()
    _data = None

    @property
    def data(self):
        """The message: a ``str``, or for a binary one ``bytes`` or a :class:`Blob`."""
        data = self._data
        if data is not None:
            return data
        data = self.js_event.data
        if not isinstance(data, str):
            kind = native.kind_of(data)
            if kind == "ArrayBuffer":
                data = native.to_bytes(data)
            elif kind == "Blob":
                data = Blob(data)
        self._data = data
        return data


class CloseEvent(Event):
    """A ``close`` event, the last one of a socket: ``code``, ``reason``, ``wasClean``."""

    def __repr__(self):
        return f"<CloseEvent {self.code} {self.reason!r} wasClean={self.wasClean}>"


_EVENT_CLASSES = {"message": MessageEvent, "close": CloseEvent}


class _Listener:
    def __init__(self, callback, call, capture=False, once=False, signal=None, is_handler=False):
        self.callback = callback
        self.call = call
        self.capture = capture
        self.once = once
        self.signal = signal
        self.is_handler = is_handler
        self.removed = False

    def is_live(self):
        return not (self.removed or (self.signal is not None and self.signal.aborted))


class _EventHandler:
    """An ``on...`` attribute: a function that is called with each event, or ``None``."""

    def __init__(self, type):
        self.type = type

    def __get__(self, ws, owner):
        listener = ws._handler(self.type)
        return None if listener is None else listener.callback

    def __set__(self, ws, handler):
        if handler is not None and not callable(handler):
            raise TypeError(
                f"on{self.type} must be a function, a coroutine function or None, "
                f"not {native.describe(handler)}"
            )
        listener = ws._handler(self.type)
        if handler is None:
            if listener is not None:
                ws._discard(self.type, listener)
        elif listener is None:
            ws._add(self.type, _Listener(handler, handler, is_handler=True))
        else:  # It keeps its place.
            listener.callback = listener.call = handler


def _native(name):
    return property(lambda ws: getattr(ws.js_websocket, name))


class WebSocket:
    """The browser's ``WebSocket``.

    It starts to connect at once. Until the ``open`` event, ``readyState`` is CONNECTING and
    ``send()`` raises :exc:`InvalidStateError`. Handlers and listeners are functions, plain or
    async, that are called with the event. Their exceptions go to the event loop's exception
    handler, and affect neither other listeners nor the socket.

    Raises:
        DOMSyntaxError: ``url`` or one of ``protocols`` is invalid.
        SecurityError: The browser forbids the connection.
    """

    CONNECTING = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3

    onopen = _EventHandler("open")
    onmessage = _EventHandler("message")
    onerror = _EventHandler("error")
    onclose = _EventHandler("close")

    def __init__(
        self, url, protocols=None, *, onopen=None, onmessage=None, onerror=None, onclose=None
    ):
        if not (protocols is None or isinstance(protocols, (str, dict))):
            protocols = protocols if native.is_native(protocols) else list(protocols)
        self.js_websocket = native.new_websocket(url, protocols)
        self._listeners = {}
        self._proxy = create_proxy(self._dispatch)
        self._message_proxy = create_proxy(self._dispatch_message)
        self._listened = set()
        # Whether we, and not the server, started to close the open connection.
        self._began_close = False
        self._was_clean = False
        self.onopen = onopen
        self.onmessage = onmessage
        self.onerror = onerror
        self.onclose = onclose

    url = _native("url")
    readyState = _native("readyState")  # noqa: N815
    bufferedAmount = _native("bufferedAmount")  # noqa: N815
    extensions = _native("extensions")
    protocol = _native("protocol")

    @property
    def binaryType(self):
        """How binary messages arrive: as a ``"blob"``, or as bytes (``"arraybuffer"``)."""
        return self.js_websocket.binaryType

    @binaryType.setter
    def binaryType(self, kind):
        self.js_websocket.binaryType = kind

    def send(self, data):
        """Sends text or binary data.

        While CLOSING or CLOSED, the message is discarded without an error, as the standard has it.

        Raises:
            InvalidStateError: The socket is CONNECTING.
            TypeError: ``data`` is neither text nor binary.
        """
        data = data.js_blob if isinstance(data, Blob) else data
        ws = self.js_websocket
        if ws.readyState == 0:
            if not isinstance(data, str) and not native.is_binary(data):
                data = native.to_buffer(data)
            native.call(ws.send, ws, data)
        elif type(self) is WebSocket:
            self.send = _send_of(ws)  # It never is CONNECTING again, and so never throws.
        native.send(ws, data)

    def close(self, code=None, reason=None):
        """Starts to close the connection; the ``close`` event follows when it has ended.

        Raises:
            InvalidAccessError: ``code`` is neither 1000 nor from 3000 to 4999.
            DOMSyntaxError: ``reason`` is longer than 123 bytes of UTF-8.
            TypeError: ``code`` or ``reason`` has a wrong type.
        """
        if reason is not None and not isinstance(reason, str):
            raise TypeError(f"reason must be a str, not {native.describe(reason)}")
        ws = self.js_websocket
        is_open = ws.readyState == 1
        if code is None and not reason:
            ws.close()
        else:
            code = 1000 if code is None else to_js(code)
            native.call(ws.close, ws, code, *(() if reason is None else (reason,)))
        self._began_close = self._began_close or is_open

    def addEventListener(
        self, type, listener, options=False, *, capture=False, once=False, signal=None
    ):
        """Calls ``listener`` with each event of ``type``: a function, plain or async, an object
        with a method ``handleEvent``, or a JavaScript function.

        Raises:
            TypeError: ``listener`` is not callable, or an option is unknown.
        """
        if listener is None:
            return
        if not callable(listener) and not hasattr(listener, "handleEvent"):
            raise TypeError(
                "a listener must be a function, a coroutine function or an object with a method "
                f"handleEvent, not {native.describe(listener)}"
            )
        options = _options(options)
        capture = capture or bool(options.get("capture"))
        once = once or bool(options.get("once"))
        signal = options.get("signal") if signal is None else signal
        if native.is_native(listener):
            call = _native_call(listener)
        else:
            call = listener if callable(listener) else listener.handleEvent
        added = _Listener(listener, call, capture, once, signal)
        if added.is_live() and self._find(type, listener, capture) is None:
            self._add(type, added)

    def removeEventListener(self, type, listener, options=False, *, capture=False):
        """Removes ``listener``, if it was added."""
        capture = capture or bool(_options(options).get("capture"))
        found = self._find(type, listener, capture)
        if found is not None:
            self._discard(type, found)

    def dispatchEvent(self, event):
        """Dispatches an event that a script made; ``False`` if ``preventDefault()`` was called.

        Raises:
            InvalidStateError: The event is already being dispatched.
            TypeError: It is no event.
        """
        ws = self.js_websocket
        return native.call(
            ws.dispatchEvent, ws, event.js_event if isinstance(event, Event) else event
        )

    def _live(self, type):
        listeners = self._listeners.get(type)
        if listeners is None:
            return ()
        for listener in listeners[:]:
            if not listener.is_live():
                self._discard(type, listener)
        return listeners

    def _find(self, type, callback, capture):
        for each in self._live(type):
            if each.capture == capture and not each.is_handler and each.callback == callback:
                return each
        return None

    def _handler(self, type):
        for listener in self._listeners.get(type, ()):
            if listener.is_handler:
                return listener
        return None

    def _add(self, type, listener):
        ws = self.js_websocket
        if ws.readyState == 3:
            return
        listeners = self._listeners.setdefault(type, [])
        place = sum(each.capture for each in listeners) if listener.capture else len(listeners)
        listeners.insert(place, listener)
        for name in (type, "close"):
            if name not in self._listened:
                self._listened.add(name)
                ws.addEventListener(name, self._proxy_of(name))

    def _discard(self, type, listener):
        listener.removed = True
        listeners = self._listeners[type]
        listeners.remove(listener)
        if not listeners and type != "close":
            self._listened.remove(type)
            self.js_websocket.removeEventListener(type, self._proxy_of(type))

    def _proxy_of(self, type):
        return self._message_proxy if type == "message" else self._proxy

    def _dispatch_message(self, js_event):
        # What happens most: one listener, which stays.
        listeners = self._listeners.get("message", ())
        if len(listeners) == 1 and not listeners[0].once and listeners[0].signal is None:
            native.call_handler(listeners[0].call, MessageEvent(js_event, self), self)
        else:
            self._dispatch(js_event)

    def _dispatch(self, js_event):
        type = js_event.type
        event = _EVENT_CLASSES.get(type, Event)(js_event, self)
        if type == "close":
            self._was_clean = bool(getattr(js_event, "wasClean", False))
        for listener in self._listeners.get(type, ())[:]:
            if not listener.is_live():
                continue
            if listener.once:
                self._discard(type, listener)
            native.call_handler(listener.call, event, self)
            if event._stopped:
                break
        if type == "close" and self.js_websocket.readyState == 3:
            for name in self._listened:
                self.js_websocket.removeEventListener(name, self._proxy_of(name))
            for listeners in self._listeners.values():
                for listener in listeners:
                    listener.removed = True
            self._listened.clear()
            self._listeners.clear()

    def __repr__(self):
        return f"<WebSocket {native.shown(self.url)} {_STATES[self.readyState]}>"


def _send_of(ws):
    """Returns ``send()`` for a socket that is not CONNECTING, as fast as it can be."""
    native_send = ws.send  # Kept, as each access makes a new object.

    def send(data):
        if type(data) is str and "\0" not in data:
            native_send(data)
        else:
            native.send(ws, data.js_blob if isinstance(data, Blob) else data)

    return send


def _native_call(listener):
    def call(event):
        if hasattr(listener, "handleEvent"):
            native.call(listener.handleEvent, listener, event.js_event)
        else:
            native.call(listener, js.undefined, event.js_event)

    return call


def _options(options):
    if isinstance(options, bool):
        return {"capture": options}
    unknown = [name for name in options if name not in ("capture", "once", "passive", "signal")]
    if unknown:
        raise TypeError(f"unknown listener option: {', '.join(map(repr, unknown))}")
    return options
