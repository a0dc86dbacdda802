"""Receiving messages in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import js
from pyodide.ffi import create_proxy

from .errors import NativeError
from .values import describe, is_buffer, options

__all__ = ["Inbox"]

_SEPARATOR = "\0"
_FEW = 16
_LONG = 4096
_TAG_OF = js.Function.prototype.call.bind(js.Object.prototype.toString)


class Inbox:
    """The messages of a native socket, collected without a Python call for each.

    A native function pushes the events to a JavaScript array. A Python function is called only for
    the first one after each :meth:`arm`; :meth:`take` converts all as a batch, at about the cost of
    JavaScript alone.
    """

    __slots__ = (
        "_data_of",
        "_encode",
        "_events",
        "_is_long",
        "_listen",
        "_map",
        "_native",
        "_on_arrival",
        "_once",
        "_push",
        "failure",
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
        # The kind of the last message, most likely also of the next one.
        self._is_long = False
        self._on_arrival = create_proxy(on_arrival)
        self._once = options(once=True)
        self.failure: str | None = None
        self.is_armed = False

    def arm(self) -> None:
        """Calls the function at the next message. Call :meth:`take` first."""
        if not self.is_armed:
            self.is_armed = True
            self._listen("message", self._on_arrival, self._once)

    def take(self) -> list[Any]:
        """Returns all messages since the last call, ``str`` or ``bytes``.

        If one cannot be converted, ``failure`` describes it, and no more follow.
        """
        if self.is_armed or self.failure is not None:
            return []  # The first one would have ended that.
        count = self._events.length
        if not count:
            return []
        if count == 1 and not self._is_long:
            data = self._events.pop().data
            messages = [data] if isinstance(data, str) else self._converted([data])
            self._note(messages)
            return messages
        try:
            messages = self._take_batch(count)
        except NativeError:
            # An event of a class other than the first one, or more than a string can hold.
            messages = self._converted([event.data for event in self._events])
        self._events.length = 0
        return messages

    def _take_batch(self, count: int) -> list[Any]:
        if self._data_of is None:
            self._data_of = _data_getter(self._events[0])
        if self._data_of is None:
            return self._converted([event.data for event in self._events])
        batch = self._map(self._data_of)
        # The type of each is checked: no other value may be received as text.
        kinds = js.Set.new(batch.map(_TAG_OF))
        if kinds.size > 1 or not kinds.has("[object String]"):
            messages = self._converted(batch.to_py())
            self._note(messages)
            return messages
        # One long string is converted several times faster than many short ones, and if it is
        # ASCII, as UTF-8 five times faster than as a string.
        if self._is_long or count > _FEW:
            if self._encode is None:
                encoder = js.TextEncoder.new()
                self._encode = encoder.encode.bind(encoder)
            batch.toString = js.Array.prototype.join.bind(batch, _SEPARATOR)
            joined = str(self._encode(batch).to_bytes(), "utf-8")
        else:
            joined = batch.join(_SEPARATOR)
        self._is_long = len(joined) > _LONG
        texts: list[Any] = joined.split(_SEPARATOR)
        return texts if len(texts) == count else self._converted(batch.to_py())

    def _note(self, messages: list[Any]) -> None:
        """Notes the length of the last message, most likely also of the next one."""
        self._is_long = (
            bool(messages) and isinstance(messages[-1], str) and len(messages[-1]) > _LONG
        )

    def _converted(self, values: Iterable[Any]) -> list[str | bytes]:
        """Converts messages, up to the first one that is neither text nor binary."""
        messages: list[str | bytes] = []
        for value in values:
            if isinstance(value, str):
                messages.append(value)
            elif isinstance(value, memoryview):
                messages.append(value.tobytes())
            elif is_buffer(value):
                messages.append(value.to_bytes())
            else:
                self.failure = (
                    f"received a message that is neither text nor an ArrayBuffer but "
                    f"{describe(value)}, as only a replacement of the browser's WebSocket sends"
                )
                break
        return messages

    def destroy(self) -> None:
        """Stops collecting, and releases the function."""
        self._native.removeEventListener("message", self._push)
        self._native.removeEventListener("message", self._on_arrival)
        self._on_arrival.destroy()


def _data_getter(event: Any) -> Any:
    """Returns ``event => event.data``, without evaluating a script.

    ``None`` where that is not an accessor, as in Deno.
    """
    # Of this event's own class: Node.js 20 has two named MessageEvent.
    prototype = js.Object.getPrototypeOf(event)
    descriptor = js.Object.getOwnPropertyDescriptor(prototype, "data")
    getter = getattr(descriptor, "get", None)
    return None if getter is None else js.Function.prototype.call.bind(getter)
