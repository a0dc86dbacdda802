"""Native sockets: creating, sending, closing."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import js
from pyodide.ffi import to_js

from ...core.addresses import network_of, redacted, shown
from ...core.binary import view
from ...exceptions import DOMSyntaxError, InvalidAccessError
from .errors import NativeError, python_error
from .values import NativeObject, copied, describe, options, to_sendable

if TYPE_CHECKING:
    from .endings import Endings

__all__ = [
    "buffered_amount",
    "close",
    "construct",
    "has_websocket_stream",
    "look_up_permission",
    "new_websocket",
    "require_websocket",
    "send",
    "subprotocols",
    "take_options",
    "whole_url",
]

_SCHEME = r"\s*[A-Za-z][A-Za-z0-9+.-]*:"  # compiled at its first use: a page waits for imports

_TOO_LONG = "x" * 124
"""An invalid reason for close()."""


def new_websocket(url: Any, protocols: str | Iterable[str] | None) -> Any:
    """Calls ``new WebSocket(url)`` or ``new WebSocket(url, protocols)``.

    Raises:
        RuntimeError: This JavaScript runtime has no ``WebSocket``.
        TypeError: ``url`` or ``protocols`` has a wrong type.
        DOMException: The constructor throws it.
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
    if (endings := _endings()) is not None:
        endings.watch(native)
    look_up_permission(native)
    return native


def look_up_permission(native: Any) -> None:
    """Looks up the permission to name if a connection to the local network fails."""
    if network := network_of(native.url):
        # Loaded only when needed, as each module takes time to load.
        from .permissions import ask_permission

        ask_permission(network)


def construct(constructor: Any, url: Any, *arguments: Any) -> Any:
    """Calls a constructor.

    Raises:
        DOMException, TypeError: The constructor throws it; without the secrets of ``url``.
    """
    try:
        return constructor.new(url, *arguments)
    except NativeError as error:
        message = redacted(str(error.message), url)
        cause = error if message == error.message else None  # which would be shown too
        raise python_error(error, message) from cause


def whole_url(url: Any) -> Any:
    """Converts ``url`` for the constructors.

    A worker from a ``blob:``, as PyScript creates them, has no base URL, only its page's origin.

    Raises:
        TypeError: It has a wrong type.
        DOMSyntaxError: It is relative, without a base URL.
    """
    if not isinstance(url, (str, NativeObject)):
        raise TypeError(f"url must be a str or a js.URL, not {describe(url)}")
    if not isinstance(url, str) or re.match(_SCHEME, url):
        return url
    location = getattr(js, "location", None)
    if not str(getattr(location, "href", "")).startswith(("blob:", "data:")):
        return url
    origin = str(getattr(location, "origin", ""))
    if not (origin.startswith("http") and url.lstrip().startswith("/")):
        raise DOMSyntaxError(
            f"the URL {shown(url)!r} is relative, but this worker does not know its page's URL: "
            "give an absolute one (wss://...), or a path that starts with '/'"
        )
    return str(construct(js.URL, url, origin).href).replace("http", "ws", 1)


def subprotocols(protocols: Any) -> Any:
    """Converts subprotocols for the constructors."""
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
    """Converts options of the standard, for a constructor that supports them.

    https://github.com/whatwg/websockets/pull/76

    Raises:
        TypeError: It does not support one of them.
    """
    for name in given:
        if not (isinstance(name, str) and _knows(constructor, name)):
            raise TypeError(
                f"this browser's {constructor.name} does not support the option {name!r}: protocols"
                " is a str, an iterable of str, or a mapping of options that the browser supports"
            )
    return to_js(dict(given), dict_converter=js.Object.fromEntries)


def _knows(constructor: Any, option: str) -> bool:
    """Whether the constructor supports an option: if so, it reads it."""
    read = js.Array.new()
    note = options(get=js.Array.prototype.push.bind(read, option))
    probe = js.Object.defineProperty(options(), option, note)
    with contextlib.suppress(NativeError):
        constructor.new("ws://", probe).close()  # an invalid URL: it connects to nothing
    return bool(read.length)


def require_websocket() -> Any:
    """Returns JavaScript's ``WebSocket``.

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


def has_websocket_stream() -> bool:
    """Whether the browser has ``WebSocketStream``."""
    return hasattr(js, "WebSocketStream")


def send(native_send: Callable[[Any], None], data: Any) -> None:
    """Calls the native ``send()`` with ``data``: text, binary, or a JavaScript buffer or ``Blob``.

    Raises:
        TypeError: ``data`` is none of these. It is never converted by ``str()``.
        NativeError: ``send()`` throws.
    """
    if isinstance(data, str):
        native_send(data)
        return
    memory = view(data)
    # Always a copy: a browser copies a view of Python's memory at once, but a replacement of its
    # WebSocket, in a test or an extension, may read it later.
    native = to_sendable(data) if memory is None else copied(memory)
    # It has a name: what is freed while an exception is raised sometimes ends that in Pyodide 0.26.
    native_send(native)


def buffered_amount(native: Any) -> int:
    """Returns the socket's ``bufferedAmount``; 0 if it has none, like some replacements."""
    try:
        amount: int = native.bufferedAmount or 0
    except AttributeError:
        return 0
    return amount


def close(native: Any, code: int | None, reason: str | None) -> None:
    """Calls the native ``close()`` with the given arguments.

    Raises:
        InvalidAccessError: The engine accepts this code, but the standard does not.
        NativeError: ``close()`` throws.
    """
    if isinstance(code, int) and code != 1000 and not 3000 <= code <= 4999:
        _refuse(native, code)
    if code is None and reason:
        code = 1000  # as the standard has it; engines throw, or drop the reason
    if code is None:
        given: tuple[Any, ...] = ()
    elif reason is None:
        given = (code,)
    else:
        given = (code, reason)
    endings = _endings()
    if endings is None:
        native.close(*given)
    else:
        endings.close(native, *given)


@functools.cache
def _endings() -> Endings | None:
    """Fixes how sockets end, in runtimes where that may be needed: in no browser."""
    if not hasattr(js, "process"):
        return None
    # Loaded only when needed, as each module takes time to load.
    from .endings import Endings

    return Endings()


def _refuse(native: Any, code: int) -> None:
    """Lets the native ``close()`` throw because of ``code``, without closing if it does not.

    By the standard, the code is checked first, so the error is the engine's own. An engine that
    accepts more codes still refuses the reason.
    """
    try:
        native.close(code, _TOO_LONG)
    except NativeError as error:
        if error.name != "SyntaxError":
            raise
    raise InvalidAccessError(f"the close code {code} is neither 1000 nor from 3000 to 4999")
