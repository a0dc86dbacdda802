"""Native sockets: making one, sending, and closing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import js
from pyodide.ffi import create_proxy, to_js

from ...core.binary import view
from ...exceptions import InvalidAccessError
from .endings import endings
from .errors import NativeError
from .values import NativeObject, copied, describe, to_sendable

__all__ = ["arguments", "close", "new_websocket", "require_websocket", "send"]

_LARGE = 2**16

_TOO_LONG = "x" * 124
"""A reason that close() does not take."""


def new_websocket(url: Any, protocols: str | Iterable[str] | None) -> Any:
    """Calls ``new WebSocket(url)`` or ``new WebSocket(url, protocols)``.

    Raises:
        RuntimeError: This JavaScript runtime has no ``WebSocket``.
        TypeError: ``url`` or ``protocols`` is not of a type that the constructor takes.
        NativeError: What the constructor throws.
    """
    constructor = require_websocket()
    url, protocols = arguments(url, protocols)
    native = constructor.new(url) if protocols is None else constructor.new(url, protocols)
    if native.binaryType not in ("blob", "arraybuffer"):
        native.binaryType = "blob"  # the standard's default, which Bun's is not
    endings.watch(native)
    return native


def arguments(url: Any, protocols: str | Iterable[str] | None) -> tuple[Any, Any]:
    """The arguments of the constructors, converted."""
    if not isinstance(url, (str, NativeObject)):
        raise TypeError(f"url must be a str or a js.URL, not {describe(url)}")
    if protocols is None or isinstance(protocols, (str, NativeObject)):
        return url, protocols
    if not isinstance(protocols, Iterable):
        raise TypeError(f"protocols must be a str or an iterable of str, not {describe(protocols)}")
    names = list(protocols)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"a subprotocol must be a str, not {describe(name)}: {name!r}")
    return url, to_js(names)


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
    if memory is None:
        native_send(to_sendable(data))
        return
    if memory.nbytes < _LARGE:
        native_send(copied(memory))
        return
    # The browser copies it, so that it can be shown Python's memory. For little it is not worth it.
    proxy = create_proxy(memory)
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
