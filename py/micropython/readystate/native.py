"""What the browser offers, and the exceptions that it throws.

MicroPython cannot catch what JavaScript throws in a call, but the DOM can: what a listener throws
does not leave ``dispatchEvent()``, which gives it to the global ``error`` event instead, before it
returns. https://dom.spec.whatwg.org/#concept-event-listener-inner-invoke
"""

import asyncio
import sys

import js
from jsffi import JsProxy, create_proxy, to_js

from .exceptions import python_error

if sys.implementation.version[:2] == (1, 26):
    # By this map it gives all Python references to a JavaScript object one number, and it frees the
    # object with the first of them that is collected. Without the map each has a number of its own.
    js.globalThis.proxy_js_ref_map.set = js.Object
    js.globalThis.proxy_js_ref_map.clear()

INF = float("inf")
_define = js.Object.defineProperty
_target = js.EventTarget.new()
_once = to_js({"once": True})
_thrown = []
_depth = 0


def _on_error(event):
    event.preventDefault()
    event.stopImmediatePropagation()
    _thrown.append(event.error)


_error_listener = create_proxy(_on_error)


def call(function, this, *arguments):
    """Returns ``function.call(this, *arguments)``, with native functions only.

    The listener that calls it is ``Object.assign()``, which reads a property of ``source`` by its
    getter, the function with its arguments bound, and leaves the result in ``holder``.

    Raises:
        DOMException: The browser has thrown one.
        TypeError: It has thrown one.
    """
    global _depth
    how, source, holder = js.Object.new(), js.Object.new(), js.Object.new()
    how.get = function.bind(this, *arguments)
    how.enumerable = True
    _define(source, "result", how)
    before = len(_thrown)
    _target.addEventListener("call", js.Object.assign.bind(js.Object, holder, source), _once)
    js.globalThis.addEventListener("error", _error_listener, True)
    _depth += 1
    try:
        _target.dispatchEvent(js.Event.new("call"))
    finally:
        _depth -= 1
        if not _depth:
            js.globalThis.removeEventListener("error", _error_listener, True)
    thrown = _thrown[before:]
    del _thrown[before:]
    error = None if hasattr(holder, "result") else thrown.pop()
    for other in thrown:  # by what the function has called
        js.reportError(other)
    if error is not None:
        raise python_error(error)
    return holder.result


def new_websocket(url, protocols):
    """Returns ``new WebSocket(url, protocols)``. Raises like :func:`call`."""
    arguments = [url] if protocols is None else [url, protocols]
    if not _IN_WORKER:
        return call(js.Reflect.construct, js.Reflect, js.WebSocket, to_js(arguments))
    # PyScript makes a worker from a blob:, which has no base URL, only its page's origin.
    is_path = isinstance(url, str) and url.lstrip().startswith("/")
    base = js.location.origin if is_path else js.location.href
    # In a worker, Firefox 153 crashes if nothing but native functions makes a WebSocket. So what
    # its constructor would throw is thrown before. https://websockets.spec.whatwg.org/#dom-websocket-websocket
    parsed = call(js.URL.parse, js.URL, url, base)
    if parsed is None or "#" in parsed.href or parsed.protocol not in _SCHEMES:
        raise _syntax_error(f"{shown(url)} is no URL of a WebSocket, or has a fragment")
    if protocols is not None and not isinstance(protocols, dict):
        names = [protocols] if isinstance(protocols, str) else list(protocols)
        if len(set(names)) < len(names) or not all(map(_is_token, names)):
            raise _syntax_error(f"the subprotocols {names!r} are no tokens, or are repeated")
    arguments[0] = parsed.href
    return js.Reflect.construct(js.WebSocket, to_js(arguments))


_SCHEMES = ("ws:", "wss:", "http:", "https:")
_IN_WORKER = hasattr(js.globalThis, "WorkerGlobalScope")
"""PyScript's workers may have the page's ``document``, which is no use here."""


def _is_token(name):
    return name != "" and all("!" <= letter <= "~" and letter not in _SEPARATORS for letter in name)


_SEPARATORS = '"(),/:;<=>?@[\\]{}'


def _syntax_error(message):
    return python_error(js.DOMException.new(message, "SyntaxError"))


def is_native(value):
    """Whether it is a JavaScript object."""
    return isinstance(value, JsProxy)


def kind_of(value):
    """Returns the name of a JavaScript object's class, such as ``"Blob"``; or ``""``."""
    return str(js.Object.prototype.toString.call(value))[8:-1] if is_native(value) else ""


def describe(value):
    """Names the type of a value, for errors."""
    return f"a JavaScript {kind_of(value)}" if is_native(value) else type(value).__name__


_BINARY = ("ArrayBuffer", "SharedArrayBuffer", "DataView", "Blob", "File")
_PART = 2**18
_from_hex = getattr(js.Uint8Array, "fromHex", None)


def is_binary(value):
    """Whether it is a JavaScript object that can be sent."""
    kind = kind_of(value)
    return kind in _BINARY or (kind.endswith("Array") and kind != "Array")


def frozen(data):
    """Returns ``data`` as it stays if its owner changes it, and its length in bytes.

    Raises:
        TypeError: It is neither text nor binary.
    """
    if isinstance(data, str):
        return data, len(data.encode())
    if is_binary(data):
        if kind_of(data) in ("Blob", "File"):
            return data, data.size
        return to_bytes(data), data.byteLength
    data = data if isinstance(data, bytes) else bytes(view(data))
    return data, len(data)


def view(data):
    """Returns the bytes of an object with the buffer protocol.

    Raises:
        TypeError: It has none.
    """
    if isinstance(data, (bytes, bytearray)):
        return data
    try:
        memoryview(data)
    except TypeError:
        raise TypeError(
            f"send() takes a str or a bytes-like object, not {describe(data)}: encode it first, as "
            "with json.dumps()"
        )
    # Not bytes(data), which would be the items of an array.
    copy = bytearray()
    copy.extend(data)
    return copy


