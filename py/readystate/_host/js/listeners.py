"""Listening to the events of native objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyodide.ffi import create_proxy

__all__ = ["NativeListener"]


class NativeListener:
    """One Python function that listens to events of one JavaScript ``EventTarget``.

    It needs one proxy for all event types. The proxy keeps the function alive until
    :meth:`destroy`.
    """

    __slots__ = ("_proxy", "_target", "types")

    def __init__(self, target: Any, function: Callable[[Any], None]) -> None:
        self._target = target
        self._proxy = create_proxy(function)
        self.types: set[str] = set()

    def listen(self, type: str) -> None:
        """Starts to listen to events of ``type``."""
        if type not in self.types:
            self.types.add(type)
            self._target.addEventListener(type, self._proxy)

    def ignore(self, type: str) -> None:
        """Stops listening to events of ``type``."""
        if type in self.types:
            self.types.remove(type)
            self._target.removeEventListener(type, self._proxy)

    def destroy(self) -> None:
        """Stops listening, and releases the function. Must not be called by the function."""
        for type in tuple(self.types):
            self.ignore(type)
        self._proxy.destroy()
