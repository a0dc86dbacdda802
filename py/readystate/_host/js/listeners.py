"""Listening to the events of native objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyodide.ffi import create_proxy

__all__ = ["NativeListener"]


class NativeListener:
    """One Python function that listens to events of one JavaScript ``EventTarget``.

    It takes one proxy however many event types it listens to. The proxy, and with it the function
    and all that it refers to, lives until :meth:`destroy`.
    """

    __slots__ = ("_proxy", "_target", "types")

    def __init__(self, target: Any, function: Callable[[Any], None]) -> None:
        self._target = target
        self._proxy = create_proxy(function)
        self.types: set[str] = set()

    def listen(self, type: str) -> None:
        """Begins to listen to events of ``type``."""
        if type not in self.types:
            self.types.add(type)
            self._target.addEventListener(type, self._proxy)

    def ignore(self, type: str) -> None:
        """Ceases to listen to events of ``type``."""
        if type in self.types:
            self.types.remove(type)
            self._target.removeEventListener(type, self._proxy)

    def destroy(self) -> None:
        """Ceases to listen, and lets go of the function. Not to be called from the function."""
        for type in tuple(self.types):
            self.ignore(type)
        self._proxy.destroy()