def to_buffer(data):
    """Returns a ``Uint8Array`` with the bytes of ``data``."""
    # Hexadecimal text crosses a hundred times faster than byte after byte. In parts, as PyScript's
    # MicroPython has no objects of 1 MiB.
    data = view(data)
    if _from_hex is None:
        return js.Uint8Array.new(data)
    if len(data) <= _PART:
        return _from_hex(data.hex() or "")  # In MicroPython 1.27, b"".hex() is no text.
    array = js.Uint8Array.new(len(data))
    for start in range(0, len(data), _PART):
        array.set(_from_hex(data[start : start + _PART].hex()), start)
    return array


def to_bytes(buffer):
    """Returns the bytes of an ``ArrayBuffer`` or of a view of one."""
    if kind_of(buffer).endswith("Buffer"):
        array = js.Uint8Array.new(buffer)
    else:
        array = js.Uint8Array.new(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    if _from_hex is None:
        return bytes(array)
    size = array.length
    if size <= _PART:
        return bytes.fromhex(array.toHex())
    starts = range(0, size, _PART)
    return b"".join([bytes.fromhex(array.subarray(at, at + _PART).toHex()) for at in starts])


_decoder = js.TextDecoder.new("utf-8", to_js({"ignoreBOM": True}))


def send_text_with_nul(ws, text):
    """Sends text that contains a NUL, at which text ends where it crosses to JavaScript."""
    how = js.Object.new()
    how.get = _decoder.decode.bind(_decoder, to_buffer(text.encode()))
    arguments = to_js({"length": 1})
    _define(arguments, "0", how)
    ws.send.apply(ws, arguments)


def send(ws, data):
    """Sends over a native socket that is not CONNECTING."""
    if isinstance(data, str):
        if "\0" in data:
            send_text_with_nul(ws, data)
        else:
            ws.send(data)
    else:
        ws.send(data if is_native(data) and is_binary(data) else to_buffer(data))


def current_task():
    """Returns the task that runs, ``None`` in a function that the browser has called."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def report(message, error):
    """Passes an exception to the event loop's exception handler."""
    context = {"message": message, "exception": error, "future": current_task()}
    asyncio.get_event_loop().call_exception_handler(context)


async def awaited(result):
    """Returns the result of a function, plain or async."""
    return await result if hasattr(result, "throw") else result


def call_handler(handler, argument, owner):
    """Calls ``handler(argument)``; a coroutine runs as a task. Exceptions are reported, those of
    the task by the event loop.
    """
    try:
        result = handler(argument)
        if result is not None and hasattr(result, "throw"):
            asyncio.create_task(result)
    except Exception as error:
        report(f"Exception in a function given to {owner!r}", error)


def limit(name, value, least=0, most=INF):
    """Returns an option that is a number; infinity for ``None``.

    Raises:
        TypeError: It is no number.
        ValueError: It is out of range.
    """
    if value is None:
        return INF
    if type(value) not in (int, float):
        raise TypeError(f"{name}={value!r} must be a number, or None")
    if not least <= value <= most:
        raise ValueError(f"{name}={value!r} must be from {least} to {most}")
    return value


def choice(name, value, *choices):
    """Returns an option that is one of ``choices``. Raises :exc:`ValueError`."""
    if value not in choices:
        raise ValueError(f"{name}={value!r} must be one of {', '.join(map(repr, choices))}")
    return value


def optional(name, value, kind=None):
    """Returns an option that may be ``None``: an instance of ``kind``, or without it a function.

    Raises:
        TypeError: It is something else.
    """
    if value is not None and not (isinstance(value, kind) if kind else callable(value)):
        what = kind.__name__ if kind else "function"
        raise TypeError(f"{name}={value!r} must be a {what}, or None")
    return value


def wake(event):
    """Wakes the tasks that wait for an :class:`asyncio.Event` now."""
    event.set()
    event.clear()


async def within(timeout, coroutine):
    """Runs it; returns whether it has ended within ``timeout`` seconds."""
    # Not by asyncio.wait_for(), which throws into the task that waits. Nothing can be thrown into
    # the page's own code, outside of any function.
    over = asyncio.Event()

    async def run():
        try:
            await coroutine
        finally:
            over.set()

    running = asyncio.create_task(run())
    delay = min(max(timeout, 0) * 1000, 2**31 - 1)  # the most that setTimeout() takes
    timer = None if timeout == INF else js.setTimeout(create_proxy(over.set), delay)
    try:
        await over.wait()
        return running.done()
    finally:
        js.clearTimeout(timer)
        running.cancel()


def now():
    """The time in seconds, by a clock that never goes back."""
    return js.performance.now() / 1000


def when_back(back):
    """Calls ``back()`` when the network comes back or the page is shown again.

    Returns a function that ends it.
    """

    def on_event(event):
        if event.type != "visibilitychange" or not js.document.hidden:
            back()

    proxy, controller = create_proxy(on_event), js.AbortController.new()
    listening = to_js({"signal": controller.signal})
    for type in ("online", "pageshow"):
        js.globalThis.addEventListener(type, proxy, listening)
    if not _IN_WORKER:
        js.document.addEventListener("visibilitychange", proxy, listening)
    return lambda: controller.abort()


def shown(url):
    """Returns ``url`` without user info, query and fragment, which may hold secrets."""
    url = str(url.href if is_native(url) else url).split("#")[0].split("?")[0]
    scheme, slashes, rest = url.partition("//")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{slashes}{authority.rpartition('@')[2]}{slash}{path}"
