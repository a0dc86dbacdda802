"""Listening to the events of native objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyodide.ffi import create_proxy

__all__ = ["NativeListener"]


class NativeListener:
    """One Python function that listens to events of one JavaScript ``EventTarget``.

    It needs one proxy for all event types, but those with a function of their own. The proxies keep
    the functions alive until :meth:`destroy`.
    """

    __slots__ = ("_own", "_proxy", "_target", "types")

    def __init__(self, target: Any, function: Callable[[Any], None]) -> None:
        self._target = target
        self._proxy = create_proxy(function)
        self._own: dict[str, Any] = {}
        self.types: set[str] = set()

    def listen(self, type: str, function: Callable[[Any], None] | None = None) -> None:
        """Starts to listen to events of ``type``; by a ``function`` of its own, if given.

        Such a function need not ask an event for its type. It is the same one each time.
        """
        if type not in self.types:
            self.types.add(type)
            if function is not None and type not in self._own:
                self._own[type] = create_proxy(function)
            self._target.addEventListener(type, self._own.get(type, self._proxy))

    def ignore(self, type: str) -> None:
        """Stops listening to events of ``type``."""
        if type in self.types:
            self.types.remove(type)
            self._target.removeEventListener(type, self._own.get(type, self._proxy))

    def destroy(self) -> None:
        """Stops listening, and releases the functions. Must not be called by one of them."""
        for type in tuple(self.types):
            self.ignore(type)
        for proxy in (self._proxy, *self._own.values()):
            proxy.destroy()
