"""Native sockets: making one, sending, and closing."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import js
from pyodide.ffi import to_js

from ...core.addresses import network_of, redacted, shown
from ...core.binary import view
from ...exceptions import DOMSyntaxError, InvalidAccessError
from .endings import endings
from .errors import NativeError, python_error
from .values import NativeObject, copied, describe, options, to_sendable

__all__ = [
    "buffered_amount",
    "close",
    "construct",
    "look_up_permission",
    "new_websocket",
    "require_websocket",
    "send",
    "subprotocols",
    "take_options",
    "whole_url",
]

_SCHEME = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*:")

_TOO_LONG = "x" * 124
"""A reason that close() does not take."""


def new_websocket(url: Any, protocols: str | Iterable[str] | None) -> Any:
    """Calls ``new WebSocket(url)`` or ``new WebSocket(url, protocols)``.

    Raises:
        RuntimeError: This JavaScript runtime has no ``WebSocket``.
        TypeError: ``url`` or ``protocols`` is not of a type that the constructor takes.
        DOMException: What the constructor throws.
    """
    constructor = require_websocket()
    url = whole_url(url)
    given: tuple[Any, ...] = ()
    if isinstance(protocols, Mapping):
        given = (take_options(constructor, protocols),)
    elif protocols is not None:
        given = (subprotocols(protocols),)
    native = construct(constructor, url, *given)
    if native.binaryType not in ("blob", "arraybuffer"):
        native.binaryType = "blob"  # the standard's default, which Bun's is not
    endings.watch(native)
    look_up_permission(native)
    return native


def look_up_permission(native: Any) -> None:
    """Has it known, when a connection to this machine or the local network fails."""
    if network := network_of(native.url):
        # Not before it is needed: few pages do, and each module takes a page time to load.
        from .permissions import ask_permission

        ask_permission(network)


def construct(constructor: Any, url: Any, *arguments: Any) -> Any:
    """Calls a constructor.

    Raises:
        DOMException, TypeError: What it throws, without what is secret in ``url``.
    """
    try:
        return constructor.new(url, *arguments)
    except NativeError as error:
        message = redacted(str(error.message), url)
        cause = error if message == error.message else None  # which would be shown too
        raise python_error(error, message) from cause


def whole_url(url: Any) -> Any:
    """``url`` as the constructors take it.

    A worker that was made from a ``blob:``, as PyScript makes them, has no URL that another could
    be relative to; but it has its page's origin.

    Raises:
        TypeError: It is of a type that they do not take.
        DOMSyntaxError: It is relative, and to what is not known.
    """
    if not isinstance(url, (str, NativeObject)):
        raise TypeError(f"url must be a str or a js.URL, not {describe(url)}")
    if not isinstance(url, str) or _SCHEME.match(url):
        return url
    location = getattr(js, "location", None)
    if not str(getattr(location, "href", "")).startswith(("blob:", "data:")):
        return url
    origin = str(getattr(location, "origin", ""))
    if not (origin.startswith("http") and url.lstrip().startswith("/")):
        raise DOMSyntaxError(
            f"the URL {shown(url)!r} is relative, and this worker does not know the address of its "
            "page: give a whole one (wss://...), or a path that begins with '/'"
        )
    return str(construct(js.URL, url, origin).href).replace("http", "ws", 1)


def subprotocols(protocols: Any) -> Any:
    """The subprotocols as the constructors take them."""
    if isinstance(protocols, (str, NativeObject)):
        return protocols
    if not isinstance(protocols, Iterable):
        raise TypeError(f"protocols must be a str or an iterable of str, not {describe(protocols)}")
    names = list(protocols)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"a subprotocol must be a str, not {describe(name)}: {name!r}")
    return to_js(names)


def take_options(constructor: Any, given: Mapping[str, Any]) -> Any:
    """Options of the standard, for a constructor that knows them.

    https://github.com/whatwg/websockets/pull/76

    Raises:
        TypeError: It does not know one of them.
    """
    for name in given:
        if not (isinstance(name, str) and _knows(constructor, name)):
            raise TypeError(
                f"this browser's {constructor.name} has no option {name!r}: protocols is a str or "
                "an iterable of str, or a mapping of options that the browser knows"
            )
    return to_js(dict(given), dict_converter=js.Object.fromEntries)


def _knows(constructor: Any, option: str) -> bool:
    """Whether the constructor knows an option: it reads it from what it is given."""
    read = js.Array.new()
    note = options(get=js.Array.prototype.push.bind(read, option))
    probe = js.Object.defineProperty(options(), option, note)
    with contextlib.suppress(NativeError):
        constructor.new("ws://", probe).close()  # which is no URL: it connects to nothing
    return bool(read.length)


def require_websocket() -> Any:
    """JavaScript's ``WebSocket``.

    Raises:
        RuntimeError: This JavaScript runtime has no ``WebSocket``.
    """
    constructor = getattr(js, "WebSocket", None)
    if constructor is None:
        raise RuntimeError(
            "this JavaScript runtime has no WebSocket. "
            "Node.js has it from version 22, and version 20 with --experimental-websocket."
        )
    return constructor


def send(native_send: Callable[[Any], None], data: Any) -> None:
    """Calls the native ``send()`` with ``data``: text, binary, or a JavaScript buffer or ``Blob``.

    Raises:
        TypeError: ``data`` is none of these. It is never sent as the text that ``str()`` makes.
        NativeError: What ``send()`` throws.
    """
    if isinstance(data, str):
        native_send(data)
        return
    memory = view(data)
    # Always a copy: a browser would copy a view of Python's memory at once, but what stands in for
    # it, in a test or an extension, may look at it later, when other bytes are there.
    native_send(to_sendable(data) if memory is None else copied(memory))


def buffered_amount(native: Any) -> int:
    """The socket's ``bufferedAmount``; 0 where it has none, as a stand-in may not."""
    return int(getattr(native, "bufferedAmount", 0) or 0)


def close(native: Any, code: int | None, reason: str | None) -> None:
    """Calls the native ``close()`` with as many arguments as are given.

    Raises:
        InvalidAccessError: The engine takes this code, but the standard does not.
        NativeError: What ``close()`` throws.
    """
    if isinstance(code, int) and code != 1000 and not 3000 <= code <= 4999:
        _refuse(native, code)
    if code is None and reason:
        code = 1000  # as the standard has it; engines throw, or drop the reason
    if code is None:
        endings.close(native)
    elif reason is None:
        endings.close(native, code)
    else:
        endings.close(native, code, reason)


def _refuse(native: Any, code: int) -> None:
    """Has the native ``close()`` throw because of ``code``, and closes nothing even if it does not.

    The standard looks at the code first, so that the error is of the engine's own making. One that
    takes more codes than it should does not take the reason.
    """
    try:
        native.close(code, _TOO_LONG)
    except NativeError as error:
        if error.name != "SyntaxError":
            raise
    raise InvalidAccessError(f"the close code {code} is neither 1000 nor from 3000 to 4999")
