"""Native sockets: creating, sending, closing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...exceptions import DOMSyntaxError
from .native_websocket import NativeWebSocket
from .urls import parse_url
from .values import describe

__all__ = [
    "NativeWebSocket",
    "buffered_amount",
    "close",
    "has_websocket_stream",
    "new_websocket",
    "require_websocket",
    "send",
]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def new_websocket(url: Any, protocols: str | Iterable[str] | None) -> NativeWebSocket:
    """Creates a socket, which starts to connect.

    Raises:
        DOMSyntaxError: ``url`` is not an absolute WebSocket URL; or one of ``protocols`` is not a
            token, or is repeated.
        ImportError: The ``websockets`` library is not installed.
        RuntimeError: No event loop is running.
        TypeError: ``url`` or ``protocols`` has a wrong type.
    """
    require_websocket()
    names = _checked_types(url, protocols)
    address = parse_url(url)
    for index, name in enumerate(names):
        if not _TOKEN.fullmatch(name):
            raise DOMSyntaxError(f"the subprotocol {name!r} is not a token")
        if name in names[:index]:
            raise DOMSyntaxError(f"the subprotocol {name!r} is repeated")
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "a WebSocket needs a running event loop: create it in a coroutine, "
            "such as one that asyncio.run() runs"
        ) from None
    return NativeWebSocket(address, names)


def _checked_types(url: Any, protocols: str | Iterable[str] | None) -> list[str]:
    """Returns the subprotocols as a list."""
    if not isinstance(url, str):
        raise TypeError(f"url must be a str, not {describe(url)}")
    if protocols is None:
        return []
    if isinstance(protocols, str):
        return [protocols]
    if isinstance(protocols, Mapping):
        raise TypeError(
            "protocols must be a str or an iterable of str, not a mapping: outside browsers there "
            "are no options"
        )
    if not isinstance(protocols, Iterable):
        raise TypeError(f"protocols must be a str or an iterable of str, not {describe(protocols)}")
    names = list(protocols)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"a subprotocol must be a str, not {describe(name)}: {name!r}")
    return names


def require_websocket() -> type[NativeWebSocket]:
    """Returns the class of native sockets.

    Raises:
        ImportError: The ``websockets`` library is not installed.
    """
    try:
        from . import wire  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "outside browsers, readystate connects through the websockets library, version 14 or "
            "newer, which is not installed: pip install 'readystate[cpython]'"
        ) from error
    return NativeWebSocket


def has_websocket_stream() -> bool:
    """Whether there is a ``WebSocketStream``."""
    return False


def send(native_send: Callable[[Any], None], data: Any) -> None:
    """Calls the native ``send()`` with ``data``: text, binary, or a native buffer or ``Blob``.

    Raises:
        TypeError: ``data`` is none of these. It is never converted by ``str()``.
        InvalidStateError: The socket is CONNECTING.
    """
    native_send(data)


def buffered_amount(native: NativeWebSocket) -> int:
    """Returns the socket's ``bufferedAmount``."""
    return native.bufferedAmount


def close(native: NativeWebSocket, code: int | None, reason: str | None) -> None:
    """Calls the native ``close()``; a reason without a code is sent with 1000.

    Raises:
        InvalidAccessError: ``code`` is neither 1000 nor from 3000 to 4999.
        DOMSyntaxError: ``reason`` is longer than 123 bytes of UTF-8.
    """
    native.close(1000 if code is None and reason else code, reason)
