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

    def __init__(self, js_event, target):
        self.js_event = js_event
        self.target = target

    def __getattr__(self, name):
        return getattr(self.js_event, name)

    @property
    def currentTarget(self):
        """The target during dispatch, then ``None``."""
        return None if self.js_event.currentTarget is None else self.target

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


class _EventHandler:
    """An ``on...`` attribute: a function that is called with each event, or ``None``."""

    def __init__(self, type):
        self.type = type

    def __get__(self, ws, owner):
        return ws._handlers.get(self.type)

    def __set__(self, ws, handler):
        if handler is not None and not callable(handler):
            raise TypeError(
                f"on{self.type} must be a function, a coroutine function or None, "
                f"not {native.describe(handler)}"
            )
        if handler is None or ws.readyState != 3:
            ws._handlers[self.type] = handler
            setattr(ws.js_websocket, f"on{self.type}", ws._proxy(self.type, handler))


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
        self._handlers = {}
        # Of each listener: its type, itself, whether it captures, and what the browser calls.
        self._listeners = []
        self._on_end = None
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
        capture = bool(capture or options.get("capture"))
        once = bool(once or options.get("once"))
        signal = options.get("signal") if signal is None else signal
        ws = self.js_websocket
        if ws.readyState == 3:
            return
        call = handle = listener if callable(listener) else listener.handleEvent
        if once and not native.is_native(listener):

            def call(event):
                self.removeEventListener(type, listener, capture)
                return handle(event)

        found = self._find(type, listener, capture)
        if found is None:
            found = type, listener, capture, self._proxy(type, call)
            self._listeners.append(found)
        how = {"capture": capture, "once": once}
        if signal is not None:
            how["signal"] = signal
        native.call(ws.addEventListener, ws, type, found[3], to_js(how))

    def removeEventListener(self, type, listener, options=False, *, capture=False):
        """Removes ``listener``, if it was added."""
        found = self._find(type, listener, bool(capture or _options(options).get("capture")))
        if found is not None:
            self._remove(found)

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

    def _find(self, type, listener, capture):
        for each in self._listeners:
            if each[0] == type and each[2] == capture and each[1] == listener:
                return each
        return None

    def _remove(self, found):
        self._listeners.remove(found)
        self.js_websocket.removeEventListener(found[0], found[3], found[2])

    def _proxy(self, type, call):
        """Returns what the browser calls, so that ``call`` is called with the event."""
        if call is None or native.is_native(call):
            return call
        if self._on_end is None:
            self._on_end = create_proxy(self._ended)
            self.js_websocket.addEventListener("close", self._on_end)
        made = _EVENT_CLASSES.get(type, Event)
        return create_proxy(lambda event: native.call_handler(call, made(event, self), self))

    def _ended(self, js_event):
        if self.js_websocket.readyState == 3:
            self._was_clean = bool(getattr(js_event, "wasClean", False))
            js.setTimeout(create_proxy(self._release), 0)  # when all have heard of it

    def _release(self):
        for type in self._handlers:
            setattr(self.js_websocket, f"on{type}", None)
        self._handlers.clear()
        for each in self._listeners[:]:
            self._remove(each)
        self.js_websocket.removeEventListener("close", self._on_end)

    def __repr__(self):
        return f"<WebSocket {native.shown(self.url)} {_STATES[self.readyState]}>"


def _send_of(ws):
    """Returns ``send()`` for a socket that is not CONNECTING, as fast as it can be."""
    native_send = ws.send  # Kept, as each access makes a new object.

    def send(data):
        if isinstance(data, str) and "\0" not in data:
            native_send(data)
        else:
            native.send(ws, data.js_blob if isinstance(data, Blob) else data)

    return send


def _options(options):
    if isinstance(options, bool):
        return {"capture": options}
    unknown = [name for name in options if name not in ("capture", "once", "passive", "signal")]
    if unknown:
        raise TypeError(f"unknown listener option: {', '.join(map(repr, unknown))}")
    return options
