"""The URL and subprotocols to connect with, or functions that return them."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

from .._host import NativeObject
from ..core.addresses import shown
from ..dom.websocket import WebSocket
from ..exceptions import DOMException, DOMSyntaxError

Protocols: TypeAlias = str | Iterable[str]
ProtocolsOrFunction: TypeAlias = Protocols | Callable[[], Protocols | Awaitable[Protocols]]

T = TypeVar("T")

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def check(url: Any, protocols: Any) -> None:
    """Checks the types of a URL and subprotocols.

    Raises:
        TypeError: One has a wrong type.
    """
    if not (callable(url) or isinstance(url, (str, NativeObject))):
        raise TypeError(f"url={url!r} must be a str or a js.URL, or a function that returns one")
    is_value = protocols is None or isinstance(protocols, (str, NativeObject, Iterable))
    if not (is_value or callable(protocols)):
        raise TypeError(
            f"protocols={protocols!r} must be a str, an iterable of str, or a function that "
            "returns either"
        )


class Target:
    """The URL and subprotocols of a queue.

    Args:
        url: A ``str`` or a ``js.URL``; or a function, plain or async, that returns one.
        protocols: The subprotocols to offer; or such a function.
        own: A subprotocol to offer before all others.
    """

    def __init__(self, url: Any, protocols: ProtocolsOrFunction, own: str | None) -> None:
        self.url = url
        # Iterated over once, though there may be several attempts.
        offered: Any = protocols
        is_value = callable(offered) or isinstance(offered, (str, Mapping, NativeObject))
        is_value = is_value or offered is None
        self._protocols = offered if is_value else list(offered)
        self._own = own
        self._last = ""

    @property
    def address(self) -> str:
        """The URL without secrets: of the last attempt, or as far as known before the first."""
        if self._last:
            return self._last
        if callable(self.url):
            return f"{getattr(self.url, '__qualname__', type(self.url).__name__)}()"
        return shown(self.url)

    def note(self, address: str) -> None:
        """Called with the URL of each attempt."""
        self._last = address

    @property
    def is_constant(self) -> bool:
        """Whether neither is a function."""
        return not (callable(self.url) or callable(self._protocols))

    def connect(self) -> WebSocket:
        """Creates a socket, if :attr:`is_constant`.

        Raises:
            DOMException: The browser refuses the URL or the subprotocols.
            TypeError: The URL or the subprotocols have a wrong type.
        """
        return self._open(self.url, self._protocols)

    async def resolve(self) -> Callable[[], WebSocket]:
        """Calls the functions; returns one that creates the socket.

        Raises:
            Exception: One of the functions raises it.
        """
        url, protocols = await _value(self.url), await _value(self._protocols)
        return lambda: self._open(url, protocols)

    def is_hopeless(self, failure: Exception) -> bool:
        """Whether the next attempt would fail for the same reason."""
        if callable(self._protocols):
            return False
        if callable(self.url):
            return isinstance(failure, DOMSyntaxError) and not _are_tokens(self._protocols)
        return isinstance(failure, (DOMException, TypeError, RuntimeError))

    def _open(self, url: Any, protocols: Any) -> WebSocket:
        if self._own is not None and isinstance(protocols, Mapping):
            others = protocols.get("protocols") or ()
            others = [others] if isinstance(others, str) else others
            protocols = {**protocols, "protocols": [self._own, *others]}
        elif self._own is not None:
            others = [protocols] if isinstance(protocols, str) else protocols or ()
            protocols = [self._own, *others]
        is_none = protocols is None or (not isinstance(protocols, str) and not protocols)
        ws = WebSocket(url, None if is_none else protocols)
        ws.binaryType = "arraybuffer"
        return ws


def as_exception(error: BaseException) -> Exception:
    """Returns ``error``, or a RuntimeError for a cancellation, which must not cancel our task."""
    if isinstance(error, Exception):
        return error
    return RuntimeError("what it waited for was cancelled")


async def uncancelled(awaitable: Awaitable[T]) -> T:
    """Awaits the result of a user's function.

    Raises:
        RuntimeError: The awaitable was cancelled, but not this task.
    """
    try:
        return await awaitable
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise as_exception(error) from error


async def _value(given: Any) -> Any:
    """Returns ``given``, or the result of calling it."""
    if callable(given):
        given = given()
        if inspect.isawaitable(given):
            given = await uncancelled(given)
    return given


def _are_tokens(protocols: Any) -> bool:
    """Whether these are valid subprotocols (RFC 6455, 4.1)."""
    names = [protocols] if isinstance(protocols, str) else list(protocols or ())
    return len(set(names)) == len(names) and all(map(_TOKEN.fullmatch, names))
