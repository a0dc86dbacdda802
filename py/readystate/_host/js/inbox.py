"""Receiving many messages: batches in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import js
from pyodide.ffi import create_proxy

from .values import options

__all__ = ["Inbox"]

_SEPARATOR = "\0"
_FEW = 16
_LONG = 4096
_BUFFER_AS_TEXT = "[object ArrayBuffer]"


class Inbox:
    """The messages of a native socket, collected without a Python call for each.

    One native function puts the events into a JavaScript array. A Python function learns only of
    the first one after each :meth:`arm`, and :meth:`take` brings over all that are there: what
    crosses between the languages is a batch, at about the cost of JavaScript alone.
    """

    __slots__ = (
        "_data_of",
        "_encode",
        "_events",
        "_is_binary",
        "_is_long",
        "_listen",
        "_map",
        "_native",
        "_on_arrival",
        "_once",
        "_push",
        "is_armed",
    )

    def __init__(self, native: Any, on_arrival: Callable[[Any], None]) -> None:
        self._native = native
        self._listen = native.addEventListener
        self._events = js.Array.new()
        self._push = js.Array.prototype.push.bind(self._events)
        self._listen("message", self._push)
        self._data_of: Any = None
        self._map = js.Function.prototype.call.bind(js.Array.prototype.map, self._events)
        self._encode: Any = None
        # What the last messages were, as the next ones most likely are.
        self._is_binary = self._is_long = False
        self._on_arrival = create_proxy(on_arrival)
        self._once = options(once=True)
        self.is_armed = False

    def arm(self) -> None:
        """Has the function called at the next message; :meth:`take` has to come first."""
        if not self.is_armed:
            self.is_armed = True
            self._listen("message", self._on_arrival, self._once)

    def take(self) -> list[Any]:
        """All messages that have arrived since the last call, ``str`` or ``bytes``."""
        if self.is_armed:
            return []  # The first one would have ended that.
        count = self._events.length
        if not count:
            return []
        if count == 1 and not self._is_long:
            message = _as_python(self._events.pop().data)
            self._is_binary = not isinstance(message, str)
            self._is_long = not self._is_binary and len(message) > _LONG
            return [message]
        if self._data_of is None:
            self._data_of = _data_getter(self._events[0])
        if self._data_of is None:
            return [_as_python(event.data) for event in self._events.splice(0)]
        messages = self._map(self._data_of)
        self._events.length = 0
        if not self._is_binary:
            # One long string crosses several times faster than many short ones, and if it is ASCII,
            # as UTF-8 five times faster than as a string.
            if self._is_long or count > _FEW:
                if self._encode is None:
                    encoder = js.TextEncoder.new()
                    self._encode = encoder.encode.bind(encoder)
                messages.toString = js.Array.prototype.join.bind(messages, _SEPARATOR)
                joined = str(self._encode(messages).to_bytes(), "utf-8")
            else:
                joined = messages.join(_SEPARATOR)
            self._is_long = len(joined) > _LONG
            texts: list[Any] = joined.split(_SEPARATOR)
            if len(texts) == count and _BUFFER_AS_TEXT not in joined:
                return texts
        # There is binary data (or text like the marks above, for which this is as right).
        mixed = messages.to_py()
        self._is_binary = not isinstance(mixed[-1], str)
        return [m if isinstance(m, str) else m.tobytes() for m in mixed]

    def destroy(self) -> None:
        """Ceases to collect, and lets go of the function."""
        self._native.removeEventListener("message", self._push)
        self._native.removeEventListener("message", self._on_arrival)
        self._on_arrival.destroy()


def _as_python(message: Any) -> str | bytes:
    return message if isinstance(message, str) else message.to_bytes()


def _data_getter(event: Any) -> Any:
    """``event => event.data``, without a script of our own to be evaluated.

    ``None`` where that is no accessor, as in Deno.
    """
    # Of this event's own class: Node.js 20 has two by the name of MessageEvent.
    prototype = js.Object.getPrototypeOf(event)
    descriptor = js.Object.getOwnPropertyDescriptor(prototype, "data")
    getter = getattr(descriptor, "get", None)
    return None if getter is None else js.Function.prototype.call.bind(getter)
