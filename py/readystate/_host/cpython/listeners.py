"""Listening to the events of native objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["NativeListener"]


class NativeListener:
    """One function that listens to events of one native object, until :meth:`destroy`."""

    __slots__ = ("_function", "_own", "_target", "types")

    def __init__(self, target: Any, function: Callable[[Any], None]) -> None:
        self._target = target
        self._function: Callable[[Any], None] | None = function
        self._own: dict[str, Callable[[Any], None]] = {}
        self.types: set[str] = set()

    def listen(self, type: str, function: Callable[[Any], None] | None = None) -> None:
        """Starts to listen to events of ``type``; by a ``function`` of its own, if given."""
        if type not in self.types:
            self.types.add(type)
            if function is not None:
                self._own[type] = function
            self._target.addEventListener(type, self)

    def ignore(self, type: str) -> None:
        """Stops listening to events of ``type``."""
        if type in self.types:
            self.types.remove(type)
            self._target.removeEventListener(type, self)

    def destroy(self) -> None:
        """Stops listening, and releases the function."""
        for type in tuple(self.types):
            self.ignore(type)
        self._function = None
        self._own.clear()

    def handleEvent(self, event: Any) -> None:  # noqa: N802
        """Calls the function with an event."""
        function = self._own.get(event.type, self._function)
        if function is not None:
            function(event)
